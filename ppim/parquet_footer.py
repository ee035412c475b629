"""What a Parquet file's footer promises of its columns, read without pyarrow.

pyarrow looks at a column's part of the footer in C++ that ends the process where it finds a contradiction there
(a histogram of another size, say). So sizes are read here, before pyarrow is asked for anything but the data.

Field numbers are those of parquet.thrift (Apache Parquet format 2.10), structures in Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from ppim.errors import InputError, unreadable

_Fields: TypeAlias = "dict[int, _Fields]"

MAGIC = b"PAR1"
"""First and last bytes of every Parquet file."""
_TAIL_BYTES = 8  # length of the footer, and the magic bytes
_MOST_NESTED = 32  # structures in each other; a footer has seven
_MOST_VARINT_BITS = 70

# Kinds of a value in the compact protocol.
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = range(1, 14)
_DOUBLE_BYTES, _UUID_BYTES = 8, 16
_LONG_LIST = 15  # its length follows

# Fields of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData.
_ROWS_OF_FILE, _ROW_GROUPS = 3, 4
_COLUMNS, _ROWS = 1, 3
_COLUMN_DATA = 3
_VALUES, _UNPACKED, _PACKED = 5, 6, 7

# What is kept of a footer, by fields of nested structures: with all of it 65,536 columns take a gigabyte.
_KEPT: _Fields = {
    _ROWS_OF_FILE: {},
    _ROW_GROUPS: {_ROWS: {}, _COLUMNS: {_COLUMN_DATA: {_VALUES: {}, _UNPACKED: {}, _PACKED: {}}}},
}


class ColumnPart(NamedTuple):
    """A column of a row group, as the footer has it."""

    values: int
    packed: int
    """Bytes in the file."""
    unpacked: int
    """Bytes when decompressed."""


class RowGroup(NamedTuple):
    """A row group, as the footer has it; rows are checked, sizes are not."""

    rows: int
    columns: tuple[ColumnPart, ...]
    """Leaves of the schema, in its order."""


def read_row_groups(path: Path, mend: str) -> list[RowGroup]:
    """Rows and sizes of a file's row groups.

    Parameters
    ----------
    mend : str
        What the reader of a refusal should do.

    Raises
    ------
    InputError
        A file that cannot be read, whose footer is none, or whose row groups do not add up to its rows.
    """
    try:
        footer = _Compact(_footer_bytes(path)).structure(0, _KEPT)
        groups = [_row_group(fields) for fields in footer[_ROW_GROUPS]]
        _check_rows(_whole(footer[_ROWS_OF_FILE]), groups)
        return groups
    except OSError as error:
        raise unreadable(path, error, mend) from error
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: cut off or damaged Parquet file; {mend}") from error


def _row_group(fields: dict[int, Any]) -> RowGroup:
    columns = [column[_COLUMN_DATA] for column in fields[_COLUMNS]]
    return RowGroup(
        _whole(fields[_ROWS]),
        tuple(
            ColumnPart(*(_whole(column[key]) for key in (_VALUES, _PACKED, _UNPACKED))) for column in columns
        ),
    )


def _check_rows(rows: int, groups: Sequence[RowGroup]) -> None:
    """pyarrow counts with what the file says, below zero too."""
    if min((group.rows for group in groups), default=0) < 0 or sum(group.rows for group in groups) != rows:
        raise ValueError("rows that do not add up")


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError("a number is expected")
    return value


def _footer_bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        end = stream.seek(0, 2)
        stream.seek(max(0, end - _TAIL_BYTES))
        tail = stream.read(_TAIL_BYTES)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != MAGIC or length > end - _TAIL_BYTES - len(MAGIC):
            raise ValueError("no footer")
        stream.seek(end - _TAIL_BYTES - length)
        return stream.read(length)


class _Compact:
    """Reads values of the compact protocol, one after the other; what is cut off is an IndexError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._plain: dict[int, Callable[[], Any]] = {
            _TRUE: self._truth,
            _FALSE: self._truth,
            _BYTE: self._byte,
            _I16: self._signed,
            _I32: self._signed,
            _I64: self._signed,
            _DOUBLE: partial(self._bytes, _DOUBLE_BYTES),
            _BINARY: self._binary,
            _UUID: partial(self._bytes, _UUID_BYTES),
        }
        self._nested: dict[int, Callable[[int, _Fields], Any]] = {
            _LIST: self._list,
            _SET: self._list,
            _MAP: self._map,
            _STRUCT: self.structure,
        }

    def structure(self, depth: int, kept: _Fields) -> dict[int, Any]:
        """Values of a structure by the numbers of their fields, of those that are kept."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            step, kind = head >> 4, head & 0xF
            number = number + step if step else self._signed()
            # A truth value of a field is its kind.
            value = kind == _TRUE if kind <= _FALSE else self._value(kind, depth, kept.get(number, {}))
            if number in kept:
                fields[number] = value
        return fields

    def _value(self, kind: int, depth: int, kept: _Fields) -> Any:
        read = self._plain.get(kind)
        if read is not None:
            return read()
        if depth == _MOST_NESTED:
            raise ValueError("nested too deeply")
        return self._nested[kind](depth + 1, kept)

    def _truth(self) -> bool:
        return self._byte() == _TRUE

    def _binary(self) -> bytes:
        return self._bytes(self._unsigned())

    def _byte(self) -> int:
        value = self._data[self._at]
        self._at += 1
        return value

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > _MOST_VARINT_BITS:
                raise ValueError("a number without end")

    def _signed(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)

    def _bytes(self, length: int) -> bytes:
        if length > len(self._data) - self._at:
            raise IndexError("cut off")
        value = self._data[self._at : self._at + length]
        self._at += length
        return value

    def _list(self, depth: int, kept: _Fields) -> list[Any]:
        head = self._byte()
        length = head >> 4
        if length == _LONG_LIST:
            length = self._unsigned()
        # Each takes a byte at least, so that the data ends before a length that was made up.
        return [self._value(head & 0xF, depth, kept) for _ in range(length)]

    def _map(self, depth: int, kept: _Fields) -> list[tuple[Any, Any]]:
        length = self._unsigned()
        if not length:
            return []
        kinds = self._byte()
        return [
            (self._value(kinds >> 4, depth, kept), self._value(kinds & 0xF, depth, kept))
            for _ in range(length)
        ]
