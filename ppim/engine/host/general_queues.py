"""The general kernel's queues: arrays of slots in age order. host-controller.md §4 to §6."""

from numba import int32, int64

from ppim.engine.host import columns as s
from ppim.engine.host.moves import NOTHING
from ppim.engine.host.slots import slot_field
from ppim.jit import helper


@helper(forceinline=True)
def _take_out(slots, start, position, length):
    """Remove one of `length` slots; the younger ones move up."""
    for i in range(start + position, start + length - 1):
        slots[i] = slots[i + 1]


# --- transactions --------------------------------------------------------------------------------


@helper(forceinline=True)
def _waiting(h, writes):
    """First element and length of the write buffer or the read queue (with one queue for both: that one)."""
    if writes:
        return h.rules[s.TRANS_SIZE], h.clocks[s.N_WRITES]
    return int64(0), h.clocks[s.N_READS]


@helper(forceinline=True)
def append_waiting(h, slot, writes):
    """Put a slot at the end of the write buffer or the read queue."""
    start, length = _waiting(h, writes)
    h.waiting[start + length] = int32(slot)


@helper(forceinline=True)
def oldest_write(h, position):
    """Slot of a waiting write."""
    return int64(h.waiting[h.rules[s.TRANS_SIZE] + position])


@helper
def oldest_with_room(h, writes):
    """Position of the oldest transaction whose command queue has room, or NOTHING."""
    start, length = _waiting(h, writes)
    for position in range(length):
        lane = slot_field(h, int64(h.waiting[start + position]), s.SLOT_LANE)
        if h.lengths[queue_of(h, lane)] < h.rules[s.QUEUE_SIZE]:
            return position
    return int64(NOTHING)


@helper
def pop_waiting(h, position, writes):
    """Take a slot out of the write buffer or the read queue."""
    start, length = _waiting(h, writes)
    slot = int64(h.waiting[start + position])
    _take_out(h.waiting, start, position, length)
    return slot


# --- command queues ------------------------------------------------------------------------------


@helper(forceinline=True)
def queue_of(h, lane):
    """Command queue of a lane."""
    return lane if h.rules[s.LANES_PER_QUEUE] == 1 else h.banks.rank_of[lane]


@helper(forceinline=True)
def entry_slot(h, queue, position):
    """Slot of an entry of a command queue."""
    return int64(h.queues[queue * h.rules[s.QUEUE_SIZE] + position])


@helper(forceinline=True)
def append_entry(h, queue, slot):
    """Put a slot at the end of a command queue."""
    h.queues[queue * h.rules[s.QUEUE_SIZE] + h.lengths[queue]] = int32(slot)
    h.lengths[queue] += 1


@helper(forceinline=True)
def remove_entry(h, queue, position):
    """Take an entry out of a command queue."""
    _take_out(h.queues, queue * h.rules[s.QUEUE_SIZE], position, h.lengths[queue])
    h.lengths[queue] -= 1
    h.clocks[s.QUEUED] -= 1
