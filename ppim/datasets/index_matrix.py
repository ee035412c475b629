"""A matrix of ids in a .npy file, samples x columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ppim.datasets import base, npy
from ppim.datasets.matrices import BagMatrixSource, OneHotMatrixSource, as_matrix, rows_of
from ppim.errors import InputError

_NPY = b"\x93NUMPY"


@base.DATASETS.register("index-matrix")
@dataclass(frozen=True)
class IndexMatrix(base.Dataset):
    """`columns` says what a column is: a table of its own ("tables"), or one of the lookups of a bag in one table ("bag").

    Sizes are the greatest id plus one; `rows` gives them (one for each table), and ids beyond are errors.
    """

    is_general = True
    summary = "a .npy matrix of ids, samples x tables, or samples x lookups of one table"

    columns: Literal["tables", "bag"] = "tables"
    rows: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if any(not 1 <= rows < 1 << 63 for rows in self.rows):
            raise ValueError("rows must be 1 to 2^63 - 1")

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        return head.startswith(_NPY)

    def open(self, paths: Sequence[Path], options: base.ReadOptions) -> base.Source:
        matrices = [as_matrix(next(iter(npy.open_arrays(path).values()), None), str(path)) for path in paths]
        for matrix, path in zip(matrices, paths, strict=True):
            if matrix.shape[1] != matrices[0].shape[1]:
                raise InputError(
                    f"{path}: {matrix.shape[1]} columns, but {paths[0]} has {matrices[0].shape[1]}; give files of one kind"
                )
        n_tables = matrices[0].shape[1] if self.columns == "tables" else 1
        if self.rows and len(self.rows) != n_tables:
            raise InputError(
                f"{paths[0]}: rows= has {len(self.rows)} sizes for {n_tables} tables; give one for each"
            )
        if self.columns == "bag":
            rows = self.rows or (rows_of(matrices, "t0"),)
            return BagMatrixSource(
                [[matrix] for matrix in matrices], [base.TableSpec("t0", rows[0])], options
            )
        rows = self.rows or tuple(npy.greatest_ids(matrices))
        return OneHotMatrixSource(matrices, [base.TableSpec(f"t{t}", n) for t, n in enumerate(rows)], options)
