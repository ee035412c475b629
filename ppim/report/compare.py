"""Runs -> a table: time, speed-up, hits, bytes, load, limits, and where the cycles went."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ppim.errors import InputError, near_names
from ppim.report import read, why
from ppim.systems.load import load_system, system_names

SHORT_CLASSES = {
    "busy_cycles": "busy",
    "stall_refresh_cycles": "refresh",
    "stall_compute_cycles": "compute",
    "stall_bus_cycles": "bus",
    "stall_bank_cycles": "bank",
    "stall_issue_cycles": "issue",
    "idle_cycles": "idle",
}
"""Column of a class of cycles -> its heading in a table."""


@dataclass(frozen=True)
class Comparison:
    """Runs beside a baseline.

    Attributes
    ----------
    runs : sequence of Run
    baseline : Run
        One of them.
    """

    runs: Sequence[read.Run]
    baseline: read.Run

    def rows(self) -> list[dict[str, Any]]:
        """A row a run, in plain units (ns, bytes, shares of 1); None where a figure does not apply."""
        return [self._row(run) for run in self.runs]

    def sentences(self) -> list[str]:
        """Why each other run takes more or less time than the baseline."""
        causes = (
            why.sentence(base, run)
            for run in self.runs
            if run is not self.baseline and (base := self.base_of(run))
        )
        return [*causes, *self.extensions()]

    def extensions(self) -> list[str]:
        """Which runs have units do what those of the system's paper cannot."""
        found = {
            (run.identity["system"], run.identity["algorithm"])
            for run in self.runs
            if is_extension(run.identity["system"], run.identity["algorithm"])
        }
        return [
            f"{system}: {algorithm} is an extension of ours: the units of its paper have no such product"
            for system, algorithm in sorted(found)
        ]

    def base_of(self, run: read.Run) -> read.Run | None:
        """The run of the baseline's system and settings on the same trace; None if there is none."""
        if run.identity["trace"] == self.baseline.identity["trace"]:
            return self.baseline
        for other in self.runs:
            if other.label == self.baseline.label and other.identity["trace"] == run.identity["trace"]:
                return other
        return None

    def _row(self, run: read.Run) -> dict[str, Any]:
        base = self.base_of(run)
        hits, accesses = run.total("cache_hits"), run.total("accesses")
        row: dict[str, Any] = {
            "run": run.name,
            "trace": run.identity["trace"],
            "system": run.label,
            "time_ns": run.time_ns,
            "speed_up": base.time_ns / run.time_ns if base is not None and run.time_ns else None,
            "hit_share": hits / accesses if hits is not None and accesses else None,
            "bytes_dram": run.total("bytes_dram"),
            "bytes_external": run.total("bytes_external"),
            "energy_total_pj": run.total("energy_total_pj"),
            "unit_imbalance": run.unit_imbalance,
            "limit_share": run.limit_share,
            "binding_limit": run.binding_limit or None,
        }
        for column, short in SHORT_CLASSES.items():
            row[f"{short}_share"] = (
                run.class_ns[column] / run.time_ns if run.class_ns and run.time_ns else None
            )
        return row


def is_extension(system: str, algorithm: str) -> bool:
    """Whether the units of a built-in system's paper cannot do an algorithm; systems and algorithms unknown here can."""
    if not algorithm or system not in system_names():
        return False
    known = load_system(system).paper_algorithms
    return bool(known) and algorithm not in known


def compare(runs: Sequence[read.Run], baseline: str | None = None) -> Comparison:
    """Put runs beside a baseline.

    Parameters
    ----------
    runs : sequence of Run
    baseline : str, optional
        Name of a run, of a system, or system and settings as `NAME+KEY=VALUE`; the first run without it.

    Raises
    ------
    InputError
        No run, or no such baseline.
    """
    if not runs:
        raise InputError("no run to compare; give stats CSVs or summaries of ppim simulate")
    if baseline is None:
        return Comparison(runs, runs[0])
    for attribute in ("name", "label"):
        for run in runs:
            if getattr(run, attribute) == baseline:
                return Comparison(runs, run)
    for run in runs:
        if run.identity["system"] == baseline:
            return Comparison(runs, run)
    labels = list(dict.fromkeys(run.label for run in runs))
    hint = near_names(baseline, labels)
    raise InputError(f"--baseline: no run {baseline!r}; {hint or 'there are: ' + ', '.join(labels)}")
