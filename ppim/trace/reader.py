"""Read a trace file in chunks of whole turns (one table's part of a batch each), checking everything at the edge."""

import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ppim.errors import InputError, unreadable
from ppim.parquet_file import open_parquet
from ppim.parquet_footer import MAGIC, read_row_groups
from ppim.trace import check, schema

OUT_OF_ORDER = "out of order (batch, table, sample, lookup, subtable must not decrease)"
REMAKE = "make the trace again with `ppim gen-trace`"
_MAX_GROUP_ACCESSES = 1 << 28  # of one batch
_USUAL_GROUP_ACCESSES = 1 << 22
_LEAST_RATIO = 8  # accesses a byte: columns that repeat take few
_MAX_RATIO = 1 << 15  # bytes that zstd makes of one
_PIECE_ACCESSES = 1 << 20
"""Of a row group that has more, so many are read at once."""


class TraceChunk(NamedTuple):
    """Accesses of whole turns, one array per column, all of shape (n,)."""

    batch: np.ndarray
    """uint32; index of the batch in the trace."""
    table: np.ndarray
    """uint16"""
    sample: np.ndarray
    """uint32; index in the batch."""
    lookup: np.ndarray
    """uint32; index in the bag."""
    subtable: np.ndarray
    """uint8; index among the table's subtables."""
    row: np.ndarray
    """uint32, or uint64 where a subtable has more than 2^32 rows."""


def no_accesses(wide_rows: bool) -> TraceChunk:
    """A chunk without accesses, of the types that a trace's columns have."""
    return TraceChunk(
        *(np.zeros(0, dtype=field.type.to_pandas_dtype()) for field in schema.arrow_schema(wide_rows))
    )


def first_batches(chunk: TraceChunk, accesses: int) -> TraceChunk:
    """The first batches of a chunk, with so many accesses or, but for the first one, less."""
    if len(chunk.batch) <= accesses:
        return chunk
    n = int(np.searchsorted(chunk.batch, chunk.batch[accesses]))
    if n == 0:
        n = int(np.searchsorted(chunk.batch, chunk.batch[0], side="right"))
    return TraceChunk(*(column[:n] for column in chunk))


class TraceReader:
    """A trace file: metadata at once, accesses as a stream with bounded memory.

    Parameters
    ----------
    path : path
        A file written by `ppim gen-trace`.

    Raises
    ------
    InputError
        If it is missing, is not Parquet, is cut off, or is not a trace.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = _open(self.path)
        text = (self._file.metadata.metadata or {}).get(schema.METADATA_KEY)
        if text is None:
            raise InputError(
                f"{self.path}: a Parquet file without `ppim` metadata, so not a trace; "
                "make one with `ppim gen-trace`"
            )
        self.meta = schema.TraceMeta.from_json(text, f"{self.path}: ppim metadata")
        _check_schema(self._file.schema_arrow, self.meta, self.path)
        _check_totals(self.meta, self.n_accesses, self.path)
        _check_promises(self.path)

    @property
    def n_accesses(self) -> int:
        """Accesses in the whole file."""
        return int(self._file.metadata.num_rows)

    def chunks(self, threads: int = 1, *, whole_batches: bool = False) -> Iterator[TraceChunk]:
        """Yield the accesses in file order; every chunk ends where a turn ends.

        Memory is that of some million accesses, or of the largest turn.

        Parameters
        ----------
        threads : int
            A chunk is checked on so many; on more than one its columns are decoded beside each other, too, on
            pyarrow's own threads.
        whole_batches : bool
            Every chunk ends where a batch ends; memory is that of the largest batch.

        Raises
        ------
        InputError
            On the first access that is out of order or outside its table, and where the file is damaged.
        """
        last, last_group = (-1, -1), -1
        position = 0
        for group, chunk, fault, at in self._read(threads, whole_batches):
            if not chunk.batch.size:
                continue
            batch, table = _turn_at(chunk, 0)
            if group != last_group and batch <= last[0]:
                raise InputError(
                    f"{self.path}: row group {group} begins with batch {batch} after batch "
                    f"{last[0]}; batches must be in order and no row group may split one"
                )
            where = f"row group {group}, access {position + at}"
            if (batch, table) <= last:
                problem = f"batch {batch} after batch {last[0]}" if batch < last[0] else OUT_OF_ORDER
                raise InputError(f"{self.path}: {where}: {problem}; {REMAKE}")
            if fault != check.Fault.NONE:
                raise InputError(self._describe(fault, chunk, at, where))
            last, last_group = _turn_at(chunk, -1), group
            if last[0] >= self.meta.batches:
                raise InputError(
                    f"{self.path}: row group {group}: batch {last[0]}, but the metadata say "
                    f"{self.meta.batches} batches; make the trace again"
                )
            position += chunk.batch.size
            yield chunk
            # Whoever drops it too has the next one read into its memory, not into fresh pages.
            del chunk

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, threads: int, whole_batches: bool) -> Iterator[tuple[int, TraceChunk, check.Fault, int]]:
        """Each row group, or pieces of a large one, with its number and the first fault."""
        layout = _layout(self.meta)
        with ThreadPoolExecutor(threads) as pool:
            for group in range(self._file.num_row_groups):
                for chunk in self._decode(group, beside=threads > 1, whole=whole_batches):
                    found = check.check_accesses(
                        *chunk, *layout, pool=pool if threads > 1 else None, shares=threads
                    )
                    yield group, chunk, *found
                    del chunk

    def _decode(self, group: int, *, beside: bool, whole: bool) -> Iterator[TraceChunk]:
        """A row group, in pieces of whole turns if it is large."""
        names = list(schema.COLUMNS)
        is_large = self._file.metadata.row_group(group).num_rows > _PIECE_ACCESSES
        try:
            if whole or not is_large:
                yield self._numbers(self._file.read_row_group(group, names, use_threads=beside), group)
                return
            parts = self._file.iter_batches(_PIECE_ACCESSES, [group], names, use_threads=beside)
            yield from whole_turns(self._numbers(part, group) for part in parts)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{self.path}: row group {group} is damaged ({reason}); make the trace again"
            ) from error

    def _numbers(self, columns: pa.Table | pa.RecordBatch, group: int) -> TraceChunk:
        columns.validate()
        if any(columns.column(name).null_count for name in schema.COLUMNS):
            raise InputError(f"{self.path}: row group {group} has empty values; make the trace again")
        return TraceChunk(*(_numbers(columns.column(name)) for name in schema.COLUMNS))

    def _describe(self, fault: check.Fault, chunk: TraceChunk, at: int, where: str) -> str:
        table, subtable = int(chunk.table[at]), int(chunk.subtable[at])
        tables = self.meta.tables
        if fault == check.Fault.TABLE:
            problem = f"table {table} of {len(tables)}"
        elif fault == check.Fault.SUBTABLE:
            problem = f"subtable {subtable} of table {table}, which has {len(tables[table].subtables)}"
        elif fault == check.Fault.ROW:
            part = tables[table].subtables[subtable]
            problem = (
                f"row {chunk.row[at]} of table {table} subtable {part.name!r}, which has {part.rows} rows"
            )
        elif fault == check.Fault.SAMPLE:
            problem = f"sample {chunk.sample[at]} of batches of {self.meta.batch_size} samples"
        elif fault == check.Fault.LOOKUP:
            problem = f"lookup {chunk.lookup[at]} of a bag; one has at most {check.MAX_LOOKUPS:,}"
        elif fault == check.Fault.ACCESSES:
            problem = (
                f"a lookup of table {table} that has not the {tables[table].accesses_per_lookup} accesses "
                "of the metadata"
            )
        elif fault == check.Fault.BATCH_ORDER:
            problem = f"batch {chunk.batch[at]} after batch {chunk.batch[at - 1]}"
        else:
            problem = OUT_OF_ORDER
        return f"{self.path}: {where}: {problem}; {REMAKE}"


def whole_turns(parts: Iterable[TraceChunk]) -> Iterator[TraceChunk]:
    """The same accesses, in chunks that end where turns end."""
    waiting: list[TraceChunk] = []  # of the last turn
    for part in parts:
        n = start_of_last_turn(part)
        if n or (waiting and _turn_at(part, 0) != _turn_at(waiting[-1], -1)):
            done = [*waiting, TraceChunk(*(column[:n] for column in part))]
            waiting = []
            yield TraceChunk(*(np.concatenate(columns) for columns in zip(*done, strict=True)))
            del done
        # A copy, so that the rest of the part can go.
        waiting.append(TraceChunk(*(column[n:].copy() for column in part)))
        del part
    if waiting:
        yield TraceChunk(*(np.concatenate(columns) for columns in zip(*waiting, strict=True)))


def start_of_last_turn(chunk: TraceChunk) -> int:
    """Position of the first access of a chunk's last turn."""
    changes = (chunk.table[1:] != chunk.table[:-1]) | (chunk.batch[1:] != chunk.batch[:-1])
    return int(np.flatnonzero(changes)[-1]) + 1 if changes.any() else 0


def _turn_at(chunk: TraceChunk, at: int) -> tuple[int, int]:
    return int(chunk.batch[at]), int(chunk.table[at])


def read_ahead(chunks: Iterator[TraceChunk]) -> Iterator[TraceChunk]:
    """The same chunks; while one is in use, another thread reads and checks the next."""
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = reader.submit(next, chunks, None)
            yield chunk


def _numbers(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """A column without empty values. pyarrow's own `to_numpy` imports pandas, which takes longer than a short run."""
    if isinstance(column, pa.Array):
        return np.from_dlpack(column)
    return np.from_dlpack(column.chunk(0) if column.num_chunks == 1 else column.combine_chunks())


def _open(path: Path) -> pq.ParquetFile:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(f"{path}: is no file, but a trace is read from its end; give a trace file")
        with path.open("rb") as stream:
            begins = stream.read(len(MAGIC))
    except OSError as error:
        raise unreadable(path, error, "give a trace file") from error
    if begins != MAGIC:
        raise InputError(f"{path}: not a Parquet file, so not a trace; make one with `ppim gen-trace`")
    return open_parquet(path, "cut off or damaged Parquet file; make the trace again", pre_buffer=False)


def _check_schema(found: pa.Schema, meta: schema.TraceMeta, path: Path) -> None:
    expected = schema.arrow_schema(meta.wide_rows)
    for column in expected:
        index = found.get_field_index(column.name)
        if index < 0:
            raise InputError(f"{path}: column {column.name!r} is missing; make the trace again")
        kind = found.field(index).type
        if kind != column.type:
            raise InputError(
                f"{path}: column {column.name!r} is {kind}, not {column.type}; make the trace again"
            )
    if len(found) != len(expected):
        raise InputError(
            f"{path}: columns {found.names}, but a trace has {list(schema.COLUMNS)}; make the trace again"
        )


def _check_totals(meta: schema.TraceMeta, accesses: int, path: Path) -> None:
    """Totals are told to people and taken for sizes, so they are held against the file."""
    full, last = divmod(meta.samples, meta.batch_size)
    if meta.accesses != accesses:
        problem = f"{meta.accesses:,} accesses, but the file has {accesses:,}"
    elif meta.batches != full + bool(last):
        problem = f"{meta.batches:,} batches of {meta.batch_size:,} for {meta.samples:,} samples"
    elif meta.lookups > accesses:
        problem = f"{meta.lookups:,} lookups of {accesses:,} accesses"
    else:
        return
    raise InputError(f"{path}: ppim metadata: {problem}; make the trace again")


def _check_promises(path: Path) -> None:
    """Hold the sizes of row groups against the file, before memory is taken for them."""
    size = path.stat().st_size
    for number, group in enumerate(read_row_groups(path, "make the trace again")):
        packed = sum(column.packed for column in group.columns)
        unpacked = sum(column.unpacked for column in group.columns)
        wrong = (
            not 0 <= group.rows <= _MAX_GROUP_ACCESSES
            or not 0 <= packed <= size
            or group.rows > _USUAL_GROUP_ACCESSES + _LEAST_RATIO * unpacked
            or unpacked > _MAX_RATIO * packed + _USUAL_GROUP_ACCESSES
            or any(column.values != group.rows for column in group.columns)
        )
        if wrong:
            raise InputError(
                f"{path}: row group {number} promises {group.rows:,} accesses in {unpacked:,} bytes, packed in "
                f"{packed:,} of the file's {size:,}; make the trace again"
            )


def _layout(meta: schema.TraceMeta) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Subtables of all tables in one line: where each table's begin, and their rows; accesses of a lookup, batch size."""
    counts = [len(table.subtables) for table in meta.tables]
    first = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    rows = np.array([part.rows for table in meta.tables for part in table.subtables], dtype=np.uint64)
    accesses = np.array([table.accesses_per_lookup for table in meta.tables], dtype=np.int64)
    return first, rows, accesses, meta.batch_size
