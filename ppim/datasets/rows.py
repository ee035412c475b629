"""Values -> rows of tables: folded into a given number of rows, or numbered as they are first seen."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from ppim.datasets import base, hashing
from ppim.errors import InputError
from ppim.jit import njit

_FIRST_SLOTS = 1 << 6  # there may be 65,536 tables, most of them small
_FREE = np.uint32(2**32 - 1)
_MAX_SEEN = 2**32 - 1
_ONE = np.uint64(1)
_WORD = 2**32 - 1


class RowMap(ABC):
    """How values of the chosen tables become rows; `rows` holds the rows of each table."""

    rows: tuple[int, ...]

    @abstractmethod
    def apply(self, table: int, values: np.ndarray, out: np.ndarray) -> None:
        """Rows of values.

        Parameters
        ----------
        table : int
            Place among the chosen tables.
        values : ndarray of uint64, shape (n,)
        out : ndarray of int64, shape (n,)
        """


@njit
def fold(values, rows, out):  # type: ignore[no-untyped-def]
    """Row = value modulo the table's rows; a missing value is the value 0."""
    divisor = np.uint64(rows)
    inverse = 1.0 / rows
    narrow = rows <= _WORD
    for i in range(values.size):
        value = values[i]
        if narrow and value <= _WORD:
            # Both are exact in a float, so the quotient is off by one at most: three times faster than a division.
            rest = np.int64(value) - np.int64(np.float64(value) * inverse) * rows
            if rest < 0:
                rest += rows
            elif rest >= rows:
                rest -= rows
            out[i] = rest
        else:
            out[i] = 0 if value == base.MISSING else np.int64(value % divisor)


_CHANGED = "the dataset changed between two passes over it; run again, on a copy if something writes to it"


class FoldedRows(RowMap):
    """Tables of given sizes; values beyond wrap around, but in tables that are `exact`, which have none."""

    def __init__(self, rows: Sequence[int], exact: Sequence[bool] | None = None) -> None:
        self.rows = tuple(rows)
        self._exact = tuple(exact or [False] * len(rows))

    def apply(self, table: int, values: np.ndarray, out: np.ndarray) -> None:
        if self._exact[table] and values.size and values.max() > np.uint64(self.rows[table]):
            raise InputError(_CHANGED)
        fold(values, self.rows[table], out)


@njit
def _slot(key, keys, numbers):  # type: ignore[no-untyped-def]
    """Slot of a key in an open-addressed table whose size is a power of 2, or the free one where it belongs."""
    mask = np.uint64(keys.size - 1)
    at = hashing.mix(key) & mask
    while numbers[at] != _FREE and keys[at] != key:
        at = (at + _ONE) & mask
    return at


@njit(cache=False)
def _is_full(count, slots):  # type: ignore[no-untyped-def]
    return 4 * count >= 3 * slots


@njit
def _number(values, first, keys, numbers, count):  # type: ignore[no-untyped-def]
    """Number new values from `count` on until three quarters full; returns where it stopped and the new count."""
    for i in range(first, values.size):
        if _is_full(count, keys.size):
            return i, count
        at = _slot(values[i], keys, numbers)
        if numbers[at] == _FREE:
            keys[at] = values[i]
            numbers[at] = count
            count += 1
    return values.size, count


@njit
def _copy(keys, numbers, new_keys, new_numbers):  # type: ignore[no-untyped-def]
    for i in range(keys.size):
        if numbers[i] != _FREE:
            at = _slot(keys[i], new_keys, new_numbers)
            new_keys[at] = keys[i]
            new_numbers[at] = numbers[i]


@njit
def _look_up(values, keys, numbers, out):  # type: ignore[no-untyped-def]
    """Number of each value; returns whether all have one."""
    known = True
    for i in range(values.size):
        number = numbers[_slot(values[i], keys, numbers)]
        known &= number != _FREE
        out[i] = number
    return known


class _Numbering:
    """Value -> number in order of first sight, for one table; 12 bytes a slot, at most three quarters of them used."""

    def __init__(self) -> None:
        self.count = 0
        self._make(_FIRST_SLOTS)

    def _make(self, slots: int) -> None:
        self.keys = np.zeros(slots, dtype=np.uint64)
        self.numbers = np.full(slots, _FREE, dtype=np.uint32)

    def add(self, values: np.ndarray) -> None:
        done = 0
        while done < values.size:
            done, self.count = _number(values, done, self.keys, self.numbers, self.count)
            if _is_full(self.count, self.keys.size):
                keys, numbers = self.keys, self.numbers
                self._make(2 * keys.size)
                _copy(keys, numbers, self.keys, self.numbers)


class SeenRows(RowMap):
    """Rows numbered by a first pass over the source; a missing value has a row of its own.

    Memory grows with the number of distinct values (16 to 32 bytes each), not with the samples.
    """

    def __init__(
        self,
        source: base.Source,
        columns: Sequence[int],
        on_progress: Callable[[base.Source], None] = lambda _: None,
    ) -> None:
        numberings = [_Numbering() for _ in columns]
        for chunk in source.chunks():
            for numbering, column in zip(numberings, columns, strict=True):
                values = chunk.values[column]
                if chunk.offsets is not None:
                    values = values[chunk.offsets[column][0] : chunk.offsets[column][-1]]
                numbering.add(np.ascontiguousarray(values))
                if numbering.count >= _MAX_SEEN:
                    raise InputError("--rows seen: more than 2^32 distinct values in a table; give --rows N")
            on_progress(source)
        source.progress = base.Progress()
        self._numberings = numberings
        self.rows = tuple(max(numbering.count, 1) for numbering in numberings)

    def apply(self, table: int, values: np.ndarray, out: np.ndarray) -> None:
        numbering = self._numberings[table]
        if not _look_up(values, numbering.keys, numbering.numbers, out):
            raise InputError(_CHANGED)
