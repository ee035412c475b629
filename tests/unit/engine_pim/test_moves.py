"""Rows that move (docs/model.md §15): the engine against the twin that ticks every cycle, and cases by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from ppim.mapping.placing.spec import PlacementSpec
from ppim.program.instruction import KIND, MOVE_IN, MOVE_OUT
from tests.reference import pim_twin
from tests.reference.pim_check import violations
from tests.reference.pim_programs import (
    Case,
    ProgramBuilder,
    make_device,
    make_system,
    random_case_that_moves,
)
from tests.unit.engine_pim.compare import assert_same
from tests.unit.engine_pim.feed import EngineResult, run_program

SEEDS = range(1000, 1060)


@pytest.mark.matrix(5)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs(seed: int) -> None:
    case = random_case_that_moves(seed)
    twin = pim_twin.simulate(case.device, case.system, case.program)
    for piece in (len(case.program.instructions), 3):
        engine = run_program(case.device, case.system, case.program, piece=piece)
        assert_same(case, twin, engine)
        assert (engine.classes.sum(axis=1) == engine.cycles).all()
        assert max(engine.limits.values()) <= engine.cycles
    for channel in twin.channels:
        assert violations(case.device, case.system.pim, channel.commands, twin.cycles) == []


def test_the_seeds_reach_everything() -> None:
    found: Counter[str] = Counter()
    for seed in SEEDS:
        case = random_case_that_moves(seed)
        kinds = set(case.program.instructions[:, KIND].tolist())
        found["out"] += MOVE_OUT in kinds
        found["in"] += MOVE_IN in kinds
        found[case.system.pim.level] += 1
        found[case.system.pim.frontend] += 1
        found[case.system.pim.barrier] += 1
        found[f"queue {case.system.pim.queue_entries}"] += 1
    assert min(found["out"], found["in"]) > len(SEEDS) // 2
    levels = ("channel", "rank", "bankgroup", "bank")
    assert min(found[name] for name in (*levels, "per-channel", "global", "none", "table", "batch")) >= 5
    assert len([name for name in found if name.startswith("queue")]) >= 4


def run_by_hand(program: ProgramBuilder, **system: object) -> tuple[list[tuple[int, str, int]], EngineResult]:
    """(cycle, command, bank group) of one channel, equal in twin and engine; HBM2 of RL 14, WL 4, bursts of 2 cycles."""
    spec = replace(make_system(barrier="table", **system), placement=PlacementSpec(mapping="adaptive"))
    case = Case(0, make_device(), spec, program.build())
    twin = pim_twin.simulate(case.device, case.system, case.program)
    engine = run_program(case.device, case.system, case.program)
    assert_same(case, twin, engine)
    return [(x.cycle, x.command, x.bankgroup) for x in twin.channels[0].commands], engine


def test_a_row_of_two_bursts_that_moves() -> None:
    """Unit 0 to unit 1, where it is read afterwards.

    Slot 0, first command in 2. ACTIVATE 2, READs tRCDRD = 14 and tCCD_L = 2 later: 16 and 18. The host has the
    row RL + B = 16 after the last: 34, when the turn is complete and MOVE_IN has its slot. ACTIVATE 36, WRITEs from
    tRCDWR = 14 later on: 50 and 52, in the bank WL + B = 6 after the last: 58. Then the READ has its slot; its row is
    open, but it waits for tWTR_L = 8 after the last data: 66. Its data come in 82, its sum leaves in 82 and 83.
    """
    program = ProgramBuilder()
    program.turn(0)
    program.move_out(0, 0, 0, bursts=2)
    program.turn(1)
    program.move_in(0, 1, 0, bursts=2)
    turn = program.turn(2)
    sum_ = program.lone_read(0, 1, 0)
    program.transfer(0, 1, sum_, turn=turn)
    commands, engine = run_by_hand(program)
    assert commands == [
        (2, "activate", 0),
        (16, "read", 0),
        (18, "read", 0),
        (36, "activate", 1),
        (50, "write", 1),
        (52, "write", 1),
        (66, "read", 1),
    ]
    assert engine.cycles == 84


def test_a_write_recovers_before_its_row_is_closed() -> None:
    """WRITE 16 after ACTIVATE 2; tWR = 16 after its last data, WL + B = 6: PRECHARGE 38, not tRAS = 34 after 2."""
    program = ProgramBuilder()
    program.turn(0)
    program.move_in(0, 0, 0)
    program.move_in(0, 0, 4 * 32)  # the bank's next row
    commands, engine = run_by_hand(program)
    assert commands == [
        (2, "activate", 0),
        (16, "write", 0),
        (38, "precharge", 0),
        (52, "activate", 0),
        (66, "write", 0),
    ]
    assert engine.cycles == 72


def test_writes_of_two_units_share_the_bus() -> None:
    """Bursts of 2 cycles: one behind the other, though units have banks of their own (slots are 1 cycle apart)."""
    program = ProgramBuilder()
    program.turn(0)
    program.move_in(0, 0, 0, bursts=2)
    program.move_in(0, 1, 0, bursts=2)
    commands, engine = run_by_hand(program, instruction_interval=1)
    # ACTIVATEs in 2 and, tRRD_S = 4 later, 6: unit 0 has the bus in 20..23, so unit 1's first WRITE is not delayed ...
    assert commands == [
        (2, "activate", 0),
        (6, "activate", 1),
        (16, "write", 0),
        (18, "write", 0),
        (20, "write", 1),
        (22, "write", 1),
    ]
    assert engine.cycles == 28


def test_a_write_waits_while_the_bus_turns() -> None:
    """A read-out has the bus up to 32; tRTRS = 2 later a WRITE's data may come: WRITE in 30, not in 20."""
    program = ProgramBuilder()
    program.turn(0)
    program.move_out(0, 0, 0)
    program.move_in(0, 1, 0)
    commands, engine = run_by_hand(program, instruction_interval=1)
    assert commands == [(2, "activate", 0), (6, "activate", 1), (16, "read", 0), (30, "write", 1)]
    assert engine.cycles == 36
