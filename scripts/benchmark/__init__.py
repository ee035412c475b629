"""What `make bench` measures, a group of figures a file; `figures` says what a figure is, `tools` runs commands."""
