"""The checker finds each fault when there is one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ppim.systems.spec import PimSpec
from tests.reference.pim_check import pair_rules, violations, wrong_bus_uses
from tests.reference.pim_programs import make_device, random_case
from tests.reference.pim_twin import BusUse, Command, simulate

LONG_AGO = 1000


def activate(cycle, rank=0, bankgroup=0, bank=0, row=0):
    return Command(cycle, "activate", rank, bankgroup, bank, row)


def read(cycle, rank=0, bankgroup=0, bank=0, row=0):
    return Command(cycle, "read", rank, bankgroup, bank, row, 0)


def precharge(cycle, rank=0, bankgroup=0, bank=0):
    return Command(cycle, "precharge", rank, bankgroup, bank)


def refresh(cycle, rank=0):
    return Command(cycle, "refresh", rank)


# HBM2; pairs: (commands whose last is as early as the rule allows, the rule's name)
TIGHT = {
    "tRC": [activate(2), precharge(36), activate(50)],
    "tRRD same group": [activate(2), activate(8, bank=1)],
    "tRRD_S": [activate(2), activate(6, bankgroup=1)],
    "tRCD": [activate(2), read(16)],
    "tRAS": [activate(2), precharge(36)],
    "tCCD same bank": [activate(2), read(16), read(18)],
    "tCCD same group": [activate(2), activate(8, bank=1), read(22), read(24, bank=1)],
    "tRTP": [activate(2), read(40), precharge(45)],
    "tRP": [activate(2), precharge(60), activate(74)],
    "tRP to refresh": [activate(2), precharge(3900), refresh(3914)],
    "tRFC": [refresh(3900), activate(4160)],
    "tFAW": [
        activate(2),
        activate(8, bankgroup=1),
        activate(14, bankgroup=2),
        activate(20, bankgroup=3),
        activate(32, bank=1),
    ],
}


def check(commands, device=None, cycles=4800, **pim):
    return violations(device or make_device(), PimSpec(**pim), commands, min(cycles, 4800))


@pytest.mark.parametrize("name", TIGHT)
def test_one_cycle_too_early_is_found(name):
    commands = TIGHT[name]
    end = commands[-1].cycle + 1
    assert check(commands, cycles=end) == []
    early = [*commands[:-1], replace(commands[-1], cycle=commands[-1].cycle - 1)]
    assert any(line.startswith(f"{name}:") for line in check(early, cycles=end))


@pytest.mark.parametrize(
    ("pim", "found"),
    [
        ({"cross_unit_timing": "physical"}, True),
        ({"cross_unit_timing": "faw-only"}, False),
        ({"cross_unit_timing": "none"}, False),
        ({"cross_unit_timing": "none", "level": "channel"}, True),
        ({"cross_unit_timing": "none", "level": "bank"}, False),
    ],
)
def test_distance_of_groups_binds_units_only_when_physical(pim, found):
    assert bool(check([activate(2), activate(5, bankgroup=1)], cycles=6, **pim)) == found


@pytest.mark.parametrize("level", ["channel", "rank", "bankgroup", "bank"])
def test_distance_in_a_group_binds_all_units(level):
    commands = [activate(2), activate(7, bank=1)]
    assert check(commands, cycles=8, level=level, cross_unit_timing="none")


@pytest.mark.parametrize(("level", "found"), [("channel", True), ("rank", True), ("bankgroup", False)])
def test_reads_of_two_groups_bind_one_unit(level, found):
    commands = [activate(2), activate(8, bankgroup=1), read(30), read(31, bankgroup=1)]
    assert bool(check(commands, cycles=32, level=level)) == found


@pytest.mark.parametrize(("level", "found"), [("channel", True), ("rank", False)])
def test_reads_of_two_ranks_bind_the_unit_that_spans_them(level, found):
    commands = [activate(2), activate(8, rank=1), read(30), read(33, rank=1)]
    assert bool(check(commands, make_device(ranks=2), cycles=34, level=level)) == found


def test_precharges_of_a_rank_keep_their_distance_where_the_family_has_one():
    commands = [activate(2), activate(30, bank=1), precharge(200), precharge(201, bank=1)]
    assert check(commands, make_device("GDDR6"), cycles=202, level="bank")
    assert not check(commands, cycles=202, level="bank")


def test_the_long_window_of_gddr():
    device = make_device("GDDR6", t32AW=2000, tFAW=1, tREFI=100_000, bankgroups=8, banks_per_group=8)
    commands = [activate(10 * n, bankgroup=n // 8, bank=n % 8) for n in range(33)]
    found = violations(device, PimSpec(), commands, 400)
    assert [line.split(":")[0] for line in found] == ["t32AW"]


def test_two_commands_of_a_unit_in_a_cycle():
    commands = [activate(2), activate(10, bank=1), read(30), precharge(LONG_AGO), precharge(LONG_AGO, bank=1)]
    assert any("second command of its unit" in line for line in check(commands, cycles=LONG_AGO + 1))
    assert check(commands, cycles=LONG_AGO + 1, level="bank") == []


@pytest.mark.parametrize(
    "commands",
    [
        [read(30)],
        [activate(2), read(30, row=1)],
        [activate(2), activate(200)],
        [precharge(2)],
        [activate(2), precharge(100), precharge(200)],
        [activate(2), refresh(3900)],
        [activate(20), activate(2, bank=1)],
    ],
)
def test_states_and_order(commands):
    assert check(commands, cycles=commands[-1].cycle + 1)


@pytest.mark.parametrize(
    "commands",
    [
        [activate(3901)],  # the rank is held from 3900 to its REFRESH
        [activate(3700), read(3905), precharge(3950), refresh(3970)],
        [refresh(3800)],  # not due yet
        [refresh(3900), refresh(4200)],  # due once
        [
            activate(2),
            activate(20, bankgroup=1),
            precharge(3900),
            precharge(3900, bankgroup=1),
            refresh(3914),
        ],
    ],
)
def test_refresh(commands):
    assert check(commands, cycles=4500)


def test_refresh_of_the_wrong_rank():
    device = make_device(ranks=2)
    assert violations(device, PimSpec(), [refresh(1950, rank=0)], 2000) == []
    assert violations(device, PimSpec(), [refresh(1950, rank=1)], 2000)


@pytest.mark.parametrize(
    ("first", "second", "ok"),
    [
        (BusUse(0, 4, "read_out", 0), BusUse(4, 6, "read_out", 0), True),
        (BusUse(0, 4, "read_out", 0), BusUse(3, 6, "read_out", 0), False),
        (BusUse(0, 4, "read_out", 0), BusUse(5, 6, "read_out", 1), False),
        (BusUse(0, 4, "read_out", 0), BusUse(6, 8, "read_out", 1), True),
        (BusUse(0, 4, "deliver", -1), BusUse(5, 6, "transfer", -1), False),
        (BusUse(0, 4, "transfer", -1), BusUse(6, 8, "deliver", -1), True),
        (BusUse(0, 4, "transfer", -1), BusUse(4, 8, "read_out", 1), True),
    ],
)
def test_bus(first, second, ok):
    assert (list(wrong_bus_uses(make_device(), [first, second])) == []) == ok


@pytest.mark.slow
def test_every_kind_of_command_moved_earlier_in_real_runs_is_found():
    """Of the commands that wait for a timing rule, one moved a cycle ahead is caught."""
    caught = set()
    for seed in range(10):
        case = random_case(seed)
        result = simulate(case.device, case.system, case.program)
        commands = result.channels[0].commands
        for position, command in enumerate(commands):
            moved = [*commands]
            moved[position] = replace(command, cycle=command.cycle - 1)
            moved.sort(key=lambda x: x.cycle)
            if violations(case.device, case.system.pim, moved, result.cycles):
                caught.add(command.command)
    assert caught == {"activate", "read", "precharge", "refresh"}


def test_rules_are_those_of_the_device():
    one_group = {rule.name: rule.cycles for rule in pair_rules(make_device(bankgroups=1))}
    assert (one_group["tRRD same group"], one_group["tCCD same group"]) == (4, 2)
    four_groups = {rule.name: rule.cycles for rule in pair_rules(make_device())}
    assert (four_groups["tRRD same group"], four_groups["tCCD same group"]) == (6, 2)
