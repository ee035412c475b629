"""`ppim gen-trace` on a Criteo-like file, beside pyarrow's CSV reader on the same file and columns."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark.figures import Figure
from benchmark.tools import HERE, Costs, Ppim, Traces, run
from ppim.datasets.base import MISSING, ReadOptions, make_dataset

ROWS, FEW = 400_000, 4000
DISTINCT_ROWS = 50_000
POOLING = 10
BAGS = f"bags of {POOLING}, {ROWS // POOLING:,} samples"
ONE_HOT = f"one-hot, {ROWS:,} samples"
PYARROW = "pyarrow's CSV reader"


def write_criteo(path: Path, n_rows: int) -> None:
    """Rows in Criteo's format; distinct ones first, then the same again in a random order."""
    source = make_dataset("synthetic", {}).open([], ReadOptions(max_samples=min(n_rows, DISTINCT_ROWS)))
    values = np.concatenate([np.stack(chunk.values) for chunk in source.chunks()], axis=1)
    words = np.array((values * np.uint64(0x9E3779B1) + np.uint64(1)) & np.uint64(0xFFFFFFFF), dtype=object)
    rng = np.random.default_rng(1)
    integers = rng.geometric(0.05, (values.shape[1], 13))
    lines = []
    for number in range(values.shape[1]):
        fields = [str(number % 4 // 3), *("" if i > 60 else str(i) for i in integers[number])]
        fields += [
            "" if v == MISSING else f"{w:08x}"
            for v, w in zip(values[:, number], words[:, number], strict=True)
        ]
        lines.append("\t".join(fields))
    order = np.concatenate((np.arange(len(lines)), rng.integers(0, len(lines), max(n_rows - len(lines), 0))))
    with path.open("w") as stream:
        stream.writelines(f"{lines[i]}\n" for i in order[:n_rows])


class TraceMaking:
    """QR traces; starts net out."""

    name: ClassVar[str] = "traces"

    def __init__(self, traces: Traces, rows: int = ROWS) -> None:
        self._file, self._output = traces.folder / "train.txt", traces.folder / "made.parquet"
        self._rows = rows
        write_criteo(self._file, rows)

    def _make(self, ppim: Ppim, samples: int, pooling: int) -> tuple[float, float]:
        cost = ppim.run(
            *("gen-trace", self._file, "--dataset", "criteo-kaggle", "--pooling", pooling),
            *("--max-samples", samples, "-o", self._output),
        )
        return cost.seconds, cost.mebibytes

    def prepare(self, ppim: Ppim) -> None:
        """Have the kernels compiled."""
        self._make(ppim, FEW, POOLING)

    def turn(self, ppim: Ppim) -> Costs:
        """Seconds of processor time; MiB."""
        costs: Costs = {}
        costs["short"], _ = self._make(ppim, FEW, 1)
        costs[ONE_HOT], _ = self._make(ppim, self._rows, 1)
        costs["short bags"], _ = self._make(ppim, FEW, POOLING)
        costs[BAGS], costs["memory"] = self._make(ppim, self._rows // POOLING, POOLING)
        for name, samples in (("pyarrow short", FEW), ("pyarrow", self._rows)):
            costs[name] = run([sys.executable, HERE / "pyarrow_worker.py", self._file, samples], {}).seconds
        return costs

    def figures(self, best: Costs) -> list[Figure]:
        """Samples and accesses a second beside pyarrow's reader."""
        samples = self._rows - FEW
        theirs = best["pyarrow"] - best["pyarrow short"]
        ours, bags = best[ONE_HOT] - best["short"], best[BAGS] - best["short bags"]
        accesses = (self._rows // POOLING - FEW) * 26 * POOLING * 2
        return [
            Figure("gen-trace", ONE_HOT, ours / samples * 1e6, "us/sample", ours / theirs, PYARROW),
            Figure("gen-trace", BAGS, accesses / bags, "accesses/s", None, "-"),
            Figure("memory of", f"gen-trace, {BAGS}", best["memory"], "MiB", None, "-"),
        ]
