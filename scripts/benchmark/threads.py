"""Two threads beside one, by the clock."""

from __future__ import annotations

import time
from typing import ClassVar

from benchmark.figures import Figure
from benchmark.tools import DEFAULT, Costs, Ppim, Traces

SHORT, LONG = 100, 20_000
CASES: dict[str, tuple[object, ...]] = {
    DEFAULT: (),
    f"{DEFAULT}, collect=host": ("--set", "collect=host"),
}


class Threads:
    """The start nets out."""

    name: ClassVar[str] = "threads"

    def __init__(self, traces: Traces) -> None:
        self._short, self._long = traces.of(SHORT), traces.of(LONG)
        self._accesses = traces.accesses[self._long] - traces.accesses[self._short]

    def prepare(self, ppim: Ppim) -> None:
        """Have the kernels compiled."""
        for options in CASES.values():
            ppim.simulate(self._short, DEFAULT, *options, "--threads", 2)

    def turn(self, ppim: Ppim) -> Costs:
        """Seconds by the clock."""
        costs: Costs = {}
        for name, options in CASES.items():
            for threads in (1, 2):
                for trace in (self._short, self._long):
                    start = time.perf_counter()
                    ppim.simulate(trace, DEFAULT, *options, "--threads", threads)
                    costs[f"{name} {threads} {trace.name}"] = time.perf_counter() - start
        return costs

    def figures(self, best: Costs) -> list[Figure]:
        """Accesses a second beside one thread's."""
        found = []
        for name in CASES:
            rates = {
                threads: self._accesses
                / (best[f"{name} {threads} {self._long.name}"] - best[f"{name} {threads} {self._short.name}"])
                for threads in (1, 2)
            }
            found.append(
                Figure("two threads", name, rates[2], "accesses/s", rates[2] / rates[1], "one thread")
            )
        return found
