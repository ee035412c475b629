"""How often each whole lookup (one table, one row of each of its subtables) occurs in a trace."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.errors import InputError
from ppim.jit import helper, njit
from ppim.trace.profile import hottest

if TYPE_CHECKING:
    from ppim.trace.reader import TraceChunk, TraceReader
    from ppim.trace.schema import TraceMeta

MAX_LOOKUPS = 1 << 62  # different ones of all tables, so that each has a number
NO_NUMBER = -1


class LookupNumbers(NamedTuple):
    """A number for every lookup that a trace could hold: its rows as digits of a mixed radix.

    Attributes
    ----------
    width : ndarray of int64, shape (tables,)
        Accesses of a lookup, one to each subtable.
    rows : ndarray of int64, shape (tables, largest number of subtables)
    first : ndarray of int64, shape (tables + 1,)
        Number of the first lookup of each table.
    """

    width: np.ndarray
    rows: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, meta: TraceMeta, what: str) -> LookupNumbers:
        """Numbers for a trace's tables; `what` needs them, and begins the messages.

        Raises
        ------
        InputError
            A lookup reads one subtable more than once, or there are more lookups than numbers.
        """
        for t, table in enumerate(meta.tables):
            if table.accesses_per_lookup != len(table.subtables):
                raise InputError(
                    f"{what}: a lookup of table {t} reads {table.accesses_per_lookup} rows of "
                    f"{len(table.subtables)} subtables ({meta.algorithm}); only algorithms that read each "
                    "subtable once can be used"
                )
        sizes = [[part.rows for part in table.subtables] for table in meta.tables]
        first = np.cumsum([0, *(math.prod(row) for row in sizes)], dtype=object)
        if first[-1] >= MAX_LOOKUPS:
            raise InputError(
                f"{what}: the tables' subtables have {first[-1]:,} combinations of rows, too many"
            )
        rows = np.ones((len(sizes), max(map(len, sizes))), dtype=np.int64)
        for t, row in enumerate(sizes):
            rows[t, : len(row)] = row
        width = np.array([len(row) for row in sizes], dtype=np.int64)
        return cls(width, rows, first.astype(np.int64))


@helper
def end_of_bag(chunk, start):  # type: ignore[no-untyped-def]
    """One past the last access of the bag that begins at `start`."""
    i = start
    while (
        i < chunk.row.size
        and chunk.sample[i] == chunk.sample[start]
        and chunk.table[i] == chunk.table[start]
        and chunk.batch[i] == chunk.batch[start]
    ):
        i += 1
    return i


@helper
def number_of(width, rows, first, chunk, i):  # type: ignore[no-untyped-def]
    """Number of the lookup whose first access is the i-th; NO_NUMBER if it has not one row of each subtable."""
    table = np.int64(chunk.table[i])
    if i + width[table] > chunk.row.size:
        return NO_NUMBER
    number = 0
    for subtable in range(width[table]):
        if np.int64(chunk.subtable[i + subtable]) != subtable:
            return NO_NUMBER
        number = number * rows[table, subtable] + np.int64(chunk.row[i + subtable])
    return first[table] + number


@njit
def _number_all(width, rows, first, chunk, least_rows, out):  # type: ignore[no-untyped-def]
    """Numbers of a chunk's lookups of so many rows and more; how many, and how many lookups there are at all."""
    i, n, total = 0, 0, 0
    while i < chunk.row.size:
        accesses = width[np.int64(chunk.table[i])]
        if accesses >= least_rows:
            out[n] = number_of(width, rows, first, chunk, i)
            if out[n] == NO_NUMBER:
                return n, NO_NUMBER
            n += 1
        total += 1
        i += accesses
    return n, total


@dataclass(frozen=True)
class LookupProfile:
    """Occurrences of the lookups of two rows and more, or of all.

    Attributes
    ----------
    numbers, counts : ndarray of int64, shape (n,)
        By rising number, each once.
    lookups : int
        All of the trace.
    """

    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]
    lookups: int

    def most_frequent(self, fraction: float) -> NDArray[np.int64]:
        """Numbers of the lookups that together are at most that share of all, by falling frequency, ties by number."""
        return self.numbers[hottest(self.counts, fraction * self.lookups)]


def profile_lookups(reader: TraceReader, layout: LookupNumbers, least_rows: int = 2) -> LookupProfile:
    """Count the whole lookups of a trace that have so many rows or more.

    Memory is 16 bytes for each lookup that is different, twice while parts are merged.

    Raises
    ------
    InputError
        A trace whose lookups are not as its metadata says.
    """
    merged = _Counted(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    recent: list[_Counted] = []
    lookups = 0
    for chunk in reader.chunks():
        recent.append(_count_chunk(chunk, layout, least_rows))
        lookups += recent[-1].lookups
        if sum(len(part.numbers) for part in recent) > len(merged.numbers):
            merged, recent = _merge([merged, *recent]), []
    merged = _merge([merged, *recent])
    return LookupProfile(merged.numbers, merged.counts, lookups)


class _Counted(NamedTuple):
    numbers: NDArray[np.int64]
    counts: NDArray[np.int64]
    lookups: int = 0


def _count_chunk(chunk: TraceChunk, layout: LookupNumbers, least_rows: int) -> _Counted:
    out = np.empty(len(chunk.row), dtype=np.int64)
    n, lookups = _number_all(*layout, chunk, least_rows, out)
    if lookups == NO_NUMBER:
        raise InputError("the trace has a lookup that does not read each subtable once; make the trace again")
    return _Counted(*np.unique(out[:n], return_counts=True), lookups)


def _merge(parts: list[_Counted]) -> _Counted:
    """One line for each number, its counts added up."""
    numbers = np.concatenate([part.numbers for part in parts])
    counts = np.concatenate([part.counts for part in parts])
    unique, place = np.unique(numbers, return_inverse=True)
    total = np.zeros(len(unique), dtype=np.int64)
    np.add.at(total, place, counts)
    return _Counted(unique, total)
