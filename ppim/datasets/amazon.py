"""Amazon reviews, "ratings only" CSV: user, item, rating, time, with or without a header line."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ppim.datasets import base, fields, histories, streams, text

_HEADER_ITEMS = ("parent_asin", "asin", "item", "item_id")
_HEADER_USERS = ("user_id", "reviewerid", "user")
_ROW = re.compile(r"[0-9A-Z]{9,},[0-9A-Z]{9,},[0-9.]+,[0-9]{9,}")
_USER = re.compile(r"A[0-9A-Z]{10,}")


@base.DATASETS.register("amazon")
@dataclass(frozen=True)
class Amazon(base.Dataset):
    """One sample a user: all reviewed items in order of time, or the latest `history` of them.

    `columns` says which comes first where no header does (files of 2014: user, of 2018: item); "auto" looks
    at the first line, as user ids begin with A and have more than ten characters.
    """

    summary = "Amazon reviews, ratings-only CSV: one table of items, a user's history is a bag"

    history: int = 0
    columns: Literal["auto", "user-item", "item-user"] = "auto"

    def __post_init__(self) -> None:
        if self.history < 0:
            raise ValueError("history must not be negative")

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode("utf-8", "replace").rstrip("\r")
        return _header(line) is not None or _ROW.fullmatch(line) is not None

    def open(self, paths: Sequence[Path], options: base.ReadOptions) -> histories.HistorySource:
        layouts = [self._layout(streams.header_line(path)) for path in paths]
        return histories.HistorySource(paths, histories.text_events(paths, layouts), self.history, options)

    def _layout(self, line: str) -> text.TextLayout:
        header = _header(line)
        user, item = (0, 1) if header is None else header
        if header is None and (
            self.columns == "item-user"
            or (self.columns == "auto" and _USER.match(line.split(",")[0]) is None)
        ):
            user, item = 1, 0
        kinds = [fields.Kind.TEXT, fields.Kind.TEXT, fields.Kind.SKIP, fields.Kind.NUMBER]
        names = ["user", "item"] if user == 0 else ["item", "user"]
        return text.TextLayout(
            (*names, "rating", "timestamp"),
            tuple(kinds),
            (user, item, 3),
            ",",
            quote='"',
            min_fields=4,
            header="none" if header is None else "skip",
        )


def _header(line: str) -> tuple[int, int] | None:
    """Columns of user and item of a header line."""
    names = [name.strip().lower() for name in line.split(",")]
    if len(names) != 4:
        return None
    users = [names.index(name) for name in _HEADER_USERS if name in names[:2]]
    items = [names.index(name) for name in _HEADER_ITEMS if name in names[:2]]
    return (users[0], items[0]) if users and items else None
