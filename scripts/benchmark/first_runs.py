"""First runs, which find no kernels: one of each engine, and a second system after the default."""

from __future__ import annotations

import shutil
from typing import ClassVar

from benchmark.figures import Figure
from benchmark.tools import DEFAULT, Costs, Ppim, Traces

FIRST = (DEFAULT, "pim-base", "recnmp", "cpu")
SECOND = "pim-base"
AFTER = f"{SECOND}, after the default"
SAMPLES = 100


class FirstRuns:
    """Each from an empty folder of kernels."""

    name: ClassVar[str] = "first-runs"
    rounds: ClassVar[int] = 1
    """A minute each."""

    def __init__(self, traces: Traces) -> None:
        self._trace = traces.of(SAMPLES)
        self._folder = traces.folder / "kernels"

    def prepare(self, ppim: Ppim) -> None:
        """Nothing: that is what is measured."""

    def turn(self, ppim: Ppim) -> Costs:
        """Seconds of each run, all compilation included."""
        costs: Costs = {}
        for name in FIRST:
            costs[name] = self._run(ppim, name)
            if name == DEFAULT:
                costs[AFTER] = self._run(ppim, SECOND)
            shutil.rmtree(self._folder)
        return costs

    def _run(self, ppim: Ppim, system: str) -> float:
        return ppim.simulate(self._trace, system, NUMBA_CACHE_DIR=str(self._folder)).seconds

    def figures(self, best: Costs) -> list[Figure]:
        """Beside the default's."""
        return [
            Figure("first run", name, value, "s", value / best[DEFAULT], DEFAULT)
            for name, value in best.items()
        ]
