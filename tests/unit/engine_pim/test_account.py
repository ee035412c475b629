"""The class of every cycle: against a count cycle by cycle on the twin, and worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from ppim.dram.device import Device
from ppim.engine.pim.by_cycle import account
from ppim.engine.pim.rules import classes
from tests.reference.pim_account import CLASSES, simulate_and_classify
from tests.reference.pim_programs import Case, ProgramBuilder, make_device, make_system, random_case
from tests.unit.engine_pim.feed import EngineResult, run_program


def compare(case: Case, engine: EngineResult) -> np.ndarray:
    """Engine and twin agree, and each cycle has one class; the classes of all channels."""
    twin, counted = simulate_and_classify(case.device, case.system, case.program)
    assert engine.cycles == twin.cycles
    for channel, expected in enumerate(counted):
        found = dict(zip(CLASSES, engine.classes[channel].tolist(), strict=True))
        assert found == {name: expected[name] for name in CLASSES}, f"seed {case.seed}, channel {channel}"
    assert (engine.classes.sum(axis=1) == engine.cycles).all()
    return engine.classes


@pytest.mark.matrix(3)
@pytest.mark.parametrize("block", range(3))
def test_random_programs(block: int) -> None:
    met = np.zeros(classes.N_CYCLE_CLASSES, dtype=np.int64)
    for seed in range(20 * block, 20 * block + 20):
        case = random_case(seed)
        met += compare(case, run_program(case.device, case.system, case.program)).sum(axis=0)
    assert (met > 0).all(), "a class that no program meets is not tested"


def test_programs_that_arrive_in_pieces() -> None:
    for seed in range(40):
        case = random_case(seed)
        whole = run_program(case.device, case.system, case.program)
        pieces = run_program(case.device, case.system, case.program, piece=1)
        assert (whole.classes == pieces.classes).all()
        assert whole.limits == pieces.limits


def classes_of(builder: ProgramBuilder, device: Device | None = None, **parameters: object) -> dict[str, int]:
    case = Case(0, device or make_device(), make_system(**parameters), builder.build())
    found = compare(case, run_program(case.device, case.system, case.program))
    return dict(zip(CLASSES, found[0].tolist(), strict=True))


def test_one_read_and_its_transfer() -> None:
    """Slots 0 and 8; ACT 2, READ 16, data 30-31; the sum is complete at 32 + 10, the bus moves 42-43."""
    builder = ProgramBuilder()
    builder.turn()
    sum_ = builder.lone_read(0, 0, 0, compute=10)
    builder.transfer(0, 0, sum_)
    assert classes_of(builder) == {
        "busy": 2 + 2 + 2,
        "refresh": 0,
        "compute": 10,  # 32-41
        "bus": 0,
        "bank": 13 + 13,  # 3-15 for the row, 17-29 for the data
        "issue": 2,  # 0 and 1: the instruction is on its way
        "idle": 0,
    }


def test_the_host_thinks_between_two_turns() -> None:
    builder = ProgramBuilder()
    for _ in range(2):
        builder.turn()
        builder.transfer(0, 0, builder.lone_read(0, 0, 0), turn=len(builder.turn_batch) - 1)
    found = classes_of(builder, host_latency=500)
    # Transfer off the bus at 34; the second READ is sent at 534, first command 536, data 552, bus 552-553.
    assert found["idle"] == 500
    assert found["issue"] == 4


def test_a_refresh_keeps_reads_waiting() -> None:
    builder = ProgramBuilder()
    builder.turn()
    for row in range(8):
        builder.lone_read(0, 0, 128 * row)
    found = classes_of(builder, make_device(tREFI=300, tRFC=200))
    # Rows are opened every tRC = 48 from 2 on. Due at 300, with a READ to come at 304: PRE at 290 + tRAS = 324,
    # REFRESH 338, ACT 538. Due again at 600, with a READ to come then: PRE 620, REFRESH 634, ACT 834.
    assert found["refresh"] == (538 - 300 - 2) + (834 - 600 - 2)


def test_a_slow_front_end_shows_as_issue() -> None:
    builder = ProgramBuilder()
    builder.turn()
    for bank in range(4):
        builder.lone_read(0, 0, 32 * bank)
    found = classes_of(builder, instruction_interval=100)
    # Of 100 cycles two pass on the way, 30 with the read, then only the slot goes on: 68; the last ends with its data.
    assert found["issue"] == 4 * 2 + 3 * 68
    assert found["idle"] == 0


def test_deliver_and_transfers_share_the_bus() -> None:
    builder = ProgramBuilder()
    builder.turn()
    lookup = builder.lookup(builder.sum(1, 0))
    builder.read(1, 0, 0, lookup)
    builder.read_out(0, 0, 0, lookup)
    builder.transfer(1, 0, 0)
    case = Case(0, make_device(channels=2, tRTRS=4), make_system(), builder.build())
    found = compare(case, run_program(case.device, case.system, case.program))
    # Channel 1: the deliver is sent at 32, moves 36-37; turnaround 38-41; the transfer moves 42-43.
    assert found[1, classes.STALL_BUS] == 4 + 4
    assert found[1].sum() == 44


def test_a_bus_reserved_further_ahead_than_the_ring_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transfers fill the bus for tens of thousands of cycles; the ring grows, the classes stay."""
    builder = ProgramBuilder()
    builder.turn()
    first = builder.lookup(builder.sum(0, 0))
    builder.read(0, 0, 0, first)
    builder.transfer(0, 0, 0, bursts=40)
    for _ in range(40):
        late = builder.lookup(builder.sum(0, 0))
        builder.read_out(0, 1, 0, late)
        builder.read(0, 0, 0, late)
    for sum_ in range(1, 41):
        builder.transfer(0, 0, sum_, bursts=150)
    for _ in range(40):
        late = builder.lookup(builder.sum(0, 0))
        builder.read(0, 0, 0, late)
        builder.read_out(0, 2, 32, late)
    monkeypatch.setattr(account, "LEAST_RING_CYCLES", 64)
    found = classes_of(builder, make_device(tRTRS=3), instruction_interval=1, barrier="none")
    assert found["bus"] > 0
    assert found["busy"] > 40 * 150 * 2
