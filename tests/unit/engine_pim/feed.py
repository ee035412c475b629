"""Give a hand-made or random program to the engine, at once or in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from ppim.dram.device import Device
from ppim.engine.pim.by_unit import setup
from ppim.engine.pim.engine import Commands, PimEngine
from ppim.engine.pim.pair import PimPair, clock_ratio
from ppim.engine.pim.state import DONE, LOG_FULL
from ppim.mapping.placing.geometry import units_of_channel
from ppim.program.instruction import (
    ALL,
    BURSTS,
    CHANNEL,
    DELIVER,
    HIT,
    KIND,
    LISTED,
    LOOKUP,
    N_SUMS,
    NONE,
    ORDER,
    PREFETCH,
    READ_OUT,
    RECEIVER_SHARERS,
    SHARERS,
    STEP,
    SUM,
    SUM_CHANNEL,
    SUM_SENT,
    SUM_TURN,
    SUM_UNIT,
    TRANSFER,
    TURN,
    UNIT,
    Program,
)
from ppim.program.state import (
    NEXT_LOOKUP,
    NEXT_SUM,
    NEXT_TURN,
    NOT_STARTED,
    SLOTS,
    TAIL,
    TURN_BATCH,
    TURN_CLOSED,
    TURN_FIRST_SUM,
    TURN_LEFT,
    TURN_START,
    make_rings,
)
from ppim.systems.spec import SystemSpec
from tests.reference.pim_programs import Case


@dataclass
class EngineResult:
    """What a run of the engine left; `slots` is the number of slots used by each stream."""

    cycles: int
    counters: np.ndarray
    commands: list[Commands]
    slots: np.ndarray
    calls: int  # of the engine
    entries: int  # in the pool at the end
    classes: np.ndarray
    limits: dict[str, int]
    active: np.ndarray  # cycles with an open bank, shape (channels, ranks)
    times: np.ndarray  # of GnRs, rows of `rules.times`


def first_sum_of(program: Program, turn: int) -> int:
    """The first sum of a turn; where it has none, any."""
    return next((n for n, row in enumerate(program.sums) if row[SUM_TURN] == turn), 0)


class Feeder:
    """Writes a program into rings, an instruction at a time, as the builder would.

    A turn is closed when all its instructions are written and, if there is another, the next one has begun.
    """

    def __init__(self, program: Program, channels: int, units: int, *, global_stream: bool) -> None:
        self.program, self.channels, self.global_stream = program, channels, global_stream
        self.units = units  # of a channel
        self.rings = rings = make_rings(
            1 if global_stream else channels,
            channels * len(program.instructions) + 1,
            len(program.lookups) + 1,
            len(program.sums) + 1,
            len(program.turn_batch) + 1,
        )
        rings.lookups[: len(program.lookups)] = program.lookups
        rings.sums[: len(program.sums)] = program.sums
        rings.sums[:, SUM_SENT] = NONE
        is_collected = program.sums[:, SUM_UNIT] == NONE
        rings.sums[np.flatnonzero(is_collected), SUM_SENT] = 0
        np.add.at(rings.turns[:, TURN_LEFT], program.sums[is_collected, SUM_TURN], 1)
        rings.turns[: len(program.turn_batch), TURN_BATCH] = program.turn_batch
        rings.turns[:, TURN_START] = NOT_STARTED
        for turn in range(len(program.turn_batch)):
            rings.turns[turn, TURN_FIRST_SUM] = first_sum_of(program, turn)
        rings.marks[NEXT_LOOKUP] = len(program.lookups)
        rings.marks[NEXT_SUM] = len(program.sums)
        self.turns = program.instructions[:, TURN]
        self.written = 0

    @property
    def is_done(self) -> bool:
        return self.written == len(self.program.instructions)

    def write(self, n_instructions: int) -> None:
        """The next instructions, with the turns that they begin and end."""
        for instruction in self.program.instructions[self.written : self.written + n_instructions]:
            self._begin_turns(int(instruction[TURN]))
            for stream in self._streams(instruction):
                self._append(stream, instruction)
            self.written += 1
        if self.is_done:
            self._begin_turns(len(self.program.turn_batch) - 1)
            self.rings.turns[: len(self.program.turn_batch), TURN_CLOSED] = 1

    def _begin_turns(self, turn: int) -> None:
        """Turns before an instruction's are closed when no instruction of theirs is left."""
        rings = self.rings
        rings.marks[NEXT_TURN] = max(rings.marks[NEXT_TURN], turn + 1)
        oldest_left = self.turns[self.written :].min(initial=turn)
        rings.turns[: min(oldest_left, turn), TURN_CLOSED] = 1

    def _streams(self, instruction: np.ndarray) -> list[int]:
        if self.global_stream:
            return [0]
        return list(range(self.channels)) if instruction[CHANNEL] == ALL else [int(instruction[CHANNEL])]

    def _append(self, stream: int, instruction: np.ndarray) -> None:
        rings = self.rings
        row = rings.instructions[stream, rings.stream[stream, TAIL]]
        row[:] = instruction
        if instruction[KIND] == READ_OUT:
            row[ORDER] = self.written
        if not self.global_stream:
            row[CHANNEL] = stream
            if instruction[KIND] == TRANSFER and instruction[CHANNEL] == ALL:
                self._keep_own_sums(row, stream)
        rings.stream[stream, TAIL] += 1
        if instruction[KIND] == TRANSFER:
            rings.turns[instruction[TURN], TURN_LEFT] += max(row[N_SUMS], 1)
        elif instruction[KIND] not in (PREFETCH, DELIVER):
            rings.turns[instruction[TURN], TURN_LEFT] += self._served(row)

    def _served(self, row: np.ndarray) -> int:
        """Lookups that a demand instruction serves."""
        units = 1
        if row[UNIT] == ALL:
            units = self.units * (self.channels if row[CHANNEL] == ALL else 1)
        if row[KIND] == READ_OUT and row[STEP] == LISTED:
            receivers = self.program.lookups[row[LOOKUP] : row[LOOKUP] + 1 + row[SHARERS]]
            return int((1 + receivers[:, RECEIVER_SHARERS]).sum())
        return units * (1 + int(row[SHARERS]))

    def _keep_own_sums(self, row: np.ndarray, channel: int) -> None:
        """A broadcast transfer copied into a channel's stream moves that channel's sum, if there is one."""
        sums = range(row[SUM], row[SUM] + row[N_SUMS])
        own = [number for number in sums if self.program.sums[number, SUM_CHANNEL] == channel]
        row[SUM] = own[0] if own else NONE
        row[N_SUMS] = len(own)


def most_delivers(program: Program) -> int:
    """Read-outs of the lookup that has most of them."""
    outs = program.instructions[program.instructions[:, KIND] == READ_OUT]
    return int(np.unique(outs[:, LOOKUP], return_counts=True)[1].max(initial=0))


class _Memory:
    """A program, its feeder and its engine; what the engine keeps is taken when it asks."""

    def __init__(
        self, device: Device, system: SystemSpec, program: Program, keep_commands: int, *, tied: bool = False
    ) -> None:
        kinds = program.instructions[:, KIND]
        units = units_of_channel(device, system.pim.level)
        self.feeder = Feeder(
            program, device.organization.channels, units, global_stream=system.pim.frontend == "global"
        )
        self.feeder.rings.turns[: len(program.turn_batch), TURN_LEFT] += tied
        moving = program.instructions[(kinds != TRANSFER) & (kinds != HIT)]
        self.engine = PimEngine(
            device,
            system,
            self.feeder.rings,
            delivers_per_lookup=most_delivers(program),
            max_row_bursts=int(moving[:, BURSTS].max(initial=1)),
            keep_commands=keep_commands,
            tied=tied,
        )
        assert (program.instructions[:, UNIT] < self.engine.parameters.units).all()
        self.taken: list[list[Commands]] = [[] for _ in range(device.organization.channels)]

    def take(self) -> None:
        for channel, commands in zip(self.taken, self.engine.take_commands(), strict=True):
            channel.append(commands)

    def result(self, cycles: int, calls: int) -> EngineResult:
        return EngineResult(
            cycles=cycles,
            counters=self.engine.counters,
            commands=[_joined(parts) for parts in self.taken],
            slots=self.feeder.rings.stream[:, SLOTS],
            calls=calls,
            entries=self.engine.state.entries.shape[1],
            classes=self.engine.classes,
            limits=self.engine.limits,
            active=self.engine.active_cycles,
            times=self.engine.take_times(),
        )


@contextmanager
def by_cycle() -> Iterator[None]:
    """Run whatever follows on the engine that goes cycle by cycle, also what the other one can run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setup, "can_run", lambda *_, **__: False)
        yield


def run_program(
    device: Device,
    system: SystemSpec,
    program: Program,
    *,
    piece: int | None = None,
    keep_commands: int = 200_000,
) -> EngineResult:
    """Run a program, keeping its commands.

    Parameters
    ----------
    piece : int, optional
        Instructions between two calls of the engine; by default the whole program at once.
    keep_commands : int
        Commands that the engine keeps until they are taken.
    """
    memory = _Memory(device, system, program, keep_commands)
    calls = _run_in_pieces([memory], memory.engine, piece)
    return memory.result(memory.engine.cycles, calls)


def run_programs(
    cases: Sequence[Case], *, piece: int | None = None, keep_commands: int = 200_000
) -> list[EngineResult]:
    """Run the programs of two memories in step; options as of `run_program`."""
    tied = cases[0].system.pim.turns_wait
    memories = [_Memory(x.device, x.system, x.program, keep_commands, tied=tied) for x in cases]
    clocks = [case.device.timing.tCK for case in cases]
    pair = PimPair((memories[0].engine, memories[1].engine), clock_ratio(clocks[0], clocks[1]))
    calls = _run_in_pieces(memories, pair, piece)
    return [memory.result(cycles, calls) for memory, cycles in zip(memories, pair.cycles, strict=True)]


def _run_in_pieces(memories: Sequence[_Memory], runner: PimEngine | PimPair, piece: int | None) -> int:
    """Feed and run to the end; the number of calls."""
    calls = 0

    def run_and_take(step: Callable[[], int]) -> int:
        nonlocal calls
        status = LOG_FULL
        while status == LOG_FULL:
            status = step()
            calls += 1
            for memory in memories:
                memory.take()
        return status

    feeders = [memory.feeder for memory in memories]
    while not all(feeder.is_done for feeder in feeders):
        for feeder in feeders:
            feeder.write(piece or len(feeder.program.instructions))
        if not all(feeder.is_done for feeder in feeders):
            run_and_take(lambda: runner.run(final=False))
    for feeder in feeders:
        feeder.write(0)
    assert run_and_take(lambda: runner.run(final=True)) == DONE
    assert run_and_take(runner.finish) == DONE
    return calls


def _joined(parts: list[Commands]) -> Commands:
    return Commands(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("cycle", "command", "lane", "row", "column")
        )
    )
