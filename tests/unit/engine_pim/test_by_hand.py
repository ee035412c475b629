"""Cases worked out by hand, on both engines: one for each rule written out here, and all of the twin's again.

HBM2: tRCD 14, RL 14, WL 4, B 2, tRP 14, tRAS 34, tRTP 5, tRRD_S/L 4/6, tCCD_L 2, tRFC 260, tREFI 3900.
Slot 0, first command at 2; data is in the unit RL + B = 16 cycles after its READ. Units are bank groups.
"""

from __future__ import annotations

import pytest

from ppim.dram.device import Device
from ppim.engine.pim import state as s
from ppim.engine.pim.rules import classes
from tests.reference.pim_programs import Case, ProgramBuilder, make_device, make_system
from tests.reference.pim_twin import TwinResult, simulate
from tests.reference.pim_words import in_words
from tests.unit.engine_pim.compare import assert_same, run_on_both
from tests.unit.engine_pim.feed import EngineResult
from tests.unit.pim_twin import test_by_hand as twin_cases
from tests.unit.pim_twin.test_by_hand import program  # noqa: F401 - a fixture

BANK_1 = 32
ROW_1 = 128


def run(builder: ProgramBuilder, device: Device | None = None, **parameters: object) -> EngineResult:
    case = Case(0, device or make_device(), make_system(**parameters), builder.build())
    return run_on_both(case)[0]


def commands(result: EngineResult, channel: int = 0) -> list[tuple[int, str, int, int]]:
    """(cycle, command, bank group, bank)."""
    words = in_words(make_device(), result.commands[channel], result.cycles)
    return [(word.cycle, word.command, word.bankgroup, word.bank) for word in words]


def counted(result: EngineResult, *columns: int) -> list[int]:
    return [int(result.counters[0, column]) for column in columns]


def one_turn() -> ProgramBuilder:
    builder = ProgramBuilder()
    builder.turn()
    return builder


def test_two_reads_of_one_row() -> None:
    case = one_turn()
    case.lone_read(0, 0, 0)
    case.lone_read(0, 0, 1)
    result = run(case)
    # Slots 0 and 8: ACT 2, READ 2 + tRCD = 16, READ + tCCD_L = 18, data 34.
    assert commands(result) == [(2, "activate", 0, 0), (16, "read", 0, 0), (18, "read", 0, 0)]
    assert result.cycles == 34
    assert counted(result, s.INSTRUCTIONS, s.READS, s.ACTIVATES, s.PRECHARGES, s.ROW_HITS) == [2, 2, 1, 0, 1]
    assert result.slots.tolist() == [2]
    assert result.active[0].tolist() == [34 - 2]


def test_two_rows_of_one_bank() -> None:
    case = one_turn()
    case.lone_read(0, 0, 0)
    case.lone_read(0, 0, ROW_1)
    result = run(case)
    # READ 16; PRE at ACT + tRAS = 36; ACT 36 + tRP = 50; READ 64; data 80.
    assert commands(result) == [
        (2, "activate", 0, 0),
        (16, "read", 0, 0),
        (36, "precharge", 0, 0),
        (50, "activate", 0, 0),
        (64, "read", 0, 0),
    ]
    assert result.cycles == 80
    assert counted(result, s.READS, s.ACTIVATES, s.PRECHARGES, s.ROW_HITS) == [2, 2, 1, 0]


@pytest.mark.parametrize(
    ("cross_unit_timing", "second_activate"), [("physical", 6), ("faw-only", 3), ("none", 3)]
)
def test_two_bank_groups(cross_unit_timing: str, second_activate: int) -> None:
    case = one_turn()
    case.lone_read(0, 0, 0)
    case.lone_read(0, 1, 0)
    result = run(case, instruction_interval=1, cross_unit_timing=cross_unit_timing)
    # Slots 0 and 1: the second unit could activate at 3; tRRD_S = 4 makes it 6 where it holds.
    assert commands(result) == [
        (2, "activate", 0, 0),
        (second_activate, "activate", 1, 0),
        (16, "read", 0, 0),
        (second_activate + 14, "read", 1, 0),
    ]
    assert result.cycles == second_activate + 14 + 16


def test_two_reads_with_a_refresh_between_them() -> None:
    case = one_turn()
    first = case.lone_read(0, 0, 0)
    case.transfer(0, 0, first)
    case.turn()
    case.lone_read(0, 0, 1, bursts=4)
    result = run(case, barrier="table", host_latency=3860)
    # Turn 0: READ 16, data 32, transfer [32, 34). Turn 1 is sent at 34 + 3860 = 3894: READ 3896, 3898. Refresh is
    # due at 3900: PRE 3898 + tRTP = 3903, REFRESH 3903 + tRP = 3917, ACT 3917 + tRFC = 4177, READ 4191, 4193.
    assert commands(result) == [
        (2, "activate", 0, 0),
        (16, "read", 0, 0),
        (3896, "read", 0, 0),
        (3898, "read", 0, 0),
        (3903, "precharge", 0, 0),
        (3917, "refresh", -1, -1),
        (4177, "activate", 0, 0),
        (4191, "read", 0, 0),
        (4193, "read", 0, 0),
    ]
    assert result.cycles == 4193 + 16
    assert counted(result, s.READS, s.REFRESHES, s.ROW_HITS) == [5, 1, 3]


def test_a_row_read_out_and_delivered_to_another_channel() -> None:
    case = one_turn()
    lookup = case.lookup(case.sum(1, 0), compute=3)
    case.read(1, 0, 0, lookup)
    case.read_out(0, 2, 0, lookup, bursts=2)
    result = run(case, make_device(channels=2), host_latency=5)
    # Channel 0: READ 16, 18; the host holds the last at 18 + 16 = 34, and sends the deliver at 39. On channel 1's
    # bus from 39 + WL = 43, for 2 x 2 cycles; the operand is there at 47, the arithmetic ends at 50.
    assert commands(result, 0) == [(2, "activate", 2, 0), (16, "read", 2, 0), (18, "read", 2, 0)]
    assert commands(result, 1) == [(2, "activate", 0, 0), (16, "read", 0, 0)]
    assert result.cycles == 50
    assert result.counters[:, s.INSTRUCTIONS].tolist() == [1, 2]
    assert result.counters[:, s.READ_OUT_BURSTS].tolist() == [2, 0]
    assert result.counters[:, s.DELIVER_BURSTS].tolist() == [0, 2]
    assert result.counters[:, s.COMPUTE_CYCLES].tolist() == [0, 3]


# The twin's cases, each on the engines too: the twin gives the cycles that the case states, they give the twin's.

ABOUT_THE_TWIN_ITSELF = ("is_reported", "is_refused", "takes_no_time")


@pytest.fixture(autouse=True)
def _engines_beside_twin(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_all(builder: ProgramBuilder, device: Device | None = None, **parameters: object) -> TwinResult:
        case = Case(0, device or make_device(), make_system(**parameters), builder.build())
        result = simulate(case.device, case.system, case.program)
        for engine in run_on_both(case):
            assert_same(case, result, engine)
        return result

    monkeypatch.setattr(twin_cases, "run", run_all)


for _name in dir(twin_cases):
    if _name.startswith("test_") and not _name.endswith(ABOUT_THE_TWIN_ITSELF):
        globals()[f"{_name}_as_in_the_twin"] = getattr(twin_cases, _name)


def test_sums_of_two_channels_meet_in_the_base_die() -> None:
    case = one_turn()
    early, late = case.sum(0, 0), case.sum(1, 0)
    case.collector(0, [early, late])
    case.read(0, 0, 0, case.lookup(early))
    case.read(1, 0, 0, case.lookup(late))
    case.read(1, 0, 1, case.lookup(late))
    case.transfer(0, 0, early)
    case.transfer(1, 0, late)
    case.turn()
    last = case.sum(1, 0)
    case.collector(1, [last])
    case.read(1, 0, 2, case.lookup(last))
    case.transfer(1, 0, last, turn=1)
    result = run(case, make_device(channels=2), barrier="table", collect="base-die", collect_cycles=3)
    # Channel 0: READ 16, data 32, over the bus 32..34. Channel 1: READs 16 and 18, data 34, 34..36. The base die has
    # both 3 cycles later and sends their sum over channel 0, 39..41. The second turn: slot 41, READ 43 of the open
    # row, data 59, 59..61, and from the base die 64..66.
    assert result.cycles == 66
    assert commands(result, 1)[-1] == (43, "read", 0, 0)
    assert result.counters[:, s.TRANSFER_CYCLES].tolist() == [2 + 2, 2 + 2 + 2]
    assert result.counters[:, s.TRANSFER_BURSTS].tolist() == [1, 1]  # what leaves the memory
    # Adding up is all that is left from the last partial sum's start on, but for its own bus: 34..39 in channel 0,
    # in channel 1, whose bus it takes 59..61, 61..64.
    assert result.classes[:, classes.STALL_COMPUTE].tolist() == [39 - 34, 64 - 61]
    assert result.classes[:, classes.BUSY].tolist() == [
        2 + 2 + 2 + 2,  # ACTIVATE and READ, data into the unit, and the bus twice
        1 + 2 + 4 + 2 + 1 + 2 + 2 + 2,
    ]


def test_an_empty_program_takes_no_time() -> None:
    result = run(ProgramBuilder())
    assert (result.cycles, commands(result)) == (0, [])


def test_a_buffer_may_be_full_for_long() -> None:
    """Nothing but arithmetic goes on for 400,000 cycles, in each of which the full buffer holds a READ back."""
    case = one_turn()
    case.lone_read(0, 0, 0, compute=400_000)
    case.lone_read(0, 0, 1)
    result = run(case, unit_buffer_bursts=1, instruction_interval=32)
    # Complete at 32, arithmetic [32, 400032), then the READ of the second.
    assert result.cycles == 400_032 + 16
