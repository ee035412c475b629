"""Request traces: files of plain reads and writes, in other simulators' text formats.

`read.py` opens a file, recognises its format and yields arrays; each module of `formats/` is one format.
"""
