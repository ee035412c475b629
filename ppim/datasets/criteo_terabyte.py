"""Criteo 1TB click logs, `day_0` to `day_23`: the columns of Criteo Kaggle, about 4.4 billion rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ppim.datasets import base, criteo_format, days

ROWS = {
    # facebookresearch/dlrm torchrec_dlrm (MLPerf DLRMv2): values hashed into tables capped at 40 million.
    "dlrmv2": (
        40000000, 39060, 17295, 7424, 20265, 3, 7122, 1543, 63, 40000000, 3067956, 405282, 10, 2209, 11938, 155,
        4, 976, 14, 40000000, 40000000, 40000000, 590152, 12973, 108, 36,
    ),
    # MLPerf v1, max-ind-range 40 million.
    "mlperf-40m": (
        39884406, 39043, 17289, 7420, 20263, 3, 7120, 1543, 63, 38532951, 2953546, 403346, 10, 2208, 11938, 155,
        4, 976, 14, 39979771, 25641295, 39664984, 585935, 12972, 108, 36,
    ),
    # DLRM's terabyte benchmark, max-ind-range 10 million, sub-sampled.
    "mlperf-10m": (
        9980333, 36084, 17217, 7378, 20134, 3, 7112, 1442, 61, 9758201, 1333352, 313829, 10, 2208, 11156, 122, 4,
        970, 14, 9994222, 7267859, 9946608, 415421, 12420, 101, 36,
    ),
    # torchrec's README, contiguous ids without a cap.
    "torchrec": (
        45833188, 36746, 17245, 7413, 20243, 3, 7114, 1441, 62, 29275261, 1572176, 345138, 10, 2209, 11267, 128,
        4, 974, 14, 48937457, 11316796, 40094537, 452104, 12606, 104, 35,
    ),
}  # fmt: skip


@base.DATASETS.register("criteo-terabyte")
@dataclass(frozen=True)
class CriteoTerabyte(base.Dataset):
    """`cardinalities` names the set of table sizes: of MLPerf's benchmarks, or torchrec's."""

    summary = "Criteo 1TB day_0 ... day_23: 26 tables, 204 million rows (others by option)"

    cardinalities: Literal["dlrmv2", "mlperf-40m", "mlperf-10m", "torchrec"] = "dlrmv2"

    @classmethod
    def recognises(cls, path: Path, head: bytes) -> bool:
        return path.name.startswith("day_") and criteo_format.looks_like_criteo(head)

    def order(self, paths: Sequence[Path]) -> list[Path]:
        return days.by_day(paths)

    def open(self, paths: Sequence[Path], options: base.ReadOptions) -> criteo_format.CriteoSource:
        return criteo_format.CriteoSource(paths, ROWS[self.cardinalities], options)
