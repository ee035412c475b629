"""State of the host memory controller's fast kernel: one channel's queues, counters and clocks.

Requests live in *slots* of a pool. A waiting request is in its lane's waiting list of reads or writes
(linked through SLOT_NEXT, oldest first), then in its lane's command queue, an array in age order. Masks
of lanes say which lanes have waiting reads, waiting writes, or room in their command queue, so the one
move of a cycle is a few bit operations. Position masks (HITS, WRITES) say which entries of a lane's
queue want the open row and which are writes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.arrays import aligned_full
from ppim.dram.address import address_map
from ppim.dram.device import Device
from ppim.engine.banks import Banks, ChannelBanks, channel_banks, make_banks
from ppim.engine.codes import LOG_FIELDS, NEVER
from ppim.engine.refresh import INTERVAL, refresh_plan
from ppim.jit import helper
from ppim.jit.lanes import LANES
from ppim.jit.tables import bare

# Fields of a slot.
SLOT_ADDRESS = 0
SLOT_STAMPS = 1  # sum of the stamps of the reads it serves, or the stamp of the write
SLOT_READERS = 2  # 0: a write
SLOT_ROW = 3
SLOT_COLUMN = 4
SLOT_LANE = 5
SLOT_AGE = 6
SLOT_NEXT = 7
SLOT_FIELDS = 8

# Fields of a lane.
LENGTH = 0  # entries in the command queue
HITS = 1  # positions that want the open row
WRITES = 2  # positions that are writes
ACCESSES = 3  # column commands since the ACTIVATE
FIRST_READ = 4  # waiting list of reads: oldest slot, newest slot
LAST_READ = 5
FIRST_WRITE = 6  # waiting list of writes
LAST_WRITE = 7
LANE_FIELDS = 8

# A channel's clocks and small state.
NEXT_COMMAND = 0  # cycle of the next command that selection could find
READY = 1  # lanes that may issue in NEXT_COMMAND
NEXT_MOVE = 2  # cycle of the next move into a command queue
REFRESH_LOOK = 3  # cycle in which refresh must be looked at next
REFRESHES_SERVED = 4
REFRESHES_ON_TIME = 5  # consecutive refreshes issued in the cycle they fell due
BLOCKED = 6  # lanes held for the pending refresh
POINTER = 7  # round robin: lane found last
DRAIN = 8  # writes left to move before reads are served again
FLUSH = 9  # 1: the trace has ended, write back what is left
QUEUED = 10  # entries in command queues
N_READS = 11  # waiting reads
N_WRITES = 12  # waiting writes
READ_LANES = 13  # lanes with waiting reads
WRITE_LANES = 14  # lanes with waiting writes
ROOM = 15  # lanes whose command queue has room
AGE = 16  # next age
N_FREE = 17
ARRIVALS = 18  # buffered arrivals: next to register, end
ARRIVALS_END = 19
LOG_USED = 20
CHANNEL_FIELDS = 24  # whole cache lines

# Counters of a channel; the first ten are the commands by code.
READ_HITS = 10
WRITE_HITS = 11
DEMAND_PRECHARGES = 12
DUAL_COMMANDS = 13
MERGED_READS = 14
MERGED_WRITES = 15
FORWARDED = 16
ACCEPTED_READS = 17
ACCEPTED_WRITES = 18
READS_DONE = 19
WRITES_DONE = 20
READ_LATENCY = 21  # sum over completed or issued reads, cycles
WRITE_LATENCY = 22  # sum over WRITE commands, cycles
LAST_STAMP = 23  # equals the sum of inter-arrival times
LAST_READ_CYCLE = 24
LAST_WRITE_CYCLE = 25
LAST_COMPLETION = 26
N_COUNTERS = 27

# A buffered arrival.
ARRIVAL_CYCLE = 0
ARRIVAL_ADDRESS = 1
ARRIVAL_IS_WRITE = 2
ARRIVAL_FIELDS = 3

# The front end.
ACCEPTED_AT = 0  # cycle of the last acceptance
ACCEPTED_THEN = 1  # requests accepted in that cycle
REFUSED_CYCLES = 2  # cycles in which a due request found no room, holding up all later ones
FRONT_FIELDS = 3

BUCKET_BITS = 9
NO_SLOT = -1
NO_POSITION = 64
WRITE_DRAIN_MINIMUM = 8  # more buffered writes than this are drained when all queues are empty
ROW_HITS_BEFORE_PRECHARGE = 4

LOG_ENTRIES_PER_EVENT = 4


# What does not change in a run (int64 each): `rules`.
QUEUE_SIZE = 0  # entries of a command queue
QUEUE_WIDTH = 1  # array elements of a command queue
QUEUE_BLOCKS = 2
TRANS_SIZE = 3  # entries of the read queue, and of the write buffer
SEPARATE = 4  # 0: one transaction queue for reads and writes
DUAL = 5  # 1: two commands a cycle, one of them a column command
READ_DELAY = 6
WRITE_DELAY = 7
MERGE = 8
INJECT = 9
LAST_CYCLE = 10  # last cycle simulated
DRAINED = 11  # 1: no last cycle, the run ends when all is served
LOG_SIZE = 12  # commands that the log holds; 0: none are logged
N_RULES = 13

# Shifts and masks of a byte address: `fields`.
CHANNEL_AT = 0
CHANNEL_MASK = 1
RANK_AT = 2
RANK_MASK = 3
GROUP_AT = 4
GROUP_MASK = 5
BANK_AT = 6
BANK_MASK = 7
ROW_AT = 8
ROW_MASK = 9
COLUMN_AT = 10
COLUMN_MASK = 11
RANK_LANES = 12  # banks per rank
GROUP_LANES = 13  # banks per bank group
N_FIELDS = 14


class HostState(NamedTuple):
    """All channels; arrays have the channel axis first, `front` excepted."""

    rules: NDArray[np.int64]
    fields: NDArray[np.int64]
    plan: NDArray[np.int64]
    banks: Banks
    clocks: NDArray[np.int64]  # (channels, CHANNEL_FIELDS)
    counters: NDArray[np.int64]  # (channels, N_COUNTERS)
    lanes: NDArray[np.int64]  # (channels, lanes * LANE_FIELDS)
    queue_rows: NDArray[np.int32]  # (channels, lanes * queue_width)
    queue_slots: NDArray[np.int32]  # (channels, lanes * queue_width)
    pool: NDArray[np.int64]  # (channels, slots * SLOT_FIELDS)
    free: NDArray[np.int32]  # (channels, slots) stack of free slots
    buckets: NDArray[np.int32]  # (channels, 512) newest outstanding slot by hashed address
    chain: NDArray[np.int32]  # (channels, slots) next slot of the same bucket
    arrivals: NDArray[np.int64]  # (channels, capacity * ARRIVAL_FIELDS)
    log: NDArray[np.int64]  # (channels, capacity * LOG_FIELDS)
    bounds: NDArray[np.int64]  # (channels, 2) upper bounds of waiting reads and writes
    front: NDArray[np.int64]  # (FRONT_FIELDS,)


class HostChannel(NamedTuple):
    """One channel's views of `HostState`."""

    rules: NDArray[np.int64]
    fields: NDArray[np.int64]
    plan: NDArray[np.int64]
    banks: ChannelBanks
    clocks: NDArray[np.int64]
    counters: NDArray[np.int64]
    lanes: NDArray[np.int64]
    queue_rows: NDArray[np.int32]
    queue_slots: NDArray[np.int32]
    pool: NDArray[np.int64]
    free: NDArray[np.int32]
    buckets: NDArray[np.int32]
    chain: NDArray[np.int32]
    arrivals: NDArray[np.int64]
    log: NDArray[np.int64]


@helper(forceinline=True)
def host_channel(state, channel):
    """Views of one channel; keep `state` alive."""
    return HostChannel(
        bare(state.rules),
        bare(state.fields),
        bare(state.plan),
        channel_banks(state.banks, channel),
        bare(state.clocks)[channel],
        bare(state.counters)[channel],
        bare(state.lanes)[channel],
        bare(state.queue_rows)[channel],
        bare(state.queue_slots)[channel],
        bare(state.pool)[channel],
        bare(state.free)[channel],
        bare(state.buckets)[channel],
        bare(state.chain)[channel],
        bare(state.arrivals)[channel],
        bare(state.log)[channel],
    )


def address_fields(device: Device) -> NDArray[np.int64]:
    """The device's address map for kernels."""
    at = address_map(device)
    fields = np.zeros(N_FIELDS, np.int64)
    fields[CHANNEL_AT:RANK_LANES:2] = at.positions
    fields[CHANNEL_MASK:RANK_LANES:2] = at.masks
    fields[RANK_LANES] = device.organization.banks_per_rank
    fields[GROUP_LANES] = device.organization.banks_per_group
    return fields


def make_rules(
    device: Device, *, n_cycles: int | None, inject: int, merge: bool, log: int
) -> NDArray[np.int64]:
    """Controller and run parameters; `log`: commands that the log holds between two visits, or 0."""
    size = device.controller.cmd_queue_size
    blocks = -(-size // LANES)
    rules = np.zeros(N_RULES, np.int64)
    rules[QUEUE_SIZE] = size
    # Taking an entry out moves whole blocks up from the element after it.
    rules[QUEUE_WIDTH] = 2 * blocks * LANES
    rules[QUEUE_BLOCKS] = blocks
    rules[TRANS_SIZE] = device.controller.trans_queue_size
    rules[SEPARATE] = not device.controller.unified_queue
    rules[DUAL] = device.is_hbm and device.controller.hbm_dual_cmd
    rules[READ_DELAY] = device.timing.read_delay
    rules[WRITE_DELAY] = device.timing.write_delay
    rules[MERGE] = merge
    rules[INJECT] = inject
    rules[LAST_CYCLE] = NEVER - 1 if n_cycles is None else n_cycles - 1
    rules[DRAINED] = n_cycles is None
    rules[LOG_SIZE] = log
    return rules


def _empty_lanes(n_channels: int, n_lanes: int) -> NDArray[np.int64]:
    lanes = aligned_full((n_channels, n_lanes, LANE_FIELDS), 0, np.int64)
    lanes[:, :, [FIRST_READ, FIRST_WRITE]] = NO_SLOT
    return lanes.reshape(n_channels, -1)


def make_clocks(n_channels: int, n_lanes: int, n_slots: int, refresh_interval: int) -> NDArray[np.int64]:
    """Clocks of idle channels at cycle 0."""
    clocks = aligned_full((n_channels, CHANNEL_FIELDS), 0, np.int64)
    clocks[:, NEXT_COMMAND] = clocks[:, NEXT_MOVE] = NEVER
    clocks[:, REFRESH_LOOK] = refresh_interval
    clocks[:, ROOM] = np.array([((1 << n_lanes) - 1) & ((1 << 64) - 1)], np.uint64).view(np.int64)
    clocks[:, N_FREE] = n_slots
    return clocks


def make_counters(n_channels: int) -> NDArray[np.int64]:
    """Counters before the first request."""
    counters = np.zeros((n_channels, N_COUNTERS), np.int64)
    counters[:, [LAST_READ_CYCLE, LAST_WRITE_CYCLE, LAST_COMPLETION]] = -1
    return counters


def make_buffers(n_channels: int, n_slots: int, rules: NDArray[np.int64]) -> dict[str, Any]:
    """Slots, arrivals, log and front end, which both kernels have."""
    front = np.zeros(FRONT_FIELDS, np.int64)
    front[ACCEPTED_AT] = -1
    front[ACCEPTED_THEN] = rules[INJECT]
    n_arrivals = 2 * rules[TRANS_SIZE] + 1
    return {
        "pool": aligned_full((n_channels, n_slots * SLOT_FIELDS), 0, np.int64),
        "free": np.tile(np.arange(n_slots, dtype=np.int32)[::-1], (n_channels, 1)),
        "buckets": np.full((n_channels, 1 << BUCKET_BITS), NO_SLOT, np.int32),
        "chain": np.full((n_channels, n_slots), NO_SLOT, np.int32),
        "arrivals": np.zeros((n_channels, n_arrivals * ARRIVAL_FIELDS), np.int64),
        "log": np.zeros((n_channels, rules[LOG_SIZE] * LOG_FIELDS), np.int64),
        "bounds": np.zeros((n_channels, 2), np.int64),
        "front": front,
    }


def make_state(device: Device, rules: NDArray[np.int64]) -> HostState:
    """Empty queues and closed banks at cycle 0."""
    org = device.organization
    n, n_lanes = org.channels, org.banks
    n_slots = n_lanes * rules[QUEUE_SIZE] + 2 * rules[TRANS_SIZE]
    plan = refresh_plan(device)
    return HostState(
        rules=rules,
        fields=address_fields(device),
        plan=plan,
        banks=make_banks(device, n),
        clocks=make_clocks(n, n_lanes, n_slots, plan[INTERVAL]),
        counters=make_counters(n),
        lanes=_empty_lanes(n, n_lanes),
        queue_rows=aligned_full((n, n_lanes * rules[QUEUE_WIDTH]), 0, np.int32),
        queue_slots=aligned_full((n, n_lanes * rules[QUEUE_WIDTH]), 0, np.int32),
        **make_buffers(n, n_slots, rules),
    )
