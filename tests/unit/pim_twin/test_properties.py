"""What holds for every run of the PIM twin, on programs drawn from seeds."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest

from ppim.program.instruction import (
    ALL,
    BURSTS,
    CHANNEL,
    DELIVER,
    HIT,
    KIND,
    LOOKUP,
    LOOKUP_COMPUTE,
    LOOKUP_SUM,
    NONE,
    PREFETCH,
    READ,
    READ_OUT,
    SHARERS,
    STEP,
    SUM_CHANNEL,
    SUM_PARENT,
    TRANSFER,
    TURN,
    UNIT,
)
from tests.reference.pim_check import violations, wrong_bus_uses
from tests.reference.pim_programs import Case, random_case, units_per_channel
from tests.reference.pim_twin import TwinResult, simulate

SEEDS = range(60)
every_seed = pytest.mark.parametrize("seed", SEEDS)


@cache
def run(seed: int) -> tuple[Case, TwinResult]:
    case = random_case(seed)
    return case, simulate(case.device, case.system, case.program, most_cycles=100_000)


def instructions_of(case: Case, kind: int) -> np.ndarray:
    return case.program.instructions[case.program.instructions[:, KIND] == kind]


def bursts_by_channel(case: Case, kind: int) -> list[int]:
    """Bursts that the units of each channel read for instructions of this kind."""
    rows = instructions_of(case, kind)
    units = np.where(rows[:, UNIT] == ALL, units_per_channel(case.device, case.system.pim.level), 1)
    bursts = rows[:, BURSTS] * units
    return [
        int(bursts[np.isin(rows[:, CHANNEL], (ALL, channel))].sum())
        for channel in range(case.device.organization.channels)
    ]


def collected_sums(case: Case) -> np.ndarray:
    """Partial sums that a collector adds up."""
    return np.flatnonzero(case.program.sums[:, SUM_PARENT] != NONE)


def delivers_of(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """(channel, bursts) of each deliver that the program's read-outs ask for."""
    lookups, bursts = [], []
    for row in instructions_of(case, READ_OUT):
        several = range(row[LOOKUP], row[LOOKUP] + (row[SHARERS] + 1) * row[STEP], max(row[STEP], 1))
        users = several if row[STEP] else [row[LOOKUP]]
        lookups += users
        bursts += [row[BURSTS]] * len(users)
    sums = case.program.lookups[np.array(lookups, dtype=int), LOOKUP_SUM]
    return case.program.sums[sums, SUM_CHANNEL], np.array(bursts)


@pytest.mark.matrix(5)
@every_seed
def test_no_command_breaks_a_rule(seed):
    case, result = run(seed)
    for channel in result.channels:
        assert violations(case.device, case.system.pim, channel.commands, result.cycles) == []


@every_seed
def test_bus_is_used_by_one_thing_at_a_time(seed):
    case, result = run(seed)
    for channel in result.channels:
        assert list(wrong_bus_uses(case.device, channel.bus_uses)) == []


@every_seed
def test_every_burst_is_read_once(seed):
    case, result = run(seed)
    for channel, read, read_out, prefetch in zip(
        result.channels,
        bursts_by_channel(case, READ),
        bursts_by_channel(case, READ_OUT),
        bursts_by_channel(case, PREFETCH),
        strict=True,
    ):
        assert channel.read_out_bursts == read_out
        assert channel.prefetch_reads == prefetch
        assert channel.reads == read + read_out + prefetch


@every_seed
def test_what_is_read_out_is_delivered_to_its_owners(seed):
    case, result = run(seed)
    channels, bursts = delivers_of(case)
    delivered = np.bincount(channels, bursts, minlength=len(result.channels))
    if case.system.pim.consumer == "host":
        delivered[:] = 0
    assert [channel.delivered_bursts for channel in result.channels] == delivered.tolist()


@every_seed
def test_every_sum_leaves_its_unit_once(seed):
    case, result = run(seed)
    moved = [sum_ for _, sum_, _ in result.transfer_starts]
    by_bus = set(range(len(case.program.sums)))
    if case.system.pim.consumer == "host":
        by_bus.clear()
    elif case.system.pim.collect in ("tree", "rank", "dimm"):
        by_bus -= set(collected_sums(case).tolist())
    assert sorted(moved) == sorted(by_bus)
    assert all(start >= result.sum_ready[sum_] for _, sum_, start in result.transfer_starts)


@every_seed
def test_bus_time_is_bursts_times_burst_time(seed):
    case, result = run(seed)
    timing = case.device.timing
    per_burst = max(timing.burst_cycles, timing.tCCD_S)
    inside = np.zeros(len(result.channels), dtype=int)
    if case.system.pim.collect == "base-die":
        rows = instructions_of(case, TRANSFER)
        vector = int(rows[0, BURSTS]) if len(rows) else 0
        np.add.at(inside, case.program.sums[collected_sums(case), SUM_CHANNEL], vector)
    for channel, collected in zip(result.channels, inside, strict=True):
        bursts = channel.read_out_bursts + channel.delivered_bursts + channel.transfer_bursts + collected
        assert sum(use.end - use.start for use in channel.bus_uses) == bursts * per_burst


@every_seed
def test_column_commands_are_row_hits_or_first_after_an_activate(seed):
    _, result = run(seed)
    for channel in result.channels:
        first_reads, fresh = 0, set()
        for command in channel.commands:
            bank = (command.rank, command.bankgroup, command.bank)
            if command.command == "activate":
                fresh.add(bank)
            elif command.command == "read" and bank in fresh:
                fresh.remove(bank)
                first_reads += 1
        assert channel.row_hits == channel.reads - first_reads


@every_seed
def test_counts_are_those_of_the_commands(seed):
    _, result = run(seed)
    for channel in result.channels:
        names = [command.command for command in channel.commands]
        counts = {name: names.count(name) for name in ("read", "activate", "precharge", "refresh")}
        assert counts == {
            "read": channel.reads,
            "activate": channel.activates,
            "precharge": channel.precharges,
            "refresh": channel.refreshes,
        }
        assert all(command.cycle < result.cycles for command in channel.commands)


@every_seed
def test_slots_keep_their_distance_and_program_order(seed):
    case, result = run(seed)
    is_global = case.system.pim.frontend == "global"
    interval = case.system.pim.instruction_interval
    for stream in range(1 if is_global else len(result.channels)):
        own = [slots[stream] for slots in result.slots if stream in slots]
        assert own == sorted(own)
        ahead = result.delivers if case.system.pim.deliver == "ahead" else []
        delivers = [slot for slot, channel, _ in ahead if is_global or channel == stream]
        used = np.array(sorted(own + delivers))
        for n in range(1, len(used)):  # any n slots behind one another
            assert np.all(used[n:] - used[:-n] > n * interval - 1)
        instructions = sum(channel.instructions for channel in result.channels)
        assert instructions >= len(used)


@every_seed
def test_every_instruction_is_sent_to_every_channel_it_names(seed):
    case, result = run(seed)
    for channel, counts in enumerate(result.channels):
        named = np.isin(case.program.instructions[:, CHANNEL], (ALL, channel)).sum()
        delivers = (delivers_of(case)[0] == channel).sum()
        if case.system.pim.consumer == "host" or case.system.pim.deliver == "in-order":
            delivers = 0
        assert counts.instructions == named + delivers


@pytest.mark.matrix(5)
@every_seed
def test_barrier_holds_demand_back(seed):
    case, result = run(seed)
    barrier, latency = case.system.pim.barrier, case.system.pim.host_latency
    batches = case.program.turn_batch
    for row, slots in zip(case.program.instructions, result.slots, strict=True):
        if row[KIND] not in (READ, READ_OUT, HIT):
            continue
        if barrier == "batch":
            before = np.flatnonzero(batches < batches[row[TURN]])
        else:
            turns_open = 1 if barrier == "table" else case.system.pim.turns_open or len(batches)
            before = np.arange(max(row[TURN] + 1 - turns_open, 0))
        released = max((result.turn_complete[turn] + latency for turn in before), default=0)
        assert all(slot >= released for slot in slots.values())


@every_seed
def test_arithmetic_of_a_unit_never_overlaps(seed):
    case, result = run(seed)
    program = case.program
    by_unit: dict[tuple[int, ...], list[tuple[int, int]]] = {}
    for lookup, complete, end in zip(program.lookups, result.lookup_complete, result.lookup_end, strict=True):
        start = end - int(lookup[LOOKUP_COMPUTE])
        assert start >= complete
        sum_row = program.sums[lookup[LOOKUP_SUM]]
        by_unit.setdefault(tuple(sum_row[:2]), []).append((start, end))
    for spans in by_unit.values():
        spans.sort()
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
    assert (
        sum(channel.compute_cycles for channel in result.channels) == program.lookups[:, LOOKUP_COMPUTE].sum()
    )


@every_seed
def test_the_run_ends_with_its_last_completion(seed):
    _, result = run(seed)
    ends = [use.end for channel in result.channels for use in channel.bus_uses]
    assert result.cycles >= max([*ends, *result.turn_complete, *result.sum_ready, *result.lookup_end, 0])


def test_the_seeds_reach_every_kind_of_instruction_and_a_refresh():
    kinds, refreshes, hits, precharges = set(), 0, 0, 0
    for seed in SEEDS:
        case, result = run(seed)
        kinds |= set(case.program.instructions[:, KIND].tolist())
        refreshes += sum(channel.refreshes for channel in result.channels)
        hits += sum(channel.row_hits for channel in result.channels)
        precharges += sum(channel.precharges for channel in result.channels)
    assert kinds == {READ, READ_OUT, HIT, PREFETCH, TRANSFER, DELIVER}
    assert min(refreshes, hits, precharges) > 100
