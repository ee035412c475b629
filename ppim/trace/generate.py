"""Dataset -> lookups -> weight sharing -> trace: the whole left half of the data flow, as a stream."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ppim import __version__
from ppim.config import check_characters
from ppim.datasets import base, pooling as bag_sizes, rows as row_maps
from ppim.errors import InputError
from ppim.trace import layout, parquet, schema, scratch, writer as files
from ppim.trace.groups import Group, group_bags, group_one_hot
from ppim.trace.pipeline import Pipeline
from ppim.units import ceil_div
from ppim.weight_sharing import base as schemes

_DISTRIBUTIONS = {"pareto": bag_sizes.Distribution.PARETO, "uniform": bag_sizes.Distribution.UNIFORM}
_MAX_BATCH_ACCESSES = 1 << 28


@dataclass(frozen=True)
class Recipe:
    """What to make of a dataset, beside the weight sharing.

    `tables` are the dataset's columns to keep, `rows` maps their values, `pooling.factors` are their bag sizes.
    """

    tables: tuple[int, ...]
    rows: row_maps.RowMap
    pooling: schema.PoolingMeta
    batch_size: int
    seed: int


class _Table(NamedTuple):
    """One table of the trace."""

    column: int
    rows: int
    scheme: schemes.TableScheme
    subtables: np.ndarray
    """Subtable of each access of a lookup, int64."""
    factor: int
    """Bag size; 0 where bags are the dataset's own."""


class _Structure(NamedTuple):
    """Where the accesses of a group lie, and its encoded columns that do not depend on rows."""

    offsets: np.ndarray
    starts: np.ndarray
    batch_accesses: np.ndarray
    """Accesses of each batch, int64."""
    encoded: tuple[parquet.EncodedColumn, ...]


class _Builder:
    """Turns groups of samples into row groups of the trace."""

    def __init__(self, source: base.Source, sharing: schemes.WeightSharing, recipe: Recipe) -> None:
        self._recipe = recipe
        factors = recipe.pooling.factors or (0,) * len(recipe.tables)
        self.tables = [
            _table(sharing, number, column, rows, factor)
            for number, (column, rows, factor) in enumerate(
                zip(recipe.tables, recipe.rows.rows, factors, strict=True)
            )
        ]
        self.meta_tables = tuple(
            schema.TableMeta(t.rows, t.scheme.subtables, source.tables[t.column].name, t.subtables.size)
            for t in self.tables
        )
        self._accesses_per_lookup = np.array([t.subtables.size for t in self.tables], dtype=np.int64)
        self._kept: dict[int, _Structure] = {}
        self._scratch = scratch.Scratch()
        wide = any(part.rows > schema.MAX_NARROW_ROWS for t in self.meta_tables for part in t.subtables)
        self._row_type = np.uint64 if wide else np.uint32

    def groups(self, source: base.Source, in_use: int) -> Iterator[Group]:
        """Cut the source into groups of whole batches that fill a row group each; `in_use` are kept at a time."""
        columns = [t.column for t in self.tables]
        batch_size = self._recipe.batch_size
        if not source.one_hot:
            yield from group_bags(
                source.chunks(),
                columns,
                self._recipe.rows,
                self._accesses_per_lookup,
                batch_size,
                files.ROW_GROUP_ACCESSES,
            )
            return
        per_sample = sum(max(t.factor, 1) * t.subtables.size for t in self.tables)
        per_batch = per_sample * batch_size
        if per_batch > _MAX_BATCH_ACCESSES:
            raise InputError(
                f"a batch would make {per_batch} accesses, more than {_MAX_BATCH_ACCESSES}; "
                "choose a smaller --batch-size or --pooling"
            )
        batches = max(1, files.ROW_GROUP_ACCESSES // per_batch)
        yield from group_one_hot(source.chunks(), columns, self._recipe.rows, batches * batch_size, in_use)

    def n_batches(self, group: Group) -> int:
        """Batches of a group, the last perhaps not full."""
        return ceil_div(group.n_samples, self._recipe.batch_size)

    def n_lookups(self, group: Group) -> int:
        """Lookups of a group, synthetic ones included."""
        return sum(ids.size * max(table.factor, 1) for ids, table in zip(group.ids, self.tables, strict=True))

    def encode(self, group: Group, first_batch: int) -> files.EncodedGroup:
        """The row group of a group of samples. Safe in any thread: it changes nothing but what it keeps."""
        structure = self._structure(group)
        row = self._scratch.take("row", (int(structure.batch_accesses.sum()),), self._row_type)
        for number, table in enumerate(self.tables):
            ids = group.ids[number]
            if table.factor > 1:
                ids = self._expand(ids, table)
            rows = self._scratch.take("rows", (ids.size, table.subtables.size), self._row_type)
            table.scheme.decompose(ids, rows)
            layout.place_rows(
                rows, structure.offsets[number], structure.starts[number], self._recipe.batch_size, row
            )
        return files.encode_group(first_batch, structure.batch_accesses, structure.encoded, row)

    def _expand(self, ids: np.ndarray, table: _Table) -> np.ndarray:
        bags = self._scratch.take("bags", (ids.size * table.factor,), np.int64)
        distribution = _DISTRIBUTIONS[self._recipe.pooling.distribution]
        bag_sizes.expand(
            ids, table.factor, table.rows, table.column, self._recipe.seed, int(distribution), bags
        )
        return bags

    def _structure(self, group: Group) -> _Structure:
        """The same for all groups of one-hot data with as many samples, so it is kept."""
        if group.offsets is not None:
            return self._lay_out(group.offsets)
        if group.n_samples not in self._kept:
            steps = np.arange(group.n_samples + 1, dtype=np.int64)
            factors = np.array([[max(t.factor, 1)] for t in self.tables], dtype=np.int64)
            self._kept[group.n_samples] = self._lay_out(steps * factors)
        return self._kept[group.n_samples]

    def _lay_out(self, offsets: np.ndarray) -> _Structure:
        offsets = np.ascontiguousarray(offsets)
        batch_size = self._recipe.batch_size
        n_batches = ceil_div(offsets.shape[1] - 1, batch_size)
        starts = np.empty((len(self.tables), n_batches), dtype=np.int64)
        n = layout.segment_starts(offsets, self._accesses_per_lookup, batch_size, starts)
        if n > _MAX_BATCH_ACCESSES and n_batches == 1:
            raise InputError(
                f"a batch makes {n} accesses, more than {_MAX_BATCH_ACCESSES}; choose a smaller --batch-size"
            )
        columns = tuple(np.empty(n, dtype=kind) for kind in (np.uint16, np.uint32, np.uint32, np.uint8))
        for number, table in enumerate(self.tables):
            layout.fill_structure(
                number, offsets[number], table.subtables, starts[number], batch_size, *columns
            )
        return _Structure(offsets, starts, np.diff(starts[0], append=n), files.encode_structure(columns))


def _table(sharing: schemes.WeightSharing, number: int, column: int, rows: int, factor: int) -> _Table:
    scheme = sharing.table(rows, number)
    if len(scheme.subtables) > schema.MAX_SUBTABLES:
        raise InputError(
            f"{sharing.name}: more than {schema.MAX_SUBTABLES} subtables a table; choose fewer parts"
        )
    return _Table(column, rows, scheme, np.array(scheme.access_subtables, dtype=np.int64), factor)


def generate(
    source: base.Source,
    sharing: schemes.WeightSharing,
    recipe: Recipe,
    output: Path,
    describe: dict[str, Any],
    on_progress: Callable[[base.Source], None] = lambda _: None,
    threads: int = 1,
) -> schema.TraceMeta:
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
    threads : int
        Threads that encode, beside the one that reads. They do not change the file.

    Returns
    -------
    TraceMeta
        The metadata as written, totals included.

    Raises
    ------
    InputError
        Bad rows, an empty dataset, a batch too large to hold.
    """
    for table in source.tables:
        check_characters(table.name, f"{describe['dataset']}: name of a table")
    try:
        builder = _Builder(source, sharing, recipe)
        meta = schema.TraceMeta(
            algorithm=sharing.name,
            parameters=sharing.parameters,
            tables=builder.meta_tables,
            batch_size=recipe.batch_size,
            pooling=recipe.pooling,
            seed=recipe.seed,
            ppim_version=__version__,
            **describe,
        )
    except ValueError as error:
        raise InputError(f"{describe['dataset']}: {error}") from error
    samples = batches = lookups = 0
    with files.TraceWriter(output, meta) as writer, Pipeline(writer, threads) as pipeline:
        for group in builder.groups(source, pipeline.limit):
            found = builder.n_lookups(group)
            if found:  # bags may all be empty
                pipeline.submit(builder.encode, group, batches)
            samples += group.n_samples
            batches += builder.n_batches(group)
            lookups += found
            on_progress(source)
        pipeline.drain()
        if not samples and source.progress.skipped:
            raise InputError(
                f"{describe['dataset']}: all {source.progress.skipped:,} rows were skipped, "
                f"the first: {source.progress.first_skipped}"
            )
        if not samples:
            raise InputError(f"{describe['dataset']}: no samples to read; give a dataset that is not empty")
        if not lookups:
            raise InputError(
                f"{describe['dataset']}: all bags of the {samples:,} samples are empty; give a dataset with lookups"
            )
        return writer.close(samples=samples, batches=batches, lookups=lookups)


def table_numbers(source: base.Source, chosen: Sequence[str]) -> tuple[int, ...]:
    """Columns of a source by number or name; all of them where none is chosen."""
    if not chosen:
        return tuple(range(len(source.tables)))
    names = [table.name for table in source.tables]
    places = {name: place for place, name in reversed(list(enumerate(names)))}
    found = []
    for word in chosen:
        if word in places:
            found.append(places[word])
        elif word.isascii() and word.isdigit() and int(word) < len(names):
            found.append(int(word))
        else:
            raise InputError(
                f"--tables: {word!r} is no table; give numbers 0 to {len(names) - 1} or names ({names[0]} ... {names[-1]})"
            )
    if len(set(found)) < len(found):
        raise InputError("--tables: a table is named twice; name each once")
    return tuple(found)
