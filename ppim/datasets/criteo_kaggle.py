"""Criteo Kaggle Display Advertising Challenge, `train.txt` as published."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ppim.datasets import base, criteo_format

ROWS = (
    1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194, 27, 14992, 5461306, 10,
    5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572,
)  # fmt: skip
"""Distinct values of C1 to C26 in the whole training set, as DLRM's preprocessing counts them."""


@base.DATASETS.register("criteo-kaggle")
@dataclass(frozen=True)
class CriteoKaggle(base.Dataset):
    """45.8 million rows over 7 days."""

    summary = "Criteo Kaggle train.txt: 26 tables, 33.8 million rows"

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        return not path.name.startswith("day_") and criteo_format.looks_like_criteo(head)

    def open(self, paths: Sequence[Path], options: base.ReadOptions) -> criteo_format.CriteoSource:
        return criteo_format.CriteoSource(paths, ROWS, options)
