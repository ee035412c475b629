"""The part of the Parquet format that traces need, written directly.

pyarrow's writer encodes one column after the other in one thread and knows nothing of what repeats from row
group to row group. Here columns are encoded apart from the file, in any thread, and an encoded column can be
written again and again. Columns are required (no nulls) whole numbers; pages are compressed with zstd.

Field numbers and codes are those of parquet.thrift (Apache Parquet format 2.10); structures are in Thrift's compact
protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa

from ppim.jit import njit
from ppim.parquet_footer import MAGIC
from ppim.trace.scratch import Scratch

PAGE_VALUES = 1 << 20
_MAX_VARINT_BYTES = 10
_ZSTD_LEVEL = 1
_VERSION = 2
_ZSTD = 6
_REQUIRED = 0
_DATA_PAGE, _DICTIONARY_PAGE = 0, 2


_SCRATCH = Scratch()


class Encoding(IntEnum):
    """How the values of a page are written."""

    PLAIN = 0
    RLE = 3
    RLE_DICTIONARY = 8
    BYTE_STREAM_SPLIT = 9


class ColumnType(NamedTuple):
    """An unsigned type: physical type, width in bits, and the older name of the same ("converted type")."""

    physical: int
    bits: int
    converted: int
    dtype: np.dtype
    """How it lies in memory when written plain: 4 or 8 bytes."""


UINT8 = ColumnType(1, 8, 11, np.dtype("<u4"))
UINT16 = ColumnType(1, 16, 12, np.dtype("<u4"))
UINT32 = ColumnType(1, 32, 13, np.dtype("<u4"))
UINT64 = ColumnType(2, 64, 14, np.dtype("<u8"))


class _Thrift:
    """Builds one structure in the compact protocol; fields are added in the order of their numbers."""

    _I8, _I32, _I64, _BINARY, _LIST, _STRUCT, _TRUE, _FALSE = 3, 5, 6, 8, 9, 12, 1, 2

    def __init__(self) -> None:
        self._parts = bytearray()
        self._last = 0

    def _head(self, number: int, kind: int) -> None:
        step = number - self._last
        assert 0 < step < 16, "fields come in order, at most 15 apart"
        self._parts.append(step << 4 | kind)
        self._last = number

    def i8(self, number: int, value: int) -> _Thrift:
        self._head(number, self._I8)
        self._parts.append(value)
        return self

    def i32(self, number: int, value: int) -> _Thrift:
        self._head(number, self._I32)
        self._parts += _zigzag(value)
        return self

    def i64(self, number: int, value: int) -> _Thrift:
        self._head(number, self._I64)
        self._parts += _zigzag(value)
        return self

    def boolean(self, number: int, value: bool) -> _Thrift:
        self._head(number, self._TRUE if value else self._FALSE)
        return self

    def binary(self, number: int, value: bytes) -> _Thrift:
        self._head(number, self._BINARY)
        self._parts += _varint(len(value)) + value
        return self

    def struct(self, number: int, value: _Thrift) -> _Thrift:
        self._head(number, self._STRUCT)
        self._parts += value.done()
        return self

    def structs(self, number: int, values: Sequence[_Thrift]) -> _Thrift:
        return self._list(number, self._STRUCT, [value.done() for value in values])

    def strings(self, number: int, values: Sequence[str]) -> _Thrift:
        texts = [value.encode() for value in values]
        return self._list(number, self._BINARY, [_varint(len(text)) + text for text in texts])

    def enums(self, number: int, values: Sequence[int]) -> _Thrift:
        return self._list(number, self._I32, [_zigzag(value) for value in values])

    def _list(self, number: int, kind: int, items: list[bytes]) -> _Thrift:
        self._head(number, self._LIST)
        if len(items) < 15:
            self._parts.append(len(items) << 4 | kind)
        else:
            self._parts.append(0xF0 | kind)
            self._parts += _varint(len(items))
        for item in items:
            self._parts += item
        return self

    def done(self) -> bytes:
        """The finished structure."""
        return bytes(self._parts) + b"\0"


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _zigzag(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else (-value << 1) - 1)


class EncodedColumn(NamedTuple):
    """A column chunk, ready to be written anywhere in a file."""

    pages: tuple[bytes, ...]
    """Headers and compressed contents, a dictionary page first if there is one."""
    n_values: int
    raw_bytes: int
    """Size of headers and contents before compression."""
    encodings: tuple[Encoding, ...]
    dictionary_bytes: int = 0
    """Bytes of the dictionary page."""
    bounds: tuple[bytes, bytes] | None = None
    """Smallest and greatest value, plain."""

    @property
    def n_bytes(self) -> int:
        """Bytes in the file."""
        return sum(len(page) for page in self.pages)


def _compress(content: bytes | np.ndarray) -> bytes:
    return pa.Codec("zstd", compression_level=_ZSTD_LEVEL).compress(content, asbytes=True)


def _data_page(content: bytes | np.ndarray, n_values: int, encoding: Encoding) -> tuple[bytes, int]:
    """A page with its header, and its size before compression."""
    raw = len(content) if isinstance(content, bytes) else content.nbytes
    packed = _compress(content)
    levels = Encoding.RLE  # of which required columns have none
    kind = _Thrift().i32(1, n_values).i32(2, encoding).i32(3, levels).i32(4, levels)
    header = _Thrift().i32(1, _DATA_PAGE).i32(2, raw).i32(3, len(packed)).struct(5, kind).done()
    return header + packed, len(header) + raw


def encode_plain(values: np.ndarray, column: ColumnType) -> EncodedColumn:
    """Values one after the other."""
    pages, raw_bytes = [], 0
    for first in range(0, values.size, PAGE_VALUES):
        part = values[first : first + PAGE_VALUES].astype(column.dtype)
        page, raw = _data_page(part, part.size, Encoding.PLAIN)
        pages.append(page)
        raw_bytes += raw
    return EncodedColumn(tuple(pages), values.size, raw_bytes, (Encoding.PLAIN,))


@njit
def _split_bytes(values, out):  # type: ignore[no-untyped-def]
    """Byte k of every value to row k of `out`, shape (bytes of a value, n)."""
    for k in range(out.shape[0]):
        shift = values.dtype.type(8 * k)
        for i in range(values.size):
            out[k, i] = (values[i] >> shift) & 0xFF


def encode_split(values: np.ndarray, column: ColumnType) -> EncodedColumn:
    """First bytes of all values, then second bytes, ...: what is alike lies together."""
    pages, raw_bytes = [], 0
    for first in range(0, values.size, PAGE_VALUES):
        part = values[first : first + PAGE_VALUES]
        planes = _SCRATCH.take("planes", (column.dtype.itemsize, part.size), np.uint8)
        _split_bytes(part, planes)
        page, raw = _data_page(planes, part.size, Encoding.BYTE_STREAM_SPLIT)
        pages.append(page)
        raw_bytes += raw
    return EncodedColumn(tuple(pages), values.size, raw_bytes, (Encoding.BYTE_STREAM_SPLIT,))


def encode_runs(values: np.ndarray, lengths: np.ndarray, column: ColumnType) -> EncodedColumn:
    """A column of runs, `lengths[i]` times `values[i]`, as a dictionary and its indices."""
    used = lengths > 0
    values, lengths = values[used].astype(column.dtype), lengths[used]
    content = values.tobytes()
    packed = _compress(content)
    kind = _Thrift().i32(1, values.size).i32(2, Encoding.PLAIN)
    header = (
        _Thrift().i32(1, _DICTIONARY_PAGE).i32(2, len(content)).i32(3, len(packed)).struct(7, kind).done()
    )
    indices, raw = _data_page(_run_lengths(lengths), int(lengths.sum()), Encoding.RLE_DICTIONARY)
    return EncodedColumn(
        (header + packed, indices),
        int(lengths.sum()),
        len(header) + len(content) + raw,
        (Encoding.PLAIN, Encoding.RLE, Encoding.RLE_DICTIONARY),
        len(header) + len(packed),
        (values.min().tobytes(), values.max().tobytes()),
    )


def _run_lengths(lengths: np.ndarray) -> bytes:
    """Dictionary indices 0, 1, 2, ... with the given numbers of repetitions: bit width, then run after run."""
    width = max(1, int(lengths.size - 1).bit_length())
    index_bytes = -(-width // 8)
    out = np.empty(1 + lengths.size * (_MAX_VARINT_BYTES + index_bytes), dtype=np.uint8)
    out[0] = width
    return out[: _write_runs(lengths.astype(np.int64), index_bytes, out)].tobytes()


@njit
def _write_runs(lengths, index_bytes, out):  # type: ignore[no-untyped-def]
    """Runs from byte 1 of `out` on: twice the length as a varint, then the index. Returns the end."""
    at = 1
    for index in range(lengths.size):
        rest = lengths[index] << 1
        while rest > 0x7F:
            out[at] = rest & 0x7F | 0x80
            rest >>= 7
            at += 1
        out[at] = rest
        at += 1
        for byte in range(index_bytes):
            out[at] = index >> (8 * byte) & 0xFF
            at += 1
    return at


class ParquetFile:
    """A Parquet file being written: row groups of encoded columns, then the footer."""

    def __init__(self, path: str | Path, columns: Sequence[tuple[str, ColumnType]]) -> None:
        self._columns = columns
        self._stream: BinaryIO = Path(path).open("wb")  # noqa: SIM115 - closed by `close`
        self._stream.write(MAGIC)
        self._groups: list[_Thrift] = []
        self._n_rows = 0

    def write_group(self, columns: Sequence[EncodedColumn]) -> None:
        """Append a row group, one encoded column for each column of the file."""
        n_rows = columns[0].n_values
        chunks = []
        for (name, kind), column in zip(self._columns, columns, strict=True):
            assert column.n_values == n_rows, "columns of a row group are of one length"
            start = self._stream.tell()
            for page in column.pages:
                self._stream.write(page)
            chunks.append(_chunk(name, kind, column, start))
        group = (
            _Thrift()
            .structs(1, chunks)
            .i64(2, sum(column.raw_bytes for column in columns))
            .i64(3, n_rows)
            .i64(6, sum(column.n_bytes for column in columns))
        )
        self._groups.append(group)
        self._n_rows += n_rows

    def finish(self, metadata: dict[str, str], created_by: str) -> None:
        """Write the footer and close."""
        pairs = [_Thrift().binary(1, key.encode()).binary(2, text.encode()) for key, text in metadata.items()]
        order = _Thrift().struct(1, _Thrift())  # values compare as their type says
        footer = (
            _Thrift()
            .i32(1, _VERSION)
            .structs(
                2, [_Thrift().binary(4, b"schema").i32(5, len(self._columns)), *map(_schema, self._columns)]
            )
            .i64(3, self._n_rows)
            .structs(4, self._groups)
            .structs(5, pairs)
            .binary(6, created_by.encode())
            .structs(7, [order] * len(self._columns))
            .done()
        )
        self._stream.write(footer + len(footer).to_bytes(4, "little") + MAGIC)
        self.close()

    def close(self) -> None:
        """Close without a footer, if it is still open."""
        self._stream.close()


def _schema(column: tuple[str, ColumnType]) -> _Thrift:
    name, kind = column
    integer = _Thrift().i8(1, kind.bits).boolean(2, False)
    return (
        _Thrift()
        .i32(1, kind.physical)
        .i32(3, _REQUIRED)
        .binary(4, name.encode())
        .i32(6, kind.converted)
        .struct(10, _Thrift().struct(10, integer))
    )


def _chunk(name: str, kind: ColumnType, column: EncodedColumn, start: int) -> _Thrift:
    meta = (
        _Thrift()
        .i32(1, kind.physical)
        .enums(2, column.encodings)
        .strings(3, [name])
        .i32(4, _ZSTD)
        .i64(5, column.n_values)
        .i64(6, column.raw_bytes)
        .i64(7, column.n_bytes)
        .i64(9, start + column.dictionary_bytes)
    )
    if column.dictionary_bytes:
        meta.i64(11, start)
    if column.bounds is not None:
        low, high = column.bounds
        meta.struct(12, _Thrift().i64(3, 0).binary(5, high).binary(6, low))
    return _Thrift().i64(2, 0).struct(3, meta)
