"""What a run of `simulate` counted, and what follows from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ppim.errors import InputError
from ppim.files import atomic_path
from ppim.stats import counters, simulation, summary
from ppim.systems.chosen import settings_text
from ppim.text_files import printable

if TYPE_CHECKING:
    import pandas as pd

    from ppim.dram.device import Device
    from ppim.mapping.placing.placement import Footprint
    from ppim.program.tiers import Split
    from ppim.stats.energy import RunEnergy
    from ppim.stats.latency import Distribution
    from ppim.systems.spec import SystemSpec

MEMORIES = FIRST_MEMORY, SECOND_MEMORY = "hbm", "dimm"  # of a system with two


@dataclasses.dataclass(frozen=True)
class SimulationResult:
    """What a run counted.

    Attributes
    ----------
    trace : Path
    algorithm : str
        Weight sharing of the trace.
    system : SystemSpec
        All parameters, settings included.
    device : Device
    memory : str
        `hbm` or `dimm`.
    cycles : int
        Length of the run in cycles of this memory's clock.
    batches : int
        Of the trace.
    counts : dict of str to ndarray of int64, shape (channels,)
        By name of the stats CSV's column; columns that do not apply to the system are absent.
    unit_accesses : ndarray of int64, shape (channels, units), or None for a host
        Accesses served by each PIM unit, its scratchpad included.
    issue_slots : int or None
        Slots used by all streams; a broadcast counts once.
    limits : dict of str to int
        Lower bounds of `cycles` by what sets them; empty for a host.
    footprint : Footprint or None
        What the placement takes of the memory.
    base : str
        Name or file of the system that `settings` are on top of.
    settings : mapping of str to value
        What differs from that file, by the shortest name that `--set` takes.
    warnings : tuple of str
        What the user should know of the run.
    seconds : float
        Wall-clock time of the simulation.
    second : SimulationResult or None
        What the system's second memory did in the same run, in its own cycles.
    split : Split or None
        Which part of the trace each memory serves.
    made_by : str
        Command that made the trace.
    program : dict of str to int
        Instructions of each kind, where `trace` is the file of a PIM program.
    energy : RunEnergy or None
        Of this memory.
    latency : mapping of str to Distribution
        How long a `gnr` and a `batch` took, of the whole run; of a host, a `read` of its memory.
    """

    trace: Path
    algorithm: str
    system: SystemSpec
    device: Device
    memory: str
    cycles: int
    batches: int
    counts: counters.Counts
    unit_accesses: NDArray[np.int64] | None = None
    issue_slots: int | None = None
    limits: dict[str, int] = dataclasses.field(default_factory=dict)
    footprint: Footprint | None = None
    base: str = ""
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0
    second: SimulationResult | None = None
    split: Split | None = None
    made_by: str = ""
    program: dict[str, int] = dataclasses.field(default_factory=dict)
    energy: RunEnergy | None = None
    latency: Mapping[str, Distribution] = dataclasses.field(default_factory=dict)

    @property
    def run(self) -> str:
        """Name of the run: trace, system, and what differs from the system's file."""
        name = f"{printable(self.trace.stem)}/{self.system.name}"
        return f"{name}+{settings_text(self.settings)}" if self.settings else name

    @property
    def memories(self) -> tuple[SimulationResult, ...]:
        """The result of each memory, this one's first."""
        return (self,) if self.second is None else (self, self.second)

    @property
    def time_ns(self) -> float:
        """Length of the run in nanoseconds of simulated time."""
        return self.cycles * self.device.timing.tCK

    @property
    def unit_accesses_mean(self) -> NDArray[np.float64] | None:
        """Accesses per unit of each channel, shape (channels,); None for a host."""
        return None if self.unit_accesses is None else self.unit_accesses.mean(axis=1)

    @property
    def binding_limit(self) -> str:
        """Name of the greatest lower bound; empty for a host."""
        return max(self.limits, key=lambda name: self.limits[name], default="")

    @property
    def totals(self) -> dict[str, int | float]:
        """Sums of columns over memories and their channels, of those that have a sum."""
        return _totals(self.memories)

    @property
    def own_totals(self) -> dict[str, int | float]:
        """The same of this memory alone."""
        return _totals([self])

    @cached_property
    def energies(self) -> dict[str, NDArray[np.float64]]:
        """Energy of this memory in pJ, by name of the column, shape (channels,); no total if a memory has none."""
        if self.energy is None:
            return {}
        return self.energy.columns(with_total=self._has_total_energy)

    @property
    def _has_total_energy(self) -> bool:
        return all(memory.energy is not None and not memory.energy.missing for memory in self.memories)

    @property
    def energy_notes(self) -> tuple[str, ...]:
        """What is not known of the energy, or left out of it."""
        notes: dict[str, None] = {}
        for memory in self.memories:
            if memory.energy is not None:
                notes |= dict.fromkeys(f"energy_total_pj is empty: {why}" for why in memory.energy.missing)
                notes |= dict.fromkeys(memory.energy.notes)
        return tuple(notes)

    def total(self, column: str) -> int:
        """Sum of a column over the channels of this memory."""
        return int(self.counts[column].sum())

    def speedup_over(self, other: SimulationResult) -> float:
        """How many times as fast as another run of the same lookups this one is, in simulated time.

        Raises
        ------
        InputError
            A run that took no time.
        """
        if not self.cycles or not other.cycles:
            raise InputError("a run of no cycles has no speed; give traces with accesses")
        return other.time_ns / self.time_ns

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row a memory and channel, by the names of the stats CSV; without columns that do not apply."""
        run, settings = self.run, settings_text(self.settings)
        for memory in self.memories:
            for channel in range(memory.device.organization.channels):
                figures = memory._figures(channel)
                if not self._has_total_energy:
                    figures.pop("energy_total_pj", None)
                yield {
                    **memory._identity(run, settings),
                    "channel": channel,
                    **figures,
                    "binding_limit": memory.binding_limit,
                }

    def _identity(self, run: str, settings: str) -> dict[str, Any]:
        is_pim = self.system.kind == "pim"
        return {
            "run": run,
            "trace": printable(self.trace.name),
            "algorithm": self.algorithm,
            "system": self.system.name,
            "mapping": self.system.placement.mapping if is_pim else "",
            "prefetch": self.system.prefetch.prefetch if is_pim else "",
            "device": self.device.name,
            "settings": settings,
            "memory": self.memory,
        }

    def _figures(self, channel: int) -> dict[str, int | float]:
        row: dict[str, int | float] = {"cycles": self.cycles, "time_ns": self.time_ns}
        row |= {name: int(self.counts[name][channel]) for name in counters.COLUMNS if name in self.counts}
        mean = self.unit_accesses_mean
        if mean is not None:
            row["unit_accesses_mean"] = float(mean[channel])
        return row | {name: float(values[channel]) for name, values in self.energies.items()}

    @cached_property
    def channels(self) -> pd.DataFrame:
        """A row a memory and channel, with the columns of the stats CSV; NaN where one does not apply."""
        return simulation.frame(self.rows(), [*counters.IDENTITY, *counters.COLUMNS, *counters.VERDICT])

    @cached_property
    def units(self) -> pd.DataFrame:
        """A row a PIM unit: run, memory, channel, unit, accesses; none for a host."""
        return simulation.frame(self.unit_rows(), simulation.UNIT_COLUMNS)

    def write_csv(self, path: str | Path) -> None:
        """Write the stats CSV, whole or not at all.

        Raises
        ------
        InputError
            A path that cannot be written.
        """
        with atomic_path(Path(path)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            simulation.write_csv(self, file)

    def write_units_csv(self, path: str | Path) -> None:
        """Write the load of every PIM unit; as `write_csv`."""
        with atomic_path(Path(path)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            simulation.write_units_csv(self, file)

    def write_json(self, path: str | Path) -> None:
        """Write the summary: totals, limits, and all that is needed to repeat the run; as `write_csv`."""
        with atomic_path(Path(path)) as temporary:
            summary.write_summary(self, temporary)

    @property
    def configuration(self) -> dict[str, Any]:
        """All parameters of the run, and the command that repeats it, as the summary has them."""
        return summary.configuration(self)

    def unit_rows(self) -> Iterator[tuple[str, str, int, int, int]]:
        """A row a PIM unit, in the order of `simulation.UNIT_COLUMNS`."""
        run = self.run
        for memory in self.memories:
            for channel, units in enumerate([] if memory.unit_accesses is None else memory.unit_accesses):
                for unit, accesses in enumerate(units.tolist()):
                    yield run, memory.memory, channel, unit, accesses


def _totals(memories: Sequence[SimulationResult]) -> dict[str, int | float]:
    """Sums of columns over memories and their channels, of those that have a sum."""
    names = (name for name in memories[0].counts if counters.COLUMNS[name].over == "sum")
    counted: dict[str, int | float] = {name: sum(memory.total(name) for memory in memories) for name in names}
    energies = [memory.energies for memory in memories]
    for name in counters.COLUMNS:
        found = [float(columns[name].sum()) for columns in energies if name in columns]
        if found and (name != "energy_total_pj" or len(found) == len(memories)):
            counted[name] = sum(found)
    return counted
