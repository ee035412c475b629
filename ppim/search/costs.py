"""What a design costs: time or energy of a lookup, SRAM, and DRAM of copies (docs/explore.md)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ppim.errors import InputError
from ppim.search.space import OBJECTIVES
from ppim.systems.spec import DimmSpec, SystemSpec

BOUNDLESS = {"unit_buffer_bursts": 0, "unit_accumulators": 0}
"""Parameters that take SRAM -> the value that stands for no bound."""


@dataclass(frozen=True)
class Costs:
    """What is to be small.

    Attributes
    ----------
    objective : float
        Nanoseconds or picojoules of a lookup.
    sram_bytes, copied_bytes : int
    """

    objective: float
    sram_bytes: int
    copied_bytes: int

    @property
    def row(self) -> tuple[float, float, float]:
        """As numbers to compare."""
        return self.objective, float(self.sram_bytes), float(self.copied_bytes)


def costs_of(summary: Mapping[str, Any], spec: SystemSpec, objective: str, vector_bytes: int) -> Costs:
    """What a run says of its design.

    Parameters
    ----------
    summary : mapping
        Of the run.
    spec : SystemSpec
    objective : str
        One of `OBJECTIVES`.
    vector_bytes : int
        Of the trace.

    Raises
    ------
    InputError
        A run without this figure: of its system's energy a coefficient is missing.
    """
    figure = OBJECTIVES[objective]
    total = summary["time_ns"] if figure == "time_ns" else summary["totals"].get(figure)
    if total is None:
        why = "; ".join(summary["energy_notes"]) or "a coefficient is missing"
        raise InputError(f"objective {objective}: {spec.name} has no {figure} ({why}); take objective time")
    lookups = summary["totals"].get("lookups") or 1
    return Costs(total / lookups, sram_bytes(spec, vector_bytes), copied_bytes(summary))


def copied_bytes(summary: Mapping[str, Any]) -> int:
    """DRAM that copies take over all units: shared subtables that are duplicated, and hot rows; 0 of a host."""
    memories = summary.get("memories", {"": summary}).values()
    return sum(int(memory.get("placement", {}).get("duplicated_bytes", 0)) for memory in memories)


def sram_bytes(spec: SystemSpec, vector_bytes: int) -> int:
    """SRAM of a system: caches and bounded buffers of all its PIM units, and the last-level cache that a host uses.

    A cache counts where it holds something: `lru`, or a scratchpad into which rows are fetched. `unit_buffer_bursts`
    counts in bursts and `unit_accumulators` in vectors, where they are bounded: of what has no bound the size is not
    known.
    """
    if spec.kind == "host":
        return spec.host.llc_bytes
    total = _of_units(spec, vector_bytes, fetches=spec.prefetch.prefetch != "none")
    if spec.dimm is not None:
        total += _of_units(spec.dimm, vector_bytes, fetches=False)
        total += spec.host.llc_bytes if spec.dimm.pim.consumer == "host" else 0
    return total


def _of_units(spec: SystemSpec | DimmSpec, vector_bytes: int, *, fetches: bool) -> int:
    from ppim.dram.load import load_device
    from ppim.mapping.placing.geometry import UnitGeometry

    geometry = UnitGeometry.of(load_device(spec.memory.device, spec.memory.overrides), spec.pim.level)
    fills = fetches or bool(spec.cache.demand_subtables)
    holds = spec.cache.policy == "lru" or (spec.cache.policy == "scratchpad" and fills)
    of_unit = spec.cache.cache_bytes if holds else 0
    of_unit += spec.compute.unit_buffer_bursts * geometry.burst_bytes
    of_unit += spec.compute.unit_accumulators * vector_bytes
    return of_unit * geometry.units
