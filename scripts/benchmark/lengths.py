"""Whether an access costs the same in short and long traces, and what memory they take."""

from __future__ import annotations

from typing import ClassVar

from benchmark.figures import Figure
from benchmark.tools import DEFAULT, Costs, Ppim, Traces

BASE = 100
LENGTHS = {200: "10^5 accesses", 2000: "10^6 accesses", 20_000: "10^7 accesses"}
LONGER = {200_000: "10^8 accesses"}
LENGTHS_OF = LENGTHS | LONGER
TO = 2000
SHORT_RUNS = 6
BATCH = 65_536
ONE_BATCH = f"one batch of {BATCH:,} samples"


class Lengths:
    """The default system."""

    name: ClassVar[str] = "lengths"

    def __init__(self, traces: Traces, *, longer: bool = False) -> None:
        self._lengths = LENGTHS_OF if longer else LENGTHS
        self._traces = {samples: traces.of(samples) for samples in (BASE, *self._lengths)}
        self._accesses = {samples: traces.accesses[path] for samples, path in self._traces.items()}
        self._batch = traces.of(BATCH, "--batch-size", BATCH) if longer else None

    def prepare(self, ppim: Ppim) -> None:
        """Have the kernels compiled."""
        ppim.simulate(self._traces[BASE])

    def turn(self, ppim: Ppim) -> Costs:
        """Seconds and MiB of each."""
        costs: Costs = {}
        for samples, path in self._traces.items():
            # What a short trace takes beside the start is less than what one start takes more than another.
            runs = [ppim.simulate(path) for _ in range(SHORT_RUNS if samples < TO else 1)]
            cost = min(runs, key=lambda cost: cost.seconds)
            costs |= {f"seconds {samples}": cost.seconds, f"memory {samples}": cost.mebibytes}
        if self._batch is not None:
            for threads in (1, 2):
                cost = ppim.simulate(self._batch, DEFAULT, "--threads", threads)
                costs[f"memory {ONE_BATCH}, {threads} thread{'s' * (threads - 1)}"] = cost.mebibytes
        return costs

    def figures(self, best: Costs) -> list[Figure]:
        """Nanoseconds an access net of the start, and memory, beside a trace of 10^6 accesses."""
        start = best[f"seconds {BASE}"]
        each = {
            samples: (best[f"seconds {samples}"] - start)
            / (self._accesses[samples] - self._accesses[BASE])
            * 1e9
            for samples in self._lengths
        }
        to, memory = LENGTHS[TO], best[f"memory {TO}"]
        found = [
            Figure("an access", LENGTHS_OF[n], value, "ns", value / each[TO], to) for n, value in each.items()
        ]
        for name, value in best.items():
            kind, _, of = name.partition(" ")
            if kind == "memory" and of != str(BASE):
                told = LENGTHS_OF[int(of)] if of.isdigit() else of
                found.append(Figure("memory of", told, value, "MiB", value / memory, to))
        return found
