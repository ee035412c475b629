"""Outputs that several kinds of run have."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from ppim.files import STDOUT, atomic_path


@contextmanager
def csv_file(path: Path) -> Iterator[TextIO]:
    """A stats CSV to write, complete at its name in the end or not there; `-` is stdout."""
    if path == STDOUT:
        yield sys.stdout
        return
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        yield stream
