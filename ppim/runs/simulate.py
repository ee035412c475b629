"""The front door: a trace through a system, to counts per channel."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace

from ppim.dram.load import load_device
from ppim.engine.commands import CommandSink
from ppim.errors import InputError
from ppim.program.tiers import is_split
from ppim.runs.kind import OpenProgram, Run
from ppim.stats.result import SimulationResult
from ppim.systems.spec import SystemSpec
from ppim.trace.reader import TraceChunk, TraceReader, read_ahead


def simulate(
    reader: TraceReader,
    system: SystemSpec,
    *,
    advance: Callable[[int], object] = lambda _: None,
    threads: int = 1,
    program: OpenProgram | None = None,
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
        barriers, or in the base die; with more than one, the trace is read on several threads, too. The result is the same.
    program : callable, optional
        Opens what is given each chunk to write its program, too: `ProgramWriter` with its file, say.
    commands : sequence of callables, optional
        One for each memory: given all its DRAM commands by channel, in the order of their issue, piece by piece.

    Raises
    ------
    InputError
        A trace, system and device that do not go together.
    """
    with closing(open_run(reader, system, threads, program, commands)) as run:
        start = time.perf_counter()
        batches = 0
        for chunk in _chunks(reader, threads, run.parts):
            run.feed(chunk)
            batches = int(chunk.batch[-1]) + 1
            advance(len(chunk.row))
            del chunk  # the next one can have its memory
        result = run.finish(batches)
        return replace(result, seconds=time.perf_counter() - start)


def open_run(
    reader: TraceReader,
    system: SystemSpec,
    threads: int,
    program: OpenProgram | None,
    commands: Sequence[CommandSink],
) -> Run:
    """The kind of run that a system needs; each kind's modules are imported where it runs."""
    device = load_device(system.memory.device, system.memory.overrides)
    if system.kind == "host":
        if program is not None:
            raise InputError(f"system {system.name}: has no PIM units, so there is no program to write")
        from ppim.runs.host import HostRun

        return HostRun(reader, system, device, *commands)
    if is_split(system):
        if program is not None:
            raise InputError(
                f"system {system.name}: a program file has no second memory and no partial sums that are kept"
            )
        from ppim.runs.split import SplitRun

        return SplitRun(reader, system, device, commands)
    from ppim.runs.pim import PimRun

    return PimRun(reader, system, device, threads, program, *commands)


def _chunks(reader: TraceReader, threads: int, parts: int) -> Iterator[TraceChunk]:
    """The trace as it suits a run: beside it, or between its steps if those need all threads at once."""
    if threads == 1:
        return reader.chunks()
    if parts > 1:
        return reader.chunks(parts)
    return read_ahead(reader.chunks())
