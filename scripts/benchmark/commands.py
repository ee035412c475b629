"""What a command takes before and after its work: later runs on next to nothing."""

from __future__ import annotations

import time
from typing import ClassVar

from benchmark.figures import Figure
from benchmark.tools import Costs, Ppim, Traces, run

NUMBA = "import numba"
SAMPLES = 20


class Commands:
    """Each command by the clock: that is what is waited for."""

    name: ClassVar[str] = "commands"

    def __init__(self, traces: Traces) -> None:
        trace, folder = traces.of(SAMPLES), traces.folder
        requests = folder / "requests.trace"
        requests.write_text("0x40 READ 0\n", encoding="utf-8")
        stats, again = folder / "stats.csv", folder / "again.parquet"
        self._commands: dict[str, tuple[object, ...]] = {
            "--help": ("--help",),
            "simulate --help": ("simulate", "--help"),
            "info": ("info", trace),
            "gen-trace": ("gen-trace", "synthetic", "--max-samples", SAMPLES, "-o", again),
            "simulate": ("simulate", trace, "-o", stats),
            "simulate --system pim-base": ("simulate", trace, "--system", "pim-base", "-o", stats),
            "simulate --system cpu": ("simulate", trace, "--system", "cpu", "-o", stats),
            "replay": ("replay", requests, "-o", stats),
            "compare": ("compare", trace, "--systems", "pim-base,proactivepim"),
        }

    def prepare(self, ppim: Ppim) -> None:
        """Have all kernels compiled."""
        self.turn(ppim)

    def turn(self, ppim: Ppim) -> Costs:
        """Seconds by the clock."""
        costs: Costs = {}
        start = time.perf_counter()
        run([ppim.python, "-c", NUMBA], {})
        costs[NUMBA] = time.perf_counter() - start
        for name, words in self._commands.items():
            start = time.perf_counter()
            ppim.run(*words)
            costs[name] = time.perf_counter() - start
        return costs

    def figures(self, best: Costs) -> list[Figure]:
        """Beside what importing numba takes."""
        to = f"python -c '{NUMBA}'"
        return [
            Figure("later run", name, value, "s", value / best[NUMBA], to)
            for name, value in best.items()
            if name != NUMBA
        ]
