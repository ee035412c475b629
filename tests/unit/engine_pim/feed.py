"""Give a hand-made or random program to the engine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppim.dram.device import Device
from ppim.engine.pim.engine import Commands, PimEngine
from ppim.engine.pim.state import DONE
from ppim.program.instruction import (
    ALL,
    BURSTS,
    CHANNEL,
    HIT,
    KIND,
    N_SUMS,
    NONE,
    PREFETCH,
    READ_OUT,
    SUM_SENT,
    TRANSFER,
    TURN,
    UNIT,
    Program,
)
from ppim.program.state import (
    NEXT_LOOKUP,
    NEXT_SUM,
    NEXT_TURN,
    SLOTS,
    TAIL,
    TURN_BATCH,
    TURN_CLOSED,
    TURN_LEFT,
    Rings,
    make_rings,
)
from ppim.systems.spec import SystemSpec


@dataclass
class EngineResult:
    """What a run of the engine left."""

    cycles: int
    counters: np.ndarray
    commands: list[Commands]
    slots: np.ndarray


def load(program: Program, channels: int, *, global_stream: bool) -> Rings:
    """The whole program in rings, every turn closed."""
    n = len(program.instructions)
    rings = make_rings(
        1 if global_stream else channels,
        channels * n + 1,
        len(program.lookups) + 1,
        len(program.sums) + 1,
        len(program.turn_batch) + 1,
    )
    rings.lookups[: len(program.lookups)] = program.lookups
    rings.sums[: len(program.sums)] = program.sums
    rings.sums[:, SUM_SENT] = NONE
    rings.marks[NEXT_LOOKUP] = len(program.lookups)
    rings.marks[NEXT_SUM] = len(program.sums)
    rings.marks[NEXT_TURN] = len(program.turn_batch)
    rings.turns[: len(program.turn_batch), TURN_BATCH] = program.turn_batch
    rings.turns[:, TURN_CLOSED] = 1
    for instruction in program.instructions:
        streams = [0] if global_stream else [instruction[CHANNEL]]
        if not global_stream and instruction[CHANNEL] == ALL:
            streams = list(range(channels))
        for stream in streams:
            row = rings.instructions[stream, rings.stream[stream, TAIL]]
            row[:] = instruction
            if not global_stream:
                row[CHANNEL] = stream
                if instruction[KIND] == TRANSFER and instruction[CHANNEL] == ALL:
                    _keep_own_sums(row, program, stream)
            rings.stream[stream, TAIL] += 1
            if instruction[KIND] == TRANSFER:
                rings.turns[instruction[TURN], TURN_LEFT] += max(row[N_SUMS], 1)
            elif instruction[KIND] != PREFETCH:
                rings.turns[instruction[TURN], TURN_LEFT] += 1
    return rings


def _keep_own_sums(row: np.ndarray, program: Program, channel: int) -> None:
    """A broadcast transfer copied into a channel's stream moves that channel's sum, if there is one."""
    first, count = row[N_SUMS - 1], row[N_SUMS]
    own = [number for number in range(first, first + count) if program.sums[number, 0] == channel]
    row[N_SUMS - 1] = own[0] if own else NONE
    row[N_SUMS] = len(own)


def run_program(device: Device, system: SystemSpec, program: Program) -> EngineResult:
    """Run a whole program, keeping its commands."""
    kinds = program.instructions[:, KIND]
    rings = load(program, device.organization.channels, global_stream=system.pim.frontend == "global")
    moving = program.instructions[(kinds != TRANSFER) & (kinds != HIT)]
    engine = PimEngine(
        device,
        system,
        rings,
        together=bool((kinds == READ_OUT).any()),
        max_row_bursts=int(moving[:, BURSTS].max(initial=1)),
        keep_commands=200_000,
    )
    assert (program.instructions[:, UNIT] < engine.parameters.units).all()
    status = engine.run(final=True)
    assert status == DONE
    cycles = engine.finish()
    return EngineResult(cycles, engine.counters, engine.take_commands(), rings.stream[:, SLOTS])
