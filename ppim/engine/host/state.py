"""State of the host memory controller's fast kernel: one channel's queues, counters and clocks.

Requests live in *slots* of a pool. A waiting request is in its lane's waiting list of reads or writes
(linked through SLOT_NEXT, oldest first), then in its lane's command queue, an array in age order. Masks
of lanes say which lanes have waiting reads, waiting writes, or room in their command queue, so the one
move of a cycle is a few bit operations. Position masks (HITS, WRITES) say which entries of a lane's
queue want the open row and which are writes.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.arrays import aligned_full
from ppim.dram import address
from ppim.dram.device import Device
from ppim.engine.banks import Banks, ChannelBanks, make_banks
from ppim.engine.codes import LOG_FIELDS, NEVER
from ppim.engine.host import columns as s
from ppim.engine.host.latency import N_BUCKETS
from ppim.engine.refresh import INTERVAL, refresh_plan
from ppim.jit.lanes import LANES

KEPT_REQUESTS = 1 << 14  # of a channel, whose latencies are kept between two visits


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
    done: NDArray[np.int64]  # (channels, capacity * DONE_FIELDS)
    spread: NDArray[np.int64]  # (channels, 2 * N_BUCKETS) reads, then writes, by latency (`latency`)
    kept: NDArray[np.int64]  # (channels, capacity * KEPT_FIELDS)
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
    done: NDArray[np.int64]
    spread: NDArray[np.int64]
    kept: NDArray[np.int64]


def address_fields(device: Device) -> NDArray[np.int64]:
    """The device's address map for kernels."""
    at = address.address_map(device)
    fields = np.zeros(s.N_FIELDS, np.int64)
    fields[s.CHANNEL_AT : s.LANES_PER_RANK : 2] = at.positions
    fields[s.CHANNEL_MASK : s.LANES_PER_RANK : 2] = at.masks
    fields[s.LANES_PER_RANK] = device.organization.banks_per_rank
    fields[s.LANES_PER_GROUP] = device.organization.banks_per_group
    return fields


def make_rules(
    device: Device,
    *,
    n_cycles: int | None,
    inject: int,
    merge: bool,
    log: int,
    follow_defects: bool,
    outstanding: int = 0,
    keep_latencies: bool = False,
) -> NDArray[np.int64]:
    """Controller and run parameters.

    `log`: commands that the log holds between two visits, or 0. `outstanding`: requests that can be under way,
    whose completions the front end waits for, or 0. `keep_latencies`: of every request.
    """
    org, controller = device.organization, device.controller
    per_rank = controller.queue_structure == "PER_RANK"
    size = controller.cmd_queue_size
    blocks = -(-size // LANES)
    rules = np.zeros(s.N_RULES, np.int64)
    rules[s.QUEUE_SIZE] = size
    # Taking an entry out moves whole blocks up from the element after it.
    rules[s.QUEUE_WIDTH] = 2 * blocks * LANES
    rules[s.QUEUE_BLOCKS] = blocks
    rules[s.TRANS_SIZE] = controller.trans_queue_size
    rules[s.SEPARATE] = not controller.unified_queue
    rules[s.DUAL] = device.is_hbm and controller.hbm_dual_cmd
    rules[s.READ_DELAY] = device.timing.read_delay
    rules[s.WRITE_DELAY] = device.timing.write_delay
    rules[s.MERGE] = merge
    rules[s.INJECT] = inject
    rules[s.LAST_CYCLE] = NEVER - 1 if n_cycles is None else n_cycles - 1
    rules[s.DRAINED] = n_cycles is None
    rules[s.LOG_SIZE] = log
    rules[s.FOLLOW_DEFECTS] = follow_defects
    rules[s.DONE_SIZE] = outstanding
    rules[s.KEEP_ALL] = keep_latencies
    rules[s.KEPT_LIMIT] = KEPT_REQUESTS if merge or keep_latencies else NEVER
    rules[s.N_QUEUES] = org.ranks if per_rank else org.banks
    rules[s.LANES_PER_QUEUE] = org.banks_per_rank if per_rank else 1
    rules[s.CLOSE_PAGE] = controller.row_buf_policy == "CLOSE_PAGE"
    rules[s.SELF_REFRESH] = controller.enable_self_refresh
    rules[s.SREF_THRESHOLD] = controller.sref_threshold
    return rules


def empty_lanes(n_channels: int, n_lanes: int) -> NDArray[np.int64]:
    """Lanes without entries and waiting lists."""
    lanes = aligned_full((n_channels, n_lanes, s.LANE_FIELDS), 0, np.int64)
    lanes[:, :, [s.FIRST_READ, s.FIRST_WRITE]] = s.NO_SLOT
    return lanes.reshape(n_channels, -1)


def make_clocks(n_channels: int, n_lanes: int, n_slots: int, refresh_interval: int) -> NDArray[np.int64]:
    """Clocks of idle channels at cycle 0."""
    clocks = aligned_full((n_channels, s.CHANNEL_FIELDS), 0, np.int64)
    clocks[:, [s.NEXT_COMMAND, s.NEXT_MOVE, s.NEXT_ARRIVAL]] = NEVER
    clocks[:, s.REFRESH_LOOK] = refresh_interval
    clocks[:, s.ROOM_LANES] = np.array([((1 << n_lanes) - 1) & ((1 << 64) - 1)], np.uint64).view(np.int64)
    clocks[:, s.N_FREE] = n_slots
    return clocks


def make_counters(n_channels: int) -> NDArray[np.int64]:
    """Counters before the first request."""
    counters = np.zeros((n_channels, s.N_COUNTERS), np.int64)
    counters[:, [s.LAST_READ_CYCLE, s.LAST_WRITE_CYCLE, s.LAST_COMPLETION]] = -1
    return counters


def make_buffers(n_channels: int, n_slots: int, rules: NDArray[np.int64]) -> dict[str, Any]:
    """Slots, arrivals, log and front end, which both kernels have."""
    front = np.zeros(s.FRONT_FIELDS, np.int64)
    front[s.ACCEPTED_AT] = -1
    front[s.ACCEPTED_THEN] = rules[s.INJECT]
    n_arrivals = 2 * rules[s.TRANS_SIZE] + 1
    limit = rules[s.KEPT_LIMIT]
    # Before it is looked at the limit again, all arrivals and two commands may add to what is kept.
    n_kept = 0 if limit == NEVER else limit + n_arrivals + 3
    return {
        "pool": aligned_full((n_channels, n_slots * s.SLOT_FIELDS), 0, np.int64),
        "free": np.tile(np.arange(n_slots, dtype=np.int32)[::-1], (n_channels, 1)),
        "buckets": np.full((n_channels, 1 << s.BUCKET_BITS), s.NO_SLOT, np.int32),
        "chain": np.full((n_channels, n_slots), s.NO_SLOT, np.int32),
        "arrivals": np.zeros((n_channels, (n_arrivals + 1) * s.ARRIVAL_FIELDS), np.int64),
        "log": np.zeros((n_channels, rules[s.LOG_SIZE] * LOG_FIELDS), np.int64),
        "spread": np.zeros((n_channels, 2 * N_BUCKETS), np.int64),
        "kept": np.zeros((n_channels, n_kept * s.KEPT_FIELDS), np.int64),
        "done": np.zeros((n_channels, rules[s.DONE_SIZE] * s.DONE_FIELDS), np.int64),
        "bounds": np.zeros((n_channels, 2), np.int64),
        "front": front,
    }


def make_state(device: Device, rules: NDArray[np.int64]) -> HostState:
    """Empty queues and closed banks at cycle 0."""
    org = device.organization
    n, n_lanes = org.channels, org.banks
    n_slots = n_lanes * rules[s.QUEUE_SIZE] + 2 * rules[s.TRANS_SIZE]
    plan = refresh_plan(device)
    return HostState(
        rules=rules,
        fields=address_fields(device),
        plan=plan,
        banks=make_banks(device, n),
        clocks=make_clocks(n, n_lanes, n_slots, plan[INTERVAL]),
        counters=make_counters(n),
        lanes=empty_lanes(n, n_lanes),
        queue_rows=aligned_full((n, n_lanes * rules[s.QUEUE_WIDTH]), 0, np.int32),
        queue_slots=aligned_full((n, n_lanes * rules[s.QUEUE_WIDTH]), 0, np.int32),
        **make_buffers(n, n_slots, rules),
    )
