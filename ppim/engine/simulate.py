"""`ppim simulate` without the command line: a trace through a system, to counts per channel."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ppim.dram.load import load_device
from ppim.engine.codes import ACTIVATE, PRECHARGE, READ, REFRESH, WRITE
from ppim.engine.commands import CommandSink
from ppim.engine.crew import Crew
from ppim.engine.pim import account
from ppim.engine.pim import state as s
from ppim.engine.pim.board import give_up
from ppim.engine.pim.engine import PimEngine
from ppim.engine.pim.limits import limit_cycles
from ppim.engine.pim.pair import PimPair, clock_ratio
from ppim.engine.pim.parts import channels_depend, divide
from ppim.engine.program_run import ProgramRun
from ppim.errors import InputError
from ppim.mapping.base import UnitGeometry
from ppim.mapping.tiers import Split, is_split, split_trace
from ppim.program import llc
from ppim.program.authors_write import ProgramWriter
from ppim.program.builder import recipe as b
from ppim.program.feed import Stretches, as_accesses, feed_together, finish_together
from ppim.program.owners import Owners, loads_of_channels
from ppim.program.prepare import Prepared, prepare
from ppim.program.split import SplitReader, split
from ppim.program.state import SLOTS
from ppim.trace.profile import access_profile
from ppim.trace.reader import first_batches, no_accesses, read_ahead
from ppim.units import ceil_div

if TYPE_CHECKING:
    from ppim.dram.device import Device
    from ppim.engine.pim.engine import PimEngine
    from ppim.mapping.base import Footprint
    from ppim.program.builder.recipe import Accesses
    from ppim.systems.spec import SystemSpec
    from ppim.trace.reader import TraceChunk, TraceReader

Counts = dict[str, NDArray[np.int64]]

CYCLE_CLASSES = {
    "busy_cycles": account.BUSY,
    "stall_refresh_cycles": account.STALL_REFRESH,
    "stall_compute_cycles": account.STALL_COMPUTE,
    "stall_bus_cycles": account.STALL_BUS,
    "stall_bank_cycles": account.STALL_BANK,
    "stall_issue_cycles": account.STALL_ISSUE,
    "idle_cycles": account.IDLE,
}
"""Column of the stats CSV -> class of cycles; they add up to `cycles` in each channel."""

ACCESSES_PER_LLC_CALL = 1 << 16
SAMPLED_ACCESSES = 1 << 15
"""Of whole batches, from which it is judged what channels have to do."""

MEMORIES = FIRST_MEMORY, SECOND_MEMORY = "hbm", "dimm"  # of a system with two


@dataclass
class SimulationResult:
    """What a run counted.

    Attributes
    ----------
    counts : dict of str to ndarray of int64, shape (channels,)
        By name of the stats CSV's column; columns that do not apply to the system are absent.
    unit_accesses : ndarray of int64, shape (channels, units), or None for a host
        Accesses served by each PIM unit, its scratchpad included.
    issue_slots : int or None
        Slots used by all streams; a broadcast counts once.
    limits : dict of str to int
        Lower bounds of `cycles` by what sets them; empty for a host.
    settings : mapping of str to value
        What differs from the system's file.
    second : SimulationResult or None
        What the system's second memory did in the same run, in its own cycles.
    split : Split or None
        Which part of the trace each memory serves.
    """

    trace: Path
    algorithm: str
    system: SystemSpec
    device: Device
    memory: str
    cycles: int
    batches: int
    counts: Counts
    unit_accesses: NDArray[np.int64] | None = None
    issue_slots: int | None = None
    limits: dict[str, int] = field(default_factory=dict)
    footprint: Footprint | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0
    second: SimulationResult | None = None
    split: Split | None = None

    @property
    def memories(self) -> tuple[SimulationResult, ...]:
        """The result of each memory, this one's first."""
        return (self,) if self.second is None else (self, self.second)

    @property
    def time_ns(self) -> float:
        """Length of the run in nanoseconds of simulated time."""
        return self.cycles * self.device.timing.tCK

    def total(self, column: str) -> int:
        """Sum of a column over the channels."""
        return int(self.counts[column].sum())


def simulate(
    reader: TraceReader,
    system: SystemSpec,
    *,
    advance: Callable[[int], object] = lambda _: None,
    threads: int = 1,
    program: BinaryIO | None = None,
    commands: Sequence[CommandSink] = (),
) -> SimulationResult:
    """Run a trace through a system.

    Parameters
    ----------
    reader : TraceReader
    system : SystemSpec
    advance : callable
        Told the number of accesses each time some have been taken.
    threads : int
        Most parts of the memory's channels that are simulated beside each other, where they meet only at
        barriers; with more than one, the trace is read on several threads, too. The result is the same.
    program : binary file, optional
        Receives the program in the authors' text format.
    commands : sequence of callables, optional
        One for each memory: given all its DRAM commands by channel, in the order of their issue, piece by piece.

    Raises
    ------
    InputError
        A trace, system and device that do not go together.
    """
    device = load_device(system.memory.device, system.memory.overrides)
    with ExitStack() as stack:
        run: _HostRun | _PimRun | _SplitRun
        if system.kind == "host":
            if program is not None:
                raise InputError(f"system {system.name}: has no PIM units, so there is no program to write")
            run = _HostRun(reader, system, device, *commands)
        elif is_split(system):
            if program is not None:
                raise InputError(
                    f"system {system.name}: the format of programs has no second memory and no partial sums that are kept"
                )
            run = _SplitRun(reader, system, device, commands)
        else:
            run = _PimRun(reader, system, device, threads, program, *commands)
            stack.enter_context(run.crew)
        start = time.perf_counter()
        batches = 0
        for chunk in _chunks(reader, threads, run):
            run.feed(chunk)
            batches = int(chunk.batch[-1]) + 1
            advance(len(chunk.row))
            del chunk  # the next one can have its memory
        result = run.finish(batches)
        result.seconds = time.perf_counter() - start
        return result


def _chunks(reader: TraceReader, threads: int, run: _HostRun | _PimRun | _SplitRun) -> Iterator[TraceChunk]:
    """The trace as it suits a run: beside it, or between its steps if those need all threads at once."""
    if threads == 1:
        return reader.chunks()
    if isinstance(run, _PimRun) and run.crew.parts > 1:
        return reader.chunks(run.crew.parts)
    return read_ahead(reader.chunks())


def by_channel(engines: Sequence[PimEngine], counts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Rows of all channels in order, from those of each part's channels."""
    channels = [channel for engine in engines for channel in engine.channels]
    return np.concatenate(counts)[np.argsort(channels)]


def engine_counts(engines: Sequence[PimEngine], burst_bytes: int) -> Counts:
    """What the engines of a memory's parts counted, by column of the stats CSV."""
    counted = by_channel(engines, [engine.counters for engine in engines])
    classes = by_channel(engines, [engine.classes for engine in engines])
    reads, hits = counted[:, s.READS], counted[:, s.ROW_HITS]
    external = counted[:, s.READ_OUT_BURSTS] + counted[:, s.DELIVER_BURSTS] + counted[:, s.TRANSFER_BURSTS]
    return {
        "instructions": counted[:, s.INSTRUCTIONS],
        "reads": reads,
        "writes": np.zeros_like(reads),  # PIM programs of embedding layers write nothing
        "activates": counted[:, s.ACTIVATES],
        "precharges": counted[:, s.PRECHARGES],
        "refreshes": counted[:, s.REFRESHES],
        "row_hits": hits,
        "row_misses": reads - hits,
        "prefetch_reads": counted[:, s.PREFETCH_READS],
        "bytes_dram": reads * burst_bytes,
        "bytes_external": external * burst_bytes,
        "bytes_delivered": counted[:, s.DELIVER_BURSTS] * burst_bytes,
        "transfer_cycles": counted[:, s.TRANSFER_CYCLES],
        "compute_cycles": counted[:, s.COMPUTE_CYCLES],
        **{name: classes[:, column] for name, column in CYCLE_CLASSES.items()},
        "limit_cycles": np.full(len(counted), max(engine_limits(engines).values())),
    }


def engine_limits(engines: Sequence[PimEngine]) -> dict[str, int]:
    """After `finish`: lower bounds of a memory's cycles, by what sets them."""
    return limit_cycles(
        engines[0].parameters, [engine.rings for engine in engines], [engine.state for engine in engines]
    )


class _PimRun:
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
        prepared = prepare(reader.meta, device, system, count_accesses=lambda: access_profile(reader))
        depend = channels_depend(prepared.system, prepared.delivers_per_lookup)
        threads = 1 if depend else min(threads, device.organization.channels)
        self.prepared, self.commands = prepared, commands
        self.parts = [ProgramRun(prepared, device, commands=commands if threads == 1 else None)]
        self.crew = Crew(threads, lambda: give_up(self.parts[0].engine.board))
        self.is_divided = threads == 1
        self.stretches = Stretches(prepared.recipe)
        self.owners = None if threads == 1 or prepared.recipe.slices else Owners(prepared, threads)
        self.writer = None if program is None else ProgramWriter(prepared, device, program)
        # Loads or compiles the kernels, so that the time taken is that of the simulation.
        self.parts[0].engine.run(final=False)
        if self.owners is not None:
            self._find_owners(as_accesses(no_accesses(prepared.has_wide_rows), 0))

    def _divide(self, chunk: TraceChunk) -> None:
        """Have as many parts as threads, that are busy for about the same time in turns like the first ones."""
        recipe = self.prepared.recipe
        loads = [1] * recipe.channels  # where rows are split, all have the same to do
        if self.owners is not None:
            first = Stretches(recipe).take(first_batches(chunk, SAMPLED_ACCESSES))
            loads = loads_of_channels(recipe, self._find_owners(first))
        self.parts = [
            ProgramRun(self.prepared, self.device, part=part, commands=self.commands)
            for part in divide(loads, self.crew.parts)
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
        self.crew.do([partial(part.feed, accesses) for part in self.parts])

    def _find_owners(self, accesses: Accesses) -> Accesses:
        assert self.owners is not None
        found, jobs = self.owners.jobs(accesses)
        self.crew.do(jobs)
        return found

    def finish(self, batches: int) -> SimulationResult:
        """Send the last transfers, run to the end, collect."""
        rest = self.stretches.rest()
        if rest is not None:
            self._run(rest)
        if self.is_divided:
            self.crew.do([part.finish for part in self.parts])
        else:
            self.parts[0].finish()  # of a trace without accesses
        if self.writer is not None:
            self.writer.finish()
        cycles = max(part.engine.cycles for part in self.parts)
        for part in self.parts:
            part.engine.finish(cycles)
        return pim_result(self.reader, self.system, self.device, self.parts, batches, cycles)


def pim_result(
    reader: TraceReader,
    system: SystemSpec,
    device: Device,
    parts: Sequence[ProgramRun],
    batches: int,
    cycles: int,
) -> SimulationResult:
    """What the units of one memory did until `cycles`, in the parts of its run."""
    prepared = parts[0].prepared
    engines = [part.engine for part in parts]
    built = by_channel(engines, [part.program.state.counts for part in parts])
    units = prepared.geometry.units_per_channel
    unit_accesses = by_channel(
        engines, [part.program.state.unit_accesses.reshape(units, -1).T for part in parts]
    )
    counts = {
        "batches": np.full(len(built), batches),
        "lookups": built[:, b.LOOKUPS],
        "accesses": built[:, b.ACCESSES],
        "cache_hits": built[:, b.CACHE_HITS],
        "cache_misses": built[:, b.CACHE_MISSES],
        "bytes_cache": built[:, b.BYTES_CACHE],
        "unit_accesses_max": unit_accesses.max(axis=1),
        **engine_counts(engines, device.organization.burst_bytes),
    }
    return SimulationResult(
        trace=reader.path,
        algorithm=reader.meta.algorithm,
        system=system,
        device=device,
        memory="hbm" if device.is_hbm else "dimm",
        cycles=cycles,
        batches=batches,
        counts=counts,
        unit_accesses=unit_accesses,
        issue_slots=sum(int(part.program.rings.stream[:, SLOTS].sum()) for part in parts),
        limits=engine_limits(engines),
        footprint=prepared.footprint,
        warnings=_pim_warnings(prepared, system),
    )


def _pim_warnings(prepared: Prepared, system: SystemSpec) -> list[str]:
    if prepared.prefetched_bytes and system.cache.policy == "none":
        return ["prefetch has no scratchpad to fill, since the cache's policy is none; set policy=scratchpad"]
    if prepared.prefetched_bytes > prepared.resident_bytes:
        held = f"the scratchpad of {system.cache.cache_bytes:,} bytes holds {prepared.resident_bytes:,}"
        return [
            f"{held} of the {prepared.prefetched_bytes:,} bytes to prefetch; the other rows are read by demand"
        ]
    return []


class _SplitRun:
    """Memories that each see a part of the trace: hot rows and kept vectors in the first, cold rows in the second."""

    def __init__(
        self,
        reader: TraceReader,
        system: SystemSpec,
        device: Device,
        commands: Sequence[CommandSink] = (),
    ) -> None:
        self.reader = reader
        systems, devices = [system], [device]
        if system.dimm is not None:
            second = system.second
            systems.append(second)
            devices.append(load_device(second.memory.device, second.memory.overrides))
        self.systems, self.devices = systems, devices
        self.split = split_trace(reader, system, UnitGeometry.of(device, system.pim.level))
        is_tied = len(systems) > 1 and system.pim.barrier != "none"
        sinks: Sequence[CommandSink | None] = commands or [None] * len(systems)
        self.runs = [
            ProgramRun(self._prepare(memory, is_tied), devices[memory], tied=is_tied, commands=sink)
            for memory, sink in enumerate(sinks)
        ]
        self.programs = [run.program for run in self.runs]
        self.engines = [run.engine for run in self.runs]
        self.pair: PimPair | None = None
        if len(systems) > 1:
            ratio = clock_ratio(devices[0].timing.tCK, devices[1].timing.tCK)
            self.pair = PimPair((self.engines[0], self.engines[1]), ratio)
        # Loads or compiles the kernel, so that the time taken is that of the simulation.
        (self.pair or self.engines[0]).run(final=False)

    def _prepare(self, memory: int, is_tied: bool) -> Prepared:
        system = self.systems[memory]
        try:
            return prepare(
                self.split.metas[memory],
                self.devices[memory],
                system,
                count_accesses=lambda: access_profile(SplitReader(self.reader, self.split, memory)),
                tied=is_tied,
                host_holds_shared=memory > 0 and system.pim.consumer == "host",
            )
        except InputError as error:
            if len(self.systems) == 1:
                raise
            raise InputError(f"{MEMORIES[memory]}: {error}") from error

    def feed(self, chunk: TraceChunk) -> None:
        """Divide a chunk, then build and run each memory's part in step."""
        parts = split(chunk, self.split)
        if self.pair is None:
            self.runs[0].feed(self.programs[0].stretches.take(parts[0]))
            return
        stretches = [program.stretches.take(part) for program, part in zip(self.programs, parts, strict=True)]
        feed_together(self.programs, stretches, self.pair)

    def finish(self, batches: int) -> SimulationResult:
        """Send the last transfers, run to the end, collect."""
        if self.pair is None:
            rest = self.programs[0].stretches.rest()
            if rest is not None:
                self.runs[0].feed(rest)
            self.runs[0].finish()
            self.engines[0].finish()
            cycles: tuple[int, ...] = (self.engines[0].cycles,)
        else:
            finish_together(self.programs, self.pair)
            self.pair.finish()
            cycles = self.pair.cycles
        results = []
        for system, device, run, end in zip(self.systems, self.devices, self.runs, cycles, strict=True):
            result = pim_result(self.reader, system, device, [run], batches, end)
            if self.systems[0].placement.partial_sum_fraction > 0:
                result.counts["partial_sum_hits"] = run.program.state.counts[:, b.PARTIAL_SUM_HITS]
            results.append(result)
        first = results[0]
        first.split = self.split
        if len(results) > 1:
            first.memory = FIRST_MEMORY
            first.second = results[1]
            first.second.memory = SECOND_MEMORY
        return first


class _HostRun:
    """The host reads every row through its last-level cache; misses go to the memory, in order."""

    def __init__(
        self, reader: TraceReader, system: SystemSpec, device: Device, commands: CommandSink | None = None
    ) -> None:
        self.reader, self.system, self.device = reader, system, device
        self.layout = llc.lay_out(reader.meta, device)
        self.tags = llc.make_llc(system.host)
        self.counted = np.zeros((device.organization.channels, llc.N_LLC_COUNTS), dtype=np.int64)
        # Requests that the cache lets through are distinct loads of the host: none is merged.
        from ppim.engine.host import HostReplay

        self.commands = commands
        self.channels = range(device.organization.channels)
        self.replay = HostReplay(
            device,
            inject=system.host.requests_per_cycle,
            merge=False,
            command_trace=commands is not None,
        )
        line = system.host.llc_line_bytes
        bursts = (int(self.layout.row_bytes.max()) + 2 * line) // self.layout.burst_bytes + 2
        self.requests = np.empty(ACCESSES_PER_LLC_CALL * bursts, dtype=np.int64)
        self.cycles = np.empty_like(self.requests)
        self.taken = np.zeros(1, dtype=np.int64)

    def feed(self, chunk: TraceChunk) -> None:
        """Filter a chunk and offer its misses."""
        for start in range(0, len(chunk.row), ACCESSES_PER_LLC_CALL):
            stop = min(start + ACCESSES_PER_LLC_CALL, len(chunk.row))
            n = llc.filter_accesses(
                self.layout,
                self.tags,
                self.system.host.llc_line_bytes,
                self.system.host.llc_bytes_per_cycle,
                chunk,
                start,
                stop,
                self.counted,
                self.taken,
                self.requests,
                self.cycles,
            )
            self.replay.feed(self.requests[:n], np.zeros(n, dtype=np.bool_), self.cycles[:n])
            if self.commands is not None:
                self.commands(self.channels, self.replay.take_commands())

    def finish(self, batches: int) -> SimulationResult:
        """Drain the memory and collect."""
        host = self.replay.finish()
        if self.commands is not None and host.command_streams is not None:
            self.commands(self.channels, host.command_streams)
        burst = self.device.organization.burst_bytes
        columns = host.column_commands
        counted = self.counted
        return SimulationResult(
            trace=self.reader.path,
            algorithm=self.reader.meta.algorithm,
            system=self.system,
            device=self.device,
            memory="hbm" if self.device.is_hbm else "dimm",
            cycles=max(host.cycles, ceil_div(int(self.taken[0]), self.system.host.llc_bytes_per_cycle)),
            batches=batches,
            counts={
                "batches": np.full(len(counted), batches),
                "lookups": counted[:, llc.LOOKUPS],
                "accesses": counted[:, llc.ACCESSES],
                "instructions": host.reads + host.writes,
                "reads": host.commands[:, READ],
                "writes": host.commands[:, WRITE],
                "activates": host.commands[:, ACTIVATE],
                "precharges": host.commands[:, PRECHARGE],
                "refreshes": host.commands[:, REFRESH],
                "row_hits": host.row_hits,
                "row_misses": columns - host.row_hits,
                "cache_hits": counted[:, llc.HITS],
                "cache_misses": counted[:, llc.ACCESSES] - counted[:, llc.HITS],
                "prefetch_reads": np.zeros_like(columns),  # a host's cache fetches on demand
                "bytes_dram": columns * burst,
                "bytes_cache": counted[:, llc.BYTES_HIT],
                "bytes_external": columns * burst,
            },
        )
