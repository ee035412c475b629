"""Dataset -> lookups -> weight sharing -> trace: the whole left half of the data flow, as a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ppim import __version__
from ppim.datasets.base import Source
from ppim.datasets.pooling import Distribution, expand
from ppim.datasets.rows import RowMap
from ppim.errors import InputError
from ppim.trace.groups import Group, group_bags, group_one_hot
from ppim.trace.layout import fill_structure, place_rows, segment_starts
from ppim.trace.reader import TraceChunk
from ppim.trace.schema import MAX_SUBTABLES, PoolingMeta, TableMeta, TraceMeta
from ppim.trace.writer import ROW_GROUP_ACCESSES, TraceWriter
from ppim.weight_sharing.base import TableScheme, WeightSharing

_DISTRIBUTIONS = {"pareto": Distribution.PARETO, "uniform": Distribution.UNIFORM}
_MAX_BATCH_ACCESSES = 1 << 28


@dataclass(frozen=True)
class Recipe:
    """What to make of a dataset, beside the weight sharing.

    `tables` are the dataset's columns to keep, `rows` maps their values, `pooling.factors` are their bag sizes.
    """

    tables: tuple[int, ...]
    rows: RowMap
    pooling: PoolingMeta
    batch_size: int
    seed: int


class _Table(NamedTuple):
    """One table of the trace."""

    column: int
    rows: int
    scheme: TableScheme
    subtables: np.ndarray
    """Subtable of each access of a lookup, int64."""
    factor: int
    """Bag size; 0 where bags are the dataset's own."""


class _Structure(NamedTuple):
    """Where the accesses of a group lie, and all its columns but `row` and the number of its first batch."""

    offsets: np.ndarray
    starts: np.ndarray
    n_accesses: int
    columns: Sequence[np.ndarray]


class _Builder:
    """Turns groups of samples into chunks of the trace."""

    def __init__(self, source: Source, sharing: WeightSharing, recipe: Recipe) -> None:
        self._recipe = recipe
        factors = recipe.pooling.factors or (0,) * len(recipe.tables)
        self.tables = [
            _table(sharing, number, column, rows, factor)
            for number, (column, rows, factor) in enumerate(
                zip(recipe.tables, recipe.rows.rows, factors, strict=True)
            )
        ]
        self.meta_tables = tuple(
            TableMeta(t.rows, t.scheme.subtables, source.tables[t.column].name, t.subtables.size)
            for t in self.tables
        )
        self._accesses_per_lookup = np.array([t.subtables.size for t in self.tables], dtype=np.int64)
        self._cached: tuple[int, _Structure] | None = None
        self.samples = 0
        self.batches = 0
        self.lookups = 0
        wide = any(part.rows > 1 << 32 for t in self.meta_tables for part in t.subtables)
        self._row_type = np.uint64 if wide else np.uint32

    def groups(self, source: Source) -> Iterator[Group]:
        """Cut the source into groups of whole batches that fill a row group each."""
        columns = [t.column for t in self.tables]
        batch_size = self._recipe.batch_size
        if not source.one_hot:
            yield from group_bags(
                source.chunks(), columns, self._accesses_per_lookup, batch_size, ROW_GROUP_ACCESSES
            )
            return
        per_sample = sum(max(t.factor, 1) * t.subtables.size for t in self.tables)
        per_batch = per_sample * batch_size
        if per_batch > _MAX_BATCH_ACCESSES:
            raise InputError(
                f"a batch would make {per_batch} accesses, more than {_MAX_BATCH_ACCESSES}; "
                "choose a smaller --batch-size or --pooling"
            )
        batches = max(1, ROW_GROUP_ACCESSES // per_batch)
        yield from group_one_hot(source.chunks(), columns, batches * batch_size)

    def chunk(self, group: Group) -> TraceChunk:
        """The accesses of one group."""
        structure = self._structure(group)
        row = np.empty(structure.n_accesses, dtype=self._row_type)
        for number, table in enumerate(self.tables):
            ids = np.empty(group.values[number].size, dtype=np.int64)
            self._recipe.rows.apply(number, group.values[number], ids)
            if table.factor > 1:
                ids = self._expand(ids, table)
            rows = np.empty((ids.size, table.subtables.size), dtype=self._row_type)
            table.scheme.decompose(ids, rows)
            place_rows(
                rows, structure.offsets[number], structure.starts[number], self._recipe.batch_size, row
            )
            self.lookups += ids.size
        batch, number_column, sample, lookup, subtable = structure.columns
        chunk = TraceChunk(batch + np.uint32(self.batches), number_column, sample, lookup, subtable, row)
        self.samples += group.n_samples
        self.batches += structure.starts.shape[1]
        return chunk

    def _expand(self, ids: np.ndarray, table: _Table) -> np.ndarray:
        bags = np.empty(ids.size * table.factor, dtype=np.int64)
        distribution = _DISTRIBUTIONS[self._recipe.pooling.distribution]
        expand(ids, table.factor, table.rows, table.column, self._recipe.seed, int(distribution), bags)
        return bags

    def _structure(self, group: Group) -> _Structure:
        """The same for all full groups of one-hot data, so it is kept."""
        if group.offsets is not None:
            return self._lay_out(group.offsets)
        if self._cached is None or self._cached[0] != group.n_samples:
            steps = np.arange(group.n_samples + 1, dtype=np.int64)
            factors = np.array([[max(t.factor, 1)] for t in self.tables], dtype=np.int64)
            self._cached = (group.n_samples, self._lay_out(steps * factors))
        return self._cached[1]

    def _lay_out(self, offsets: np.ndarray) -> _Structure:
        offsets = np.ascontiguousarray(offsets)
        batch_size = self._recipe.batch_size
        n_batches = -(-(offsets.shape[1] - 1) // batch_size)
        starts = np.empty((len(self.tables), n_batches), dtype=np.int64)
        n = segment_starts(offsets, self._accesses_per_lookup, batch_size, starts)
        columns = tuple(
            np.empty(n, dtype=kind) for kind in (np.uint32, np.uint16, np.uint32, np.uint32, np.uint8)
        )
        for number, table in enumerate(self.tables):
            fill_structure(number, offsets[number], table.subtables, starts[number], batch_size, *columns)
        return _Structure(offsets, starts, n, columns)


def _table(sharing: WeightSharing, number: int, column: int, rows: int, factor: int) -> _Table:
    scheme = sharing.table(rows, number)
    if len(scheme.subtables) > MAX_SUBTABLES:
        raise InputError(f"{sharing.name}: more than {MAX_SUBTABLES} subtables a table; choose fewer parts")
    return _Table(column, rows, scheme, np.array(scheme.access_subtables, dtype=np.int64), factor)


def generate(
    source: Source,
    sharing: WeightSharing,
    recipe: Recipe,
    output: Path,
    describe: dict[str, Any],
    on_progress: Callable[[Source], None] = lambda _: None,
) -> TraceMeta:
    """Write the trace of a dataset to `output` (a temporary name; see `ppim.files.atomic_path`).

    Parameters
    ----------
    source : Source
        The opened dataset.
    sharing : WeightSharing
        Algorithm and options.
    recipe : Recipe
        Tables, rows, pooling, batch size, seed.
    output : path
        Where to write.
    describe : dict
        `dataset`, `dataset_sha256`, `dataset_options` and `command_line` of the metadata.
    on_progress : callable
        Called after every row group.

    Returns
    -------
    TraceMeta
        The metadata as written, totals included.

    Raises
    ------
    InputError
        Bad rows, an empty dataset, a batch too large to hold.
    """
    builder = _Builder(source, sharing, recipe)
    meta = TraceMeta(
        algorithm=sharing.name,
        parameters=sharing.parameters,
        tables=builder.meta_tables,
        batch_size=recipe.batch_size,
        pooling=recipe.pooling,
        seed=recipe.seed,
        ppim_version=__version__,
        **describe,
    )
    with TraceWriter(output, meta) as writer:
        for group in builder.groups(source):
            writer.write(builder.chunk(group))
            on_progress(source)
        if not builder.samples:
            raise InputError(f"{describe['dataset']}: no samples to read; give a dataset that is not empty")
        return writer.close(samples=builder.samples, batches=builder.batches, lookups=builder.lookups)


def table_numbers(source: Source, chosen: Sequence[str]) -> tuple[int, ...]:
    """Columns of a source by number or name; all of them where none is chosen."""
    if not chosen:
        return tuple(range(len(source.tables)))
    names = [table.name for table in source.tables]
    found = []
    for word in chosen:
        if word in names:
            found.append(names.index(word))
        elif word.isdigit() and int(word) < len(names):
            found.append(int(word))
        else:
            raise InputError(
                f"--tables: {word!r} is no table; give numbers 0 to {len(names) - 1} or names ({names[0]} ... {names[-1]})"
            )
    if len(set(found)) < len(found):
        raise InputError("--tables: a table is named twice; name each once")
    return tuple(found)
