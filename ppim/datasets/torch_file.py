"""Tensors of a PyTorch file without PyTorch, and without running what its pickle says.

A file of `torch.save` (since PyTorch 1.6) is a zip archive: `data.pkl` describes the tensors, `data/<key>` hold
their raw elements. The unpickler below knows the three names that a plain tensor needs and refuses every other
one, so that no code of the file's choosing can run. What it "calls" are functions of this module that only keep
their arguments.
"""

import io
import pickle
import pickletools
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ppim.datasets.npy import BAD_ARCHIVE, Backing, StoredArray, check_member, stored_offset, unpack
from ppim.errors import InputError

_STORAGE_TYPES = {
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ShortStorage": np.int16,
    "CharStorage": np.int8,
    "ByteStorage": np.uint8,
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
}
_MAX_PICKLE_BYTES = 1 << 20
_MAX_DIMENSIONS = 64
_LIMIT = 1 << 63
# What a pickle of plain tensors consists of. Others make objects, or take memory that their argument names.
_OPCODES = frozenset(
    [
        "PROTO",
        "FRAME",
        "STOP",
        "MARK",
        "POP",
        "POP_MARK",
        "GLOBAL",
        "STACK_GLOBAL",
        "REDUCE",
        "BINPERSID",
        "NONE",
        "NEWTRUE",
        "NEWFALSE",
        "BININT",
        "BININT1",
        "BININT2",
        "LONG1",
        "BINUNICODE",
        "SHORT_BINUNICODE",
        "BINPUT",
        "LONG_BINPUT",
        "BINGET",
        "LONG_BINGET",
        "MEMOIZE",
        "EMPTY_TUPLE",
        "TUPLE",
        "TUPLE1",
        "TUPLE2",
        "TUPLE3",
        "EMPTY_LIST",
        "APPEND",
        "APPENDS",
        "EMPTY_DICT",
        "SETITEM",
        "SETITEMS",
    ]
)
_MEMO = ("BINPUT", "LONG_BINPUT")


class _StorageType(NamedTuple):
    dtype: np.dtype[Any]


class _Storage(NamedTuple):
    dtype: np.dtype[Any]
    key: str
    n_elements: int


class _Tensor(NamedTuple):
    storage: _Storage
    first: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _keep_tensor(
    storage: _Storage, first: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> _Tensor:
    numbers = (first, *_numbers(shape), *_numbers(strides))
    if not isinstance(storage, _Storage) or not all(_is_number(number) for number in numbers):
        raise pickle.UnpicklingError("has a tensor whose shape is no row of whole numbers")
    return _Tensor(storage, first, tuple(shape), tuple(strides))


def _numbers(values: Any) -> tuple[Any, ...]:
    return values if isinstance(values, tuple) and len(values) <= _MAX_DIMENSIONS else (None,)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LIMIT


class _TensorUnpickler(pickle.Unpickler):
    """Unpickles tuples, lists and dicts of plain tensors, nothing else."""

    def find_class(self, module: str, name: str) -> Callable[..., Any] | _StorageType:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _keep_tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in _STORAGE_TYPES:
            return _StorageType(np.dtype(_STORAGE_TYPES[name]))
        raise pickle.UnpicklingError(f"asks for {module}.{name}")

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _, n_elements = pid
        known = kind == "storage" and isinstance(storage_type, _StorageType)
        if not known or not isinstance(key, str) or not _is_number(n_elements):
            raise pickle.UnpicklingError("has a storage of an unknown kind")
        return _Storage(storage_type.dtype, key, n_elements)


def open_tensors(path: Path) -> list[StoredArray]:
    """The tensors of a `.pt` or `.pt.gz` file that holds a tuple or list of them.

    Raises
    ------
    InputError
        Not such a file, cut off, of the old format, or a pickle that asks for more than plain tensors.
    """
    with unpack(path) as stream:
        try:
            archive = zipfile.ZipFile(stream)
        except BAD_ARCHIVE as error:
            raise InputError(
                f"{path}: not a zip archive, so not a file of torch.save since PyTorch 1.6, or cut off; "
                "save it again with a newer PyTorch, or as .npz"
            ) from error
        with archive:
            return _open_archive(stream, archive, path)


def _open_archive(stream: IO[bytes], archive: zipfile.ZipFile, path: Path) -> list[StoredArray]:
    names = [name for name in archive.namelist() if name.endswith("/data.pkl") or name == "data.pkl"]
    if len(names) != 1 or archive.getinfo(names[0]).file_size > _MAX_PICKLE_BYTES:
        raise InputError(f"{path}: no data.pkl of a plain list of tensors in it; save it again as .npz")
    folder = names[0].removesuffix("data.pkl")
    content = io.BytesIO()
    check_member(archive, archive.getinfo(names[0]), f"{path}: {names[0]}", content)
    found = _unpickle(content.getvalue(), path)
    tensors = list(found.values()) if isinstance(found, dict) else found
    if not isinstance(tensors, (list, tuple)) or not all(isinstance(tensor, _Tensor) for tensor in tensors):
        raise InputError(
            f"{path}: holds {type(found).__name__}, not a tuple of tensors; save it again as .npz"
        )
    return [
        _locate(stream, archive, f"{folder}data/{tensor.storage.key}", tensor, path) for tensor in tensors
    ]


def _unpickle(content: bytes, path: Path) -> Any:
    try:
        _check_opcodes(content)
        return _TensorUnpickler(io.BytesIO(content)).load()
    except Exception as error:
        # A hostile pickle can raise anything; whatever it is, the file is refused.
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{path}: its pickle {reason}; only plain tensors are read, save it as .npz"
        ) from error


def _check_opcodes(content: bytes) -> None:
    """Refuse a pickle that could take more memory than its own size: strings are held against it, memo slots too."""
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name not in _OPCODES or (opcode.name in _MEMO and int(argument or 0) > len(content)):
            raise pickle.UnpicklingError(f"does more than a list of tensors needs ({opcode.name})")


def _locate(
    stream: IO[bytes], archive: zipfile.ZipFile, member: str, tensor: _Tensor, path: Path
) -> StoredArray:
    """Where the tensor's elements lie in the file; members of torch.save are stored, not compressed."""
    expected = []
    step = 1
    for length in reversed(tensor.shape):
        expected.append(step)
        step *= length
    if tuple(reversed(expected)) != tensor.strides and step > 1:
        raise InputError(f"{path}: {member} is a view that is not contiguous; save its .contiguous()")
    try:
        entry = archive.getinfo(member)
    except KeyError as error:
        raise InputError(f"{path}: {member} is missing; get the file again") from error
    last = (tensor.first + step) * tensor.storage.dtype.itemsize
    if entry.compress_type != zipfile.ZIP_STORED or tensor.first < 0 or last > entry.file_size:
        raise InputError(f"{path}: {member} is compressed or too short for its tensor; get the file again")
    check_member(archive, entry, f"{path}: {member}")
    start = stored_offset(stream, entry) + tensor.first * tensor.storage.dtype.itemsize
    return StoredArray(Backing(stream, str(path)), start, tensor.storage.dtype, tensor.shape, False)
