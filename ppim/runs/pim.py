"""A program built from the trace and run on the PIM units of one memory."""

from functools import partial

from ppim.dram.device import Device
from ppim.engine.commands import CommandSink
from ppim.engine.pim.parts import divide
from ppim.errors import InputError
from ppim.mapping.base import moves_rows
from ppim.mapping.placing.placement import Placement
from ppim.program import feed, owners
from ppim.program.builder.recipe import Accesses
from ppim.program.prepare import prepare
from ppim.runs import collect, crew, kind, program_run, rounds
from ppim.stats import latency, result as results
from ppim.systems.spec import SystemSpec
from ppim.trace import profile
from ppim.trace.reader import TraceChunk, TraceReader, first_batches

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
        program: kind.OpenProgram | None = None,
        commands: CommandSink | None = None,
    ) -> None:
        self.reader, self.system, self.device = reader, system, device
        prepared = prepare(
            reader.meta, device, system, count_accesses=partial(profile.access_profile, reader)
        )
        learns = moves_rows(system.placement.mapping)
        self.prepared, self.commands = prepared, commands
        # Where rows move, where they are must be known before anything is built ahead.
        threads = 1 if learns else program_run.most_parts(prepared, device, threads, commands)
        self.programs = [
            program_run.ProgramRun(prepared, device, commands=commands if threads == 1 else None)
        ]
        if not self.programs[0].is_divisible:
            threads = 1
        self.crew = crew.Crew(threads, lambda: self.programs[0].give_up())
        self.parts = threads
        self.is_divided = threads == 1
        self.stretches = feed.Stretches(prepared.recipe)
        self.latencies: latency.Latencies | None = None
        self.rounds = rounds.Rounds(reader.meta, prepared, device) if learns else None
        self.owners = (
            None
            if threads == 1 or prepared.recipe.slices or prepared.recipe.parts
            else owners.Owners(prepared, threads, self.programs[0].nothing)
        )
        if program is not None and learns:
            raise InputError(
                f"program: a program file has no writes, which mapping {system.placement.mapping} needs; "
                "write it with another mapping"
            )
        self.writer = None if program is None else program(prepared, device)
        # Loads or compiles the kernels, so that the time taken is that of the simulation.
        self.programs[0].engine.run(final=False)

    @property
    def placements(self) -> tuple[Placement | None, ...]:
        """Where rows lie, if they stay there."""
        return (None if self.rounds is not None else self.prepared.placement,)

    def _divide(self, chunk: TraceChunk) -> None:
        """Have as many parts as threads, that are busy for about the same time in turns like the first ones."""
        recipe = self.prepared.recipe
        loads = [1] * recipe.channels  # where rows are split, all have the same to do
        if self.owners is not None:
            first = feed.Stretches(recipe).take(first_batches(chunk, SAMPLED_ACCESSES))
            loads = owners.loads_of_channels(recipe, self._find_owners(first))
        self.programs = [
            program_run.ProgramRun(self.prepared, self.device, part=part, commands=self.commands)
            for part in divide(loads, self.parts)
        ]
        self.is_divided = True

    def feed(self, chunk: TraceChunk) -> None:
        """Build and run the turns of a chunk."""
        if not self.is_divided:
            self._divide(chunk)
        if self.rounds is None:
            self._run(self.stretches.take(chunk))
        else:
            self._learn(self.rounds, chunk)
        if self.writer is not None:
            self.writer.feed(chunk)

    def _learn(self, rounds: rounds.Rounds, chunk: TraceChunk) -> None:
        """Build and run a chunk, and between its rounds the moves."""
        for piece in rounds.pieces(chunk):
            moves = rounds.moves_before(piece)
            if len(moves):
                self.programs[0].program.move(moves, int(piece.batch[0]) - 1)
            self._run(self.stretches.take(piece))
            rounds.see(piece)

    def _run(self, accesses: Accesses) -> None:
        """Build and run a stretch of the trace, of which each part needs to know who owns all lookups."""
        if self.owners is not None:
            accesses = self._find_owners(accesses)
        self.crew.do([partial(part.feed, accesses) for part in self.programs])
        self._take_times()

    def _take_times(self) -> None:
        if self.latencies is None:
            self.latencies = latency.Latencies([self.device.timing.tCK] * len(self.programs))
        self.latencies.take([part.engine for part in self.programs])

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
        self._take_times()
        if self.writer is not None:
            self.writer.finish()
        cycles = max(part.engine.cycles for part in self.programs)
        for part in self.programs:
            part.engine.finish(cycles)
        assert self.latencies is not None
        return collect.pim_result(
            self.reader,
            self.system,
            self.device,
            self.programs,
            batches,
            cycles,
            latency=self.latencies.distributions(),
        )

    def close(self) -> None:
        """End the threads."""
        self.crew.close()
