"""Every built-in system beside the default: accesses a second, memory, and what begins and ends a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from benchmark.figures import Figure
from benchmark.tools import DEFAULT, Costs, Ppim, Traces
from ppim.systems.load import system_names

SHORT, LONG = 100, 4000
"""Samples; what both take is the start, and nets out."""


class Systems:
    """All systems in turn, in every round."""

    name: ClassVar[str] = "systems"

    def __init__(self, traces: Traces, systems: Sequence[str] = ()) -> None:
        self._names = [DEFAULT, *(name for name in systems or system_names() if name != DEFAULT)]
        self._short, self._long = traces.of(SHORT), traces.of(LONG)
        self._accesses = traces.accesses[self._long] - traces.accesses[self._short]

    def prepare(self, ppim: Ppim) -> None:
        """Have all kernels compiled."""
        for name in self._names:
            ppim.simulate(self._short, name)

    def turn(self, ppim: Ppim) -> Costs:
        """Seconds of both traces, and MiB."""
        costs: Costs = {}
        for name in self._names:
            short, long = ppim.simulate(self._short, name), ppim.simulate(self._long, name)
            costs |= {
                f"short {name}": short.seconds,
                f"long {name}": long.seconds,
                f"memory {name}": long.mebibytes,
            }
        return costs

    def figures(self, best: Costs) -> list[Figure]:
        """Of each system, beside the default's."""
        rates = {
            name: self._accesses / (best[f"long {name}"] - best[f"short {name}"]) for name in self._names
        }
        memory = {name: best[f"memory {name}"] for name in self._names}
        start = {name: best[f"short {name}"] for name in self._names}
        return [
            Figure(kind, name, values[name], unit, values[name] / values[DEFAULT], DEFAULT)
            for kind, values, unit in (
                ("speed", rates, "accesses/s"),
                ("memory", memory, "MiB"),
                ("start", start, "s"),
            )
            for name in self._names
        ]
