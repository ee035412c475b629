"""One transaction a cycle moves to a command queue: host-controller.md §5, and its standstill (§13) mended."""

from ppim.engine.host import columns as s
from ppim.engine.host.slots import find_outstanding, slot_field
from ppim.jit import helper

WRITE_DRAIN_MINIMUM = 8  # more buffered writes than this are drained when all command queues are empty

NOTHING = -1


@helper(forceinline=True)
def drain_due(h):
    """Whether the write buffer is to be written back."""
    writes, queued = h.clocks[s.N_WRITES], h.clocks[s.QUEUED]
    return writes > 0 and (
        writes == h.rules[s.TRANS_SIZE]
        or (writes > WRITE_DRAIN_MINIMUM and queued == 0)
        or (h.clocks[s.FLUSH] != 0 and queued == 0 and h.clocks[s.N_READS] == 0)
    )


@helper(forceinline=True)
def _overtakes_read(h, slot):
    """Whether a read of the write's address is outstanding."""
    return find_outstanding(h, slot_field(h, slot, s.SLOT_ADDRESS), False) != s.NO_SLOT


@helper(forceinline=True)
def _stands_still(h):
    """Whether nothing is under way and the drain, just cancelled, would be started in every cycle again.

    The read that the write must not overtake would never move: DRAMsim3 stands still here.
    """
    return h.rules[s.FOLLOW_DEFECTS] == 0 and h.clocks[s.QUEUED] == 0 and drain_due(h)


@helper(forceinline=True)
def move_one(h, cycle, oldest_with_room, oldest_slot, move):
    """Move the transaction whose turn it is; whether anything has changed.

    Parameters
    ----------
    h : HostChannel or GeneralChannel
    cycle : int
    oldest_with_room, oldest_slot, move : callable
        The kernel's queues. `oldest_with_room(h, is_write)` is the place of the oldest write, or read, that
        finds room in its command queue, or NOTHING. `oldest_slot(h, place)` is the slot of the write there,
        and `move(h, place, is_write, cycle)` moves it.
    """
    clocks = h.clocks
    if clocks[s.DRAIN] == 0 and drain_due(h):
        clocks[s.DRAIN] = clocks[s.N_WRITES]
    is_write = clocks[s.DRAIN] > 0
    place = oldest_with_room(h, is_write)
    if place == NOTHING:
        return False
    if is_write and _overtakes_read(h, oldest_slot(h, place)):
        clocks[s.DRAIN] = 0
        if not _stands_still(h):
            return True
        is_write = False
        place = oldest_with_room(h, False)
    move(h, place, is_write, cycle)
    clocks[s.QUEUED] += 1
    if is_write:
        clocks[s.N_WRITES] -= 1
        clocks[s.DRAIN] -= 1
    else:
        clocks[s.N_READS] -= 1
    return True
