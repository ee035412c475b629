"""Interactions of users with items in any delimited file: RecBole's .inter, Kaggle's ratings, logs of clicks.

Columns are chosen by their name or number. Users and items are any text; times are numbers or dates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ppim.datasets import base, delimited, hash_text, histories
from ppim.errors import InputError, UnknownNameError
from ppim.numbers import real_number

# Names that a column goes by where none is chosen, the most telling first.
ALIASES = {
    "user": ("user", "user_id", "userid", "uid", "reviewerid", "reviewer_id", "visitorid", "customer_id", "session_id"),
    "item": (
        *("item", "item_id", "itemid", "iid", "movieid", "movie_id", "video_id", "parent_asin", "asin"),
        *("product_id", "book_id", "song_id", "article_id", "business_id", "isbn"),
    ),
    "time": ("timestamp", "time", "time_ms", "unixreviewtime", "datetime", "date"),
}  # fmt: skip
_SIGN = np.uint64(1 << 63)
_ALL = np.uint64(2**64 - 1)


@base.DATASETS.register("history")
@dataclass(frozen=True)
class History(base.Dataset):
    """One sample a user: all items in order of time (of the file, where no column is a time), or the latest `history`.

    `user`, `item` and `time` are the name or the number (from 0) of a column; where the header has usual names they
    need not be given. Rows whose `value` (a rating, say) is below `least_value` are left out. `header` says whether
    the first line is one ("auto": where columns have names); `delimiter` is found where it is empty.
    """

    is_general = True
    summary = (
        "interactions of users with items in any delimited file (RecBole, Kaggle): a user's history is a bag"
    )

    user: int | str = ""
    item: int | str = ""
    time: int | str = ""
    value: int | str = ""
    least_value: float | None = None
    delimiter: str = ""
    header: Literal["auto", "yes", "no"] = "auto"
    history: int = 0

    def __post_init__(self) -> None:
        if self.history < 0:
            raise ValueError("history must not be negative")
        if self.delimiter and (
            len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n'
        ):
            raise ValueError("delimiter must be one ASCII character, neither a quote nor a line end")
        if (self.value == "") != (self.least_value is None):
            raise ValueError("value and least_value go together")
        if self.least_value is not None and not np.isfinite(self.least_value):
            raise ValueError("least_value must be a number")

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode("utf-8", "replace")
        names = [_plain(name) for delimiter in "\t,;|" for name in line.strip().split(delimiter)]
        return all(any(alias in names for alias in aliases) for aliases in ALIASES.values())

    def open(self, paths: Sequence[Path], options: base.ReadOptions) -> histories.HistorySource:
        files = [self._columns(path) for path in paths]
        chosen = [self._chosen(columns) for columns in files]

        def events(read: base.ReadOptions, progress: base.Progress) -> Iterator[np.ndarray]:
            times = _Times()
            for columns, numbers in zip(files, chosen, strict=True):
                for batch in delimited.read_strings(
                    columns, [n for n in numbers if n is not None], read, progress
                ):
                    found = self._events(batch, numbers, columns, read, progress, times)
                    progress.rows += batch.num_rows
                    if found.shape[1]:
                        yield found

        return histories.HistorySource(paths, events, self.history, options)

    def _columns(self, path: Path) -> delimited.Columns:
        named = any(isinstance(word, str) and word for word in (self.user, self.item, self.time, self.value))
        numbered = any(isinstance(word, int) for word in (self.user, self.item, self.time, self.value))
        if self.header == "auto" and numbered and not named:
            self._refuse_doubtful_header(path, delimited.find_columns(path, self.delimiter, has_header=True))
        has_header = self.header == "yes" or (self.header == "auto" and (named or not numbered))
        return delimited.find_columns(path, self.delimiter, has_header)

    def _refuse_doubtful_header(self, path: Path, columns: delimited.Columns) -> None:
        """Columns chosen by number may stand below a header line, which must not become an event."""
        known = {alias for aliases in ALIASES.values() for alias in aliases}
        second = next(
            delimited.read_strings(columns, range(len(columns.names)), base.ReadOptions(), base.Progress()),
            None,
        )
        chosen = [
            n for n in (self.user, self.item, self.time) if isinstance(n, int) and 0 <= n < len(columns.names)
        ]
        above_numbers = second is not None and any(
            not np.isfinite(_float(columns.names[n].encode())) and np.isfinite(_float(second[n][0].as_py()))
            for n in chosen
        )
        if above_numbers or any(_plain(name) in known for name in columns.names):
            raise InputError(f"{path}:1: looks like a header line; say header=yes or header=no")

    def _chosen(self, columns: delimited.Columns) -> tuple[int | None, ...]:
        """Numbers of the columns of user, item, time and value; None for those that there are not."""
        found = (
            _column(columns, self.user, "user"),
            _column(columns, self.item, "item"),
            _column(columns, self.time, "time"),
            None if self.value == "" else _column(columns, self.value, "value"),
        )
        given = [number for number in found if number is not None]
        if len(set(given)) < len(given):
            raise InputError(f"{columns.path}: user, item, time and value must be different columns")
        return found

    def _events(
        self,
        batch: pa.RecordBatch,
        numbers: Sequence[int | None],
        columns: delimited.Columns,
        options: base.ReadOptions,
        progress: base.Progress,
        times: _Times,
    ) -> np.ndarray:
        fields = iter(batch.columns)
        user, item, time, value = (None if number is None else next(fields) for number in numbers)
        good = np.ones(batch.num_rows, dtype=bool)
        key = np.zeros(batch.num_rows, dtype=np.uint64)
        faults = [(_lengths(user) == 0, "no user"), (_lengths(item) == 0, "no item")]
        if time is not None:
            key, bad = times.keys(time)
            faults.append((bad, f"no time that is {times.kind}"))
        if value is not None:
            numbers_of, bad = _floats(value)
            faults.append((bad, "no number as its value"))
            good &= bad | (numbers_of >= self.least_value)
        for bad, what in faults:
            for at in np.flatnonzero(bad & good).tolist():
                reason = f"{columns.path}: row {progress.rows + at + 1} has {what}"
                if options.on_error == "fail":
                    raise InputError(f"{reason}; mend the row or give --on-error skip")
                progress.skip(reason)
            good &= ~bad
        return np.stack((hash_text.hash_strings(user), hash_text.hash_strings(item), key))[:, good]


def _plain(name: str) -> str:
    """A column's name without quotes and RecBole's type, in small letters."""
    return name.strip().strip('"').split(":")[0].strip().lower()


def _column(columns: delimited.Columns, word: int | str, role: str) -> int | None:
    """Number of the column that was chosen for a role, or goes by one of its names."""
    plain = [_plain(name) for name in columns.names]
    if word == "":
        word = next((alias for alias in ALIASES[role] if alias in plain), "") if columns.has_header else ""
        if word == "" and role == "time":
            return None
        if word == "":
            raise InputError(
                f"{columns.path}: which column is the {role}? Give {role}= its name or number "
                f"(the file has {', '.join(columns.names[:20])})"
            )
    if isinstance(word, int):
        if not 0 <= word < len(columns.names):
            raise InputError(
                f"{columns.path}: {role}={word}: the file has columns 0 to {len(columns.names) - 1}"
            )
        return word
    exact = [number for number, name in enumerate(columns.names) if name == word]
    found = exact or [number for number, name in enumerate(plain) if name == _plain(word)]
    if not found:
        raise InputError(f"{columns.path}: {UnknownNameError('column', word, columns.names)}")
    if len(found) > 1:
        raise InputError(
            f"{columns.path}: column {word!r} is there {len(found)} times; choose it by its number"
        )
    return found[0]


class _Times:
    """Times as numbers that have their order; all of a dataset are of one kind."""

    kind = "a number or a date"

    def keys(self, column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
        """A number of 64 bits for each time, and which ones are none."""
        numbers, no_number = _floats(column)
        if self.kind == _Times.kind and column:
            self.kind = "a date" if no_number.all() else "a number"
        if self.kind == "a date":
            return _dates(column)
        bits = numbers.view(np.uint64)
        return np.where(bits & _SIGN, bits ^ _ALL, bits | _SIGN), no_number


def _lengths(column: pa.Array) -> np.ndarray:
    return pc.binary_length(column).to_numpy(zero_copy_only=False)


def _floats(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Fields as numbers, and which ones are no finite number."""
    try:
        found = pc.cast(column.cast(pa.string()), pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        found = np.array([_float(field) for field in column.to_pylist()], dtype=np.float64)
    bad = ~np.isfinite(found)
    return np.where(bad, 0.0, found), bad


def _float(field: bytes) -> float:
    try:
        return real_number(field.decode("ascii", "replace"))
    except ValueError:
        return np.nan


def _dates(column: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Microseconds since 1970 of ISO dates, shifted above 0, and which fields are none."""
    try:
        stamps = _stamps(column.cast(pa.string()))
    except pa.ArrowInvalid:
        fields = [_stamp(field) for field in column.to_pylist()]
        bad = np.array([field is None for field in fields])
        stamps = np.array([field or 0 for field in fields], dtype=np.int64)
        return stamps.view(np.uint64) ^ _SIGN, bad
    return stamps.view(np.uint64) ^ _SIGN, np.zeros(len(column), dtype=bool)


def _stamps(text: pa.Array) -> np.ndarray:
    try:
        found = pc.cast(text, pa.timestamp("us"))
    except pa.ArrowInvalid:
        found = pc.cast(text, pa.timestamp("us", "UTC"))
    return found.cast(pa.int64()).to_numpy(zero_copy_only=False)


def _stamp(field: bytes) -> int | None:
    try:
        return int(_stamps(pa.array([field]).cast(pa.string()))[0])
    except pa.ArrowInvalid:
        return None
