"""A trace divided between a system's memories, or between rows and whole vectors that are kept."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from ppim.dram import load
from ppim.dram.device import Device
from ppim.engine.commands import CommandSink
from ppim.engine.pim.pair import PimPair, clock_ratio
from ppim.errors import InputError
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.program import feed, tiers
from ppim.program.prepare import Prepared, prepare
from ppim.program.split import SplitReader, split
from ppim.runs import collect, program_run
from ppim.stats import result as results
from ppim.stats.latency import Latencies
from ppim.systems.spec import SystemSpec
from ppim.trace import profile
from ppim.trace.reader import TraceChunk, TraceReader


class SplitRun:
    """Memories that each see a part of the trace: hot rows and kept vectors in the first, cold rows in the second."""

    def __init__(
        self,
        reader: TraceReader,
        system: SystemSpec,
        device: Device,
        commands: Sequence[CommandSink] = (),
    ) -> None:
        self.reader = reader
        self.parts = 1
        systems, devices = [system], [device]
        if system.dimm is not None:
            second = system.second
            systems.append(second)
            devices.append(load.load_device(second.memory.device, second.memory.overrides))
        self.systems, self.devices = systems, devices
        self.split = tiers.split_trace(reader, system, UnitGeometry.of(device, system.pim.level))
        is_tied = len(systems) > 1 and system.pim.turns_wait
        sinks: Sequence[CommandSink | None] = commands or [None] * len(systems)
        self.runs = [
            program_run.ProgramRun(
                self._prepare(memory, is_tied), devices[memory], tied=is_tied, commands=sink
            )
            for memory, sink in enumerate(sinks)
        ]
        self.programs = [run.program for run in self.runs]
        self.engines = [run.engine for run in self.runs]
        self.pair: PimPair | None = None
        if len(systems) > 1:
            ratio = clock_ratio(devices[0].timing.tCK, devices[1].timing.tCK)
            self.pair = PimPair((self.engines[0], self.engines[1]), ratio)
        self.latencies = Latencies([memory.timing.tCK for memory in devices])
        # Loads or compiles the kernel, so that the time taken is that of the simulation.
        (self.pair or self.engines[0]).run(final=False)

    @property
    def placements(self) -> tuple[None, ...]:
        """Rows of a part have numbers of their own."""
        return (None,) * len(self.systems)

    def _prepare(self, memory: int, is_tied: bool) -> Prepared:
        system = self.systems[memory]
        try:
            return prepare(
                self.split.metas[memory],
                self.devices[memory],
                system,
                count_accesses=partial(profile.access_profile, SplitReader(self.reader, self.split, memory)),
                tied=is_tied,
                host_holds_shared=memory > 0 and system.pim.consumer == "host",
            )
        except InputError as error:
            if len(self.systems) == 1:
                raise
            raise InputError(f"{results.MEMORIES[memory]}: {error}") from error

    def feed(self, chunk: TraceChunk) -> None:
        """Divide a chunk, then build and run each memory's part in step."""
        parts = split(chunk, self.split)
        if self.pair is None:
            self.runs[0].feed(self.programs[0].stretches.take(parts[0]))
            self.latencies.take(self.engines)
            return
        stretches = [program.stretches.take(part) for program, part in zip(self.programs, parts, strict=True)]
        feed.feed_together(self.programs, stretches, self.pair)
        self.latencies.take(self.engines)

    def finish(self, batches: int) -> results.SimulationResult:
        """Send the last transfers, run to the end, collect."""
        if self.pair is None:
            rest = self.programs[0].stretches.rest()
            if rest is not None:
                self.runs[0].feed(rest)
            self.runs[0].finish()
            self.engines[0].finish()
            cycles: tuple[int, ...] = (self.engines[0].cycles,)
        else:
            feed.finish_together(self.programs, self.pair)
            self.pair.finish()
            cycles = self.pair.cycles
        self.latencies.take(self.engines)
        latency = self.latencies.distributions()
        keeps = self.systems[0].placement.partial_sum_fraction > 0
        first, *second = (
            collect.pim_result(self.reader, system, device, [run], batches, end, keeps=keeps)
            for system, device, run, end in zip(self.systems, self.devices, self.runs, cycles, strict=True)
        )
        if not second:
            return replace(first, split=self.split, latency=latency)
        return replace(
            first,
            memory=results.FIRST_MEMORY,
            split=self.split,
            latency=latency,
            second=replace(second[0], memory=results.SECOND_MEMORY),
        )

    def close(self) -> None:
        """It has no threads."""
