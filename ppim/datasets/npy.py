"""Arrays of .npy and .npz files read piece by piece, never by unpickling."""

from __future__ import annotations

import lzma
import math
import os
import shutil
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ppim.datasets import base, streams
from ppim.errors import InputError
from ppim.files import naming_failure

_COPY_BYTES = 1 << 22
_SCAN_IDS = 1 << 21
_MOST_ARRAYS = 1 << 16
# What Python's own readers of these formats raise on input that is none of theirs.
_BAD_HEADER = (
    *(ValueError, SyntaxError, tokenize.TokenError, TypeError, KeyError),
    *(EOFError, RecursionError, MemoryError),
)
BAD_ARCHIVE = (
    *(zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, OverflowError, KeyError, IndexError, struct.error),
)
_LOCAL_HEADER = struct.Struct("<26xHH")
_NPY = b"\x93NUMPY"


class Backing:
    """The bytes of an open file, wherever needed; given back when the last array that lies in it goes.

    Parameters
    ----------
    stream : binary stream of a file
    where : str
        Begins messages.
    """

    def __init__(self, stream: IO[bytes], where: str) -> None:
        self._file = _Descriptor(stream.fileno())
        self.where = where

    def named(self, where: str) -> Backing:
        """The same file under another name."""
        other = copy(self)
        other.where = where
        return other

    def read(self, offset: int, n_bytes: int) -> bytes:
        """Exactly `n_bytes` from byte `offset` on; InputError where the file has fewer."""
        parts = []
        while n_bytes:
            part = os.pread(self._file.number, n_bytes, offset)
            if not part:
                raise InputError(f"{self.where}: cut off array; get the file again")
            parts.append(part)
            offset += len(part)
            n_bytes -= len(part)
        return b"".join(parts)


class _Descriptor:
    """A descriptor of its own for an open file, closed with the last that uses it."""

    number = -1

    def __init__(self, number: int) -> None:
        self.number = os.dup(number)

    def __del__(self) -> None:
        if self.number >= 0:
            os.close(self.number)


@dataclass(frozen=True)
class StoredArray:
    """An array that lies in a file from byte `offset` on; `read` and `read_rows` fetch parts of it."""

    backing: Backing
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    def read(self, first: int, stop: int) -> np.ndarray:
        """Elements first ... stop - 1 in storage order."""
        step = self.dtype.itemsize
        return np.frombuffer(self.backing.read(self.offset + first * step, (stop - first) * step), self.dtype)

    def read_rows(self, first: int, stop: int) -> np.ndarray:
        """Rows first ... stop - 1 of a matrix, transposed: shape (columns, rows)."""
        n_rows, n_columns = self.shape
        if not self.fortran:
            return self.read(first * n_columns, stop * n_columns).reshape(-1, n_columns).T
        return np.stack([self.read(c * n_rows + first, c * n_rows + stop) for c in range(n_columns)])


def read_npy_header(
    stream: IO[bytes], where: str, size: int | None = None, backing: Backing | None = None
) -> StoredArray:
    """The array of a seekable .npy stream, positioned at its beginning.

    Parameters
    ----------
    backing : Backing, optional
        Of the stream, if other arrays lie in it too.
    size : int, optional
        Bytes of the array's file within the stream; all that follow, without it.

    Raises
    ------
    InputError
        No .npy header, Python objects, or more elements than the file has.
    """
    begin = stream.tell()
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    except _BAD_HEADER as error:
        raise InputError(f"{where}: not a .npy array ({_first_line(error)})") from error
    if not dtype.itemsize or dtype.subdtype:
        raise InputError(f"{where}: holds elements of type {str(dtype)!r}; save it as numbers")
    if dtype.hasobject:
        raise InputError(f"{where}: holds Python objects, which are not read; save it as numbers")
    offset = stream.tell()
    if size is None:
        size = os.fstat(stream.fileno()).st_size - begin
    n_bytes = math.prod(shape) * dtype.itemsize
    if min(shape, default=0) < 0 or offset - begin + n_bytes > size:
        raise InputError(
            f"{where}: cut off array: its header says {n_bytes:,} bytes, {max(size - offset + begin, 0):,} follow; "
            "get the file again"
        )
    backing = backing.named(where) if backing else Backing(stream, where)
    return StoredArray(backing, offset, dtype, shape, fortran)


def _shown(name: str) -> str:
    """A name of a file's choosing, on one line and without what a terminal would act on."""
    return name if name.isprintable() else ascii(name)


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def check_ids(ids: np.ndarray, table: base.TableSpec, where: str, first_sample: int = 0) -> None:
    """Refuse ids that are no rows of their table; `ids` has one line a sample, from `first_sample` on.

    Raises
    ------
    InputError
        A negative id, or one at or above the table's rows, with its sample and column.
    """
    wrong = ids < 0
    if table.rows is not None:
        wrong = wrong | (ids >= table.rows)
    if wrong.any():
        at = np.argwhere(wrong)[0]
        raise InputError(
            f"{where}: sample {first_sample + int(at[0])}, column {table.name}: {ids[tuple(at)]} is no row of a table "
            f"of {'any size' if table.rows is None else f'{table.rows:,} rows'}; ids go from 0 to one less than these"
        )


def greatest_ids(matrices: Sequence[StoredArray]) -> list[int]:
    """One more than the greatest id of each column of matrices of samples x columns.

    Raises
    ------
    InputError
        A negative id.
    """
    n_columns = matrices[0].shape[1]
    base.check_tables(n_columns, matrices[0].backing.where)
    rows = [1] * n_columns
    step = max(1, _SCAN_IDS // max(1, n_columns))
    for matrix in matrices:
        for first in range(0, matrix.shape[0], step):
            part = matrix.read_rows(first, min(first + step, matrix.shape[0]))
            for column, ids in enumerate(part):
                check_ids(ids, base.TableSpec(f"C{column + 1}", None), matrix.backing.where, first)
                rows[column] = max(rows[column], int(ids.max()) + 1)
    return rows


def unpack(path: Path) -> IO[bytes]:
    """A seekable stream of the file's content; what is gzip or zstd goes to a temporary file without a name."""
    stream = streams.ByteStream(path)
    try:
        if not stream.compressed:
            return path.open("rb")
        unpacked: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it outlives this function
        try:
            while block := stream.read(_COPY_BYTES):
                with naming_failure(Path(tempfile.gettempdir())):
                    unpacked.write(block)
        except BaseException:
            unpacked.close()
            raise
        unpacked.seek(0)
        return unpacked
    finally:
        stream.close()


def open_arrays(path: Path) -> dict[str, StoredArray]:
    """All arrays of a .npz (by name) or .npy file (under the file's stem).

    Raises
    ------
    InputError
        If it is neither, is damaged, or holds Python objects.
    """
    with unpack(path) as stream:
        begins = stream.read(len(_NPY))
        stream.seek(0)
        if begins == _NPY:
            return {path.name.split(".")[0]: read_npy_header(stream, str(path))}
        return _open_archive(stream, path)


def _open_archive(stream: IO[bytes], path: Path) -> dict[str, StoredArray]:
    try:
        with zipfile.ZipFile(stream) as archive:
            entries = [entry for entry in archive.infolist() if entry.filename.endswith(".npy")]
            names = [entry.filename.removesuffix(".npy") for entry in entries]
            if len(set(names)) < len(names):
                raise InputError(f"{path}: an array is there twice; save it again")
            if len(names) > _MOST_ARRAYS:
                raise InputError(f"{path}: {len(names):,} arrays, more than {_MOST_ARRAYS:,}; save fewer")
            packed = sum(entry.file_size for entry in entries if entry.compress_type != zipfile.ZIP_STORED)
            with _room(packed, str(path)) if packed else nullcontext(stream) as unpacked:
                backings = Backing(stream, str(path)), Backing(unpacked, str(path))
                return {
                    name: _member(
                        stream, unpacked, archive, entry, f"{path}: {_shown(entry.filename)}", backings
                    )
                    for name, entry in zip(names, entries, strict=True)
                }
    except BAD_ARCHIVE as error:
        raise InputError(f"{path}: not a .npz or .npy file, or cut off ({_first_line(error)})") from error


def stored_offset(stream: IO[bytes], entry: zipfile.ZipInfo) -> int:
    """First byte of a member that is stored without compression."""
    stream.seek(entry.header_offset)
    name_bytes, extra_bytes = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    return entry.header_offset + _LOCAL_HEADER.size + int(name_bytes) + int(extra_bytes)


def check_member(
    archive: zipfile.ZipFile, entry: zipfile.ZipInfo, where: str, target: IO[bytes] | None = None
) -> None:
    """Read a member to its end, so that its checksum is compared; what is read goes to `target`, if there is one.

    Raises
    ------
    InputError
        A damaged member, or a wrong checksum.
    OutputError
        A temporary folder without room for the copy.
    """
    if entry.header_offset < 0:
        raise InputError(f"{where}: damaged (it begins before the file); get the file again")
    try:
        with archive.open(entry) as member:
            while block := _read_block(member, where):
                if target is not None:
                    with naming_failure(Path(tempfile.gettempdir())):
                        target.write(block)
    except (*BAD_ARCHIVE, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{where}: damaged ({_first_line(error)}); get the file again") from error


def _read_block(member: IO[bytes], where: str) -> bytes:
    """The next bytes of a member. bzip2 says by an OSError what zlib has an error of its own for."""
    try:
        return member.read(_COPY_BYTES)
    except OSError as error:
        raise InputError(f"{where}: damaged ({_first_line(error)}); get the file again") from error


def _member(
    stream: IO[bytes],
    unpacked: IO[bytes],
    archive: zipfile.ZipFile,
    entry: zipfile.ZipInfo,
    where: str,
    backings: tuple[Backing, Backing],
) -> StoredArray:
    """Where it lies if it is stored; a compressed member is copied to the end of `unpacked`, to be read from the middle."""
    if entry.compress_type == zipfile.ZIP_STORED:
        check_member(archive, entry, where)
        stream.seek(stored_offset(stream, entry))
        return read_npy_header(stream, where, entry.file_size, backings[0])
    begin = unpacked.seek(0, os.SEEK_END)
    check_member(archive, entry, where, unpacked)
    unpacked.seek(begin)
    return read_npy_header(unpacked, where, entry.file_size, backings[1])


@contextmanager
def _room(n_bytes: int, where: str) -> Iterator[IO[bytes]]:
    """A temporary file without a name that can take so many bytes."""
    with naming_failure(Path(tempfile.gettempdir())), tempfile.TemporaryFile() as file:
        check_room(n_bytes, where)
        yield file


def check_room(n_bytes: int, where: str) -> None:
    """Refuse what is unpacked to more than the temporary folder can take, before that is full.

    Raises
    ------
    InputError
        Not enough room.
    """
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise InputError(
            f"{where}: unpacks to {n_bytes:,} bytes, but {folder} has room for {free:,}; "
            "set TMPDIR to a larger disk, or unpack the file yourself"
        )
