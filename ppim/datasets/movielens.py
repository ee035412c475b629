"""MovieLens ratings: 100K (`u.data`), 1M and 10M (`ratings.dat`), 20M and later (`ratings.csv`)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppim.datasets import base, fields, histories, streams, text
from ppim.errors import InputError
from ppim.text_files import check_text

_USER_ITEM_RATING_TIME = (fields.Kind.NUMBER, fields.Kind.NUMBER, fields.Kind.SKIP, fields.Kind.NUMBER)
_TAB = text.TextLayout(
    # Some copies end a line with one more tab.
    ("user", "item", "rating", "time", "end"),
    (*_USER_ITEM_RATING_TIME, fields.Kind.SKIP),
    (0, 1, 3),
    "\t",
    min_fields=4,
)
_COLONS = text.TextLayout(
    # Fields are parted by two colons, so every other field between single colons is empty.
    ("user", "", "item", "", "rating", "", "time"),
    (
        fields.Kind.NUMBER,
        fields.Kind.SKIP,
        fields.Kind.NUMBER,
        fields.Kind.SKIP,
        fields.Kind.SKIP,
        fields.Kind.SKIP,
        fields.Kind.NUMBER,
    ),
    (0, 2, 6),
    ":",
    min_fields=7,
)
_COMMA = text.TextLayout(
    ("userId", "movieId", "rating", "timestamp"),
    _USER_ITEM_RATING_TIME,
    (0, 1, 3),
    ",",
    min_fields=4,
    header="skip",
)
# Beginning, layout, and items of the dataset that looks so (100K, 1M): files of other datasets may have more.
_FORMATS = (
    (re.compile(rb"\d+\t\d+\t\d(\.\d)?\t\d+\t?(\r?\n|$)"), _TAB, 1682),
    (re.compile(rb"\d+::\d+::[\d.]+::\d+(\r?\n|$)"), _COLONS, 3952),
    (re.compile(rb"userId,movieId,rating,timestamp(\r?\n|$)"), _COMMA, None),
)


@base.DATASETS.register("movielens")
@dataclass(frozen=True)
class MovieLens(base.Dataset):
    """One sample a user: all rated items in order of time, or the latest `history` of them."""

    summary = "MovieLens ratings: one table of items, a user's history is a bag"

    history: int = 0

    def __post_init__(self) -> None:
        if self.history < 0:
            raise ValueError("history must not be negative")

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        return any(pattern.match(head.removeprefix(b"\xef\xbb\xbf")) for pattern, *_ in _FORMATS)

    def open(self, paths: Sequence[Path], options: base.ReadOptions) -> histories.HistorySource:
        layouts, sizes = zip(*(_format(path) for path in paths), strict=True)
        rows = None if None in sizes else max(sizes)
        return histories.HistorySource(
            paths, histories.text_events(paths, layouts), self.history, options, rows=rows
        )


def _format(path: Path) -> tuple[text.TextLayout, int | None]:
    """Layout of a file, and the usual number of items."""
    head = streams.read_head(path)
    check_text(path, head)
    for pattern, layout, rows in _FORMATS:
        if pattern.match(head.removeprefix(b"\xef\xbb\xbf")):
            return layout, rows
    raise InputError(
        f"{path}:1: not a MovieLens ratings file (u.data, ratings.dat or ratings.csv); give one, or read it with "
        "--dataset history"
    )
