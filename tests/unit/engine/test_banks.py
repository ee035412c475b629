"""Earliest cycles of banks: the vector step against arithmetic on plain Python dictionaries."""

from __future__ import annotations

import numpy as np
import pytest

from ppim.dram.device import Device
from ppim.dram.timing import UNCONSTRAINED
from ppim.engine import banks as bk, lane_masks
from ppim.engine.codes import ACTIVATE, NEVER, PRECHARGE, READ, REFRESH, WRITE
from ppim.jit import njit
from tests.golden.devices import preset

DEVICES = ["hbm2-4gb", "ddr4-8gb-x8-3200", "gddr6-8gb-x16", "lpddr4-8gb-x16-2400"]
COMMANDS = (ACTIVATE, READ, WRITE, PRECHARGE, REFRESH)


@njit(cache=False)
def issue_once(banks, channel, command, lane, cycle, eligible):
    b = bk.channel_banks(banks, channel)
    ready_now, next_cycle, ready_next = bk.issue(b, command, lane, cycle, eligible)
    return ready_now, next_cycle, ready_next


@njit(cache=False)
def apply_once(banks, channel, command, lane, cycle):
    bk.apply(bk.channel_banks(banks, channel), command, lane, cycle)


@njit(cache=False)
def scan_once(banks, channel, cycle, eligible):
    return bk.scan(bk.channel_banks(banks, channel), cycle, eligible)


@njit(cache=False)
def earliest_once(banks, channel, later_class, lane):
    return bk.earliest_cycle(bk.channel_banks(banks, channel), later_class, lane)


@njit(cache=False)
def refresh_ready_once(banks, channel, lane):
    return bk.earliest_slow_cycle(bk.channel_banks(banks, channel), REFRESH, lane)


@njit(cache=False)
def next_once(banks, channel, cycle):
    return bk.next_possibility(bk.channel_banks(banks, channel), cycle)


class PlainBanks:
    """The same rules with unbounded integers, one bank at a time."""

    def __init__(self, device: Device) -> None:
        org = device.organization
        self.device = device
        self.distances = bk.lane_distances(org, bk.host_timing(device))
        self.later = (*bk.CLASS_COMMANDS, REFRESH)
        self.earliest = {(command, lane): 0 for command in self.later for lane in range(org.banks)}
        self.activates: list[list[int]] = [[] for _ in range(org.ranks)]

    def issue(self, command: int, lane: int, cycle: int) -> None:
        for later, other in self.earliest:
            distance = int(self.distances[command, lane, later, other])
            if distance != UNCONSTRAINED:
                self.earliest[later, other] = max(self.earliest[later, other], cycle + distance)
        if command == ACTIVATE:
            self.activates[lane // self.device.organization.banks_per_rank].append(cycle)

    def when(self, command: int, lane: int) -> int:
        cycle = self.earliest[command, lane]
        if command == ACTIVATE:
            timing = self.device.timing
            past = self.activates[lane // self.device.organization.banks_per_rank]
            if len(past) >= 4:
                cycle = max(cycle, past[-4] + timing.tFAW)
            if len(past) >= 32 and self.device.is_gddr:
                cycle = max(cycle, past[-32] + timing.t32AW)
        return cycle

    def look(self, candidates: list[int], eligible: int, cycle: int) -> tuple[int, int]:
        wanted = {}
        for command, mask in zip(bk.CLASS_COMMANDS, candidates, strict=True):
            for lane in range(self.device.organization.banks):
                if mask & eligible & 1 << lane:
                    wanted[lane] = min(wanted.get(lane, NEVER), self.when(command, lane))
        if not wanted:
            return NEVER, 0
        first = max(cycle, min(wanted.values()))
        return first, sum(1 << lane for lane, at in wanted.items() if at <= first)


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("start", [0, (1 << 31) - 2000, 1 << 40])
def test_random_commands_move_the_same_cycles(name, start):
    device = preset(name)
    n_lanes = device.organization.banks
    rng = np.random.default_rng(5)
    banks, plain = bk.make_banks(device, 2), PlainBanks(device)
    applied = bk.make_banks(device, 1)
    cycle = start
    for _ in range(150):
        cycle += int(rng.choice([0, 1, 3, 30, 700, 1 << 27]))
        command, lane = int(rng.choice(COMMANDS)), int(rng.integers(n_lanes))
        candidates = [
            int(rng.integers(0, 1 << n_lanes)) & int(rng.integers(0, 1 << n_lanes)) for _ in range(4)
        ]
        eligible = int(rng.choice([lane_masks.WHOLE_WORD, int(rng.integers(0, 1 << n_lanes))]))
        banks.candidates[1] = candidates
        ready_now, next_cycle, ready_next = issue_once(banks, 1, command, lane, cycle, eligible)
        apply_once(applied, 0, command, lane, cycle)
        plain.issue(command, lane, cycle)
        at, ready = plain.look(candidates, eligible, cycle)
        assert ready_now == (ready if at == cycle else 0)
        assert (next_cycle, ready_next) == plain.look(candidates, eligible, cycle + 1)
        assert scan_once(banks, 1, cycle, eligible) == (at, ready)
        for later_class, later in enumerate(bk.CLASS_COMMANDS):
            expected = plain.when(later, lane)
            for got in (
                earliest_once(banks, 1, later_class, lane),
                earliest_once(applied, 0, later_class, lane),
            ):
                assert got == expected or max(got, expected) <= cycle
        got, expected = refresh_ready_once(banks, 1, lane), plain.earliest[REFRESH, lane]
        assert got == expected or max(got, expected) <= cycle
    assert not banks.earliest[0].any()


@pytest.mark.parametrize("start", [0, 1 << 40])
def test_the_next_possibility_is_the_first_cycle_ahead_that_any_command_waits_for(start):
    rng = np.random.default_rng(6)
    banks = bk.make_banks(preset("ddr4-8gb-x8-3200"), 1)
    cycle = start
    assert next_once(banks, 0, cycle) == NEVER
    for _ in range(60):
        cycle += int(rng.choice([1, 3, 30, 700, 1 << 27]))
        apply_once(banks, 0, int(rng.choice(COMMANDS)), int(rng.integers(32)), cycle)
        for later in (cycle, cycle + int(rng.integers(40)), cycle + 1000):
            kept = np.concatenate([banks.earliest[0], banks.slow[0]]).astype(np.int64) + banks.base[0, 0]
            assert next_once(banks, 0, later) == min(kept[kept > later], default=NEVER)


def test_readout_is_timed_like_a_read():
    table = bk.host_timing(preset("hbm2-4gb"))
    changed = bk.readout_timing(table)
    for scope in range(4):
        assert changed[WRITE, WRITE, scope] == changed[READ, WRITE, scope] == table[READ, READ, scope]
        assert changed[WRITE, PRECHARGE, scope] == table[READ, PRECHARGE, scope]
        assert changed[ACTIVATE, WRITE, scope] == table[ACTIVATE, READ, scope]


def test_units_drop_what_their_policy_does_not_keep():
    device = preset("hbm2-4gb")
    org = device.organization
    unit = np.arange(org.banks) // org.banks_per_group
    table = bk.host_timing(device)
    physical = bk.lane_distances(org, table, unit, bk.keep_activates)
    alone = bk.lane_distances(org, table, unit)
    assert physical[READ, 0, READ, 1] == device.timing.tCCD_L
    assert physical[READ, 0, READ, 4] == UNCONSTRAINED
    assert physical[ACTIVATE, 0, ACTIVATE, 4] == device.timing.tRRD_S
    assert alone[ACTIVATE, 0, ACTIVATE, 4] == UNCONSTRAINED
    assert alone[REFRESH, 0, ACTIVATE, 15] == device.timing.tRFC
