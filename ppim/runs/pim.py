"""A program built from the trace and run on the PIM units of one memory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ppim.engine.pim import state as s
from ppim.engine.pim.board import give_up
from ppim.engine.pim.parts import channels_depend, divide
from ppim.engine.pim.rules import classes
from ppim.engine.pim.rules.limits import limit_cycles
from ppim.program.authors.write import ProgramWriter
from ppim.program.builder import recipe as b
from ppim.program.feed import Stretches, as_accesses
from ppim.program.owners import Owners, loads_of_channels
from ppim.program.prepare import Prepared, prepare
from ppim.program.state import SLOTS
from ppim.runs.crew import Crew
from ppim.runs.program_run import ProgramRun
from ppim.stats import result as results
from ppim.stats.counters import Table, evaluate
from ppim.stats.energy import pim_energy
from ppim.trace.profile import access_profile
from ppim.trace.reader import first_batches, no_accesses

if TYPE_CHECKING:
    from ppim.dram.device import Device
    from ppim.engine.commands import CommandSink
    from ppim.engine.pim.engine import PimEngine
    from ppim.program.builder.recipe import Accesses
    from ppim.systems.spec import SystemSpec
    from ppim.trace.reader import TraceChunk, TraceReader

SAMPLED_ACCESSES = 1 << 15
"""Of whole batches, from which it is judged what channels have to do."""


class PimRun:
    """A program built from the trace and run on PIM units; where channels meet only at barriers, on several threads."""

    def __init__(
        self,
        reader: TraceReader,
        system: SystemSpec,
        device: Device,
        threads: int = 1,
        program: BinaryIO | None = None,
        commands: CommandSink | None = None,
    ) -> None:
        self.reader, self.system, self.device = reader, system, device
        prepared = prepare(reader.meta, device, system, count_accesses=partial(access_profile, reader))
        depend = channels_depend(prepared.system, prepared.delivers_per_lookup)
        threads = 1 if depend else min(threads, device.organization.channels)
        self.prepared, self.commands = prepared, commands
        self.programs = [ProgramRun(prepared, device, commands=commands if threads == 1 else None)]
        self.crew = Crew(threads, lambda: give_up(self.programs[0].engine.board))
        self.parts = threads
        self.is_divided = threads == 1
        self.stretches = Stretches(prepared.recipe)
        self.owners = (
            None
            if threads == 1 or prepared.recipe.slices or prepared.recipe.parts
            else Owners(prepared, threads)
        )
        self.writer = None if program is None else ProgramWriter(prepared, device, program)
        # Loads or compiles the kernels, so that the time taken is that of the simulation.
        self.programs[0].engine.run(final=False)
        if self.owners is not None:
            self._find_owners(as_accesses(no_accesses(prepared.has_wide_rows), 0))

    def _divide(self, chunk: TraceChunk) -> None:
        """Have as many parts as threads, that are busy for about the same time in turns like the first ones."""
        recipe = self.prepared.recipe
        loads = [1] * recipe.channels  # where rows are split, all have the same to do
        if self.owners is not None:
            first = Stretches(recipe).take(first_batches(chunk, SAMPLED_ACCESSES))
            loads = loads_of_channels(recipe, self._find_owners(first))
        self.programs = [
            ProgramRun(self.prepared, self.device, part=part, commands=self.commands)
            for part in divide(loads, self.parts)
        ]
        self.is_divided = True

    def feed(self, chunk: TraceChunk) -> None:
        """Build and run the turns of a chunk."""
        if not self.is_divided:
            self._divide(chunk)
        self._run(self.stretches.take(chunk))
        if self.writer is not None:
            self.writer.feed(chunk)

    def _run(self, accesses: Accesses) -> None:
        """Build and run a stretch of the trace, of which each part needs to know who owns all lookups."""
        if self.owners is not None:
            accesses = self._find_owners(accesses)
        self.crew.do([partial(part.feed, accesses) for part in self.programs])

    def _find_owners(self, accesses: Accesses) -> Accesses:
        assert self.owners is not None
        found, jobs = self.owners.jobs(accesses)
        self.crew.do(jobs)
        return found

    def finish(self, batches: int) -> results.SimulationResult:
        """Send the last transfers, run to the end, collect."""
        rest = self.stretches.rest()
        if rest is not None:
            self._run(rest)
        if self.is_divided:
            self.crew.do([part.finish for part in self.programs])
        else:
            self.programs[0].finish()  # of a trace without accesses
        if self.writer is not None:
            self.writer.finish()
        cycles = max(part.engine.cycles for part in self.programs)
        for part in self.programs:
            part.engine.finish(cycles)
        return pim_result(self.reader, self.system, self.device, self.programs, batches, cycles)

    def close(self) -> None:
        """End the threads."""
        self.crew.close()


def pim_result(
    reader: TraceReader,
    system: SystemSpec,
    device: Device,
    parts: Sequence[ProgramRun],
    batches: int,
    cycles: int,
    *,
    keeps: bool = False,
) -> results.SimulationResult:
    """What the units of one memory did until `cycles`, in the parts of its run; `keeps`: of a system that keeps vectors."""
    prepared = parts[0].prepared
    engines = [part.engine for part in parts]
    geometry, org = prepared.geometry, device.organization
    built = Table(by_channel(engines, [part.program.state.counts for part in parts]), b)
    unit_accesses = by_channel(
        engines,
        [part.program.state.unit_accesses.reshape(geometry.units_per_channel, -1).T for part in parts],
    )
    sources = {
        **engine_sources(engines),
        "built": built,
        "kept": built if keeps else {},
        "units": {"MOST": unit_accesses.max(axis=1)},
    }
    sources["run"] |= {"BATCHES": np.full(org.channels, batches)}
    counts = evaluate("pim", sources, org.channels, org.burst_bytes)
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
        issue_slots=sum(int(part.program.rings.stream[:, SLOTS].sum()) for part in parts),
        limits=engine_limits(engines),
        footprint=prepared.footprint,
        warnings=_warnings(prepared, system),
        made_by=reader.meta.command_line,
        energy=pim_energy(device, system, sources, counts, active, cycles),
    )


def by_channel(engines: Sequence[PimEngine], counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Rows of all channels in order, from those of each part's channels."""
    channels = [channel for engine in engines for channel in engine.channels]
    return np.concatenate(counts)[np.argsort(channels)]


def engine_sources(engines: Sequence[PimEngine]) -> dict[str, Any]:
    """What the engines of a memory's parts counted, for `evaluate`."""
    counted = by_channel(engines, [engine.counters for engine in engines])
    return {
        "engine": Table(counted, s),
        "classes": Table(by_channel(engines, [engine.classes for engine in engines]), classes),
        "run": {"LIMIT": np.full(len(counted), max(engine_limits(engines).values()))},
    }


def engine_limits(engines: Sequence[PimEngine]) -> dict[str, int]:
    """After `finish`: lower bounds of a memory's cycles, by what sets them."""
    return limit_cycles(
        engines[0].parameters, [engine.rings for engine in engines], [engine.state for engine in engines]
    )


def _warnings(prepared: Prepared, system: SystemSpec) -> tuple[str, ...]:
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
