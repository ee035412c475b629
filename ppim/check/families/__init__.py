"""Constraints as data: one module a family, with `CONSTRAINTS` or `WINDOWS`; the folder is scanned."""
