"""Cases of PIM mode worked out by hand; the comments derive every cycle from `docs/model.md` and the timing.

HBM2: tRCD 14, RL 14, WL 4, B 2, tRP 14, tRAS 34, tRTP 5, tRRD_S/L 4/6, tFAW 30, tCCD_S/L 1/2, tRTRS 2.
A burst takes the bus for max(B, tCCD_S) = 2 cycles; data is in its unit RL + B = 16 cycles after READ.
Units are bank groups of four banks with rows of 32 bursts, so unit-local addresses 0..31 are row 0 of bank 0,
32..63 row 0 of bank 1, and 128 begins row 1 of bank 0.
"""

from __future__ import annotations

from fractions import Fraction

import pytest

from ppim.program.instruction import ALL, HIT, READ, READ_OUT
from tests.reference.pim_programs import ProgramBuilder, make_device, make_system
from tests.reference.pim_twin import TwinResult, TwinStuckError, simulate

BANK_1 = 32
ROW_1 = 128


@pytest.fixture
def program() -> ProgramBuilder:
    """A program with one turn."""
    builder = ProgramBuilder()
    builder.turn()
    return builder


def run(builder: ProgramBuilder, device=None, **parameters) -> TwinResult:
    return simulate(device or make_device(), make_system(**parameters), builder.build())


def commands(result: TwinResult, channel: int = 0) -> list[tuple[int, str, int, int]]:
    """(cycle, command, bank group, bank)."""
    return [(x.cycle, x.command, x.bankgroup, x.bank) for x in result.channels[channel].commands]


def cycles_of(result: TwinResult, name: str, channel: int = 0) -> list[int]:
    return [x.cycle for x in result.channels[channel].commands if x.command == name]


def bus(result: TwinResult, channel: int = 0) -> list[tuple[str, int, int]]:
    return [(use.kind, use.start, use.end) for use in result.channels[channel].bus_uses]


def test_two_reads_of_one_row(program):
    program.lone_read(0, 0, 0)
    program.lone_read(0, 0, 1)
    result = run(program)
    # Slots 0 and 8. First command two cycles after the slot: ACT 2. READ 2 + tRCD = 16, next READ + tCCD_L = 18.
    # Data of the last in the unit at 18 + 16 = 34.
    assert [slots[0] for slots in result.slots] == [0, 8]
    assert commands(result) == [(2, "activate", 0, 0), (16, "read", 0, 0), (18, "read", 0, 0)]
    assert [x.column for x in result.channels[0].commands] == [-1, 0, 1]
    assert result.cycles == 34
    assert result.turn_complete == [34]
    counts = result.channels[0]
    assert (counts.instructions, counts.reads, counts.activates, counts.row_hits) == (2, 2, 1, 1)


def test_two_instructions_a_cycle(program):
    for unit in range(3):
        program.lone_read(0, unit, 0)
    result = run(program, instruction_interval=Fraction(1, 2), cross_unit_timing="none")
    # Two slots begin in cycle 0, the third in 1: ACT 2, 2 and 3, READ 16, 16, 17, data 33.
    assert [slots[0] for slots in result.slots] == [0, 0, 1]
    assert cycles_of(result, "activate") == [2, 2, 3]
    assert result.cycles == 33


def test_many_instructions_a_cycle(program):
    for n in range(40):
        program.lone_read(0, n % 4, n // 4)
    result = run(program, instruction_interval=Fraction(1, 16), unit_queue=0, cross_unit_timing="none")
    # 16 slots begin in a cycle, so the last ones in cycle 2. Each of four units has ten bursts of one row: ACT 2, READ
    # 16, 18, ... 34 (tCCD_L), data 50.
    assert [slots[0] for slots in result.slots] == [n // 16 for n in range(40)]
    assert cycles_of(result, "read") == [cycle for cycle in range(16, 36, 2) for _ in range(4)]
    assert result.cycles == 50


def test_slots_of_85_bits_over_28_bits_a_cycle(program):
    for column in range(30):
        program.lone_read(0, 0, column)
    result = run(program, instruction_interval=Fraction(85, 28))
    # The n-th slot begins when 85 n bits have gone, 85 n / 28 cycles: 3.04, 6.07, ... 81.96, 85, 88.04.
    slots = [slots[0] for slots in result.slots]
    assert slots[:4] == [0, 3, 6, 9]
    assert slots[26:] == [78, 81, 85, 88]


def test_a_path_that_was_idle_begins_a_slot_with_a_cycle(program):
    first = program.lone_read(0, 0, 0)
    program.transfer(0, 0, first)
    program.turn()
    for column in (1, 2):
        program.lone_read(0, 0, column)
    result = run(program, instruction_interval=Fraction(7, 3), barrier="table")
    # Slots 0 and 7/3: in cycle 2, and 1/3 of a cycle late, up to 14/3. Data 32, transfer [32, 34), so the barrier
    # opens at 34, when nothing is left of that third: slots 34 and 34 + 7/3, in cycle 36.
    assert [slots[0] for slots in result.slots] == [0, 2, 34, 36]


@pytest.mark.parametrize(("pins", "second_transfer"), [("command", 36), ("command-and-data", 37)])
def test_instructions_on_data_pins_put_off_data(program, pins, second_transfer):
    sums = [program.lone_read(0, unit, 0) for unit in (0, 1)]
    for unit, sum_ in enumerate(sums):
        program.transfer(0, unit, sum_, bursts=2)
    for _ in range(32):
        program.lone_read(0, 2, 0)
    settings = {"instruction_interval": 1, "instruction_pins": pins, "unit_queue": 0}
    result = run(program, cross_unit_timing="none", **settings)
    # Slots 0 to 35. ACT 2 and 3, data 32 and 33. In cycle 32 the pins are free since slot 31 has ended, so the first
    # transfer has [32, 36). The slot of cycle 32 puts off what comes next by its one cycle.
    assert [slots[0] for slots in result.slots] == list(range(36))
    assert bus(result) == [("transfer", 32, 36), ("transfer", second_transfer, second_transfer + 4)]


@pytest.mark.parametrize(("turns_open", "third"), [(0, 16), (1, 54), (2, 34)])
def test_turns_held_open(program, turns_open, third):
    for turn in range(3):
        if turn:
            program.turn()
        sum_ = program.lone_read(0, 0, turn)
        program.transfer(0, 0, sum_, turn=turn)
    result = run(program, barrier="none", turns_open=turns_open, instruction_interval=4)
    # Slots 0, 4, 8, ...: READ 16, data 32, transfer [32, 34). Any number open: the third turn's demand is the fifth
    # slot, 16. Two open: it waits for the first turn to end, at 34. One open, as behind a barrier: the second turn's
    # slots are 34 and 38, READ 36 of the open row, data 52, transfer [52, 54); the third's demand is sent at 54.
    assert result.slots[4] == {0: third}


def test_two_rows_of_one_bank(program):
    program.lone_read(0, 0, 0)
    program.lone_read(0, 0, ROW_1)
    result = run(program)
    # READ 16; PRE not before ACT + tRAS = 36 (READ + tRTP = 21); ACT 36 + tRP = 50; READ 64; data 80.
    assert commands(result) == [
        (2, "activate", 0, 0),
        (16, "read", 0, 0),
        (36, "precharge", 0, 0),
        (50, "activate", 0, 0),
        (64, "read", 0, 0),
    ]
    assert [x.row for x in result.channels[0].commands] == [0, 0, -1, 1, 1]
    assert result.cycles == 80
    assert (result.channels[0].precharges, result.channels[0].row_hits) == (1, 0)


@pytest.mark.parametrize(
    ("cross_unit_timing", "second_activate"), [("physical", 6), ("faw-only", 3), ("none", 3)]
)
def test_two_bank_groups(program, cross_unit_timing, second_activate):
    program.lone_read(0, 0, 0)
    program.lone_read(0, 1, 0)
    result = run(program, instruction_interval=1, cross_unit_timing=cross_unit_timing)
    # Slots 0 and 1. The second unit could activate at 3; tRRD_S = 4 after 2 makes it 6 where it holds.
    assert commands(result) == [
        (2, "activate", 0, 0),
        (second_activate, "activate", 1, 0),
        (16, "read", 0, 0),
        (second_activate + 14, "read", 1, 0),
    ]
    assert result.cycles == second_activate + 14 + 16


@pytest.mark.parametrize("cross_unit_timing", ["physical", "faw-only", "none"])
def test_units_of_different_groups_read_in_one_cycle(program, cross_unit_timing):
    program.lone_read(0, 0, 0, bursts=5)
    program.lone_read(0, 1, 0, bursts=1)
    result = run(program, cross_unit_timing=cross_unit_timing)
    # Unit 0 reads at 16, 18, 20, 22, 24 (tCCD_L); unit 1, ACT 10, reads at 24 too: tCCD_S does not bind units.
    assert cycles_of(result, "read") == [16, 18, 20, 22, 24, 24]


def test_one_unit_keeps_the_distance_of_its_bank_groups(program):
    program.lone_read(0, 0, 0, bursts=5)
    program.lone_read(0, 0, 4 * 32)
    result = run(program, level="channel")
    # The same reads in one unit of the channel: bank 4 is group 1's first, ACT 10. At 24 READ of group 0 and of
    # group 1 are both due; the look starts after the last issuer (bank 0), so group 1 reads at 24 and group 0
    # max(B, tCCD_S) = 2 later. One command per cycle and unit.
    assert commands(result)[-2:] == [(24, "read", 1, 0), (26, "read", 0, 0)]


@pytest.mark.parametrize("level", ["bankgroup", "bank"])
@pytest.mark.parametrize("cross_unit_timing", ["physical", "faw-only", "none"])
def test_two_banks_of_one_group(program, level, cross_unit_timing):
    program.lone_read(0, 0, 0)
    program.lone_read(0, *((0, BANK_1) if level == "bankgroup" else (1, 0)))
    result = run(program, instruction_interval=1, level=level, cross_unit_timing=cross_unit_timing)
    # tRRD_L = 6 holds within a bank group whether it is one unit or four: ACT 2 and 8; READ 16 and 22.
    assert commands(result) == [
        (2, "activate", 0, 0),
        (8, "activate", 0, 1),
        (16, "read", 0, 0),
        (22, "read", 0, 1),
    ]


def test_an_access_goes_on_in_the_next_bank(program):
    program.lone_read(0, 0, 31, bursts=2)
    result = run(program)
    # Column 31 of bank 0 and column 0 of bank 1: two runs of one instruction, both in their queues at 1. The look
    # starts after bank 0 (round robin from 0), so bank 1 activates first: ACT 2, and bank 0 tRRD_L later.
    assert [(x.cycle, x.command, x.bank, x.column) for x in result.channels[0].commands] == [
        (2, "activate", 1, -1),
        (8, "activate", 0, -1),
        (16, "read", 1, 0),
        (22, "read", 0, 31),
    ]
    # The operand is there with its last burst: 22 + 16.
    assert result.lookup_complete == [38]


def test_a_refresh_between_two_bursts_repeats_nothing(program):
    first = program.lone_read(0, 0, 0)
    program.transfer(0, 0, first)
    program.turn()
    program.lone_read(0, 0, 1, bursts=4)
    result = run(program, barrier="table", host_latency=3860)
    # Turn 0: READ 16, sum complete at 32, its transfer [32, 34): the turn is complete at 34 and the next one may
    # be sent from 34 + 3860 = 3894. The row is still open: READ 3896 and 3898.
    # At 3900 refresh is due and holds the unit: PRE 3898 + tRTP = 3903, REFRESH 3903 + tRP = 3917,
    # ACT 3917 + tRFC = 4177, READ 4191 and 4193 (the third and fourth burst), data 4209.
    assert result.slots[2] == {0: 3894}
    assert commands(result)[2:] == [
        (3896, "read", 0, 0),
        (3898, "read", 0, 0),
        (3903, "precharge", 0, 0),
        (3917, "refresh", -1, -1),
        (4177, "activate", 0, 0),
        (4191, "read", 0, 0),
        (4193, "read", 0, 0),
    ]
    assert result.cycles == 4209
    counts = result.channels[0]
    assert (counts.reads, counts.refreshes, counts.row_hits) == (5, 1, 3)


def test_a_refresh_after_the_end_is_not_counted(program):
    program.lone_read(0, 0, 0, compute=1000)
    result = run(program, make_device(tREFI=300))
    # Arithmetic from 32 to 1032. Due at 300: PRE at once, REFRESH 314. Due at 600 and 900: REFRESH at once.
    # The one due at 1200 is after the end.
    assert result.cycles == 1032
    assert commands(result)[2:] == [
        (300, "precharge", 0, 0),
        (314, "refresh", -1, -1),
        (600, "refresh", -1, -1),
        (900, "refresh", -1, -1),
    ]


def test_ranks_are_refreshed_in_turn():
    program = ProgramBuilder()
    program.turn()
    program.lone_read(0, 0, 0, compute=1000)
    result = run(program, make_device(ranks=2, tREFI=600))
    # Interval tREFI / 2 = 300, rank 0 first. Rank 0's open bank is precharged at 300, REFRESH 314.
    refreshes = [(x.cycle, x.rank) for x in result.channels[0].commands if x.command == "refresh"]
    assert refreshes == [(314, 0), (600, 1), (900, 0)]


@pytest.mark.parametrize(("cross_unit_timing", "fifth"), [("physical", 32), ("faw-only", 32)])
def test_five_activates_wait_for_the_window(program, cross_unit_timing, fifth):
    for unit in range(4):
        program.lone_read(0, unit, 0)
    program.lone_read(0, 0, BANK_1)
    result = run(program, instruction_interval=1, cross_unit_timing=cross_unit_timing)
    # physical: tRRD_S puts the four units at 2, 6, 10, 14; faw-only: their slots at 2, 3, 4, 5. The fifth
    # activate waits for the first + tFAW = 32 (tRRD_L after 2 would be 8).
    spacing = 4 if cross_unit_timing == "physical" else 1
    assert cycles_of(result, "activate") == [*range(2, 2 + 4 * spacing, spacing), fifth]
    assert result.cycles == fifth + 14 + 16


def test_without_rules_between_units_the_window_is_not_shared(program):
    for unit in range(4):
        program.lone_read(0, unit, 0)
    program.lone_read(0, 0, BANK_1)
    result = run(program, instruction_interval=1, cross_unit_timing="none")
    # Only tRRD_L in the group is left: 2 + 6.
    assert cycles_of(result, "activate") == [2, 3, 4, 5, 8]


def test_read_out_and_deliver():
    program = ProgramBuilder()
    program.turn()
    lookup = program.lookup(program.sum(1, 0), compute=3)
    program.read(1, 0, 0, lookup)
    program.read_out(0, 2, 0, lookup, bursts=2)
    result = run(program, make_device(channels=2), host_latency=5)
    # Channel 0: slot 0, ACT 2, READ 16 and 18; their bursts take the bus from READ + RL: [30, 32), [32, 34).
    # The host holds the last at 18 + RL + B = 34; with its latency the deliver is ready at 39, a free slot of
    # channel 1 (last slot 0). It starts at 39 + WL = 43 on channel 1's bus and takes 2 x 2 cycles: operand at 47.
    # The read of the other operand was in the unit at 32, so the lookup is complete at 47, its arithmetic at 50.
    assert bus(result, 0) == [("read_out", 30, 32), ("read_out", 32, 34)]
    assert bus(result, 1) == [("deliver", 43, 47)]
    assert result.deliver_slots == {1: 39}
    assert result.lookup_complete == [47]
    assert result.turn_complete == [47]
    assert result.cycles == 50
    first, second = result.channels
    assert (first.instructions, second.instructions) == (1, 2)
    assert (first.read_out_bursts, first.delivered_bursts) == (2, 0)
    assert (second.read_out_bursts, second.delivered_bursts, second.compute_cycles) == (0, 2, 3)


def test_a_deliver_waits_for_the_bus_to_turn(program):
    sum_ = program.sum(0, 3)
    program.read_out(0, 0, 0, program.lookup(sum_))
    program.read_out(0, 1, 0, program.lookup(sum_))
    result = run(program)
    # Slots 0, 8; READ 16 and 24; bus [30, 32) and [38, 40). Deliver of the first ready at 32, slot 32 (24 + 8 is
    # free): from 32 + 4 = 36, but the second read-out reserved up to 40, and turning costs tRTRS: [42, 44).
    # The second is ready at 40, sent at 40: [44, 46), same direction.
    assert result.deliver_slots == {0: 32, 1: 40}
    assert bus(result) == [
        ("read_out", 30, 32),
        ("read_out", 38, 40),
        ("deliver", 42, 44),
        ("deliver", 44, 46),
    ]
    assert result.cycles == 46


def test_a_read_out_waits_for_a_deliver_that_holds_the_bus(program):
    sum_ = program.sum(0, 3)
    program.read_out(0, 0, 0, program.lookup(sum_), bursts=1)
    for unit in (0, 1, 2, 1):
        program.lone_read(0, unit, 5)
    program.read_out(0, 0, 1, program.lookup(sum_), bursts=1)
    result = run(program, instruction_interval=8)
    # Read-out READ 16, bus [30, 32), ready 32. Slots 0, 8, 16, 24, then at 32 the deliver goes before the fifth
    # instruction: [36, 38). Fifth at 40, the second read-out at 48: READ 50 (row open), bus [64, 66).
    assert [slots[0] for slots in result.slots] == [0, 8, 16, 24, 40, 48]
    assert result.deliver_slots[0] == 32
    assert bus(result)[:3] == [("read_out", 30, 32), ("deliver", 36, 38), ("read_out", 64, 66)]


def test_a_read_out_turns_the_bus_back(program):
    sum_ = program.sum(0, 3)
    program.read_out(0, 0, 0, program.lookup(sum_))
    program.read_out(0, 1, 0, program.lookup(sum_), bursts=20)
    result = run(program, instruction_interval=16)
    # First: READ 16, bus [30, 32), host at 32, its deliver's slot is 32 (slots 0, 16). Second: slot 16, ACT 18,
    # READ 32, bus [46, 48); the units act before the stream, so the deliver finds the bus reserved until 48 and
    # takes [50, 52). The next READ-OUT needs the bus at t + 14 >= 52 + 2: READ 40, instead of 34.
    reads = cycles_of(result, "read")
    assert reads[:4] == [16, 32, 40, 42]
    assert bus(result)[:4] == [
        ("read_out", 30, 32),
        ("read_out", 46, 48),
        ("deliver", 50, 52),
        ("read_out", 54, 56),
    ]


def test_a_read_out_of_another_rank_waits_for_the_bus_to_switch(program):
    sum_ = program.sum(0, 0)
    lookup = program.lookup(sum_)
    program.read(0, 0, BANK_1 * 3, lookup)
    program.read_out(0, 1, 0, lookup)
    program.read_out(0, 2, 0, lookup)
    device = make_device(ranks=4, bankgroups=1)
    result = run(program, device, level="rank", instruction_interval=1)
    # Units are ranks and share no timing: ACT 2, 3, 4; READ 16 (stays), 17 with bus [31, 33), and the third,
    # due at 18, needs t + 14 >= 33 + tRTRS: READ 21, bus [35, 37).
    assert cycles_of(result, "activate") == [2, 3, 4]
    assert cycles_of(result, "read") == [16, 17, 21]
    assert bus(result)[:2] == [("read_out", 31, 33), ("read_out", 35, 37)]


def test_a_unit_of_the_channel_keeps_the_distance_between_ranks(program):
    program.lone_read(0, 0, 0)
    program.lone_read(0, 0, 16 * 32)
    result = run(program, make_device(ranks=2), level="channel", instruction_interval=1)
    # Bank 16 is the first of rank 1: nothing between activates of two ranks (2, 3), READ to READ B + tRTRS = 4.
    assert [(x.cycle, x.command, x.rank) for x in result.channels[0].commands] == [
        (2, "activate", 0),
        (3, "activate", 1),
        (16, "read", 0),
        (20, "read", 1),
    ]


def test_a_transfer_waits_for_its_sum(program):
    sum_ = program.lone_read(0, 0, 0, compute=10)
    program.transfer(0, 0, sum_, bursts=2)
    result = run(program)
    # Data at 32, arithmetic [32, 42); the transfer was sent at 8 and is ready with the sum: bus [42, 46).
    assert result.sum_ready == [42]
    assert result.slots[1] == {0: 8}
    assert bus(result) == [("transfer", 42, 46)]
    assert (result.turn_complete, result.cycles) == ([46], 46)
    assert result.channels[0].transfer_bursts == 2


def test_a_transfer_sent_late_is_ready_two_cycles_after_its_slot(program):
    sum_ = program.lone_read(0, 0, 0)
    program.transfer(0, 0, sum_)
    result = run(program, instruction_interval=100)
    assert bus(result) == [("transfer", 102, 104)]


def test_transfers_queue_for_the_bus_by_readiness(program):
    late = program.lone_read(0, 0, 0, compute=30)
    early = program.lone_read(0, 1, 0)
    same = program.lone_read(0, 2, 0, compute=2)
    for sum_ in (late, early, same):
        program.transfer(0, 0, sum_, bursts=4)
    result = run(program, instruction_interval=1, cross_unit_timing="none")
    # ACT 2, 3, 4; data 32, 33, 34; sums complete at 62, 33, 36. The second takes [33, 41), the third is ready at
    # 36 and follows it, [41, 49), and the first, sent before both, is ready at 62.
    assert result.sum_ready == [62, 33, 36]
    assert result.transfer_starts == [(0, early, 33), (0, same, 41), (0, late, 62)]


def test_an_empty_transfer_takes_a_slot_and_no_bus(program):
    program.lone_read(0, 0, 0)
    program.transfer(0, 1)
    result = run(program, transfer="all", instruction_interval=50)
    # Data at 32; the empty transfer's slot is 50, it is done at 52.
    assert bus(result) == []
    assert (result.turn_complete, result.cycles) == ([52], 52)
    assert result.channels[0].transfer_bursts == 0


def test_a_full_queue_blocks_its_stream_alone():
    program = ProgramBuilder()
    program.turn()
    program.lone_read(0, 0, 0)
    program.lone_read(0, 0, 1)
    program.lone_read(0, 1, 0)
    program.lone_read(1, 0, 0)
    program.lone_read(1, 1, 0)
    result = run(program, make_device(channels=2), instruction_interval=1, unit_queue=1)
    # The first entry leaves the only place of its bank with its READ at 16; streams act after units, so the
    # second is sent at 16 (READ 18) and the third at 17 (ACT 19). Channel 1's stream goes on at 0, 1.
    assert [next(iter(slots.values())) for slots in result.slots] == [0, 16, 17, 0, 1]
    assert commands(result) == [
        (2, "activate", 0, 0),
        (16, "read", 0, 0),
        (18, "read", 0, 0),
        (19, "activate", 1, 0),
        (33, "read", 1, 0),
    ]


def test_a_barrier_holds_the_next_turn_back(program):
    sum_ = program.lone_read(0, 0, 0)
    program.transfer(0, 0, sum_)
    next_turn = program.turn()
    second = program.lone_read(0, 0, 1)
    program.transfer(0, 0, second, turn=next_turn)
    result = run(program, barrier="table", host_latency=3)
    # Data 32, transfer [32, 34): turn 0 is complete at 34, so the next is sent at 37: READ 39 (row open),
    # data 55, its transfer, sent at 45, [55, 57).
    assert [slots[0] for slots in result.slots] == [0, 8, 37, 45]
    assert result.turn_complete == [34, 57]
    assert result.cycles == 57


@pytest.mark.parametrize(("barrier", "second_slot", "third_slot"), [("none", 8, 16), ("batch", 8, 34)])
def test_a_barrier_by_batch_lets_turns_of_one_batch_follow(program, barrier, second_slot, third_slot):
    program.lone_read(0, 0, 0)
    program.turn(batch=0)
    program.lone_read(0, 0, 1)
    program.turn(batch=1)
    program.lone_read(0, 0, 2)
    result = run(program, barrier=barrier)
    # Turns 0 and 1: READ 16 and 18, complete at 32 and 34.
    assert [slots[0] for slots in result.slots] == [0, second_slot, third_slot]


def test_prefetches_pass_the_barrier_but_wait_for_the_users_before_them(program):
    program.lone_read(0, 0, 0)
    following = program.turn()
    program.prefetch(BANK_1, following)
    program.lone_read(0, 0, BANK_1 + 1)
    result = run(program, prefetch="table", barrier="table", instruction_interval=1)
    # The prefetch's slot is 1, before turn 0 is complete, in all four units. Units 1..3 have nothing before it:
    # from 3 on under tRRD_S after ACT 2 of unit 0: 6, 10, 14 in the order after the last activator. In unit 0 the
    # user of turn 0 reads at 16; from 17 on the prefetch may act, tRRD_S after 14 has passed, but tFAW after 2
    # makes it 32: READ 46. The user in turn 1 is sent at turn 0's completion, 32, and reads after it: READ 48.
    assert [slots[0] for slots in result.slots] == [0, 1, 32]
    assert commands(result) == [
        (2, "activate", 0, 0),
        (6, "activate", 1, 1),
        (10, "activate", 2, 1),
        (14, "activate", 3, 1),
        (16, "read", 0, 0),
        (20, "read", 1, 1),
        (24, "read", 2, 1),
        (28, "read", 3, 1),
        (32, "activate", 0, 1),
        (46, "read", 0, 1),
        (48, "read", 0, 1),
    ]
    assert (result.channels[0].prefetch_reads, result.channels[0].reads) == (4, 6)
    assert result.turn_complete == [32, 64]


def test_prefetching_everything_comes_first(program):
    program.prefetch(BANK_1, 0)
    program.lone_read(0, 0, 0)
    result = run(program, prefetch="all", instruction_interval=1, cross_unit_timing="none")
    # All units activate bank 1 at 2; in unit 0 the demand entry of bank 0 is visible once the prefetch has been
    # read at 16: ACT 17, READ 31.
    assert cycles_of(result, "activate") == [2, 2, 2, 2, 17]
    assert cycles_of(result, "read") == [16, 16, 16, 16, 31]


def test_the_next_turns_rows_are_fetched_when_demand_has_nothing_to_do(program):
    program.prefetch(BANK_1, 0)
    program.prefetch(BANK_1 + 1, 1)
    program.lone_read(0, 0, 0)
    program.prefetch(BANK_1 + 2, 2)
    for column in (1, 2):
        program.turn()
        program.lone_read(0, 0, column)
    result = run(program, make_device(bankgroups=1), prefetch="next", barrier="none", instruction_interval=1)
    # Slots 0..5. Turn 0's prefetch: ACT 2, READ 16. From 17 on its user may act: ACT 17, READ 31. Turn 1's prefetch is
    # a row hit in another bank, but until 31 demand that is allowed waits in the unit: READ 33, tCCD_L after 31. Its
    # user reads a row that is open at 35, before turn 2's prefetch, whose buffer has been free since 31: 37, its user 39.
    assert [slots[0] for slots in result.slots] == [0, 1, 2, 3, 4, 5]
    assert commands(result) == [
        (2, "activate", 0, 1),
        (16, "read", 0, 1),
        (17, "activate", 0, 0),
        (31, "read", 0, 0),
        (33, "read", 0, 1),
        (35, "read", 0, 0),
        (37, "read", 0, 1),
        (39, "read", 0, 0),
    ]
    assert result.channels[0].prefetch_reads == 3
    assert result.cycles == 39 + 16


def test_a_global_stream_sends_a_broadcast_once():
    program = ProgramBuilder()
    program.turn()
    program.prefetch(0, 0, channel=ALL)
    first = program.lone_read(0, 0, 1)
    program.lone_read(1, 0, 1)
    program.transfer(ALL, 0, first, n_sums=2)
    program.transfer(ALL, 1)
    result = run(
        program,
        make_device(channels=2, bankgroups=2),
        frontend="global",
        prefetch="table",
        transfer="all",
        instruction_interval=8,
    )
    # One slot every cycle, whatever instruction_interval says, and one slot for both channels.
    assert result.slots == [{0: slot} for slot in range(5)]
    # Each channel: 2 prefetches (ACT 2 in the unit after unit 0, 6 in unit 0), READ 20 in unit 0, user 22, data 38,
    # transfers on both buses [38, 40).
    for channel in range(2):
        assert cycles_of(result, "activate", channel) == [2, 6]
        assert cycles_of(result, "read", channel) == [16, 20, 22]
        assert bus(result, channel) == [("transfer", 38, 40)]
        assert result.channels[channel].instructions == 4
    assert result.cycles == 40


def test_a_hit_brings_its_operand_after_the_cache_latency(program):
    lookup = program.lookup(program.sum(0, 0), compute=7)
    program.hit(lookup)
    result = run(program, cache_latency=3)
    # Slot 0, in the unit at 2, data at 5, arithmetic [5, 12).
    assert (result.lookup_complete, result.turn_complete, result.cycles) == ([5], [5], 12)
    assert result.channels[0].commands == []


def test_arithmetic_follows_the_order_of_last_reads(program):
    program.lone_read(0, 0, 0, compute=20)
    program.lone_read(0, 0, 1, compute=5)
    program.lone_read(0, 1, 0, compute=5)
    result = run(program)
    # Unit 0: complete at 32 and 34; arithmetic [32, 52) and [52, 57). Unit 1: ACT 18, READ 32, complete 48, [48, 53).
    assert result.lookup_complete == [32, 34, 48]
    assert result.lookup_end == [52, 57, 53]


def test_lookups_that_share_a_row_wait_for_it(program):
    sum_ = program.sum(0, 0)
    first, second, _ = (program.lookup(sum_, compute=compute) for compute in (10, 4, 1))
    program.read(0, 0, 0, first, bursts=8, sharers=2)
    program.hit(second)
    program.transfer(0, 0, sum_)
    result = run(program)
    # READs 16, 18 ... 30, the row is there at 46 for all three; the HIT sent at 8 was there before.
    assert result.lookup_complete == [46, 46, 46]
    assert result.lookup_end == [56, 60, 61]
    assert bus(result) == [("transfer", 61, 63)]
    assert result.channels[0].instructions == 3


def test_a_full_buffer_stops_reads_that_stay(program):
    program.lone_read(0, 0, 0, compute=40)
    program.lone_read(0, 0, 1, compute=1)
    program.lone_read(0, 1, 0)
    result = run(program, unit_buffer_bursts=1, instruction_interval=32)
    # The first lookup is complete at 32, arithmetic [32, 72): its burst fills the buffer. The second, sent at 32,
    # could READ at 34 and does at 72. Unit 1 has its own buffer: slot 64, ACT 66, READ 80.
    assert cycles_of(result, "read") == [16, 72, 80]
    assert result.lookup_end == [72, 89, 96]


def test_the_buffer_is_taken_from_the_completion_of_a_lookup(program):
    for column in range(3):
        program.lone_read(0, 0, column, compute=40)
    result = run(program, unit_buffer_bursts=1, instruction_interval=10)
    # Slots 0, 10, 20: READ 16, 18, 22. Nothing is complete before 32.
    assert cycles_of(result, "read") == [16, 18, 22]


def test_a_prefetch_needs_no_buffer(program):
    program.lone_read(0, 0, 0, compute=100)
    following = program.turn()
    program.prefetch(1, following)
    program.lone_read(0, 0, 2)
    device = make_device(bankgroups=1)
    result = run(program, device, unit_buffer_bursts=1, instruction_interval=40, prefetch="table")
    # Arithmetic [32, 132) fills the buffer. The prefetch, sent at 40, READs at 42; the demand read, sent at 80, at 132.
    assert cycles_of(result, "read") == [16, 42, 132]


def test_a_waiting_row_hit_protects_its_row_for_four_reads(program):
    program.lone_read(0, 0, 0, bursts=2)
    program.lone_read(0, 0, ROW_1)
    program.lone_read(0, 0, 2, bursts=4)
    result = run(program, make_device(tRAS=20), instruction_interval=1)
    # READ 16, 18 (first entry), then the oldest wants row 1, but the third wants the open row: READ 20, 22. After four
    # READs the row is no longer protected: PRE when tRTP after 22 has passed, 27; until then hits go on: 24, 26.
    # They push PRE to 26 + 5 = 31. Then ACT 45, READ 59.
    assert cycles_of(result, "read") == [16, 18, 20, 22, 24, 26, 59]
    assert cycles_of(result, "precharge") == [31]


def test_precharge_goes_before_hits_once_the_row_lost_its_protection(program):
    program.lone_read(0, 0, 0, bursts=2)
    program.lone_read(0, 0, ROW_1)
    program.lone_read(0, 0, 2, bursts=4)
    result = run(program, make_device(tRTP=1, tRAS=20), instruction_interval=1)
    # As above, but tRTP allows PRE at 23, one cycle after the fourth READ. The last two bursts wait for their row:
    # PRE 23, ACT 37, READ 51 of row 1; then nothing wants row 1: PRE 37 + tRAS = 57, ACT 71, READ 85, 87.
    assert cycles_of(result, "read") == [16, 18, 20, 22, 51, 85, 87]
    assert cycles_of(result, "precharge") == [23, 57]


def test_the_window_hides_younger_entries(program):
    program.lone_read(0, 0, 0)
    program.lone_read(0, 0, ROW_1)
    program.lone_read(0, 0, 1)
    result = run(program, unit_window=1, instruction_interval=1)
    # The row hit behind the conflict is not seen: PRE 36, ACT 50, READ 64, PRE 84 (tRAS), ACT 98, READ 112.
    assert cycles_of(result, "read") == [16, 64, 112]


def test_units_act_in_the_order_after_the_last_activator(program):
    for unit in (2, 1, 3):
        program.lone_read(0, unit, 0)
    result = run(program, instruction_interval=1)
    # Unit 2 activates at 2. Until tRRD_S has passed the others have joined; the look starts after unit 2, so unit 3
    # is next, at 6, and unit 1 at 10.
    assert [x[:3] for x in commands(result)[:3]] == [
        (2, "activate", 2),
        (6, "activate", 3),
        (10, "activate", 1),
    ]


def test_banks_of_a_unit_are_looked_at_from_the_one_after_the_last_issuer(program):
    for bank in (2, 1, 3):
        program.lone_read(0, 0, bank * BANK_1)
    result = run(program, instruction_interval=1)
    # Bank 2 activates at 2; at 2 + tRRD_L = 8 bank 3 comes before bank 1.
    assert [(x.cycle, x.bank) for x in result.channels[0].commands if x.command == "activate"] == [
        (2, 2),
        (8, 3),
        (14, 1),
    ]


def test_refresh_precharges_banks_in_their_order(program):
    for unit in (3, 0):
        for bank in (1, 0):
            program.lone_read(0, unit, bank * BANK_1, compute=400)
    result = run(program, make_device(tREFI=300))
    # One precharge a cycle, bank group before bank; REFRESH tRP after the last.
    assert [x for x in commands(result) if 300 <= x[0] < 400] == [
        (300, "precharge", 0, 0),
        (301, "precharge", 0, 1),
        (302, "precharge", 3, 0),
        (303, "precharge", 3, 1),
        (317, "refresh", -1, -1),
    ]


def test_gddr_has_a_window_of_32_activates(program):
    device = make_device("GDDR6", bankgroups=32, banks_per_group=2, t32AW=1500, tFAW=1)
    for unit in [*range(0, 64, 2), 1]:
        program.lone_read(0, unit, 0)
    result = run(program, device, level="bank", instruction_interval=1, cross_unit_timing="faw-only")
    # Each group's first bank activates two cycles after its slot, 2..33; the 33rd waits for 2 + t32AW.
    assert cycles_of(result, "activate") == [*range(2, 34), 1502]


def test_additive_latency_moves_the_read_ahead_of_trcd(program):
    program.lone_read(0, 0, 0)
    program.lone_read(0, 0, ROW_1)
    result = run(program, make_device("DDR4", AL=3, tRAS=20))
    # tRCD 22, CL 22, B 4, tRTP 12, tRP 22: ACT 2, READ 2 + 22 - 3 = 21, PRE 21 + 3 + 12 = 36, ACT 58, READ 77,
    # data 77 + 3 + 22 + 4.
    assert [x[:2] for x in commands(result)] == [
        (2, "activate"),
        (21, "read"),
        (36, "precharge"),
        (58, "activate"),
        (77, "read"),
    ]
    assert result.cycles == 106


@pytest.mark.parametrize(("bursts_of_first", "order"), [(8, [2, 1]), (1, [1, 2])])
def test_the_oldest_deliver_goes_first(program, bursts_of_first, order):
    lookup = program.lookup(program.sum(1, 0))
    program.read(1, 0, 0, lookup)
    program.read_out(2, 0, 0, lookup, bursts=bursts_of_first)
    program.read_out(0, 0, 0, lookup)
    result = run(program, make_device(channels=4), instruction_interval=64)
    # One burst read at 16 is ready at 32, eight (READ 16..30) at 46. The owner's stream has its next slots at 64 and
    # 128: the one ready first goes first; of two that are ready at once, the first in program order.
    assert result.deliver_slots == dict(zip(order, (64, 128), strict=True))


def test_unit_read_latency_replaces_the_default(program):
    program.lone_read(0, 0, 0)
    assert run(program, unit_read_latency=5).cycles == 21


def test_an_access_that_never_fits_its_queue_is_reported(program):
    program.lone_read(0, 0, 31, bursts=2)
    with pytest.raises(TwinStuckError, match="not complete after 5000 cycles"):
        simulate(make_device(), make_system(level="bank", unit_queue=1), program.build(), most_cycles=5000)


def test_a_lookup_without_its_operands_is_reported(program):
    program.lone_read(0, 0, 0)
    program.lookups[0][1] += 1
    with pytest.raises(TwinStuckError, match="waits for operands"):
        run(program)


def test_an_empty_program_takes_no_time():
    assert run(ProgramBuilder()).cycles == 0


@pytest.mark.parametrize(("deliver", "deliver_slot", "next_slot"), [("ahead", 40, 16), ("in-order", 40, 48)])
def test_a_deliver_in_program_order_holds_up_its_stream(program, deliver, deliver_slot, next_slot):
    lookup = program.lookup(program.sum(0, 0))
    program.read(0, 0, 0, lookup)
    program.read_out(0, 1, 0, lookup)
    if deliver == "in-order":
        program.deliver()
    program.lone_read(0, 2, 0)
    result = run(program, deliver=deliver)
    # READ_OUT: slot 8, ACT 10, READ 24, bus 38..40, the host holds it at 40 and sends it then. The bus turns round
    # (tRTRS) before 40 + WL = 44; the operand is there at 46. The last instruction goes on at once, or behind.
    assert result.deliver_slots == {1: deliver_slot}
    assert bus(result) == [("read_out", 38, 40), ("deliver", 44, 46)]
    assert result.slots[-1][0] == next_slot
    assert result.lookup_complete[0] == 46


@pytest.mark.parametrize("deliver", ["ahead", "in-order"])
def test_a_partner_in_the_same_unit_needs_no_deliver(program, deliver):
    lookup = program.lookup(program.sum(0, 0))
    program.read(0, 0, 0, lookup)
    program.read(0, 0, BANK_1, lookup)
    program.lone_read(0, 1, 0)
    result = run(program, deliver=deliver, instruction_interval=Fraction(85, 28))
    # Slots 0, 3, 6: nothing stands still. ACT 2. Bank 1 may follow tRRD_L later, at 8, and unit 1 has its instruction
    # then as well; it comes first behind the last activator, and bank 1 tRRD_S later, at 12. READ 14, data 30 later.
    assert [slots[0] for slots in result.slots] == [0, 3, 6]
    assert [x[:3] for x in commands(result)[:3]] == [
        (2, "activate", 0),
        (8, "activate", 1),
        (12, "activate", 0),
    ]
    assert result.lookup_complete == [12 + 30, 8 + 30]
    assert bus(result) == []


def test_rows_that_travel_in_their_own_channel_in_order(program):
    for unit in (0, 2):
        lookup = program.lookup(program.sum(0, unit))
        program.read(0, unit, 0, lookup)
        program.read_out(0, 1, 0, lookup, bursts=2)
        program.deliver()
    result = run(program, deliver="in-order", instruction_interval=Fraction(85, 28))
    # First lookup: READ slot 0, ACT 2; READ_OUT slot 3, ACT 2 + tRRD_S = 6, READs 20 and 22, bus [34, 36), [36, 38),
    # and with the host at 22 + RL + B = 38. So the stream stands from 6 to 38; the deliver's data have the bus from
    # 38 + WL = 42 on, for 2 x 2 cycles (it has turned round by 38 + tRTRS = 40).
    # Second lookup: the deliver's slot lasts to 41.04: READ slot 41, READ_OUT slot 44. Its row is open: READs 46 and
    # 48, bus [60, 62), [62, 64), host 64, deliver slot 64, bus [68, 72). Its own row: ACT 43, READ 57, data 73.
    slots = [slots[0] for slots in result.slots]
    assert slots == [0, 3, 38, 41, 44, 64]
    assert commands(result) == [
        (2, "activate", 0, 0),
        (6, "activate", 1, 0),
        (16, "read", 0, 0),
        (20, "read", 1, 0),
        (22, "read", 1, 0),
        (43, "activate", 2, 0),
        (46, "read", 1, 0),
        (48, "read", 1, 0),
        (57, "read", 2, 0),
    ]
    assert bus(result) == [
        ("read_out", 34, 36),
        ("read_out", 36, 38),
        ("deliver", 42, 46),
        ("read_out", 60, 62),
        ("read_out", 62, 64),
        ("deliver", 68, 72),
    ]
    assert result.lookup_complete == [46, 73]
    assert result.channels[0].instructions == 6


@pytest.mark.parametrize(
    ("deliver", "second_read_out", "deliver_slots", "complete"),
    [
        # The second read-out is behind the first deliver in its stream: slot 32 + 8. ACT 42, READ 56, bus [70, 72).
        ("in-order", 40, {1: 32, 4: 72}, [38, 78]),
        # It goes at 8: ACT 10, READ 24, bus [38, 40), reserved when the first deliver is sent at 32, which so has
        # [42, 44). The second one is sent at 40, [44, 46) in its own channel.
        ("ahead", 8, {1: 32, 3: 40}, [44, 46]),
    ],
)
def test_rows_that_travel_between_channels_wait_for_each_other_in_order(
    deliver, second_read_out, deliver_slots, complete
):
    program = ProgramBuilder()
    program.turn()
    for owner, holder in ((1, 0), (0, 1)):
        lookup = program.lookup(program.sum(owner, 0))
        program.read(owner, 0, 0, lookup)
        program.read_out(holder, 1, 0, lookup)
        if deliver == "in-order":
            program.deliver()
    result = run(program, make_device(channels=2), deliver=deliver)
    # Channel 0: the first read-out has slot 0, ACT 2, READ 16, bus [30, 32); the second lookup's own READ slot 8. That
    # stream stands for nothing. Channel 1: READ slot 0; its deliver's slot is 32, bus from 36 on.
    read_outs = [
        slots for slots, row in zip(result.slots, program.instructions, strict=True) if row[0] == READ_OUT
    ]
    assert read_outs == [{0: 0}, {1: second_read_out}]
    assert result.deliver_slots == deliver_slots
    assert result.lookup_complete == complete


def test_delivers_in_order_do_not_overtake():
    program = ProgramBuilder()
    program.turn()
    for holder, bursts in ((1, 8), (2, 1)):
        lookup = program.lookup(program.sum(0, 0))
        program.read_out(holder, 0, 0, lookup, bursts=bursts)
        program.deliver()
    result = run(program, make_device(channels=4), deliver="in-order")
    # The host holds eight bursts (READ 16 ... 30) at 46 and the other row (READ 16) at 32: this one waits for its turn,
    # slot 46 + 8. Bus [50, 66), and from 54 + WL on [66, 68).
    assert result.deliver_slots == {0: 46, 2: 54}
    assert bus(result) == [("deliver", 50, 66), ("deliver", 66, 68)]
    assert result.cycles == 68


def test_rows_for_all_parts_of_a_second_core_in_order():
    program = ProgramBuilder()
    program.turn()
    parts = []  # two lookups in each of the two units of channel 1, which share their second-core row
    for unit in range(2):
        sum_ = program.sum(1, unit)
        parts.append((program.lookup(sum_), program.lookup(sum_)))
    firsts, seconds = zip(*parts, strict=True)
    program.everywhere(READ, 1, list(firsts), bursts=1, sharers=1, step=2)
    for column, lookups in enumerate((firsts, seconds)):
        program.read_out_for_all(0, 1, column, 1, list(lookups), step=2)
        program.deliver()
    result = run(program, make_device(channels=2, bankgroups=2), deliver="in-order")
    # Channel 1: one slot, 0, for both parts: unit 1 ACT 2, READ 16, data 32; unit 0 ACT 6, data 36. Channel 0 has no
    # deliver in its stream: READ_OUTs in slots 0 and 8, READ 16 and 18, with the host at 32 and 34. Channel 1 stands
    # until 32, then a slot for each part of each lookup: 32, 40, 48, 56, and WL later 2 cycles of its bus.
    assert [slots.get(0) for slots in result.slots if 0 in slots] == [0, 8]
    assert [slots[1] for slots in result.slots if 1 in slots] == [0, 32, 40, 48, 56]
    assert [slot for slot, _, _ in result.delivers] == [32, 40, 48, 56]
    assert bus(result, 1) == [("deliver", end - 2, end) for end in (38, 46, 54, 62)]
    assert result.lookup_complete == [38, 54, 46, 62]


def test_a_barrier_behind_a_deliver_in_order(program):
    sum_ = program.sum(0, 0)
    lookup = program.lookup(sum_, compute=3)
    program.read(0, 0, 0, lookup)
    program.read_out(0, 1, 0, lookup)
    program.deliver()
    program.transfer(0, 0, sum_)
    program.turn()
    program.lone_read(0, 0, 1)
    result = run(program, deliver="in-order", barrier="table", instruction_interval=4)
    # READ_OUT: slot 4, ACT 6, READ 20, bus [34, 36); deliver slot 36, bus [40, 42); arithmetic to 45. The transfer's
    # slot is 40, so it is ready with the sum, when the bus has turned round again (42 + tRTRS): [45, 47). The next
    # turn is sent at 47: READ 49 of the open row, data 65.
    assert [slots[0] for slots in result.slots] == [0, 4, 36, 40, 47]
    assert bus(result) == [("read_out", 34, 36), ("deliver", 40, 42), ("transfer", 45, 47)]
    assert result.turn_complete == [47, 65]
    assert result.cycles == 65


def test_a_delivered_row_serves_all_lookups_that_share_it(program):
    sum_ = program.sum(0, 0)
    first, second = program.lookup(sum_, compute=3), program.lookup(sum_, compute=3)
    program.read_out(0, 1, 0, first, sharers=1)
    result = run(program)
    # ACT 2, READ 16, bus 30..32, deliver slot 32, bus 36..38; arithmetic one after the other.
    assert bus(result) == [("read_out", 30, 32), ("deliver", 36, 38)]
    assert result.lookup_complete == [38, 38]
    assert result.lookup_end == [41, 44]
    assert second == 1


def test_a_unit_with_one_accumulator_waits_for_its_transfer(program):
    first = program.lone_read(0, 0, 0)
    program.transfer(0, 0, first)
    second = program.lone_read(0, 0, 1)
    program.transfer(0, 0, second)
    result = run(program, unit_accumulators=1)
    # READ 16, data 32, transfer 32..34: only then the second bag's read gets its slot. READ 36, data 52, transfer
    # (slot 42) 52..54.
    assert [slots[0] for slots in result.slots] == [0, 8, 34, 42]
    assert bus(result) == [("transfer", 32, 34), ("transfer", 52, 54)]
    assert result.cycles == 54
    # With two accumulators nothing waits.
    assert [slots[0] for slots in run(program, unit_accumulators=2).slots] == [0, 8, 16, 24]


@pytest.mark.parametrize(
    ("collect", "uses", "external"),
    [
        # The host receives both sums.
        ("host", [(32, 34), (40, 42)], 2),
        # They go to the base die on the same bus; it adds the second by 42 + 3 and sends one.
        ("base-die", [(32, 34), (40, 42), (45, 47)], 1),
        # They go up links of their own; two levels over four units: 42 + 2 * 3.
        ("tree", [(48, 50)], 1),
    ],
)
def test_who_adds_up_partial_sums(program, collect, uses, external):
    parts = [program.lone_read(0, 0, 0), program.lone_read(0, 1, 0)]
    if collect != "host":
        program.collector(0, parts)
    for unit, part in enumerate(parts):
        program.transfer(0, unit, part)
    result = run(program, collect=collect, collect_cycles=3)
    # READs 16 and 24, data 32 and 40; transfers have their slots at 16 and 24.
    assert bus(result) == [("transfer", *use) for use in uses]
    assert result.channels[0].transfer_bursts == external
    assert result.turn_complete == [result.cycles] == [uses[-1][1]]


def test_a_unit_sends_its_sums_one_after_the_other_up_its_link(program):
    first = program.lone_read(0, 0, 0, bursts=1)
    second = program.lone_read(0, 0, 1, bursts=1)
    program.collector(0, [first, second], bursts=4)
    program.transfer(0, 0, first, bursts=4)
    program.transfer(0, 0, second, bursts=4)
    result = run(program, collect="tree", collect_cycles=1)
    # Data 32 and 34; the link takes 4 bursts of 2 cycles: 32..40, 40..48; two levels; the bus 50..58.
    assert bus(result) == [("transfer", 50, 58)]


def test_the_host_may_add_up_itself(program):
    lookup = program.lookup(program.sum(0, 0))
    program.read_out(0, 0, 0, lookup)
    result = run(program, consumer="host")
    # READ 16, bus 30..32, and no deliver.
    assert bus(result) == [("read_out", 30, 32)]
    assert result.deliver_slots == {}
    assert result.cycles == 32


def test_an_instruction_that_all_units_execute(program):
    lookups = [program.lookup(program.sum(0, unit)) for unit in range(4)]
    program.everywhere(READ, 0, lookups, bursts=1)
    program.everywhere(HIT, 0, lookups)
    result = run(program, cache_latency=1)
    # One slot each. Units activate tRRD_S apart, unit 1 first (§3); the hit has its data at 8 + 2 + 1.
    assert commands(result)[:4] == [
        (2, "activate", 1, 0),
        (6, "activate", 2, 0),
        (10, "activate", 3, 0),
        (14, "activate", 0, 0),
    ]
    assert result.channels[0].instructions == 2
    assert result.lookup_complete == [44, 32, 36, 40]


def test_a_row_in_parts_that_two_lookups_share(program):
    firsts = []
    for unit in range(4):
        sum_ = program.sum(0, unit)
        firsts.append(program.lookup(sum_, compute=10))
        program.lookup(sum_, compute=10)
    program.everywhere(READ, 0, firsts, bursts=1, sharers=1, step=2)
    result = run(program)
    # One slot. Units activate tRRD_S apart, unit 1 first: ACT 2, 6, 10, unit 0 at 14; READ 14 later, data 16 later.
    # Each unit's two lookups have their operand at once, and their arithmetic one after the other.
    assert result.channels[0].instructions == 1
    assert result.lookup_complete == [44, 44, 32, 32, 36, 36, 40, 40]
    assert result.lookup_end == [54, 64, 42, 52, 46, 56, 50, 60]
    assert result.sum_ready == [64, 52, 56, 60]
    assert result.turn_complete == [44]
    assert result.cycles == 64


def test_a_read_out_for_all_units_of_a_channel(program):
    lookups = [program.lookup(program.sum(0, unit)) for unit in range(4)]
    program.read_out_for_all(0, 1, 0, 1, lookups, step=1)
    result = run(program)
    # ACT 2, READ 16, bus [30, 32): the host holds it at 32. Four delivers, a slot each: 32, 40, 48, 56; WL later each
    # has the bus for 2 cycles, the first one turns it (32 + tRTRS is before 36). The unit that holds the row gets one.
    assert [slot for slot, _, _ in result.delivers] == [32, 40, 48, 56]
    assert bus(result) == [("read_out", 30, 32), *[("deliver", end - 2, end) for end in (38, 46, 54, 62)]]
    assert result.lookup_complete == [38, 46, 54, 62]
    assert result.channels[0].instructions == 5
    assert result.cycles == 62


@pytest.mark.parametrize("deliver", ["ahead", "in-order"])
def test_a_row_that_is_read_out_once_for_several_units(deliver):
    program = ProgramBuilder()
    program.turn()
    shared = program.sum(0, 0)
    first, _ = program.lookup(shared, compute=3), program.lookup(shared, compute=3)
    others = [program.lookup(program.sum(1, unit)) for unit in (0, 1)]
    program.read_out_for(0, 1, 0, 1, [(first, 1), *((lookup, 0) for lookup in others)])
    if deliver == "in-order":
        program.deliver()
    result = run(program, make_device(channels=2), deliver=deliver)
    # ACT 2, READ 16, bus [30, 32): the host holds the row at 32. A deliver to each of three units: in channel 0's stream
    # at 32, for both lookups there; in channel 1's at 32 and 40. WL later each has the bus of its channel.
    assert sorted(result.delivers) == [(32, 0, 0), (32, 1, 0), (40, 1, 0)]
    assert bus(result, 0) == [("read_out", 30, 32), ("deliver", 36, 38)]
    assert bus(result, 1) == [("deliver", 36, 38), ("deliver", 44, 46)]
    assert result.lookup_complete == [38, 38, 38, 46]
    assert result.lookup_end == [41, 44, 38, 46]
    assert [channel.instructions for channel in result.channels] == [2, 2]
    assert [channel.reads for channel in result.channels] == [1, 0]
    assert result.turn_complete == [46]


@pytest.mark.parametrize(
    ("level", "collect", "uses"),
    [
        # Rank 0: data 32 and 33, its bus [32, 36) and [36, 40), added by 43. Rank 1: 34 and 35, [34, 38) and [38, 42),
        # added by 45, when the channel's bus is taken until 47.
        ("bankgroup", "rank", [(43, 47), (47, 51)]),
        # One DIMM of both ranks: the last sum is there at 42.
        ("bankgroup", "dimm", [(45, 49)]),
        # Units that are ranks have links of their own: [32, 36), [33, 37).
        ("rank", "dimm", [(40, 44)]),
    ],
)
def test_buffer_chips_add_up(program, level, collect, uses):
    """Vectors of two bursts, four cycles on a bus or link."""
    units = range(4 if level == "bankgroup" else 2)
    sums = [program.lone_read(0, unit, 0) for unit in units]
    for unit, sum_ in zip(units, sums, strict=True):
        program.transfer(0, unit, sum_, bursts=2)
    for parts in (sums[:2], sums[2:]) if collect == "rank" else (sums,):
        program.collector(0, parts, bursts=2)
    settings = {"collect": collect, "collect_cycles": 3, "instruction_interval": 1}
    result = run(
        program, make_device(ranks=2, bankgroups=2), level=level, cross_unit_timing="none", **settings
    )
    assert bus(result) == [("transfer", *use) for use in uses]
    assert result.channels[0].transfer_bursts == 2 * len(uses)
    assert result.turn_complete == [result.cycles] == [uses[-1][1]]
