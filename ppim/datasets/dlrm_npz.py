"""DLRM's preprocessed Criteo: .npz with `X_cat` (samples x tables, ids from 0), as its data_utils.py writes it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppim.datasets import base, npy
from ppim.datasets.matrices import OneHotMatrixSource
from ppim.errors import InputError


def _rows(matrices: Sequence[npy.StoredArray], counts: dict[str, npy.StoredArray], where: str) -> list[int]:
    """Sizes of the tables: the `counts` of a file, or one more than the greatest id."""
    if "counts" not in counts:
        return npy.greatest_ids(matrices)
    n_tables = matrices[0].shape[1]
    stored = counts["counts"]
    if stored.size != n_tables or stored.dtype.kind not in "iu":
        raise InputError(
            f"{where}: `counts` has {stored.size} entries of type {stored.dtype} for {n_tables} tables; "
            "give a whole number of rows for each"
        )
    rows = [int(n) for n in stored.read(0, stored.size)]
    if not all(1 <= n < 1 << 63 for n in rows):
        raise InputError(f"{where}: `counts` has {min(rows)} to {max(rows)} rows; a table has at least one")
    return rows


def _matrix(arrays: dict[str, npy.StoredArray], path: Path) -> npy.StoredArray:
    matrix = arrays.get("X_cat")
    if matrix is None or len(matrix.shape) != 2 or matrix.dtype.kind not in "iu" or matrix.shape[1] == 0:
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

    def open(self, paths: Sequence[Path], options: base.ReadOptions) -> OneHotMatrixSource:
        arrays = [npy.open_arrays(path) for path in paths]
        matrices = [_matrix(found, path) for found, path in zip(arrays, paths, strict=True)]
        n_tables = matrices[0].shape[1]
        for matrix, path in zip(matrices, paths, strict=True):
            base.check_tables(matrix.shape[1], str(path))
            if matrix.shape[1] != n_tables:
                raise InputError(f"{path}: {matrix.shape[1]} tables, but {paths[0]} has {n_tables}")
        counts = npy.open_arrays(Path(self.counts)) if self.counts else arrays[0]
        rows = _rows(matrices, counts, self.counts or str(paths[0]))
        tables = [base.TableSpec(f"C{t + 1}", n) for t, n in enumerate(rows)]
        return OneHotMatrixSource(matrices, tables, options)
