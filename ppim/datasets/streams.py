"""Byte streams of dataset files: plain, gzip or zstd, told apart by their first bytes."""

import csv
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa

from ppim.errors import InputError, unreadable
from ppim.text_files import check_text

_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_BOM = b"\xef\xbb\xbf"
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
            raise _no_dataset(path, error) from error
        begins = self._raw.read(len(_ZSTD))
        self._raw.seek(0)
        self._data: Any = self._raw
        self.compressed = begins.startswith((_GZIP, _ZSTD))
        if begins.startswith(_GZIP):
            self._data = gzip.GzipFile(fileobj=self._raw)
        elif begins == _ZSTD:
            self._data = pa.CompressedInputStream(pa.PythonFile(self._raw, mode="r"), "zstd")

    @property
    def closed(self) -> bool:
        """Whether the file is released; pyarrow asks it of a stream."""
        return self._raw.closed

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
            raise _no_dataset(path, error) from error
    return digest.hexdigest()


def total_size(paths: Sequence[Path]) -> int:
    """Bytes of the files on disk."""
    try:
        return sum(path.stat().st_size for path in paths)
    except OSError as error:
        raise _no_dataset(error.filename, error) from error


def _no_dataset(path: str | Path, error: OSError) -> InputError:
    return unreadable(path, error, "give an existing dataset file", also=["synthetic"])
