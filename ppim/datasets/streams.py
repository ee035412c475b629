"""Byte streams of dataset files: plain, gzip or zstd, told apart by their first bytes."""

from __future__ import annotations

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from ppim.errors import InputError

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BOM = b"\xef\xbb\xbf"
# Longest first: the mark of UTF-32 begins with that of UTF-16.
_OTHER_MARKS = {
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_BINARY = {
    b"\x93NUMPY": "a .npy array",
    b"PK\x03\x04": "a zip archive, such as .npz, .pt or .xlsx",
    b"PAR1": "a Parquet file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow file",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3": "an SQLite database",
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ": "an xz file",
    b"\x80\x02": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
}
_LONGEST_HEADER = 1 << 24
_HASHED_BYTES = 1 << 20
_HEAD_BYTES = 1 << 16


class ByteStream:
    """Decompressed bytes of one file; `raw_position` says how far into the file itself it has come.

    Raises
    ------
    InputError
        On opening what cannot be read, and on reading a corrupt or cut-off compressed stream.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)  # begins messages; a reader of lines adds the line
        self._read = 0
        try:
            self._raw: IO[bytes] = path.open("rb")
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror}); give an existing dataset file"
            ) from error
        begins = self._raw.read(len(_ZSTD))
        self._raw.seek(0)
        self._data: Any = self._raw
        self.compressed = begins.startswith((_GZIP, _ZSTD))
        if begins.startswith(_GZIP):
            self._data = gzip.GzipFile(fileobj=self._raw)
        elif begins == _ZSTD:
            self._data = pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), "zstd")

    @property
    def raw_position(self) -> int:
        """Bytes of the file on disk consumed so far."""
        return self._raw.tell()

    def read(self, n_bytes: int) -> bytes:
        """At most `n_bytes`; empty at the end."""
        with self._naming_damage():
            data: bytes = self._data.read(n_bytes)
        self._read += len(data)
        return data

    def readinto(self, target: memoryview) -> int:
        """Fill `target` as far as the next bytes go; returns how many, 0 at the end."""
        with self._naming_damage():
            n_bytes: int = self._data.readinto(target)
        self._read += n_bytes
        return n_bytes

    @contextmanager
    def _naming_damage(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError, zlib.error, pa.ArrowException) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise InputError(
                f"{self.where}: damaged compressed stream after {self._read} bytes of content ({reason}); get the file again"
            ) from error

    def close(self) -> None:
        """Release the file."""
        self._raw.close()


def read_head(path: Path, n_bytes: int = _HEAD_BYTES) -> bytes:
    """The first bytes of the decompressed content, for recognising a format."""
    stream = ByteStream(path)
    try:
        return stream.read(n_bytes)
    finally:
        stream.close()


def check_text(path: Path, head: bytes) -> None:
    """Refuse the beginning of what is no UTF-8 text; `head` may be of any length.

    Raises
    ------
    InputError
        UTF-16 or UTF-32, by the byte order mark or by NULs, or a known kind of binary file.
    """
    for mark, name in _OTHER_MARKS.items():
        if head.startswith(mark):
            raise InputError(f"{path}: is {name} text; {_convert(path, name)}")
    for magic, what in _BINARY.items():
        if head.startswith(magic):
            raise InputError(f"{path}: is {what}, not text; name its format with --dataset")
    if b"\0" in head:
        raise InputError(
            f"{path}: has NUL bytes, so it is no text, or UTF-16 text; if so, {_convert(path, 'UTF-16')}"
        )


def _convert(path: Path, encoding: str) -> str:
    return f"convert it with `iconv -f {encoding} -t UTF-8 {path.name} > utf8-{path.name}`"


def header_line(path: Path) -> str:
    """The first line of a text file, without byte order mark and line end.

    Raises
    ------
    InputError
        What is no UTF-8 text, or has no line end of today's.
    """
    stream = ByteStream(path)
    head = b""
    try:
        while b"\n" not in head and len(head) < _LONGEST_HEADER and (more := stream.read(_HEAD_BYTES)):
            head += more
    finally:
        stream.close()
    check_text(path, head[:_HEAD_BYTES])
    line = head.removeprefix(_BOM).split(b"\n", 1)[0].removesuffix(b"\r")
    if len(line) >= _LONGEST_HEADER:
        raise InputError(
            f"{path}:1: a first line of more than {_LONGEST_HEADER >> 20} MiB; is this a text file?"
        )
    if b"\r" in line:
        raise InputError(
            f"{path}:1: lines end with a carriage return alone; convert them, for example with `tr '\\r' '\\n'`"
        )
    return line.decode("utf-8", "replace")


def split_header(path: Path, line: str, delimiter: str) -> tuple[str, ...]:
    """Names of the columns of a header line, which may be quoted.

    Raises
    ------
    InputError
        A quote that does not end in the line.
    """
    try:
        (names,) = csv.reader([line], delimiter=delimiter, strict=True)
    except (csv.Error, ValueError) as error:
        raise InputError(
            f'{path}:1: the header cannot be read ({error}); quote a name as "a name"'
        ) from error
    return tuple(name.strip() for name in names)


def fingerprint(paths: Sequence[Path]) -> str:
    """SHA-256 over the first MiB of each file as it lies on disk, in order."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as stream:
                digest.update(stream.read(_HASHED_BYTES))
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror}); give an existing dataset file"
            ) from error
    return digest.hexdigest()


def total_size(paths: Sequence[Path]) -> int:
    """Bytes of the files on disk."""
    try:
        return sum(path.stat().st_size for path in paths)
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot be read ({error.strerror}); give an existing dataset file"
        ) from error
