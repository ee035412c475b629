"""Tensors of a PyTorch file without PyTorch, and without unpickling.

A file of `torch.save` (since PyTorch 1.6) is a zip archive: `data.pkl` describes the tensors, `data/<key>` hold
their raw elements. `ppim.datasets.torch_pickle` reads the description; what it "calls" are functions of this module
that only keep their arguments, so that no code of the file's choosing can run.
"""

import io
import zipfile
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from ppim.datasets import torch_pickle
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
        raise torch_pickle.UnreadableError("has a tensor whose shape is no row of whole numbers")
    return _Tensor(storage, first, tuple(shape), tuple(strides))


def _numbers(values: Any) -> tuple[Any, ...]:
    return values if isinstance(values, tuple) and len(values) <= _MAX_DIMENSIONS else (None,)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LIMIT


def _global(module: str, name: str) -> Any:
    """What stands for a name that a plain tensor needs."""
    if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
        return _keep_tensor
    if (module, name) == ("collections", "OrderedDict"):
        return _no_hooks
    if module == "torch" and name in _STORAGE_TYPES:
        return _StorageType(np.dtype(_STORAGE_TYPES[name]))
    asked = f"{module}.{name}"
    raise torch_pickle.UnreadableError(f"asks for {asked if asked.isprintable() else ascii(asked)}")


def _no_hooks(*arguments: Any) -> dict[Any, Any]:
    """A tensor's hooks, of which a saved one has none."""
    if arguments:
        raise torch_pickle.UnreadableError("has a dictionary that is no empty one of a tensor's hooks")
    return {}


def _storage(pid: Any) -> _Storage:
    """What stands for the storage that a tensor's elements lie in."""
    if not isinstance(pid, tuple) or len(pid) != 5:
        raise torch_pickle.UnreadableError("has a storage of an unknown kind")
    kind, storage_type, key, _, n_elements = pid
    known = kind == "storage" and isinstance(storage_type, _StorageType)
    if not known or not isinstance(key, str) or not key.isprintable() or not _is_number(n_elements):
        raise torch_pickle.UnreadableError("has a storage of an unknown kind")
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
    found = _read(content.getvalue(), path)
    tensors = list(found.values()) if isinstance(found, dict) else found
    if not isinstance(tensors, (list, tuple)) or not all(isinstance(tensor, _Tensor) for tensor in tensors):
        raise InputError(
            f"{path}: holds {type(found).__name__}, not a tuple of tensors; save it again as .npz"
        )
    return [
        _locate(stream, archive, f"{folder}data/{tensor.storage.key}", tensor, path) for tensor in tensors
    ]


def _read(content: bytes, path: Path) -> Any:
    try:
        return torch_pickle.read(content, _global, _storage)
    except torch_pickle.UnreadableError as error:
        raise InputError(
            f"{path}: its pickle {error}; only plain tensors are read, save it as .npz"
        ) from error


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
