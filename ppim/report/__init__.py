"""Runs beside each other: read, compared, explained. Reads results; simulates nothing.

`read`: stats CSVs and summaries to runs. `compare`: runs to a table of figures. `why`: what makes the difference of two
runs, from their counts. `formats`: one function a way to show a table.
"""
