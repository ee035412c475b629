"""One transaction a cycle moves to a command queue: host-controller.md §5, and its livelock (§13) mended."""

from __future__ import annotations

from numba import int64

from ppim.engine.banks import earliest_cycle, scan
from ppim.engine.host.arrivals import arrival_waits, register_arrival
from ppim.engine.host.queues import append_entry, append_waiting, oldest_waiting, on_joined, pop_waiting
from ppim.engine.host.slots import find_outstanding
from ppim.engine.host.state import (
    BLOCKED,
    DRAIN,
    FIRST_READ,
    FIRST_WRITE,
    FLUSH,
    LANE_FIELDS,
    N_READS,
    N_WRITES,
    NEXT_COMMAND,
    NO_SLOT,
    QUEUED,
    READ_LANES,
    READY,
    ROOM,
    SLOT_ADDRESS,
    SLOT_FIELDS,
    SLOT_LANE,
    SLOT_READERS,
    TRANS_SIZE,
    WRITE_DRAIN_MINIMUM,
    WRITE_LANES,
)
from ppim.jit import helper


@helper
def register_arrivals(h, cycle):
    """Put the arrivals accepted in `cycle` or before into the read queue and the write buffer."""
    while arrival_waits(h, cycle):
        slot = register_arrival(h)
        if slot != NO_SLOT:
            lane = h.pool[slot * SLOT_FIELDS + SLOT_LANE]
            if h.pool[slot * SLOT_FIELDS + SLOT_READERS] == 0:
                append_waiting(h, lane, FIRST_WRITE, slot, WRITE_LANES)
                h.clocks[N_WRITES] += 1
            else:
                append_waiting(h, lane, FIRST_READ, slot, READ_LANES)
                h.clocks[N_READS] += 1


@helper(forceinline=True)
def drain_due(h):
    """Whether the write buffer is to be written back."""
    writes, queued = h.clocks[N_WRITES], h.clocks[QUEUED]
    return (
        writes == h.rules[TRANS_SIZE]
        or (writes > WRITE_DRAIN_MINIMUM and queued == 0)
        or (h.clocks[FLUSH] != 0 and writes > 0 and queued == 0 and h.clocks[N_READS] == 0)
    )


@helper(forceinline=True)
def move_possible(h):
    """Whether a look at the transaction queues would change anything."""
    if h.clocks[DRAIN] > 0:
        return h.clocks[WRITE_LANES] & h.clocks[ROOM] != 0
    return h.clocks[READ_LANES] & h.clocks[ROOM] != 0 or drain_due(h)


@helper(forceinline=True)
def _join_bank(h, lane, slot, is_write, cycle):
    """Append to the lane's command queue and note when the bank may want a command."""
    clocks = h.clocks
    position = append_entry(h, lane, slot, is_write)
    class_added, cancelled = on_joined(h, lane, position, is_write)
    bit = int64(1) << lane
    if clocks[BLOCKED] & bit:
        return
    if cancelled and clocks[READY] & bit:
        clocks[NEXT_COMMAND], clocks[READY] = scan(h.banks, cycle + 1, ~clocks[BLOCKED])
    elif class_added >= 0:
        at = max(earliest_cycle(h.banks, class_added, lane), cycle + 1)
        if at < clocks[NEXT_COMMAND]:
            clocks[NEXT_COMMAND] = at
            clocks[READY] = bit
        elif at == clocks[NEXT_COMMAND]:
            clocks[READY] |= bit


@helper(forceinline=True)
def _move(h, lane, is_write, cycle):
    if is_write:
        slot = pop_waiting(h, lane, FIRST_WRITE, WRITE_LANES)
        h.clocks[N_WRITES] -= 1
        h.clocks[DRAIN] -= 1
    else:
        slot = pop_waiting(h, lane, FIRST_READ, READ_LANES)
        h.clocks[N_READS] -= 1
    _join_bank(h, lane, slot, is_write, cycle)


@helper(forceinline=True)
def _overtakes_read(h, lane):
    """Whether a read of the address of the lane's oldest waiting write is outstanding."""
    address = h.pool[h.lanes[lane * LANE_FIELDS + FIRST_WRITE] * SLOT_FIELDS + SLOT_ADDRESS]
    return find_outstanding(h, address, False) != NO_SLOT


@helper(forceinline=True)
def move_one(h, cycle):
    """Move the transaction whose turn it is; call when `move_possible`."""
    clocks = h.clocks
    if clocks[DRAIN] == 0 and drain_due(h):
        clocks[DRAIN] = clocks[N_WRITES]
    is_write = clocks[DRAIN] > 0
    lanes = (clocks[WRITE_LANES] if is_write else clocks[READ_LANES]) & clocks[ROOM]
    if lanes == 0:
        return
    lane = oldest_waiting(h, lanes, FIRST_WRITE if is_write else FIRST_READ)
    if is_write and _overtakes_read(h, lane):
        clocks[DRAIN] = 0
        if clocks[QUEUED] != 0 or not drain_due(h):
            return
        # Nothing is under way, the drain would start again and again, and the read that it must not
        # overtake would never move: DRAMsim3 stands still here. The reads' turn comes first instead.
        is_write = False
        lane = oldest_waiting(h, clocks[READ_LANES] & clocks[ROOM], FIRST_READ)
    _move(h, lane, is_write, cycle)
