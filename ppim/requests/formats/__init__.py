"""One module per format of request traces; each registers itself in `ppim.requests.base.FORMATS`."""
