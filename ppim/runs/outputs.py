"""Outputs of runs, each complete at its name in the end or not there."""

import gzip
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from ppim.dram.device import Device
from ppim.files import STDOUT, atomic_path
from ppim.program.prepare import Prepared
from ppim.runs import programs
from ppim.runs.kind import OpenProgram, ProgramTaker
from ppim.systems.chosen import ChosenSystem, setting_texts

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
def program_file(path: Path, format_name: str, chosen: ChosenSystem) -> Iterator[OpenProgram]:
    """A program file for a run to write, complete at its name in the end or not there; gzip if that ends in .gz."""

    def opened(prepared: Prepared, device: Device, stream: BinaryIO) -> ProgramTaker:
        if format_name == programs.AUTHORS:
            from ppim.program.authors.write import ProgramWriter

            return ProgramWriter(prepared, device, stream)
        from ppim.program.listing.write import ListingWriter

        settings = [f"{name}={text}" for name, text in setting_texts(chosen.settings).items()]
        return ListingWriter(prepared, device, stream, system=chosen.base, settings=settings)

    with atomic_path(path) as temporary, temporary.open("wb") as raw:
        if path.suffix.lower() != ".gz":
            yield partial(opened, stream=raw)
            return
        # No name and no time inside, so that the same program gives the same bytes.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=raw, mtime=0) as packed:
            yield partial(opened, stream=cast(BinaryIO, packed))
