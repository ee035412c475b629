"""Small traces of every algorithm, made in memory: the ids that were looked up, and the accesses they became."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ppim.trace.reader import TraceChunk
from ppim.trace.schema import PoolingMeta, TableMeta, TraceMeta
from ppim.weight_sharing.base import TableScheme, WeightSharing

COLUMN_TYPES = (np.uint32, np.uint16, np.uint32, np.uint32, np.uint8, np.uint32)


@dataclass(frozen=True)
class SmallTrace:
    """A trace in memory that `simulate` takes for a file's reader.

    Attributes
    ----------
    bags : list of list of ndarray of int64
        Ids of the uncompressed rows, by sample, then table.
    batches_per_chunk : int
        As row groups cut a file.
    """

    meta: TraceMeta
    schemes: tuple[TableScheme, ...]
    bags: list[list[np.ndarray]]
    batches_per_chunk: int
    path: Path = Path("small.parquet")

    @cached_property
    def accesses(self) -> TraceChunk:
        """All accesses in one chunk."""
        rows: list[tuple[int, ...]] = []
        size = self.meta.batch_size
        for first in range(0, len(self.bags), size):
            for table, scheme in enumerate(self.schemes):
                for sample, bags in enumerate(self.bags[first : first + size]):
                    for lookup, parts in enumerate(scheme.split(bags[table]).tolist()):
                        for subtable, row in zip(scheme.access_subtables, parts, strict=True):
                            rows.append((first // size, table, sample, lookup, subtable, row))
        columns = np.array(rows, dtype=np.int64).reshape(-1, len(COLUMN_TYPES)).T
        return TraceChunk(*(column.astype(kind) for column, kind in zip(columns, COLUMN_TYPES, strict=True)))

    def chunks(self, threads: int = 1) -> Iterator[TraceChunk]:  # noqa: ARG002 - nothing is to be read
        """The accesses, cut behind every `batches_per_chunk` batches."""
        batch = self.accesses.batch
        for first in range(0, int(batch.max(initial=0)) + 1, self.batches_per_chunk):
            chosen = slice(*np.searchsorted(batch, (first, first + self.batches_per_chunk)))
            if chosen.start < chosen.stop:
                yield TraceChunk(*(column[chosen] for column in self.accesses))


def small_trace(
    algorithm: str,
    parameters: dict[str, Any] | None = None,
    *,
    rows: Sequence[int] = (400, 37, 1000),
    samples: int = 10,
    batch_size: int = 4,
    pooling: Sequence[int] = (1, 6),
    skew: float = 2.0,
    seed: int = 0,
    batches_per_chunk: int = 1,
) -> SmallTrace:
    """Random bags of pooling[0] to pooling[1] ids; a higher `skew` makes low ids more popular."""
    sharing = WeightSharing.from_parameters(algorithm, parameters or {})
    schemes = tuple(sharing.table(n, table) for table, n in enumerate(rows))
    rng = np.random.default_rng(seed)
    bags = [
        [
            (n * rng.random(int(rng.integers(pooling[0], pooling[1] + 1))) ** skew).astype(np.int64)
            for n in rows
        ]
        for _ in range(samples)
    ]
    meta = TraceMeta(
        dataset="small",
        dataset_sha256=None,
        algorithm=algorithm,
        parameters=sharing.parameters,
        tables=tuple(
            TableMeta(n, scheme.subtables, accesses_per_lookup=len(scheme.access_subtables))
            for n, scheme in zip(rows, schemes, strict=True)
        ),
        batch_size=batch_size,
        pooling=PoolingMeta("dataset"),
        seed=seed,
        command_line="",
        ppim_version="",
        samples=samples,
    )
    return SmallTrace(meta, schemes, bags, batches_per_chunk)
