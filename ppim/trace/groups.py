"""Cut a stream of samples into groups of whole batches, by a rule that looks at the data only."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ppim.datasets import base
from ppim.datasets.rows import RowMap


class Group(NamedTuple):
    """Consecutive samples that become one row group of the trace."""

    n_samples: int
    ids: Sequence[np.ndarray]
    """Rows of each table, int64."""
    offsets: np.ndarray | None
    """int64, shape (n_tables, n_samples + 1); None for one-hot data."""


def group_one_hot(
    chunks: Iterable[base.SampleChunk], tables: Sequence[int], rows: RowMap, n_samples: int, in_use: int
) -> Iterator[Group]:
    """Groups of exactly `n_samples` samples of the chosen tables; the last may be smaller.

    The arrays of a group are used again once `in_use` more groups have been asked for.
    """
    buffers = [np.empty((len(tables), n_samples), dtype=np.int64) for _ in range(in_use + 1)]
    number = filled = 0
    for chunk in chunks:
        taken = 0
        while taken < chunk.n_samples:
            buffer = buffers[number % len(buffers)]
            n = min(n_samples - filled, chunk.n_samples - taken)
            for column, table in enumerate(tables):
                rows.apply(
                    column, chunk.values[table][taken : taken + n], buffer[column, filled : filled + n]
                )
            filled += n
            taken += n
            if filled == n_samples:
                yield Group(filled, tuple(buffer), None)
                number += 1
                filled = 0
    if filled:
        yield Group(filled, tuple(buffers[number % len(buffers)][:, :filled]), None)


def group_bags(
    chunks: Iterable[base.SampleChunk],
    tables: Sequence[int],
    rows: RowMap,
    accesses_per_lookup: np.ndarray,
    batch_size: int,
    target_accesses: int,
) -> Iterator[Group]:
    """Groups of as many whole batches as stay within `target_accesses`, and at least one.

    A group holds its bags as the dataset has them.
    """
    pending = _Pending(tables, rows)
    for chunk in chunks:
        pending.append(chunk)
        while (n := pending.cut(accesses_per_lookup, batch_size, target_accesses)) is not None:
            yield pending.take(n)
    while pending.n_samples:
        n = pending.cut(accesses_per_lookup, batch_size, target_accesses, at_end=True)
        yield pending.take(pending.n_samples if n is None else n)


class _Pending:
    """Samples that wait for the rest of their group."""

    def __init__(self, tables: Sequence[int], rows: RowMap) -> None:
        self._tables, self._rows = tables, rows
        self._ids = [np.empty(0, dtype=np.int64) for _ in tables]
        self._offsets = np.zeros((len(tables), 1), dtype=np.int64)

    @property
    def n_samples(self) -> int:
        return self._offsets.shape[1] - 1

    def append(self, chunk: base.SampleChunk) -> None:
        assert chunk.offsets is not None
        grown = []
        for column, table in enumerate(self._tables):
            offsets, values = chunk.offsets[table], chunk.values[table]
            fresh = values[offsets[0] : offsets[-1]].astype(np.uint64, copy=False)
            ids = np.empty(fresh.size, dtype=np.int64)
            self._rows.apply(column, np.ascontiguousarray(fresh), ids)
            self._ids[column] = np.concatenate((self._ids[column], ids))
            grown.append(self._offsets[column, -1] + offsets[1:] - offsets[0])
        self._offsets = np.concatenate((self._offsets, np.array(grown, dtype=np.int64)), axis=1)

    def cut(
        self, accesses_per_lookup: np.ndarray, batch_size: int, target: int, at_end: bool = False
    ) -> int | None:
        """Samples of the next group, None while more are needed to know."""
        ends = np.arange(batch_size, self.n_samples + 1, batch_size)
        if at_end and self.n_samples % batch_size:
            ends = np.append(ends, self.n_samples)
        accesses = accesses_per_lookup @ self._offsets[:, ends]
        fitting = int(np.searchsorted(accesses, target, side="right"))
        if fitting == len(ends):
            return None
        return int(ends[max(fitting, 1) - 1])

    def take(self, n: int) -> Group:
        ends = self._offsets[:, n]
        ids = tuple(column[:end] for column, end in zip(self._ids, ends, strict=True))
        group = Group(n, ids, self._offsets[:, : n + 1])
        self._ids = [column[end:] for column, end in zip(self._ids, ends, strict=True)]
        self._offsets = self._offsets[:, n:] - ends[:, None]
        return group
