"""Any CSV or Parquet file, by the names of its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ppim.datasets.base import DATASETS, MISSING, Dataset, ReadOptions, SampleChunk, Source, TableSpec
from ppim.datasets.fields import FNV_OFFSET, FNV_PRIME, Kind
from ppim.datasets.streams import header_line, read_head, total_size
from ppim.datasets.text import TextLayout, read_values
from ppim.errors import InputError, UnknownNameError
from ppim.jit import njit

_PARQUET = b"PAR1"
_CHUNK_ROWS = 1 << 16
_KINDS = {"text": Kind.TEXT, "hex": Kind.HEX, "decimal": Kind.DECIMAL}


class CsvSource(Source):
    """One-hot samples from delimited text with a header line."""

    def __init__(self, paths: Sequence[Path], dataset: Csv, options: ReadOptions) -> None:
        super().__init__()
        self._paths, self._options = paths, options
        names = [name.strip().strip('"') for name in header_line(paths[0]).split(dataset.delimiter)]
        chosen = _choose(dataset.columns, names, paths[0])
        kind = _KINDS[dataset.values]
        self._layout = TextLayout(
            names=tuple(names),
            kinds=tuple(kind if name in chosen else Kind.SKIP for name in names),
            kept=tuple(names.index(name) for name in chosen),
            delimiter=dataset.delimiter,
            quote='"',
            header="skip",
        )
        self.tables = tuple(TableSpec(name, None) for name in chosen)
        self.total_bytes = total_size(paths)

    def chunks(self) -> Iterator[SampleChunk]:
        for values in read_values(self._paths, self._layout, self._options, self.progress):
            yield SampleChunk(values.shape[1], tuple(values))


class ParquetSource(Source):
    """Samples from Parquet; a column of lists holds bags, others hold single values."""

    def __init__(self, paths: Sequence[Path], dataset: Csv, options: ReadOptions) -> None:
        super().__init__()
        self._files = [_open_parquet(path) for path in paths]
        self._paths, self._options = paths, options
        schema = self._files[0].schema_arrow
        self._chosen = _choose(dataset.columns, schema.names, paths[0])
        kinds = [schema.field(name).type for name in self._chosen]
        self.one_hot = not any(_is_list(kind) for kind in kinds)
        self.tables = tuple(TableSpec(name, None) for name in self._chosen)
        n_rows = sum(file.metadata.num_rows for file in self._files)
        self.total_samples = min(n_rows, options.max_samples or n_rows)

    def chunks(self) -> Iterator[SampleChunk]:
        left = self.total_samples or 0
        for file, path in zip(self._files, self._paths, strict=True):
            try:
                for batch in file.iter_batches(_CHUNK_ROWS, columns=list(self._chosen)):
                    batch = batch.slice(0, left)
                    if not batch.num_rows:
                        return
                    left -= batch.num_rows
                    self.progress.rows += batch.num_rows
                    yield self._chunk(batch, path)
            except (pa.ArrowException, OSError) as error:
                raise InputError(
                    f"{path}: damaged ({str(error).splitlines()[0]}); get the file again"
                ) from error

    def _chunk(self, batch: pa.RecordBatch, path: Path) -> SampleChunk:
        columns = [batch.column(name) for name in self._chosen]
        if self.one_hot:
            return SampleChunk(batch.num_rows, [_values(column, path) for column in columns])
        bags = [_bags(column) for column in columns]
        return SampleChunk(
            batch.num_rows, [_values(flat, path) for flat, _ in bags], [ends for _, ends in bags]
        )


def _choose(columns: Sequence[str], names: Sequence[str], path: Path) -> tuple[str, ...]:
    for name in columns:
        if name not in names:
            raise InputError(f"{path}: {UnknownNameError('column', name, names)}")
    chosen = tuple(columns) or tuple(names)
    for name in chosen:
        if names.count(name) > 1:
            raise InputError(
                f"{path}: column {name!r} is there {names.count(name)} times; rename one, or add a first line of "
                "names where there is none"
            )
        if chosen.count(name) > 1:
            raise InputError(f"{path}: column {name!r} is chosen twice; name each once")
    return chosen


def _open_parquet(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: not a Parquet file, or damaged; get the file again") from error


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _bags(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Flat values and offsets; a single value is a bag of one, a null list an empty bag."""
    if not _is_list(column.type):
        return column, np.arange(len(column) + 1)
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return column.flatten(), np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def _values(column: pa.Array, path: Path) -> np.ndarray:
    """64-bit values: numbers as they are (negative ones modulo 2^64), text by its hash, null as missing."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_integer(kind):
        whole = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
        values = (
            whole.astype(np.int64).view(np.uint64) if whole.dtype.kind == "i" else whole.astype(np.uint64)
        )
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind):
        values = _hash_strings(column.cast(pa.large_binary()))
    else:
        raise InputError(f"{path}: a column of type {kind}; whole numbers, text and lists of them are read")
    if column.null_count:
        values = values.copy()
        values[column.is_null().to_numpy(zero_copy_only=False)] = MISSING
    return np.ascontiguousarray(values)


@njit
def _fnv1a(offsets, data, out):  # type: ignore[no-untyped-def]
    for i in range(out.size):
        value = FNV_OFFSET
        for at in range(offsets[i], offsets[i + 1]):
            value = (value ^ np.uint64(data[at])) * FNV_PRIME
        out[i] = value


def _hash_strings(column: pa.Array) -> np.ndarray:
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    text = np.frombuffer(data if data is not None else b"", dtype=np.uint8)
    values = np.empty(len(column), dtype=np.uint64)
    _fnv1a(ends, text, values)
    return values


@DATASETS.register("csv")
@dataclass(frozen=True)
class Csv(Dataset):
    """Columns of any CSV (with a header line) or Parquet file.

    `columns` names the tables (all columns where it is empty); `values` says how fields of a CSV are written:
    text (hashed), hex or decimal.
    """

    summary = "any CSV with a header, or Parquet file, by column names"

    columns: tuple[str, ...] = ()
    delimiter: str = ","
    values: Literal["text", "hex", "decimal"] = "text"

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n':
            raise ValueError("delimiter must be one ASCII character, neither a quote nor a line end")

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        return head.startswith(_PARQUET)

    def open(self, paths: Sequence[Path], options: ReadOptions) -> CsvSource | ParquetSource:
        is_parquet = read_head(paths[0], len(_PARQUET)) == _PARQUET
        return (ParquetSource if is_parquet else CsvSource)(paths, self, options)
