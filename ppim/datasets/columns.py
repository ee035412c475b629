"""Any CSV or Parquet file, by the names of its columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ppim.datasets import base as datasets, delimited, fields, hash_text, streams
from ppim.datasets.text import TextLayout, read_values
from ppim.errors import InputError, UnknownNameError
from ppim.parquet_file import open_parquet
from ppim.parquet_footer import MAGIC, ColumnPart, read_row_groups

_GET_AGAIN = "get the file again"
_CHUNK_ROWS = 1 << 16
_CHUNK_VALUES = 1 << 22
_MOST_UNPACKED = 1 << 28  # bytes of a column of a row group
_MAX_RATIO = 256  # of these to those in the file; real columns have less
_MOST_VALUES = 1 << 25  # of a column of a row group, where a list of all of them may be one row's
_VALUES_PER_BYTE = 64  # in the file, beyond that
_KINDS = {"text": fields.Kind.TEXT, "hex": fields.Kind.HEX, "decimal": fields.Kind.DECIMAL}
_MAX_SEPARATOR = 8


def _headers(paths: Sequence[Path], dataset: Csv) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The columns chosen, and the columns of each file, which all must have them."""
    headers = [streams.split_header(path, streams.header_line(path), dataset.delimiter) for path in paths]
    chosen = choose(dataset.columns, headers[0], paths[0])
    for path, names in zip(paths[1:], headers[1:], strict=True):
        check_same_columns(chosen, headers[0], names, path, paths[0], all_chosen=not dataset.columns)
    return chosen, headers


class CsvSource(datasets.Source):
    """One-hot samples from delimited text with a header line."""

    def __init__(self, paths: Sequence[Path], dataset: Csv, options: datasets.ReadOptions) -> None:
        super().__init__()
        self._paths, self._options = paths, options
        chosen, headers = _headers(paths, dataset)
        kind, of_table = _KINDS[dataset.values], frozenset(chosen)
        self._layouts = [
            TextLayout(
                names=names,
                kinds=tuple(kind if name in of_table else fields.Kind.SKIP for name in names),
                kept=_places(chosen, names),
                delimiter=dataset.delimiter,
                quote='"',
                header="skip",
            )
            for names in headers
        ]
        self.tables = tuple(datasets.TableSpec(name, None) for name in chosen)
        self.total_bytes = streams.total_size(paths)

    def chunks(self) -> Iterator[datasets.SampleChunk]:
        for values in read_values(self._paths, self._layouts, self._options, self.progress):
            yield datasets.SampleChunk(values.shape[1], tuple(values))


def _places(chosen: Sequence[str], names: Sequence[str]) -> tuple[int, ...]:
    """Where the columns stand in a file; a dict, since a file may have 65,536 of them."""
    places = {name: place for place, name in enumerate(names)}
    return tuple(places[name] for name in chosen)


class MultiValueSource(datasets.Source):
    """Samples from delimited text whose fields hold several values each: a field is a bag."""

    one_hot = False

    def __init__(self, paths: Sequence[Path], dataset: Csv, options: datasets.ReadOptions) -> None:
        super().__init__()
        self._dataset, self._options = dataset, options
        chosen, headers = _headers(paths, dataset)
        self._files = [
            (
                delimited.Columns(path, dataset.delimiter, names, has_header=True),
                list(_places(chosen, names)),
            )
            for path, names in zip(paths, headers, strict=True)
        ]
        self.tables = tuple(datasets.TableSpec(name, None) for name in chosen)
        self.total_bytes = streams.total_size(paths)

    def chunks(self) -> Iterator[datasets.SampleChunk]:
        left = self._options.max_samples
        for columns, numbers in self._files:
            for batch in delimited.read_strings(columns, numbers, self._options, self.progress):
                batch = batch.slice(0, left)
                if batch.num_rows:
                    yield self._chunk(batch, columns.path)
                self.progress.rows += batch.num_rows
                left = None if left is None else left - batch.num_rows
                if left == 0:
                    return

    def _chunk(self, batch: pa.RecordBatch, path: Path) -> datasets.SampleChunk:
        values, ends = [], []
        for table, column in zip(self.tables, batch.columns, strict=True):
            lists = pc.split_pattern(column.cast(pa.large_string()), self._dataset.separator)
            parts = lists.flatten()
            is_value = pc.binary_length(parts).to_numpy(zero_copy_only=False) > 0
            before = np.concatenate(([0], np.cumsum(is_value, dtype=np.int64)))
            ends.append(before[lists.offsets.to_numpy()])
            values.append(self._values(parts.filter(pa.array(is_value)), f"{path}: column {table.name}"))
        return datasets.SampleChunk(batch.num_rows, values, ends)

    def _values(self, parts: pa.Array, where: str) -> np.ndarray:
        if self._dataset.values == "text":
            return hash_text.hash_strings(parts)
        base = 16 if self._dataset.values == "hex" else 10
        found = np.empty(len(parts), dtype=np.uint64)
        for at, part in enumerate(parts.to_pylist()):
            found[at] = _number(part, base, where)
        return found


def _number(text: str, base: int, where: str) -> int:
    try:
        value = int(text, base) if text.isascii() and text.isalnum() else -1
    except ValueError:
        value = -1
    if not 0 <= value < int(datasets.MISSING):
        raise InputError(
            f"{where}: {text[:40]!r} is no whole number of base {base}; give values=text or mend it"
        )
    return value


class ParquetSource(datasets.Source):
    """Samples from Parquet; a column of lists holds bags, others hold single values."""

    def __init__(self, paths: Sequence[Path], dataset: Csv, options: datasets.ReadOptions) -> None:
        super().__init__()
        self._files = [
            open_parquet(path, "not a Parquet file, or damaged; get the file again") for path in paths
        ]
        self._paths, self._options = paths, options
        schemas = [file.schema_arrow for file in self._files]
        self._chosen = choose(dataset.columns, schemas[0].names, paths[0])
        for path, schema in zip(paths[1:], schemas[1:], strict=True):
            check_same_columns(
                self._chosen, schemas[0].names, schema.names, path, paths[0], all_chosen=not dataset.columns
            )
            for name in self._chosen:
                if _meaning(schema.field(name).type) != _meaning(schemas[0].field(name).type):
                    raise InputError(
                        f"{path}: column {name!r} is {schema.field(name).type}, but {schemas[0].field(name).type} in "
                        f"{paths[0]}; give files of one kind"
                    )
        datasets.check_tables(len(self._chosen), str(paths[0]))
        self._values = [
            _values_promised(file.metadata, self._chosen, path)
            for file, path in zip(self._files, paths, strict=True)
        ]
        self.one_hot = not any(_is_list(schemas[0].field(name).type) for name in self._chosen)
        self.tables = tuple(datasets.TableSpec(name, None) for name in self._chosen)
        n_rows = sum(file.metadata.num_rows for file in self._files)
        self.total_samples = min(n_rows, options.max_samples or n_rows)

    def chunks(self) -> Iterator[datasets.SampleChunk]:
        left = self.total_samples or 0
        for file, path, values in zip(self._files, self._paths, self._values, strict=True):
            try:
                chunk_rows = _chunk_rows(file.metadata.num_rows, values)
                for batch in file.iter_batches(chunk_rows, columns=list(self._chosen)):
                    # A damaged file's offsets may point outside their values.
                    batch.validate(full=True)
                    batch = batch.slice(0, left)
                    if not batch.num_rows:
                        return
                    left -= batch.num_rows
                    yield self._chunk(batch, path)
                    self.progress.rows += batch.num_rows
            except (pa.ArrowException, OSError) as error:
                raise InputError(
                    f"{path}: damaged ({str(error).splitlines()[0]}); get the file again"
                ) from error

    def _chunk(self, batch: pa.RecordBatch, path: Path) -> datasets.SampleChunk:
        columns = [
            (batch.column(name), f"{path}: row {self.progress.rows} or after it, column {name!r}")
            for name in self._chosen
        ]
        if self.one_hot:
            return datasets.SampleChunk(batch.num_rows, [_values(column, where) for column, where in columns])
        bags = [(*_bags(column), where) for column, where in columns]
        for _, ends, where in bags:
            datasets.check_lookups(int(np.diff(ends).max()), where, self.progress.rows)
        return datasets.SampleChunk(
            batch.num_rows, [_values(flat, where) for flat, _, where in bags], [ends for _, ends, _ in bags]
        )


def choose(columns: Sequence[str], names: Sequence[str], path: Path) -> tuple[str, ...]:
    """The columns that become tables: those named, or all.

    Raises
    ------
    InputError
        A name that is not there, or is there or named twice.
    """
    times = Counter(names)
    for name in columns:
        if name not in times:
            raise InputError(f"{path}: {UnknownNameError('column', name, names)}")
    chosen = tuple(columns) or tuple(names)
    chosen_times = Counter(chosen)
    for name in chosen:
        if times[name] > 1:
            raise InputError(
                f"{path}: column {name!r} is there {times[name]} times; rename one, or add a first line of "
                "names where there is none"
            )
        if chosen_times[name] > 1:
            raise InputError(f"{path}: column {name!r} is chosen twice; name each once")
    return chosen


def check_same_columns(
    chosen: Sequence[str],
    first_names: Sequence[str],
    names: Sequence[str],
    path: Path,
    first: Path,
    *,
    all_chosen: bool,
) -> None:
    """Refuse a further file that lacks a column of the first one, in whatever order, or has others where all count."""
    times, known = Counter(names), frozenset(first_names)
    for name in chosen:
        if times[name] != 1:
            problem = "is there twice" if times[name] else "is missing"
            raise InputError(f"{path}: column {name!r} of {first} {problem}; give files of one kind")
    others = [name for name in names if name not in known]
    if all_chosen and others:
        raise InputError(
            f"{path}: column {others[0]!r} is not in {first}; give files of one kind, or columns="
        )


def _values_promised(metadata: pq.FileMetaData, chosen: Sequence[str], path: Path) -> int:
    """Values of the columns that are read.

    Raises
    ------
    InputError
        Columns that unpack to gigabytes: a page, a dictionary and a row's list are in memory as a whole.
    """
    values = 0
    for number, name, column in _columns(metadata, chosen, path):
        values += column.values
        if column.unpacked > _MOST_UNPACKED and column.unpacked > _MAX_RATIO * column.packed:
            promise = f"unpack to {column.unpacked:,}"
        elif column.values > _MOST_VALUES + _VALUES_PER_BYTE * max(column.packed, 0):
            promise = f"unpack to {column.values:,} values"
        else:
            continue
        raise InputError(
            f"{path}: row group {number}, column {name!r}: {column.packed:,} bytes {promise}; "
            "write it again with smaller row groups"
        )
    return values


def _columns(
    metadata: pq.FileMetaData, chosen: Sequence[str], path: Path
) -> Iterator[tuple[int, str, ColumnPart]]:
    """What the file says of each column that is read, row group by row group: number, name, sizes."""
    wanted = frozenset(chosen)
    leaves = [metadata.schema.column(place).path for place in range(metadata.num_columns)]
    # A name may have dots of its own, and the path of a list goes on behind it.
    read = [
        (place, leaf)
        for place, leaf in enumerate(leaves)
        if any(name in wanted for name in accumulate(leaf.split("."), "{}.{}".format))
    ]
    for number, group in enumerate(read_row_groups(path, _GET_AGAIN)):
        if len(group.columns) != len(leaves):
            raise InputError(
                f"{path}: row group {number} has {len(group.columns):,} columns, the file {len(leaves):,}; {_GET_AGAIN}"
            )
        for place, leaf in read:
            yield number, leaf, group.columns[place]


def _chunk_rows(n_rows: int, values: int) -> int:
    """Rows to read at a time, fewer of rows with many values."""
    return max(1, min(_CHUNK_ROWS, _CHUNK_VALUES * n_rows // max(values, 1)))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _meaning(kind: pa.DataType) -> tuple[bool, str]:
    """Whether a column's fields are bags, and how its values become numbers."""
    is_bag = _is_list(kind)
    value = kind.value_type if is_bag else kind
    if pa.types.is_dictionary(value):
        value = value.value_type
    return is_bag, "text" if _is_text(value) else "number" if pa.types.is_integer(value) else str(value)


def _bags(column: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Flat values and offsets; a single value is a bag of one, a null list an empty bag."""
    if not _is_list(column.type):
        return column, np.arange(len(column) + 1)
    if pa.types.is_fixed_size_list(column.type):
        column = column.cast(pa.list_(column.type.value_type))
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return column.flatten(), np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def _values(column: pa.Array, where: str) -> np.ndarray:
    """64-bit values: whole numbers from 0 on as they are, text by its hash, null as missing."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_integer(kind):
        whole = (pc.fill_null(column, 0) if column.null_count else column).to_numpy(zero_copy_only=False)
        if whole.size and not 0 <= int(whole.min()) <= int(whole.max()) < int(datasets.MISSING):
            wrong = whole.min() if whole.min() < 0 else whole.max()
            raise InputError(
                f"{where}: {wrong} is no category; they go from 0 to 2^64 - 2, a missing value is null, and what is no "
                "number of a row may be text"
            )
        values = whole.astype(np.uint64)
    elif _is_text(kind):
        values = hash_text.hash_strings(column)
    else:
        raise InputError(f"{where}: a column of type {kind}; whole numbers, text and lists of them are read")
    if column.null_count:
        values = values.copy()
        values[column.is_null().to_numpy(zero_copy_only=False)] = datasets.MISSING
    return np.ascontiguousarray(values)


@datasets.DATASETS.register("csv")
@dataclass(frozen=True)
class Csv(datasets.Dataset):
    """Columns of any CSV (with a header line) or Parquet file.

    `columns` names the tables (all columns where it is empty); `values` says how fields of a CSV are written:
    text (hashed), hex or decimal. Where a `separator` is given, a field of a CSV holds several values, a bag (an empty
    one none).
    """

    summary = "any CSV with a header, or Parquet file, by column names"

    columns: tuple[str, ...] = ()
    delimiter: str = ","
    values: Literal["text", "hex", "decimal"] = "text"
    separator: str = ""

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or not self.delimiter.isascii() or self.delimiter in '"\r\n':
            raise ValueError("delimiter must be one ASCII character, neither a quote nor a line end")
        if len(self.separator) > _MAX_SEPARATOR or set(self.separator) & {self.delimiter, '"', "\r", "\n"}:
            raise ValueError(
                f"separator must be at most {_MAX_SEPARATOR} characters, without the delimiter, quotes and line ends"
            )

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        return head.startswith(MAGIC)

    def open(self, paths: Sequence[Path], options: datasets.ReadOptions) -> datasets.Source:
        kinds = {streams.read_head(path, len(MAGIC)) == MAGIC for path in paths}
        if len(kinds) > 1:
            raise InputError(f"{paths[0]}: some files are Parquet and some text; give files of one kind")
        if kinds.pop():
            if self.separator:
                raise InputError(
                    f"{paths[0]}: separator= is for text; a column of lists holds bags in Parquet"
                )
            return ParquetSource(paths, self, options)
        return (MultiValueSource if self.separator else CsvSource)(paths, self, options)
