"""Cut a stream of samples into groups of whole batches, by a rule that looks at the data only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ppim.datasets.base import SampleChunk


class Group(NamedTuple):
    """Consecutive samples that become one row group of the trace."""

    n_samples: int
    values: Sequence[np.ndarray]
    """Values of each table, uint64."""
    offsets: np.ndarray | None
    """int64, shape (n_tables, n_samples + 1); None for one-hot data."""


def group_one_hot(chunks: Iterable[SampleChunk], tables: Sequence[int], n_samples: int) -> Iterator[Group]:
    """Groups of exactly `n_samples` samples of the chosen tables; the last may be smaller."""
    buffer = np.empty((len(tables), n_samples), dtype=np.uint64)
    filled = 0
    for chunk in chunks:
        taken = 0
        while taken < chunk.n_samples:
            n = min(n_samples - filled, chunk.n_samples - taken)
            for column, table in enumerate(tables):
                buffer[column, filled : filled + n] = chunk.values[table][taken : taken + n]
            filled += n
            taken += n
            if filled == n_samples:
                yield Group(filled, tuple(buffer), None)
                filled = 0
    if filled:
        yield Group(filled, tuple(buffer[:, :filled]), None)


def group_bags(
    chunks: Iterable[SampleChunk],
    tables: Sequence[int],
    accesses_per_lookup: np.ndarray,
    batch_size: int,
    target_accesses: int,
) -> Iterator[Group]:
    """Groups of as many whole batches as stay within `target_accesses`, and at least one.

    A group holds its bags as the dataset has them.
    """
    pending = _Pending(tables)
    for chunk in chunks:
        pending.append(chunk)
        while (n := pending.cut(accesses_per_lookup, batch_size, target_accesses)) is not None:
            yield pending.take(n)
    while pending.n_samples:
        n = pending.cut(accesses_per_lookup, batch_size, target_accesses, at_end=True)
        yield pending.take(pending.n_samples if n is None else n)


class _Pending:
    """Samples that wait for the rest of their group."""

    def __init__(self, tables: Sequence[int]) -> None:
        self._tables = tables
        self._values = [np.empty(0, dtype=np.uint64) for _ in tables]
        self._offsets = np.zeros((len(tables), 1), dtype=np.int64)

    @property
    def n_samples(self) -> int:
        return self._offsets.shape[1] - 1

    def append(self, chunk: SampleChunk) -> None:
        assert chunk.offsets is not None
        grown = []
        for column, table in enumerate(self._tables):
            offsets, values = chunk.offsets[table], chunk.values[table]
            self._values[column] = np.concatenate(
                (self._values[column], values[offsets[0] : offsets[-1]].astype(np.uint64, copy=False))
            )
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
        values = tuple(column[:end] for column, end in zip(self._values, ends, strict=True))
        group = Group(n, values, self._offsets[:, : n + 1])
        self._values = [column[end:] for column, end in zip(self._values, ends, strict=True)]
        self._offsets = self._offsets[:, n:] - ends[:, None]
        return group
