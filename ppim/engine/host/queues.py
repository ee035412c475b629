"""Waiting lists and command queues of a channel, and what a bank with a queue is a candidate for."""

from __future__ import annotations

from numba import int32, int64

from ppim.engine.banks import ACT, COLUMN_READ, COLUMN_WRITE, PRE
from ppim.engine.codes import NO_ROW
from ppim.engine.host.state import (
    ACCESSES,
    HITS,
    LANE_FIELDS,
    LENGTH,
    NO_POSITION,
    NO_SLOT,
    QUEUE_BLOCKS,
    QUEUE_SIZE,
    QUEUE_WIDTH,
    QUEUED,
    ROOM,
    ROW_HITS_BEFORE_PRECHARGE,
    SLOT_AGE,
    SLOT_COLUMN,
    SLOT_FIELDS,
    SLOT_NEXT,
    SLOT_ROW,
    WRITES,
)
from ppim.jit import helper
from ppim.jit.bits import count_trailing_zeros
from ppim.jit.lanes import LANES, equal, load, splat, store


@helper(forceinline=True)
def set_bit(mask, bit, wanted):
    """`mask` with `bit` set or cleared."""
    return mask | bit if wanted else mask & ~bit


@helper(forceinline=True)
def append_waiting(h, lane, first, slot, lanes_field):
    """Put a slot at the end of the lane's waiting list (`first`: FIRST_READ or FIRST_WRITE)."""
    at, bit = lane * LANE_FIELDS + first, int64(1) << lane
    if h.clocks[lanes_field] & bit:
        h.pool[h.lanes[at + 1] * SLOT_FIELDS + SLOT_NEXT] = slot
    else:
        h.lanes[at] = slot
        h.clocks[lanes_field] |= bit
    h.lanes[at + 1] = slot


@helper(forceinline=True)
def pop_waiting(h, lane, first, lanes_field):
    """Take the oldest slot out of the lane's waiting list."""
    at = lane * LANE_FIELDS + first
    slot = h.lanes[at]
    following = h.pool[slot * SLOT_FIELDS + SLOT_NEXT]
    h.lanes[at] = following
    if following == NO_SLOT:
        h.clocks[lanes_field] &= ~(int64(1) << lane)
    return slot


@helper(forceinline=True)
def oldest_waiting(h, lanes, first):
    """Lane of `lanes` (not empty) whose oldest waiting slot is the oldest of all."""
    best = count_trailing_zeros(lanes)
    lanes &= ~(int64(1) << best)
    if lanes == 0:
        return best
    best_age = h.pool[h.lanes[best * LANE_FIELDS + first] * SLOT_FIELDS + SLOT_AGE]
    while lanes != 0:
        lane = count_trailing_zeros(lanes)
        age = h.pool[h.lanes[lane * LANE_FIELDS + first] * SLOT_FIELDS + SLOT_AGE]
        if age < best_age:
            best, best_age = lane, age
        lanes &= ~(int64(1) << lane)
    return best


@helper(forceinline=True)
def append_entry(h, lane, slot, is_write):
    """Put a slot at the end of the lane's command queue; returns its position."""
    state = lane * LANE_FIELDS
    position = h.lanes[state + LENGTH]
    at = lane * h.rules[QUEUE_WIDTH] + position
    h.queue_rows[at] = int32(h.pool[slot * SLOT_FIELDS + SLOT_ROW])
    h.queue_slots[at] = int32(slot)
    h.lanes[state + LENGTH] = position + 1
    if is_write:
        h.lanes[state + WRITES] |= int64(1) << position
    h.clocks[QUEUED] += 1
    if position + 1 == h.rules[QUEUE_SIZE]:
        h.clocks[ROOM] &= ~(int64(1) << lane)
    return position


@helper(forceinline=True)
def _without(mask, position):
    """A position mask after the entry at `position` has gone."""
    below = (int64(1) << position) - 1
    return (mask & below) | ((mask >> 1) & ~below)


@helper(forceinline=True)
def remove_entry(h, lane, position):
    """Take an entry out of the lane's command queue; the younger ones move up."""
    state = lane * LANE_FIELDS
    at = lane * h.rules[QUEUE_WIDTH] + position
    for block in range(h.rules[QUEUE_BLOCKS]):
        start = at + block * LANES
        store(h.queue_rows, start, load(h.queue_rows, start + 1))
        store(h.queue_slots, start, load(h.queue_slots, start + 1))
    h.lanes[state + LENGTH] -= 1
    h.lanes[state + HITS] = _without(h.lanes[state + HITS], position)
    h.lanes[state + WRITES] = _without(h.lanes[state + WRITES], position)
    h.clocks[QUEUED] -= 1
    h.clocks[ROOM] |= int64(1) << lane


@helper(forceinline=True)
def matching_positions(h, lane, row):
    """Positions of the lane's command queue that want `row`."""
    at = lane * h.rules[QUEUE_WIDTH]
    found = int64(0)
    for block in range(h.rules[QUEUE_BLOCKS]):
        found |= equal(load(h.queue_rows, at + block * LANES), splat(int32(row))) << (block * LANES)
    return found & ((int64(1) << h.lanes[lane * LANE_FIELDS + LENGTH]) - 1)


@helper
def _write_behind_no_read(h, lane, reads, writes):
    at = lane * h.rules[QUEUE_WIDTH]
    while writes != 0:
        position = count_trailing_zeros(writes)
        column = h.pool[h.queue_slots[at + position] * SLOT_FIELDS + SLOT_COLUMN]
        older = reads & ((int64(1) << position) - 1)
        blocked = False
        while older != 0 and not blocked:
            slot = h.queue_slots[at + count_trailing_zeros(older)]
            blocked = h.pool[slot * SLOT_FIELDS + SLOT_COLUMN] == column
            older &= older - 1
        if not blocked:
            return position
        writes &= writes - 1
    return int64(NO_POSITION)


@helper(forceinline=True)
def eligible_write(h, lane):
    """Position of the oldest row-hit write with no older read of its column, or NO_POSITION."""
    state = lane * LANE_FIELDS
    writes = h.lanes[state + HITS] & h.lanes[state + WRITES]
    if writes == 0:
        return int64(NO_POSITION)
    reads = h.lanes[state + HITS] & ~h.lanes[state + WRITES]
    if reads == 0:
        return count_trailing_zeros(writes)
    return _write_behind_no_read(h, lane, reads, writes)


@helper(forceinline=True)
def update_candidates(h, lane):
    """Recompute what an open bank is a candidate for (host-controller.md §7)."""
    candidates, bit, state = h.banks.candidates, int64(1) << lane, lane * LANE_FIELDS
    hits = h.lanes[state + HITS]
    reads = hits & ~h.lanes[state + WRITES]
    may_precharge = (
        h.lanes[state + LENGTH] > 0
        and (hits & 1) == 0
        and (hits == 0 or h.lanes[state + ACCESSES] >= ROW_HITS_BEFORE_PRECHARGE)
    )
    candidates[COLUMN_READ] = set_bit(candidates[COLUMN_READ], bit, reads != 0)
    candidates[COLUMN_WRITE] = set_bit(candidates[COLUMN_WRITE], bit, eligible_write(h, lane) != NO_POSITION)
    candidates[PRE] = set_bit(candidates[PRE], bit, may_precharge)


@helper(forceinline=True)
def on_activated(h, lane, row):
    """The bank has opened `row`, which its oldest entry wants."""
    state, bit = lane * LANE_FIELDS, int64(1) << lane
    h.lanes[state + HITS] = matching_positions(h, lane, row)
    h.lanes[state + ACCESSES] = 0
    h.banks.candidates[ACT] &= ~bit
    update_candidates(h, lane)


@helper(forceinline=True)
def on_precharged(h, lane):
    """The bank has been closed."""
    state, bit, candidates = lane * LANE_FIELDS, int64(1) << lane, h.banks.candidates
    h.lanes[state + HITS] = 0
    candidates[COLUMN_READ] &= ~bit
    candidates[COLUMN_WRITE] &= ~bit
    candidates[PRE] &= ~bit
    candidates[ACT] = set_bit(candidates[ACT], bit, h.lanes[state + LENGTH] > 0)


@helper(forceinline=True)
def on_joined(h, lane, position, is_write):
    """A new entry is at `position`.

    Returns
    -------
    class_added : int
        Class of command that the bank has become a candidate for, or -1.
    cancelled : bool
        The entry wants the open row, so the bank may no longer be precharged.
    """
    state, bit, candidates = lane * LANE_FIELDS, int64(1) << lane, h.banks.candidates
    open_row = h.banks.open_row[lane]
    if open_row == NO_ROW:
        if position == 0:
            candidates[ACT] |= bit
            return ACT, False
        return -1, False
    if h.queue_rows[lane * h.rules[QUEUE_WIDTH] + position] != open_row:
        if position == 0:
            candidates[PRE] |= bit
            return PRE, False
        return -1, False
    h.lanes[state + HITS] |= int64(1) << position
    cancelled = candidates[PRE] & bit != 0 and h.lanes[state + ACCESSES] < ROW_HITS_BEFORE_PRECHARGE
    if cancelled:
        candidates[PRE] &= ~bit
    if not is_write:
        candidates[COLUMN_READ] |= bit
        return COLUMN_READ, cancelled
    if eligible_write(h, lane) != NO_POSITION:
        candidates[COLUMN_WRITE] |= bit
        return COLUMN_WRITE, cancelled
    return -1, cancelled
