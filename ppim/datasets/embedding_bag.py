"""Meta's dlrm_datasets: `indices`, `offsets` and `lengths` of many tables, table after table.

`lengths` has shape (tables, samples); `offsets`, of tables x samples + 1 entries, says where the bag of (table,
sample) begins in `indices`. Files: the published .pt.gz (read without PyTorch), one .npz with these names, or
.npy files of these names. The sizes of the tables are not stored: each is its greatest index plus one.

The arguments of PyTorch's EmbeddingBag are the same without `lengths`, and by its default without the last end in
`offsets` (`include_last_offset=False`): one entry a bag.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ppim.datasets import base, npy, torch_file
from ppim.errors import InputError

_NAMES = ("indices", "offsets", "lengths")
_CHUNK_LOOKUPS = 1 << 22
_SCAN_LOOKUPS = 1 << 21
_MAX_BAGS = 1 << 28  # their ends are in memory, 8 bytes each


class _Bags(NamedTuple):
    """The bags of one file."""

    indices: npy.StoredArray
    starts: np.ndarray
    """int64, shape (n_tables, n_samples): first lookup of each bag."""
    lengths: np.ndarray
    """int64, the same shape."""


class EmbeddingBagSource(base.Source):
    """Samples with the dataset's own bags; several files are read one after the other."""

    one_hot = False

    def __init__(self, paths: Sequence[Path], dataset: EmbeddingBag, options: base.ReadOptions) -> None:
        super().__init__()
        self._options = options
        self._files = _open(paths, dataset)
        count = self._files[0].lengths.shape[0]
        if any(bags.lengths.shape[0] != count for bags in self._files):
            raise InputError(
                f"{paths[0]}: its number of tables is not that of the other files; give files of one kind"
            )
        rows = np.max([_rows(bags) for bags in self._files], axis=0)
        self.tables = tuple(base.TableSpec(f"t{t}", int(n)) for t, n in enumerate(rows))
        n_samples = sum(bags.lengths.shape[1] for bags in self._files)
        self.total_samples = min(n_samples, options.max_samples or n_samples)

    def chunks(self) -> Iterator[base.SampleChunk]:
        left = self.total_samples or 0
        for bags in self._files:
            n_samples = min(left, bags.lengths.shape[1])
            per_sample = bags.lengths.sum(axis=0)
            first = 0
            while first < n_samples:
                reach = np.cumsum(per_sample[first:n_samples])
                stop = first + max(1, int(np.searchsorted(reach, _CHUNK_LOOKUPS, side="right")))
                self.progress.rows += stop - first
                yield _chunk(bags, first, stop)
                first = stop
            left -= n_samples


def _chunk(bags: _Bags, first: int, stop: int) -> base.SampleChunk:
    values, offsets = [], []
    for starts, lengths in zip(bags.starts[:, first:stop], bags.lengths[:, first:stop], strict=True):
        start = int(starts[0])
        values.append(bags.indices.read(start, start + int(lengths.sum())).astype(np.uint64))
        offsets.append(np.concatenate(([0], np.cumsum(lengths))))
    return base.SampleChunk(stop - first, values, offsets)


def _rows(bags: _Bags) -> np.ndarray:
    """Greatest index plus one of each table."""
    found = np.ones(bags.lengths.shape[0], dtype=np.int64)
    for table, (starts, lengths) in enumerate(zip(bags.starts, bags.lengths, strict=True)):
        begin = int(starts[0]) if starts.size else 0
        end = begin + int(lengths.sum())
        for first in range(begin, end, _SCAN_LOOKUPS):
            part = bags.indices.read(first, min(first + _SCAN_LOOKUPS, end))
            if part.min() < 0:
                at = first + int(np.argmax(part < 0))
                sample = int(np.searchsorted(starts, at, side="right")) - 1
                raise InputError(
                    f"{bags.indices.backing.where}: sample {sample}, table {table}: a negative index, {part.min()}; "
                    "indices go from 0 on"
                )
            found[table] = max(found[table], int(part.max()) + 1)
    return found


def _open(paths: Sequence[Path], dataset: EmbeddingBag) -> list[_Bags]:
    stems = [path.name.split(".")[0] for path in paths]
    if set(stems) == set(_NAMES) and len(stems) == len(_NAMES):
        arrays = {
            stem: next(iter(npy.open_arrays(path).values())) for stem, path in zip(stems, paths, strict=True)
        }
        return [_bags(arrays, dataset, str(paths[0].parent))]
    found = []
    for path in paths:
        if ".pt" in path.suffixes:
            tensors = torch_file.open_tensors(path)
            if len(tensors) != len(_NAMES):
                raise InputError(f"{path}: {len(tensors)} tensors, not (indices, offsets, lengths)")
            found.append(_bags(dict(zip(_NAMES, tensors, strict=True)), dataset, str(path)))
        else:
            found.append(_bags(npy.open_arrays(path), dataset, str(path)))
    return found


def _bags(arrays: dict[str, npy.StoredArray], dataset: EmbeddingBag, where: str) -> _Bags:
    for name in _NAMES[:2]:
        if name not in arrays:
            raise InputError(f"{where}: no array called {name}; give indices, offsets and lengths")
    for name, array in arrays.items():
        if name in _NAMES and array.dtype.kind not in "iu":
            raise InputError(f"{where}: {name} holds {array.dtype}, not whole numbers")
        if name in _NAMES[1:] and array.size > _MAX_BAGS:
            raise InputError(
                f"{where}: {name} has {array.size:,} entries, more than {_MAX_BAGS:,}; cut the file"
            )
    lengths = arrays.get("lengths")
    offsets, n_indices = arrays["offsets"], arrays["indices"].size
    if offsets.size < 1:
        raise InputError(f"{where}: `offsets` is empty; is the file damaged?")
    with_last = int(offsets.read(offsets.size - 1, offsets.size)[0]) == n_indices
    n_tables = _n_tables(lengths, dataset.tables, with_last, where)
    ends = _ends(offsets, lengths, n_indices, n_tables, dataset, where)
    sizes = np.diff(ends)
    if lengths is not None and not np.array_equal(lengths.read(0, lengths.size), sizes):
        raise InputError(f"{where}: `lengths` contradicts `offsets`; is the file damaged?")
    shape = (n_tables, sizes.size // n_tables)
    return _Bags(arrays["indices"], ends[:-1].reshape(shape), sizes.reshape(shape))


def _n_tables(lengths: npy.StoredArray | None, chosen: int, with_last: bool, where: str) -> int:
    """Tables of a file: what `lengths` says, or what was chosen; arrays without the last end are PyTorch's, of one."""
    if lengths is not None and len(lengths.shape) == 2:
        if chosen not in (0, lengths.shape[0]):
            raise InputError(
                f"{where}: `lengths` has {lengths.shape[0]} tables, not {chosen}; leave tables= out"
            )
        return lengths.shape[0]
    if not chosen and (lengths is not None or with_last):
        raise InputError(
            f"{where}: `lengths` does not say how many tables there are; give --dataset-option tables=N"
        )
    return chosen or 1


def _ends(
    offsets: npy.StoredArray,
    lengths: npy.StoredArray | None,
    n_indices: int,
    n_tables: int,
    dataset: EmbeddingBag,
    where: str,
) -> np.ndarray:
    """Where each bag begins, and behind the last one where it ends, int64."""
    found = offsets.read(0, offsets.size)
    if not found.size or int(found.max()) > n_indices or int(found.min()) < 0:
        raise InputError(f"{where}: `offsets` goes beyond the {n_indices:,} indices; is the file damaged?")
    begins = found.astype(np.int64)
    has_end = _has_last_end(begins, lengths, n_indices, n_tables, dataset.include_last_offset)
    ends = begins if has_end else np.append(begins, n_indices)
    n_bags = ends.size - 1
    if n_bags < n_tables or n_bags % n_tables:
        raise InputError(
            f"{where}: {offsets.size} offsets are not tables x samples (+ 1) for {n_tables} tables"
        )
    if ends[0] != 0 or ends[-1] != n_indices or (np.diff(ends) < 0).any():
        raise InputError(
            f"{where}: `offsets` does not rise from 0 to the {n_indices} indices; is the file damaged?"
        )
    return ends


def _has_last_end(
    begins: np.ndarray, lengths: npy.StoredArray | None, n_indices: int, n_tables: int, chosen: str
) -> bool:
    """Whether the last offset is the end of the last bag, and not a bag's beginning."""
    if chosen != "auto":
        return chosen == "yes"
    if lengths is not None:
        return begins.size == lengths.size + 1
    # An offset at the very end is an end, unless the number of bags says otherwise.
    return bool(begins[-1] == n_indices) and (begins.size - 1) % n_tables == 0 and begins.size > 1


@base.DATASETS.register("embedding-bag")
@dataclass(frozen=True)
class EmbeddingBag(base.Dataset):
    """`tables` says how many tables there are where `lengths` is missing or flat.

    `include_last_offset`: whether `offsets` ends with the end of the last bag, as PyTorch's parameter of this name
    says; "auto": whether its last entry is the number of indices.
    """

    summary = "Meta dlrm_datasets: indices, offsets, lengths (.pt.gz, .npz, .npy), real bags"

    tables: int = 0
    include_last_offset: Literal["auto", "yes", "no"] = "auto"

    def __post_init__(self) -> None:
        if self.tables < 0:
            raise ValueError("tables must not be negative")

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        if head.startswith(b"\x93NUMPY"):
            return path.name.split(".")[0] in _NAMES
        if not head.startswith(b"PK\x03\x04"):
            return False
        return b"data.pkl" in head[:400] or any(name.encode() + b".npy" in head[:60] for name in _NAMES)

    def open(self, paths: Sequence[Path], options: base.ReadOptions) -> EmbeddingBagSource:
        return EmbeddingBagSource(paths, self, options)
