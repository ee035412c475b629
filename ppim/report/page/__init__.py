"""The report in a browser: one file with runs, charts, and the charting library itself."""
