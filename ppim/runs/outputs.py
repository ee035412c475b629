"""Outputs of runs, each complete at its name in the end or not there."""

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from ppim.files import STDOUT, atomic_path
from ppim.program.authors.write import ProgramWriter
from ppim.runs.kind import OpenProgram

GZIP_LEVEL = 6


@contextmanager
def csv_file(path: Path) -> Iterator[TextIO]:
    """A stats CSV to write, complete at its name in the end or not there; `-` is stdout."""
    if path == STDOUT:
        yield sys.stdout
        return
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        yield stream


@contextmanager
def program_file(path: Path) -> Iterator[OpenProgram]:
    """A program file for a run to write, complete at its name in the end or not there; gzip if that ends in .gz."""
    with atomic_path(path) as temporary, temporary.open("wb") as raw:
        if path.suffix.lower() != ".gz":
            yield partial(ProgramWriter, stream=raw)
            return
        # No name and no time inside, so that the same program gives the same bytes.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=raw, mtime=0) as packed:
            yield partial(ProgramWriter, stream=cast(BinaryIO, packed))
