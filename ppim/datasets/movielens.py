"""MovieLens ratings: 100K (`u.data`), 1M and 10M (`ratings.dat`), 20M and later (`ratings.csv`)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppim.datasets.base import DATASETS, Dataset, ReadOptions
from ppim.datasets.fields import Kind
from ppim.datasets.histories import HistorySource
from ppim.datasets.streams import read_head
from ppim.datasets.text import TextLayout
from ppim.errors import InputError

_USER_ITEM_RATING_TIME = (Kind.NUMBER, Kind.NUMBER, Kind.SKIP, Kind.NUMBER)
_TAB = TextLayout(
    # Some copies end a line with one more tab.
    ("user", "item", "rating", "time", "end"),
    (*_USER_ITEM_RATING_TIME, Kind.SKIP),
    (0, 1, 3),
    "\t",
    min_fields=4,
)
_COLONS = TextLayout(
    # Fields are parted by two colons, so every other field between single colons is empty.
    ("user", "", "item", "", "rating", "", "time"),
    (Kind.NUMBER, Kind.SKIP, Kind.NUMBER, Kind.SKIP, Kind.SKIP, Kind.SKIP, Kind.NUMBER),
    (0, 2, 6),
    ":",
    min_fields=7,
)
_COMMA = TextLayout(
    ("userId", "movieId", "rating", "timestamp"),
    _USER_ITEM_RATING_TIME,
    (0, 1, 3),
    ",",
    min_fields=4,
    header="skip",
)
_FORMATS = (
    (re.compile(rb"\d+\t\d+\t\d\t\d+\r?\n"), _TAB, 1682),
    (re.compile(rb"\d+::\d+::[\d.]+::\d+\r?\n"), _COLONS, 3952),
    (re.compile(rb"userId,movieId,rating,timestamp\r?\n"), _COMMA, None),
)


@DATASETS.register("movielens")
@dataclass(frozen=True)
class MovieLens(Dataset):
    """One sample a user: all rated items in order of time, or the latest `history` of them."""

    summary = "MovieLens ratings: one table of items, a user's history is a bag"

    history: int = 0

    def __post_init__(self) -> None:
        if self.history < 0:
            raise ValueError("history must not be negative")

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        return any(pattern.match(head.removeprefix(b"\xef\xbb\xbf")) for pattern, *_ in _FORMATS)

    def open(self, paths: Sequence[Path], options: ReadOptions) -> HistorySource:
        head = read_head(paths[0]).removeprefix(b"\xef\xbb\xbf")
        for pattern, layout, rows in _FORMATS:
            if pattern.match(head):
                return HistorySource(paths, layout, rows, self.history, options)
        raise InputError(
            f"{paths[0]}:1: not a MovieLens ratings file (u.data, ratings.dat or ratings.csv); give one"
        )
