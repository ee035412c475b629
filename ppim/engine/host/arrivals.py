"""What becomes of a request that the front end handed over: host-controller.md §4."""

from numba import int64

from ppim.engine.codes import NEVER
from ppim.engine.host import columns as s, latency
from ppim.engine.host.slots import (
    find_outstanding,
    first_in_bucket,
    is_write,
    note_done,
    slot_field,
    take_slot,
)
from ppim.jit import helper


@helper(forceinline=True)
def _complete_at_once(h, done_counter, address, stamp):
    """A write, or a read answered from a write, is done one cycle after its stamp."""
    cycle = stamp + 1
    h.counters[s.LAST_COMPLETION] = max(h.counters[s.LAST_COMPLETION], cycle)
    note_done(h, cycle, address, 1)
    done = int64(cycle <= h.rules[s.LAST_CYCLE])
    h.counters[done_counter] += done
    return done


@helper(forceinline=True)
def _register_write(h, address, stamp, number):
    h.counters[s.ACCEPTED_WRITES] += 1
    _complete_at_once(h, s.WRITES_DONE, address, stamp)
    if h.rules[s.MERGE] != 0:
        slot = find_outstanding(h, address, True)
        if slot != s.NO_SLOT:
            h.counters[s.MERGED_WRITES] += 1
            h.pool[slot * s.SLOT_FIELDS + s.SLOT_READERS] -= 1
            latency.keep(h, number, s.JOINED_WRITE, stamp, slot_field(h, slot, s.SLOT_NUMBER))
            return int64(s.NO_SLOT)
    return take_slot(h, address, stamp, 0, number)


@helper
def _join_outstanding(h, address, stamp, number):
    """Serve a read by an outstanding write or read of its address; False if there is none."""
    if find_outstanding(h, address, True) != s.NO_SLOT:
        h.counters[s.FORWARDED] += 1
        if _complete_at_once(h, s.READS_DONE, address, stamp):
            h.counters[s.READ_LATENCY] += 1
            latency.count(h, latency.READS, int64(1))
            if h.rules[s.KEEP_ALL] != 0:
                latency.keep(h, number, s.FORWARDED_READ, stamp, stamp + 1)
        return True
    if h.rules[s.MERGE] == 0:
        return False
    slot = find_outstanding(h, address, False)
    if slot == s.NO_SLOT:
        return False
    h.pool[slot * s.SLOT_FIELDS + s.SLOT_STAMPS] += stamp
    h.pool[slot * s.SLOT_FIELDS + s.SLOT_READERS] += 1
    h.counters[s.MERGED_READS] += 1
    latency.keep(h, number, s.JOINED_READ, stamp, slot_field(h, slot, s.SLOT_NUMBER))
    return True


@helper(forceinline=True)
def _register_read(h, address, stamp, number):
    h.counters[s.ACCEPTED_READS] += 1
    if first_in_bucket(h, address) != s.NO_SLOT and _join_outstanding(h, address, stamp, number):
        return int64(s.NO_SLOT)
    return take_slot(h, address, stamp, 1, number)


@helper(forceinline=True)
def _register_arrival(h):
    """Take the next buffered arrival into the controller; its new slot, or NO_SLOT if it needs none."""
    at = h.clocks[s.ARRIVALS] * s.ARRIVAL_FIELDS
    h.clocks[s.ARRIVALS] += 1
    following = h.arrivals[at + s.ARRIVAL_FIELDS + s.ARRIVAL_CYCLE] + 1
    h.clocks[s.NEXT_ARRIVAL] = following if h.clocks[s.ARRIVALS] != h.clocks[s.ARRIVALS_END] else int64(NEVER)
    stamp = h.arrivals[at + s.ARRIVAL_CYCLE] + 1
    address = h.arrivals[at + s.ARRIVAL_ADDRESS]
    h.counters[s.LAST_STAMP] = stamp
    request = h.arrivals[at + s.ARRIVAL_REQUEST]
    if request & 1:
        return _register_write(h, address, stamp, request >> 1)
    return _register_read(h, address, stamp, request >> 1)


@helper(forceinline=True)
def register_arrivals(h, cycle, enter):
    """Take the arrivals accepted in `cycle` or before into the controller.

    `enter(h, slot, as_write)`, the kernel's own, puts one that needs a command at the end of the read queue
    or the write buffer; with one queue for both that is the former.
    """
    while h.clocks[s.NEXT_ARRIVAL] <= cycle + 1:
        slot = _register_arrival(h)
        if slot != s.NO_SLOT:
            as_write = is_write(h, slot) and h.rules[s.SEPARATE] != 0
            enter(h, slot, as_write)
            if as_write:
                h.clocks[s.N_WRITES] += 1
            else:
                h.clocks[s.N_READS] += 1
