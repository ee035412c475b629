"""The tab-separated rows of both Criteo datasets: label, 13 integers, 26 hexadecimal categories."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ppim.datasets.base import ReadOptions, SampleChunk, Source, TableSpec
from ppim.datasets.fields import Kind
from ppim.datasets.streams import total_size
from ppim.datasets.text import TextLayout, read_values

N_INTEGERS = 13
N_CATEGORIES = 26
CATEGORIES = tuple(f"C{i}" for i in range(1, N_CATEGORIES + 1))

LAYOUT = TextLayout(
    names=("label", *(f"I{i}" for i in range(1, N_INTEGERS + 1)), *CATEGORIES),
    kinds=(Kind.INTEGER,) * (1 + N_INTEGERS) + (Kind.HEX,) * N_CATEGORIES,
    kept=tuple(range(1 + N_INTEGERS, 1 + N_INTEGERS + N_CATEGORIES)),
    delimiter="\t",
    header="letter",
    full_digits=8,
)

_ROW = re.compile(rb"\d?(\t-?\d*){13}(\t[0-9a-fA-F]{0,8}){1,26}\r?")


def looks_like_criteo(head: bytes) -> bool:
    """Whether one of the first lines is a row of this format and none of them contradicts it."""
    lines = [line for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n")[:-1] or [head] if line.strip()]
    return any(_ROW.fullmatch(line) for line in lines[:20])


class CriteoSource(Source):
    """One-hot samples of 26 tables from one or several files, in order."""

    def __init__(self, paths: Sequence[Path], rows: Sequence[int], options: ReadOptions) -> None:
        super().__init__()
        self.tables = tuple(TableSpec(name, n) for name, n in zip(CATEGORIES, rows, strict=True))
        self._paths = paths
        self._options = options
        self.total_bytes = total_size(paths)
        self.total_samples = options.max_samples

    def chunks(self) -> Iterator[SampleChunk]:
        for values in read_values(self._paths, LAYOUT, self._options, self.progress):
            yield SampleChunk(values.shape[1], tuple(values))
