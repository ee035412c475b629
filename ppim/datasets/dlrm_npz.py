"""DLRM's preprocessed Criteo: .npz with `X_cat` (samples x tables, ids from 0), as its data_utils.py writes it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ppim.datasets import base, npy
from ppim.errors import InputError

_CHUNK_SAMPLES = 1 << 16


class DlrmNpzSource(base.Source):
    """One-hot samples; table sizes are the `counts` of the file, or one more than the greatest id."""

    def __init__(self, paths: Sequence[Path], options: base.ReadOptions, counts_file: str) -> None:
        super().__init__()
        self._options = options
        arrays = [npy.open_arrays(path) for path in paths]
        self._matrices = [_matrix(found, path) for found, path in zip(arrays, paths, strict=True)]
        n_tables = self._matrices[0].shape[1]
        for matrix, path in zip(self._matrices, paths, strict=True):
            if matrix.shape[1] != n_tables:
                raise InputError(f"{path}: {matrix.shape[1]} tables, but {paths[0]} has {n_tables}")
        counts = npy.open_arrays(Path(counts_file)) if counts_file else arrays[0]
        rows = self._rows(counts, n_tables, counts_file or str(paths[0]))
        self.tables = tuple(base.TableSpec(f"C{t + 1}", n) for t, n in enumerate(rows))
        n_samples = sum(matrix.shape[0] for matrix in self._matrices)
        self.total_samples = min(n_samples, options.max_samples or n_samples)

    def chunks(self) -> Iterator[base.SampleChunk]:
        left = self._options.max_samples
        for matrix in self._matrices:
            n_rows = matrix.shape[0] if left is None else min(left, matrix.shape[0])
            for first in range(0, n_rows, _CHUNK_SAMPLES):
                stop = min(first + _CHUNK_SAMPLES, n_rows)
                values = np.ascontiguousarray(matrix.read_rows(first, stop))
                for table, column in enumerate(values):
                    npy.check_ids(column, self.tables[table], matrix.backing.where, first)
                self.progress.rows += stop - first
                yield base.SampleChunk(stop - first, tuple(values.astype(np.uint64)))
            left = None if left is None else left - n_rows

    def _rows(self, counts: dict[str, npy.StoredArray], n_tables: int, where: str) -> list[int]:
        if "counts" not in counts:
            return npy.greatest_ids(self._matrices)
        stored = counts["counts"]
        if stored.size != n_tables or stored.dtype.kind not in "iu":
            raise InputError(
                f"{where}: `counts` has {stored.size} entries of type {stored.dtype} for {n_tables} tables; "
                "give a whole number of rows for each"
            )
        rows = [int(n) for n in stored.read(0, stored.size)]
        if not all(1 <= n < 1 << 63 for n in rows):
            raise InputError(
                f"{where}: `counts` has {min(rows)} to {max(rows)} rows; a table has at least one"
            )
        return rows


def _matrix(arrays: dict[str, npy.StoredArray], path: Path) -> npy.StoredArray:
    matrix = arrays.get("X_cat")
    if matrix is None or len(matrix.shape) != 2 or matrix.dtype.kind not in "iu":
        raise InputError(
            f"{path}: no matrix of whole numbers called X_cat; give a file of DLRM's preprocessing"
        )
    return matrix


@base.DATASETS.register("dlrm-npz")
@dataclass(frozen=True)
class DlrmNpz(base.Dataset):
    """`counts` may name a second .npz that holds the table sizes (`day_fea_count.npz`)."""

    summary = "DLRM's preprocessed .npz (X_cat, counts)"

    counts: str = ""

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        return head.startswith(b"PK\x03\x04") and any(
            name in head[:60] for name in (b"X_cat.npy", b"X_int.npy")
        )

    def other_inputs(self) -> list[Path]:
        return [Path(self.counts)] if self.counts else []

    def open(self, paths: Sequence[Path], options: base.ReadOptions) -> DlrmNpzSource:
        return DlrmNpzSource(paths, options, self.counts)
