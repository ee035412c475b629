"""torchrec's preprocessed Criteo: `day_N_sparse.npy`, samples x 26 (torchrec/datasets/criteo.py)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ppim.datasets import base, criteo_format, criteo_terabyte, days, npy
from ppim.datasets.matrices import OneHotMatrixSource, as_matrix
from ppim.errors import InputError

_NAME = re.compile(r"day_\d+_sparse.*\.npy", re.ASCII)
_NPY = b"\x93NUMPY"


@base.DATASETS.register("torchrec-npy")
@dataclass(frozen=True)
class TorchrecNpy(base.Dataset):
    """One-hot samples of 26 tables.

    `cardinalities` names their sizes; "file": each is its greatest id plus one. `hashed`: values are taken modulo the
    sizes, as torchrec's `hashes` does with files that were not made contiguous.
    """

    summary = "torchrec's day_N_sparse.npy: samples x 26 ids"

    cardinalities: Literal["file", "dlrmv2", "mlperf-40m", "mlperf-10m", "torchrec"] = "file"
    hashed: bool = False

    def __post_init__(self) -> None:
        if self.hashed and self.cardinalities == "file":
            raise ValueError("hashed needs cardinalities, the sizes that values are taken modulo of")

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        return head.startswith(_NPY) and _NAME.match(path.name) is not None

    def order(self, paths: Sequence[Path]) -> list[Path]:
        return days.by_day(paths)

    def open(self, paths: Sequence[Path], options: base.ReadOptions) -> OneHotMatrixSource:
        matrices = [as_matrix(next(iter(npy.open_arrays(path).values()), None), str(path)) for path in paths]
        for matrix, path in zip(matrices, paths, strict=True):
            if matrix.shape[1] != len(criteo_format.CATEGORIES):
                raise InputError(
                    f"{path}: {matrix.shape[1]} columns, not {len(criteo_format.CATEGORIES)}; read it with --dataset index-matrix"
                )
        rows = (
            npy.greatest_ids(matrices)
            if self.cardinalities == "file"
            else criteo_terabyte.ROWS[self.cardinalities]
        )
        tables = [base.TableSpec(name, n) for name, n in zip(criteo_format.CATEGORIES, rows, strict=True)]
        return OneHotMatrixSource(matrices, tables, options, self.hashed)
