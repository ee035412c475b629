"""Meta's dlrm_datasets: `indices`, `offsets` and `lengths` of many tables, table after table.

`lengths` has shape (tables, samples); `offsets`, of tables x samples + 1 entries, says where the bag of (table,
sample) begins in `indices`. Files: the published .pt.gz (read without PyTorch), one .npz with these names, or
.npy files of these names. The sizes of the tables are not stored: each is its greatest index plus one.

The arguments of PyTorch's EmbeddingBag are the same without `lengths`, and by its default without the last end in
`offsets` (`include_last_offset=False`): one entry a bag.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ppim.datasets import base, npy, torch_file
from ppim.errors import InputError

_NAMES = ("indices", "offsets", "lengths")
_CHUNK_LOOKUPS = 1 << 22
_SCAN_LOOKUPS = 1 << 21
_SCAN_BAGS = 1 << 20


@dataclass(frozen=True)
class _Bags:
    """The bags of one file, table after table; their ends stay in the file.

    Attributes
    ----------
    indices, offsets : StoredArray
    n_tables, n_samples : int
    """

    indices: npy.StoredArray
    offsets: npy.StoredArray
    n_tables: int
    n_samples: int

    def begin(self, bag: int) -> int:
        """First lookup of a bag; behind the last bag, the number of lookups."""
        return int(self.ends(bag, bag)[0])

    def ends(self, first: int, stop: int) -> np.ndarray:
        """Where bags first ... stop - 1 begin, and where the last of them ends: int64, shape (stop - first + 1,)."""
        found = self.offsets.read(first, min(stop + 1, self.offsets.size)).astype(np.int64)
        return found if found.size == stop + 1 - first else np.append(found, self.indices.size)

    def ends_of_table(self, table: int, first: int, stop: int) -> np.ndarray:
        """The same of samples first ... stop - 1 of a table."""
        return self.ends(table * self.n_samples + first, table * self.n_samples + stop)


class EmbeddingBagSource(base.Source):
    """Samples with the dataset's own bags; several files are read one after the other."""

    one_hot = False

    def __init__(self, paths: Sequence[Path], dataset: EmbeddingBag, options: base.ReadOptions) -> None:
        super().__init__()
        self._options = options
        self._files = _open(paths, dataset)
        count = self._files[0].n_tables
        if any(bags.n_tables != count for bags in self._files):
            raise InputError(
                f"{paths[0]}: its number of tables is not that of the other files; give files of one kind"
            )
        rows = np.max([_rows(bags) for bags in self._files], axis=0)
        self.tables = tuple(base.TableSpec(f"t{t}", int(n)) for t, n in enumerate(rows))
        n_samples = sum(bags.n_samples for bags in self._files)
        self.total_samples = min(n_samples, options.max_samples or n_samples)

    def chunks(self) -> Iterator[base.SampleChunk]:
        left = self.total_samples or 0
        for bags in self._files:
            n_samples = min(left, bags.n_samples)
            step = max(1, _SCAN_BAGS // bags.n_tables)
            for first in range(0, n_samples, step):
                yield from self._chunks(bags, first, min(first + step, n_samples))
            left -= n_samples

    def _chunks(self, bags: _Bags, begin: int, end: int) -> Iterator[base.SampleChunk]:
        """Samples begin ... end - 1, so many at once as have not too many lookups."""
        ends = [bags.ends_of_table(table, begin, end) for table in range(bags.n_tables)]
        reach = np.cumsum(np.sum([np.diff(each) for each in ends], axis=0))
        first = before = 0
        while first < end - begin:
            stop = max(first + 1, int(np.searchsorted(reach, before + _CHUNK_LOOKUPS, side="right")))
            base.check_lookups(int(reach[first]) - before, bags.indices.backing.where, begin + first)
            self.progress.rows += stop - first
            yield _chunk(bags, [each[first : stop + 1] for each in ends])
            first, before = stop, int(reach[stop - 1])


def _chunk(bags: _Bags, ends: Sequence[np.ndarray]) -> base.SampleChunk:
    values = [bags.indices.read(int(each[0]), int(each[-1])).astype(np.uint64) for each in ends]
    return base.SampleChunk(ends[0].size - 1, values, [each - each[0] for each in ends])


def _rows(bags: _Bags) -> np.ndarray:
    """Greatest index plus one of each table."""
    found = np.ones(bags.n_tables, dtype=np.int64)
    for table in range(bags.n_tables):
        end = bags.begin((table + 1) * bags.n_samples)
        for first in range(bags.begin(table * bags.n_samples), end, _SCAN_LOOKUPS):
            part = bags.indices.read(first, min(first + _SCAN_LOOKUPS, end))
            if part.min() < 0:
                at = first + int(np.argmax(part < 0))
                samples = range(table * bags.n_samples, (table + 1) * bags.n_samples)
                sample = bisect_right(samples, at, key=bags.begin) - 1
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
    lengths = arrays.get("lengths")
    offsets, n_indices = arrays["offsets"], arrays["indices"].size
    if offsets.size < 1:
        raise InputError(f"{where}: `offsets` is empty; is the file damaged?")
    last = int(offsets.read(offsets.size - 1, offsets.size)[0])
    n_tables = _n_tables(lengths, dataset.tables, last == n_indices, where)
    if not n_tables:
        raise InputError(f"{where}: `lengths` has no tables; is the file damaged?")
    base.check_tables(n_tables, where)
    has_end = _has_last_end(offsets.size, last, lengths, n_indices, n_tables, dataset.include_last_offset)
    n_bags = offsets.size - has_end
    if n_bags < n_tables or n_bags % n_tables:
        raise InputError(
            f"{where}: {offsets.size} offsets are not tables x samples (+ 1) for {n_tables} tables"
        )
    bags = _Bags(arrays["indices"], offsets, n_tables, n_bags // n_tables)
    if has_end and last != n_indices:
        raise _not_rising(where, n_indices)
    if lengths is not None and lengths.size != n_bags:
        raise _contradiction(where)
    for first in range(0, n_bags, _SCAN_BAGS):
        _check_ends(bags, lengths, first, min(first + _SCAN_BAGS, n_bags), where)
    return bags


def _check_ends(bags: _Bags, lengths: npy.StoredArray | None, first: int, stop: int, where: str) -> None:
    """Hold a part of the offsets against the number of indices, each other, and the lengths."""
    n_indices = bags.indices.size
    found = bags.offsets.read(first, min(stop + 1, bags.offsets.size))
    if int(found.max()) > n_indices or int(found.min()) < 0:
        raise InputError(f"{where}: `offsets` goes beyond the {n_indices:,} indices; is the file damaged?")
    ends = bags.ends(first, stop)
    sizes = np.diff(ends)
    if (first == 0 and ends[0] != 0) or (sizes < 0).any():
        raise _not_rising(where, n_indices)
    if lengths is not None and not np.array_equal(lengths.read(first, stop), sizes):
        raise _contradiction(where)


def _not_rising(where: str, n_indices: int) -> InputError:
    return InputError(
        f"{where}: `offsets` does not rise from 0 to the {n_indices} indices; is the file damaged?"
    )


def _contradiction(where: str) -> InputError:
    return InputError(f"{where}: `lengths` contradicts `offsets`; is the file damaged?")


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


def _has_last_end(
    n_offsets: int, last: int, lengths: npy.StoredArray | None, n_indices: int, n_tables: int, chosen: str
) -> bool:
    """Whether the last offset is the end of the last bag, and not a bag's beginning."""
    if chosen != "auto":
        return chosen == "yes"
    if lengths is not None:
        return n_offsets == lengths.size + 1
    # An offset at the very end is an end, unless the number of bags says otherwise.
    return last == n_indices and (n_offsets - 1) % n_tables == 0 and n_offsets > 1


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
