"""The fast kernel's waiting lists and command queues, and what a bank with a queue is a candidate for."""

from numba import int32, int64

from ppim.engine.banks import ACT, COLUMN_READ, COLUMN_WRITE, PRE
from ppim.engine.host import columns as s
from ppim.engine.host.moves import NOTHING
from ppim.engine.host.selection import is_protected, must_wait_for, wanted_class
from ppim.engine.host.slots import slot_field
from ppim.jit import bits, helper
from ppim.jit.lanes import LANES, equal, load, splat, store


@helper(forceinline=True)
def set_bit(mask, bit, wanted):
    """`mask` with `bit` set or cleared."""
    return mask | bit if wanted else mask & ~bit


@helper(forceinline=True)
def _waiting(writes):
    """Where a lane keeps its waiting list of writes or reads, and where a channel the lanes that have one."""
    return (s.FIRST_WRITE, s.WRITE_LANES) if writes else (s.FIRST_READ, s.READ_LANES)


@helper(forceinline=True)
def append_waiting(h, slot, writes):
    """Put a slot at the end of its lane's waiting list of writes or reads."""
    lane = slot_field(h, slot, s.SLOT_LANE)
    first, waiting = _waiting(writes)
    at, bit = lane * s.LANE_FIELDS + first, int64(1) << lane
    if h.clocks[waiting] & bit:
        h.pool[h.lanes[at + 1] * s.SLOT_FIELDS + s.SLOT_NEXT] = slot
    else:
        h.lanes[at] = slot
        h.clocks[waiting] |= bit
    h.lanes[at + 1] = slot


@helper(forceinline=True)
def pop_waiting(h, lane, writes):
    """Take the oldest slot out of the lane's waiting list of writes or reads."""
    first, waiting = _waiting(writes)
    at = lane * s.LANE_FIELDS + first
    slot = h.lanes[at]
    following = slot_field(h, slot, s.SLOT_NEXT)
    h.lanes[at] = following
    if following == s.NO_SLOT:
        h.clocks[waiting] &= ~(int64(1) << lane)
    return slot


@helper(forceinline=True)
def oldest_write(h, lane):
    """Slot of the lane's oldest waiting write."""
    return h.lanes[lane * s.LANE_FIELDS + s.FIRST_WRITE]


@helper(forceinline=True)
def oldest_with_room(h, writes):
    """Lane whose oldest waiting write (or read) is the oldest of all that find room, or NOTHING."""
    first, waiting = _waiting(writes)
    lanes = h.clocks[waiting] & h.clocks[s.ROOM_LANES]
    if lanes == 0:
        return int64(NOTHING)
    best = bits.count_trailing_zeros(lanes)
    lanes &= ~(int64(1) << best)
    if lanes == 0:
        return best
    best_age = slot_field(h, h.lanes[best * s.LANE_FIELDS + first], s.SLOT_NUMBER)
    while lanes != 0:
        lane = bits.count_trailing_zeros(lanes)
        age = slot_field(h, h.lanes[lane * s.LANE_FIELDS + first], s.SLOT_NUMBER)
        if age < best_age:
            best, best_age = lane, age
        lanes &= ~(int64(1) << lane)
    return best


@helper(forceinline=True)
def append_entry(h, lane, slot, writes):
    """Put a slot at the end of the lane's command queue; returns its position."""
    state = lane * s.LANE_FIELDS
    position = h.lanes[state + s.LENGTH]
    at = lane * h.rules[s.QUEUE_WIDTH] + position
    h.queue_rows[at] = int32(slot_field(h, slot, s.SLOT_ROW))
    h.queue_slots[at] = int32(slot)
    h.lanes[state + s.LENGTH] = position + 1
    if writes:
        h.lanes[state + s.WRITES] |= int64(1) << position
    if position + 1 == h.rules[s.QUEUE_SIZE]:
        h.clocks[s.ROOM_LANES] &= ~(int64(1) << lane)
    return position


@helper(forceinline=True)
def _without(mask, position):
    """A position mask after the entry at `position` has gone."""
    below = (int64(1) << position) - 1
    return (mask & below) | ((mask >> 1) & ~below)


@helper(forceinline=True)
def remove_entry(h, lane, position):
    """Take an entry out of the lane's command queue; the younger ones move up."""
    state = lane * s.LANE_FIELDS
    at = lane * h.rules[s.QUEUE_WIDTH] + position
    for block in range(h.rules[s.QUEUE_BLOCKS]):
        start = at + block * LANES
        store(h.queue_rows, start, load(h.queue_rows, start + 1))
        store(h.queue_slots, start, load(h.queue_slots, start + 1))
    h.lanes[state + s.LENGTH] -= 1
    h.lanes[state + s.HITS] = _without(h.lanes[state + s.HITS], position)
    h.lanes[state + s.WRITES] = _without(h.lanes[state + s.WRITES], position)
    h.clocks[s.QUEUED] -= 1
    h.clocks[s.ROOM_LANES] |= int64(1) << lane


@helper(forceinline=True)
def matching_positions(h, lane, row):
    """Positions of the lane's command queue that want `row`."""
    at = lane * h.rules[s.QUEUE_WIDTH]
    found = int64(0)
    for block in range(h.rules[s.QUEUE_BLOCKS]):
        found |= equal(load(h.queue_rows, at + block * LANES), splat(int32(row))) << (block * LANES)
    return found & ((int64(1) << h.lanes[lane * s.LANE_FIELDS + s.LENGTH]) - 1)


@helper(forceinline=True)
def entry_slot(h, lane, position):
    """Slot of an entry of the lane's command queue."""
    return int64(h.queue_slots[lane * h.rules[s.QUEUE_WIDTH] + position])


@helper(forceinline=True)
def oldest_row(h, lane):
    """Row that the lane's oldest entry wants."""
    return int64(h.queue_rows[lane * h.rules[s.QUEUE_WIDTH]])


@helper(forceinline=True)
def _hits(h, lane):
    """Positions of the reads, and of the writes, that want the open row."""
    hits, writes = h.lanes[lane * s.LANE_FIELDS + s.HITS], h.lanes[lane * s.LANE_FIELDS + s.WRITES]
    return hits & ~writes, hits & writes


@helper(forceinline=True)
def eligible_read(h, lane):
    """Position of the oldest row-hit read, of which there is one."""
    return bits.count_trailing_zeros(_hits(h, lane)[0])


@helper
def _write_behind_no_read(h, lane, reads, writes):
    while writes != 0:
        position = bits.count_trailing_zeros(writes)
        slot = entry_slot(h, lane, position)
        older = reads & ((int64(1) << position) - 1)
        blocked = False
        while older != 0 and not blocked:
            blocked = must_wait_for(h, slot, entry_slot(h, lane, bits.count_trailing_zeros(older)))
            older &= older - 1
        if not blocked:
            return position
        writes &= writes - 1
    return int64(s.NO_POSITION)


@helper(forceinline=True)
def eligible_write(h, lane):
    """Position of the oldest row-hit write with no older read of its column, or NO_POSITION."""
    reads, writes = _hits(h, lane)
    if writes == 0:
        return int64(s.NO_POSITION)
    if reads == 0:
        return bits.count_trailing_zeros(writes)
    return _write_behind_no_read(h, lane, reads, writes)


@helper(forceinline=True)
def update_candidates(h, lane):
    """Recompute what an open bank is a candidate for (host-controller.md §7)."""
    candidates, bit, state = h.banks.candidates, int64(1) << lane, lane * s.LANE_FIELDS
    hits = h.lanes[state + s.HITS]
    reads, _ = _hits(h, lane)
    may_precharge = (
        h.lanes[state + s.LENGTH] > 0 and (hits & 1) == 0 and (hits == 0 or not is_protected(h, lane))
    )
    candidates[COLUMN_READ] = set_bit(candidates[COLUMN_READ], bit, reads != 0)
    candidates[COLUMN_WRITE] = set_bit(
        candidates[COLUMN_WRITE], bit, eligible_write(h, lane) != s.NO_POSITION
    )
    candidates[PRE] = set_bit(candidates[PRE], bit, may_precharge)


@helper(forceinline=True)
def on_activated(h, lane, row):
    """The bank has opened `row`, which its oldest entry wants."""
    h.lanes[lane * s.LANE_FIELDS + s.HITS] = matching_positions(h, lane, row)
    h.banks.candidates[ACT] &= ~(int64(1) << lane)
    update_candidates(h, lane)


@helper(forceinline=True)
def on_precharged(h, lane):
    """The bank has been closed."""
    state, bit, candidates = lane * s.LANE_FIELDS, int64(1) << lane, h.banks.candidates
    h.lanes[state + s.HITS] = 0
    candidates[COLUMN_READ] &= ~bit
    candidates[COLUMN_WRITE] &= ~bit
    candidates[PRE] &= ~bit
    candidates[ACT] = set_bit(candidates[ACT], bit, h.lanes[state + s.LENGTH] > 0)


@helper(forceinline=True)
def on_joined(h, lane, position, writes):
    """A new entry is at `position`.

    Returns
    -------
    class_added : int
        Class of command that the bank has become a candidate for, or -1.
    cancelled : bool
        The entry wants the open row, so the bank may no longer be precharged.
    """
    bit, candidates = int64(1) << lane, h.banks.candidates
    row = h.queue_rows[lane * h.rules[s.QUEUE_WIDTH] + position]
    wanted = wanted_class(h.banks.open_row[lane], row, writes)
    if wanted in (ACT, PRE):
        if position != 0:
            return -1, False
        candidates[wanted] |= bit
        return wanted, False
    h.lanes[lane * s.LANE_FIELDS + s.HITS] |= int64(1) << position
    cancelled = candidates[PRE] & bit != 0 and is_protected(h, lane)
    if cancelled:
        candidates[PRE] &= ~bit
    if writes and eligible_write(h, lane) == s.NO_POSITION:
        return -1, cancelled
    candidates[wanted] |= bit
    return wanted, cancelled
