"""What the PIM units of one memory counted, in the parts of its run, becomes a result."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.engine.pim import state as s
from ppim.engine.pim.engine import PimEngine
from ppim.engine.pim.rules import classes, limits
from ppim.mapping.base import moves_rows
from ppim.program import prepare, state
from ppim.program.builder import recipe as b
from ppim.runs.program_run import ProgramRun
from ppim.stats import counters, energy, result as results
from ppim.stats.latency import Distribution
from ppim.systems.chosen import ChosenSystem
from ppim.systems.spec import SystemSpec
from ppim.trace.reader import TraceReader


def pim_result(
    reader: TraceReader,
    system: SystemSpec,
    device: Device,
    parts: Sequence[ProgramRun],
    batches: int,
    cycles: int,
    *,
    keeps: bool = False,
    latency: Mapping[str, Distribution] | None = None,
) -> results.SimulationResult:
    """What the units of one memory did until `cycles`, in the parts of its run; `keeps`: of a system that keeps vectors."""
    prepared = parts[0].prepared
    learns = moves_rows(system.placement.mapping)
    engines = [part.engine for part in parts]
    geometry, org = prepared.geometry, device.organization
    built = counters.Table(by_channel(engines, [part.program.state.counts for part in parts]), b)
    unit_accesses = by_channel(
        engines,
        [part.program.state.unit_accesses.reshape(geometry.units_per_channel, -1).T for part in parts],
    )
    sources = {
        **engine_sources(engines),
        "built": built,
        "kept": built if keeps else {},
        "moved": built if learns else {},
        "wrote": counters.Table(by_channel(engines, [engine.counters for engine in engines]), s)
        if learns
        else {},
        "units": {"MOST": unit_accesses.max(axis=1)},
    }
    sources["run"] |= {"BATCHES": np.full(org.channels, batches)}
    counts = counters.evaluate("pim", sources, org.channels, org.burst_bytes)
    active = by_channel(engines, [engine.active_cycles for engine in engines])
    return results.SimulationResult(
        trace=reader.path,
        algorithm=reader.meta.algorithm,
        system=system,
        device=device,
        memory=results.FIRST_MEMORY if device.is_hbm else results.SECOND_MEMORY,
        cycles=cycles,
        batches=batches,
        counts=counts,
        unit_accesses=unit_accesses,
        issue_slots=sum(int(part.program.rings.stream[:, state.SLOTS].sum()) for part in parts),
        limits=engine_limits(engines),
        footprint=prepared.footprint,
        warnings=_warnings(prepared, system),
        made_by=reader.meta.command_line,
        latency=latency or {},
        energy=energy.pim_energy(device, system, sources, counts, active, cycles),
    )


def as_chosen(result: results.SimulationResult, chosen: ChosenSystem) -> results.SimulationResult:
    """A run's result with what its system was chosen by."""
    return replace(
        result,
        base=chosen.base,
        settings=chosen.settings,
        warnings=(*chosen.warnings, *result.warnings),
    )


def by_channel(engines: Sequence[PimEngine], counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Rows of all channels in order, from those of each part's channels."""
    channels = [channel for engine in engines for channel in engine.channels]
    return np.concatenate(counts)[np.argsort(channels)]


def engine_sources(engines: Sequence[PimEngine]) -> dict[str, Any]:
    """What the engines of a memory's parts counted, for `evaluate`."""
    counted = by_channel(engines, [engine.counters for engine in engines])
    return {
        "engine": counters.Table(counted, s),
        "classes": counters.Table(by_channel(engines, [engine.classes for engine in engines]), classes),
        "run": {"LIMIT": np.full(len(counted), max(engine_limits(engines).values()))},
    }


def engine_limits(engines: Sequence[PimEngine]) -> dict[str, int]:
    """After `finish`: lower bounds of a memory's cycles, by what sets them."""
    return limits.limit_cycles(
        engines[0].parameters, [engine.rings for engine in engines], [engine.state for engine in engines]
    )


def _warnings(prepared: prepare.Prepared, system: SystemSpec) -> tuple[str, ...]:
    if prepared.prefetched_bytes and system.cache.policy == "none":
        return (
            "prefetch has no scratchpad to fill, since the cache's policy is none; set policy=scratchpad",
        )
    if prepared.prefetched_bytes > prepared.resident_bytes:
        held = f"the scratchpad of {system.cache.cache_bytes:,} bytes holds {prepared.resident_bytes:,}"
        return (
            f"{held} of the {prepared.prefetched_bytes:,} bytes to prefetch; the other rows are read by demand",
        )
    return ()
