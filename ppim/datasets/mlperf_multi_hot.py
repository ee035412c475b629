"""MLPerf DLRMv2's materialised multi-hot data: `day_N_sparse_multi_hot.npz`, arrays "0" ... "25", samples x hotness.

Made by facebookresearch/dlrm, torchrec_dlrm/scripts/materialize_synthetic_multihot_dataset.py (MLPerf training v3).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ppim.datasets import base, criteo_terabyte, days, matrices, npy
from ppim.errors import InputError

_LOCAL_HEADER_BYTES = 30
_ARRAY_NAME = re.compile(rb"\d{1,3}\.npy")


@base.DATASETS.register("mlperf-multi-hot")
@dataclass(frozen=True)
class MlperfMultiHot(base.Dataset):
    """One table for each array; a bag is a row of its array.

    `cardinalities` gives the 26 tables their sizes ("dlrmv2" for the files as published); "file": each is its
    greatest id plus one.
    """

    summary = "MLPerf DLRMv2 day_N_sparse_multi_hot.npz: 26 tables, a row of an array is a bag"

    cardinalities: Literal["file", "dlrmv2", "mlperf-40m", "mlperf-10m", "torchrec"] = "file"

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:  # noqa: ARG003
        return head.startswith(b"PK\x03\x04") and _ARRAY_NAME.match(head, _LOCAL_HEADER_BYTES) is not None

    def order(self, paths: Sequence[Path]) -> list[Path]:
        return days.by_day(paths)

    def open(self, paths: Sequence[Path], options: base.ReadOptions) -> matrices.BagMatrixSource:
        files = [_matrices(path) for path in paths]
        for path, file in zip(paths, files, strict=True):
            if len(file) != len(files[0]):
                raise InputError(
                    f"{path}: {len(file)} arrays, but {paths[0]} has {len(files[0])}; give files of one kind"
                )
        names = [f"C{table + 1}" for table in range(len(files[0]))]
        return matrices.BagMatrixSource(files, self._tables(files, names, paths[0]), options)

    def _tables(
        self, files: Sequence[Sequence[npy.StoredArray]], names: Sequence[str], path: Path
    ) -> list[base.TableSpec]:
        if self.cardinalities == "file":
            return [
                base.TableSpec(name, matrices.rows_of([file[t] for file in files], name))
                for t, name in enumerate(names)
            ]
        rows = criteo_terabyte.ROWS[self.cardinalities]
        if len(rows) != len(names):
            raise InputError(
                f"{path}: {len(names)} arrays, but cardinalities={self.cardinalities} has {len(rows)} tables"
            )
        return [base.TableSpec(name, n) for name, n in zip(names, rows, strict=True)]


def _matrices(path: Path) -> list[npy.StoredArray]:
    arrays = npy.open_arrays(path)
    numbers = sorted(int(name) for name in arrays if name.isascii() and name.isdigit())
    if not numbers or numbers != list(range(len(arrays))):
        raise InputError(
            f"{path}: its arrays are not called 0, 1, 2 ... without a gap; give a file of MLPerf's"
        )
    return [matrices.as_matrix(arrays.get(str(number)), f"{path}: array {number}") for number in numbers]
