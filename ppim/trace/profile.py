"""How often each subtable row is accessed: the skew curve, and the ranks that place hot and cold rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ppim.errors import InputError
from ppim.jit import njit
from ppim.trace import schema
from ppim.trace.reader import TraceChunk


class FlatRows(NamedTuple):
    """All rows of all subtables in one line, table after table, subtable after subtable."""

    first_subtable: np.ndarray
    """int64, shape (n_tables + 1,): where a table's subtables begin among all subtables."""
    first_row: np.ndarray
    """int64, shape (n_subtables + 1,): where a subtable's rows begin among all rows."""

    @property
    def n_rows(self) -> int:
        """Rows of all subtables."""
        return int(self.first_row[-1])

    def counters(self, what: str) -> np.ndarray:
        """A zero (uint32) for every row; `what` needs them, and begins the message.

        Raises
        ------
        InputError
            More rows than there is memory for.
        """
        try:
            return np.zeros(self.n_rows, dtype=np.uint32)
        except (MemoryError, ValueError) as error:  # numpy's word for beyond any memory is ValueError
            raise InputError(
                f"{what}: the tables have {self.n_rows:,} rows, too many to count each in memory; "
                "make the trace with fewer rows or collisions"
            ) from error

    @classmethod
    def of(cls, meta: schema.TraceMeta) -> FlatRows:
        """The layout of a trace's tables."""
        per_table = [len(table.subtables) for table in meta.tables]
        rows = [part.rows for table in meta.tables for part in table.subtables]
        return cls(
            np.concatenate(([0], np.cumsum(per_table))).astype(np.int64),
            np.concatenate(([0], np.cumsum(rows))).astype(np.int64),
        )


class Run(NamedTuple):
    """Rows of one subtable with equal access counts, in the order from most to least accessed."""

    first_rank: int
    rows: int
    accesses_per_row: int
    cumulative_accesses: int


@njit
def _count(table, subtable, row, first_subtable, first_row, counts):  # type: ignore[no-untyped-def]
    for i in range(row.size):
        counts[first_row[first_subtable[table[i]] + subtable[i]] + np.int64(row[i])] += 1


def hottest(
    counts: NDArray[np.int64], room: float, sizes: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """The largest counts, largest first, ties by index: as many as together take at most `room`.

    Parameters
    ----------
    counts : ndarray of int64, shape (n,)
    room : float
    sizes : ndarray of int64, shape (n,), optional
        What each takes; by default its count.

    Returns
    -------
    ndarray of int64
        Indices.
    """
    order = np.argsort(-counts, kind="stable")
    taken = np.cumsum((counts if sizes is None else sizes)[order])
    return order[: int(np.searchsorted(taken, room, side="right"))]


@dataclass(frozen=True)
class AccessProfile:
    """Accesses of every row of every subtable of a trace.

    `counts` is flat (uint32, one entry a row, laid out by `layout`).
    """

    meta: schema.TraceMeta
    layout: FlatRows
    counts: np.ndarray

    def of(self, table: int, subtable: int) -> np.ndarray:
        """Accesses of each row of one subtable, shape (rows,)."""
        flat = self.layout.first_subtable[table] + subtable
        return self.counts[self.layout.first_row[flat] : self.layout.first_row[flat + 1]]

    def ranks(self, table: int, subtable: int) -> np.ndarray:
        """Rank of each row by its accesses, 0 for the most accessed; ties by row. Shape (rows,), int64."""
        counts = self.of(table, subtable)
        ranks = np.empty(counts.size, dtype=np.int64)
        ranks[np.argsort(-counts.astype(np.int64), kind="stable")] = np.arange(counts.size)
        return ranks

    def runs(self, table: int, subtable: int) -> Iterator[Run]:
        """The skew curve of one subtable, most accessed rows first, rows never accessed last."""
        accesses, rows = np.unique(self.of(table, subtable), return_counts=True)
        rank = total = 0
        for per_row, n in zip(accesses[::-1].tolist(), rows[::-1].tolist(), strict=True):
            total += per_row * n
            yield Run(rank, n, per_row, total)
            rank += n


class AccessSource(Protocol):
    """Where accesses come from: a trace, or a part of one."""

    meta: schema.TraceMeta

    def chunks(self) -> Iterator[TraceChunk]:
        """Accesses of whole turns."""


def access_profile(
    reader: AccessSource, on_progress: Callable[[int], None] = lambda _: None
) -> AccessProfile:
    """Count the accesses of a trace.

    Memory is 4 bytes for each row that is accessed at all (whole pages of them).

    Parameters
    ----------
    reader : AccessSource
    on_progress : callable
        Called with the number of accesses of each chunk.
    """
    layout = FlatRows.of(reader.meta)
    counts = layout.counters("access profile")
    for chunk in reader.chunks():
        _count(chunk.table, chunk.subtable, chunk.row, layout.first_subtable, layout.first_row, counts)
        on_progress(chunk.row.size)
    return AccessProfile(reader.meta, layout, counts)
