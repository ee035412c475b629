"""What `ppim info` can describe: one module per kind of thing, registered in `base.KINDS`."""
