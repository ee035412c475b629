"""What the kernel remembers of a trace, and where: flat tables, one row a remembered command."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.check import resolve
from ppim.check.commands import N_KINDS
from ppim.dram.device import Device

Ints = NDArray[np.int64]

# Fields of a command, in a block and as it is remembered.
TIME, KIND, LANE, ROW, COLUMN, LINE = range(6)
FIELDS = 6
CHANNEL_FIELD = 6  # in a block only
BLOCK_FIELDS = 7

LONG_AGO = -(1 << 61)  # time of a command that has not been
CLOSED = -1
UNKNOWN_ROW = -2  # a row is open; the trace does not say which
AWAKE = -1
BUS_USES = 32  # remembered: a read's data may come after that of writes sent later, a latency of some bursts

# Fields of a violation: rule, margin, channel, the later command, the earlier one.
V_RULE, V_MARGIN, V_CHANNEL, V_LATER = range(4)
V_EARLIER = V_LATER + FIELDS
V_FIELDS = V_EARLIER + FIELDS
NO_MARGIN = 1 << 62  # a rule about states has none

# Command slots of a channel.
ROW_SLOT, COLUMN_SLOT = range(2)


class Layout(NamedTuple):
    """Sizes and settings, as the kernel needs them."""

    channels: int
    lanes: int  # banks of a channel
    ranks: int
    groups: int  # of a channel
    banks_per_group: int
    banks_per_rank: int
    banks_per_unit: int
    # Where tables of a channel begin among the remembered commands.
    slots: int  # of a channel
    group_base: int
    rank_base: int
    channel_base: int
    whole_base: int
    slot_base: int
    unit_base: int
    read_latency: int
    write_latency: int
    burst_cycles: int  # of the data bus
    has_units: bool
    dual: bool  # a row and a column command in one cycle
    watch_bus: bool
    bank_refresh: bool  # the policy refreshes banks, not ranks
    period: int  # cycles between two refreshes of one rank (bank)
    slack: int  # cycles that a refresh may be early, or late beyond one period


class State(NamedTuple):
    """What is remembered; changes while commands pass."""

    last: Ints  # (slots, FIELDS): latest command of each kind and place
    open_row: Ints  # (channels, lanes)
    asleep: Ints  # (channels, ranks): line of the self-refresh entry, or AWAKE
    activates: Ints  # (channels, ranks, 32, FIELDS)
    n_activates: Ints  # (channels, ranks)
    bus: Ints  # (channels, BUS_USES, FIELDS): latest users of the data bus
    bus_start: Ints  # (channels, BUS_USES)
    n_bus: Ints  # (channels)
    bus_end: Ints  # (channels): greatest end so far
    refreshed: Ints  # (channels, lanes): refreshes so far; of a rank in its first lane
    first_due: Ints  # (lanes): cycle at which the first refresh of a bank, or of the rank that begins there, falls due
    last_cycle: Ints  # (channels)
    group_of: Ints  # (lanes + 1): bank group of a lane, counted through the channel; of lane -1: -1
    rank_of: Ints  # (lanes + 1)


class Tally(NamedTuple):
    """What was found, by rule name."""

    checked: Ints  # (names): pairs that were held against the rule
    tight: Ints  # (names): pairs exactly at the distance
    least: Ints  # (names): least margin
    broken: Ints  # (names)
    found: Ints  # (most, V_FIELDS)
    n_found: Ints  # (1)


LONGEST_WINDOW = 32


def make_layout(device: Device, units: resolve.Units | None, channels: int, refresh_slack: int) -> Layout:
    """The layout for a device; `channels` of the trace may be more than the device's (two halves of each)."""
    org, timing = device.organization, device.timing
    per_unit = {
        "bank": 1,
        "bankgroup": org.banks_per_group,
        "rank": org.banks_per_rank,
        "channel": org.banks,
    }
    groups = org.ranks * org.bankgroups
    sizes = (
        N_KINDS * org.banks,
        N_KINDS * groups * 2,
        N_KINDS * org.ranks * 2,
        N_KINDS * 2,
        N_KINDS * org.ranks,
        2,
        org.banks,
    )
    ends = np.cumsum(sizes).tolist()
    policy = device.controller.refresh_policy
    bank_refresh = policy == "BANK_LEVEL_STAGGERED"
    reads_leave = units is None or units.reads_leave
    period = {
        "RANK_LEVEL_STAGGERED": timing.tREFI // org.ranks * org.ranks,
        "RANK_LEVEL_SIMULTANEOUS": timing.tREFI,
        "BANK_LEVEL_STAGGERED": timing.tREFIb * org.banks,
    }[policy]
    return Layout(
        channels=channels,
        lanes=org.banks,
        ranks=org.ranks,
        groups=groups,
        banks_per_group=org.banks_per_group,
        banks_per_rank=org.banks_per_rank,
        banks_per_unit=org.banks if units is None else per_unit[units.level],
        slots=ends[-1],
        group_base=ends[0],
        rank_base=ends[1],
        channel_base=ends[2],
        whole_base=ends[3],
        slot_base=ends[4],
        unit_base=ends[5],
        read_latency=timing.AL + timing.CL,
        write_latency=timing.AL + timing.CWL,
        burst_cycles=timing.burst_cycles if units is None else max(timing.burst_cycles, timing.tCCD_S),
        has_units=units is not None,
        dual=device.is_hbm and device.controller.hbm_dual_cmd,
        watch_bus=reads_leave,
        bank_refresh=bank_refresh,
        period=period,
        slack=refresh_slack * period,
    )


def _first_due(device: Device) -> Ints:
    """Cycles at which refreshes first fall due (host-controller.md §9), one a lane."""
    org, timing = device.organization, device.timing
    lane = np.arange(org.banks)
    if device.controller.refresh_policy == "BANK_LEVEL_STAGGERED":
        # The bank group changes fastest, then the bank in it, then the rank.
        rank, in_rank = np.divmod(lane, org.banks_per_rank)
        group, bank = np.divmod(in_rank, org.banks_per_group)
        turn = (rank * org.banks_per_group + bank) * org.bankgroups + group
        return (turn + 1) * timing.tREFIb
    if device.controller.refresh_policy == "RANK_LEVEL_SIMULTANEOUS":
        return np.full(org.banks, timing.tREFI, np.int64)
    return (lane // org.banks_per_rank + 1) * (timing.tREFI // org.ranks)


def make_state(device: Device, layout: Layout) -> State:
    """Before the first command: all banks closed, nothing refreshed."""
    channels, lanes, ranks = layout.channels, layout.lanes, layout.ranks

    def commands(*shape: int) -> Ints:
        table = np.full((*shape, FIELDS), -1, np.int64)
        table[..., TIME] = LONG_AGO
        return table

    return State(
        last=commands(channels * layout.slots),
        open_row=np.full((channels, lanes), CLOSED, np.int64),
        asleep=np.full((channels, ranks), AWAKE, np.int64),
        activates=commands(channels, ranks, LONGEST_WINDOW),
        n_activates=np.zeros((channels, ranks), np.int64),
        bus=commands(channels, BUS_USES),
        bus_start=np.full((channels, BUS_USES), LONG_AGO, np.int64),
        n_bus=np.zeros(channels, np.int64),
        bus_end=np.full(channels, LONG_AGO, np.int64),
        refreshed=np.zeros((channels, lanes), np.int64),
        first_due=_first_due(device).astype(np.int64),
        last_cycle=np.full(channels, LONG_AGO, np.int64),
        group_of=np.append(np.arange(lanes) // layout.banks_per_group, -1),
        rank_of=np.append(np.arange(lanes) // layout.banks_per_rank, -1),
    )


def make_tally(book: resolve.RuleBook, most_found: int) -> Tally:
    """Nothing found yet; keeps the first `most_found` violations."""
    n_names = len(book.names)
    return Tally(
        checked=np.zeros(n_names, np.int64),
        tight=np.zeros(n_names, np.int64),
        least=np.full(n_names, NO_MARGIN, np.int64),
        broken=np.zeros(n_names, np.int64),
        found=np.full((most_found, V_FIELDS), -1, np.int64),
        n_found=np.zeros(1, np.int64),
    )
