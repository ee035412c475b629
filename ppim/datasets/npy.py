"""Arrays of .npy and .npz files read piece by piece, never by unpickling."""

from __future__ import annotations

import os
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ppim.datasets.streams import ByteStream
from ppim.errors import InputError

_COPY_BYTES = 1 << 22
_LOCAL_HEADER = struct.Struct("<26xHH")
_NPY = b"\x93NUMPY"


class Backing:
    """The bytes of an open file, wherever needed; given back when the last array that lies in it goes."""

    def __init__(self, stream: IO[bytes], where: str) -> None:
        self._handle = os.dup(stream.fileno())
        self._where = where

    def read(self, offset: int, n_bytes: int) -> bytes:
        """Exactly `n_bytes` from byte `offset` on; InputError where the file has fewer."""
        parts = []
        while n_bytes:
            part = os.pread(self._handle, n_bytes, offset)
            if not part:
                raise InputError(f"{self._where}: cut off array; get the file again")
            parts.append(part)
            offset += len(part)
            n_bytes -= len(part)
        return b"".join(parts)

    def __del__(self) -> None:
        os.close(self._handle)


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
        return int(np.prod(self.shape, dtype=np.int64))

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


def read_npy_header(stream: IO[bytes], where: str) -> StoredArray:
    """The array of a seekable .npy stream, positioned at its beginning."""
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(stream)
    except ValueError as error:
        raise InputError(f"{where}: not a .npy array ({str(error).splitlines()[0]})") from error
    if dtype.hasobject:
        raise InputError(f"{where}: holds Python objects, which are not read; save it as numbers")
    return StoredArray(Backing(stream, where), stream.tell(), dtype, shape, fortran)


def unpack(path: Path) -> IO[bytes]:
    """A seekable stream of the file's content; what is gzip or zstd goes to a temporary file without a name."""
    stream = ByteStream(path)
    try:
        if not stream.compressed:
            return path.open("rb")
        copy: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it outlives this function
        try:
            while block := stream.read(_COPY_BYTES):
                copy.write(block)
        except BaseException:
            copy.close()
            raise
        copy.seek(0)
        return copy
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
            return {
                entry.filename.removesuffix(".npy"): _member(
                    stream, archive, entry, f"{path}: {entry.filename}"
                )
                for entry in archive.infolist()
                if entry.filename.endswith(".npy")
            }
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise InputError(f"{path}: not a .npz or .npy file, or cut off ({error})") from error


def stored_offset(stream: IO[bytes], entry: zipfile.ZipInfo) -> int:
    """First byte of a member that is stored without compression."""
    stream.seek(entry.header_offset)
    name_bytes, extra_bytes = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    return entry.header_offset + _LOCAL_HEADER.size + int(name_bytes) + int(extra_bytes)


def _member(stream: IO[bytes], archive: zipfile.ZipFile, entry: zipfile.ZipInfo, where: str) -> StoredArray:
    """Where it lies if it is stored; a compressed member is copied out, to be read from the middle."""
    if entry.compress_type == zipfile.ZIP_STORED:
        stream.seek(stored_offset(stream, entry))
        return read_npy_header(stream, where)
    with tempfile.TemporaryFile() as copy:
        try:
            with archive.open(entry) as member:
                while block := member.read(_COPY_BYTES):
                    copy.write(block)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
            raise InputError(f"{where}: damaged ({error}); get the file again") from error
        copy.seek(0)
        return read_npy_header(copy, where)
