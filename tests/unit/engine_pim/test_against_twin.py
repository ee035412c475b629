"""The engine against the twin that ticks every cycle: every command at its cycle, every count."""

from __future__ import annotations

from functools import cache

import pytest

from ppim.engine.pim import memory
from ppim.program.instruction import KIND, LISTED, READ_OUT, STEP
from tests.reference import pim_twin
from tests.reference.pim_programs import (
    Case,
    ProgramBuilder,
    make_device,
    make_system,
    random_case,
    random_case_with_lists,
)
from tests.reference.pim_twin import TwinResult
from tests.unit.engine_pim.compare import assert_same
from tests.unit.engine_pim.feed import run_program

SEEDS = range(60)


@cache
def run_twin(seed: int) -> tuple[Case, TwinResult]:
    case = random_case(seed)
    return case, pim_twin.simulate(case.device, case.system, case.program)


@pytest.mark.matrix(3)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs(seed: int) -> None:
    case, twin = run_twin(seed)
    assert_same(case, twin, run_program(case.device, case.system, case.program))


def test_rows_that_are_read_out_for_several_units() -> None:
    listed = 0
    for seed in range(40):
        case = random_case_with_lists(seed)
        twin = pim_twin.simulate(case.device, case.system, case.program)
        assert_same(case, twin, run_program(case.device, case.system, case.program))
        instructions = case.program.instructions
        listed += int(((instructions[:, KIND] == READ_OUT) & (instructions[:, STEP] == LISTED)).sum())
    assert listed > 100


@pytest.mark.parametrize("piece", [1, 7])
def test_a_program_that_arrives_in_pieces(piece: int) -> None:
    calls = 0
    for seed in SEEDS:
        case, twin = run_twin(seed)
        result = run_program(case.device, case.system, case.program, piece=piece)
        assert_same(case, twin, result)
        calls += result.calls
    assert calls > len(SEEDS) * 10


def test_a_pool_of_entries_that_has_to_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "INITIAL_ENTRIES", 1)
    grown = 0
    for seed in SEEDS:
        case, twin = run_twin(seed)
        result = run_program(case.device, case.system, case.program)
        assert_same(case, twin, result)
        org = case.device.organization
        grown += result.entries > org.banks * max(case.system.pim.queue_entries, 1) + 4 * org.banks
    assert grown >= 5


def test_a_pool_that_grows_while_the_program_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "INITIAL_ENTRIES", 1)
    for seed in SEEDS:
        case, twin = run_twin(seed)
        assert_same(case, twin, run_program(case.device, case.system, case.program, piece=3))


def test_commands_taken_in_small_portions() -> None:
    calls = 0
    for seed in SEEDS:
        case, twin = run_twin(seed)
        result = run_program(case.device, case.system, case.program, keep_commands=1)
        assert_same(case, twin, result)
        calls += result.calls
    assert calls > len(SEEDS) * 20


def test_arithmetic_that_falls_behind_by_thousands_of_lookups() -> None:
    """Hits need no room in the buffer, so that lookups wait for arithmetic without bound; reads stop."""
    program = ProgramBuilder()
    program.turn()
    sum_ = program.sum(0, 0)
    for _ in range(1500):
        program.hit(program.lookup(sum_, compute=3, bursts=1))
    program.read(0, 0, 0, program.lookup(sum_, compute=1))
    program.transfer(0, 0, sum_)
    case = Case(0, make_device(), make_system(instruction_interval=1, unit_buffer_bursts=40), program.build())
    twin = pim_twin.simulate(case.device, case.system, case.program)
    # Each lookup adds one cycle to the arithmetic's lag of three a cycle; the READ waits until fewer than 40
    # bursts are left: the end of lookup 1500 - 39, which is 3 + 3 x 1461.
    reads = [command.cycle for command in twin.channels[0].commands if command.command == "read"]
    assert reads == [3 + 3 * 1461]
    assert_same(case, twin, run_program(case.device, case.system, case.program))
