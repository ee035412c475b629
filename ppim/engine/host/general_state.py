"""State of the general kernel: every controller mode, one event cycle after the other, plainly.

It shares slots, arrivals, counters, banks and the front end with the fast kernel; only the queues
differ: here the transaction queues and the command queues (per bank or per rank) are arrays of slots in
age order, and selection tries their entries one by one.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.engine.banks import Banks, ChannelBanks, make_banks
from ppim.engine.codes import NEVER
from ppim.engine.host import columns as s
from ppim.engine.host.state import address_fields, empty_lanes, make_buffers, make_clocks, make_counters
from ppim.engine.refresh import INTERVAL, refresh_plan


class GeneralState(NamedTuple):
    """All channels; arrays have the channel axis first, `front` excepted."""

    rules: NDArray[np.int64]
    fields: NDArray[np.int64]
    plan: NDArray[np.int64]
    banks: Banks
    clocks: NDArray[np.int64]
    counters: NDArray[np.int64]
    lanes: NDArray[np.int64]  # (channels, lanes * LANE_FIELDS); of a lane only ACCESSES
    ranks: NDArray[np.int64]  # (channels, ranks * RANK_FIELDS)
    queues: NDArray[np.int32]  # (channels, queues * queue_size) slots, oldest first
    lengths: NDArray[np.int64]  # (channels, queues)
    waiting: NDArray[np.int32]  # (channels, 2 * trans_size) slots: reads (unified: all), then writes
    pool: NDArray[np.int64]
    free: NDArray[np.int32]
    buckets: NDArray[np.int32]
    chain: NDArray[np.int32]
    arrivals: NDArray[np.int64]
    log: NDArray[np.int64]
    done: NDArray[np.int64]
    spread: NDArray[np.int64]
    kept: NDArray[np.int64]
    bounds: NDArray[np.int64]
    front: NDArray[np.int64]


class GeneralChannel(NamedTuple):
    """One channel's views of `GeneralState`."""

    rules: NDArray[np.int64]
    fields: NDArray[np.int64]
    plan: NDArray[np.int64]
    banks: ChannelBanks
    clocks: NDArray[np.int64]
    counters: NDArray[np.int64]
    lanes: NDArray[np.int64]
    ranks: NDArray[np.int64]
    queues: NDArray[np.int32]
    lengths: NDArray[np.int64]
    waiting: NDArray[np.int32]
    pool: NDArray[np.int64]
    free: NDArray[np.int32]
    buckets: NDArray[np.int32]
    chain: NDArray[np.int32]
    arrivals: NDArray[np.int64]
    log: NDArray[np.int64]
    done: NDArray[np.int64]
    spread: NDArray[np.int64]
    kept: NDArray[np.int64]


def spare_slots(rules: NDArray[np.int64]) -> int:
    """Slots that the waiting and the buffered requests may need."""
    return 2 * rules[s.TRANS_SIZE] + 1


def make_general_state(device: Device, rules: NDArray[np.int64]) -> GeneralState:
    """Empty queues and closed banks at cycle 0."""
    org = device.organization
    n, n_queues = org.channels, rules[s.N_QUEUES]
    plan = refresh_plan(device)
    n_slots = n_queues * rules[s.QUEUE_SIZE] + 2 * spare_slots(rules)
    ranks = np.full((n, org.ranks, s.RANK_FIELDS), NEVER, np.int64)
    ranks[:, :, s.HAD_TRAFFIC] = 0
    clocks = make_clocks(n, org.banks, n_slots, plan[INTERVAL])
    clocks[:, s.NEXT_MOVE] = 0  # the first cycle to run
    return GeneralState(
        rules=rules,
        fields=address_fields(device),
        plan=plan,
        banks=make_banks(device, n),
        clocks=clocks,
        counters=make_counters(n),
        lanes=empty_lanes(n, org.banks),
        ranks=ranks.reshape(n, -1),
        queues=np.zeros((n, n_queues * rules[s.QUEUE_SIZE]), np.int32),
        lengths=np.zeros((n, n_queues), np.int64),
        waiting=np.zeros((n, 2 * rules[s.TRANS_SIZE]), np.int32),
        **make_buffers(n, n_slots, rules),
    )


def with_more_slots(state: GeneralState) -> GeneralState:
    """The same state with twice the slots: reads lost by DRAMsim3 stay outstanding for ever."""
    n, n_slots = state.chain.shape
    rules = state.rules
    bigger = make_buffers(n, 2 * n_slots, rules)
    bigger["pool"][:, : state.pool.shape[1]] = state.pool
    bigger["chain"][:, :n_slots] = state.chain
    state.clocks[:, s.N_FREE] += n_slots
    bigger["free"][:, :n_slots] = np.arange(n_slots, 2 * n_slots)
    bigger["free"][:, n_slots:] = state.free
    kept = {
        name: getattr(state, name)
        for name in ("buckets", "arrivals", "log", "done", "spread", "kept", "bounds", "front")
    }
    return state._replace(**{**bigger, **kept})
