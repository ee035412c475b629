"""A window of a run as slices on tracks: what every unit, bus and bank does when, for a viewer or a figure."""
