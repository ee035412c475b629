"""What becomes of a request that the front end handed over: host-controller.md §4."""

from __future__ import annotations

from numba import int64

from ppim.engine.host.slots import find_outstanding, first_in_bucket, take_slot
from ppim.engine.host.state import (
    ACCEPTED_READS,
    ACCEPTED_WRITES,
    ARRIVAL_ADDRESS,
    ARRIVAL_CYCLE,
    ARRIVAL_FIELDS,
    ARRIVAL_IS_WRITE,
    ARRIVALS,
    ARRIVALS_END,
    FORWARDED,
    LAST_COMPLETION,
    LAST_CYCLE,
    LAST_STAMP,
    MERGE,
    MERGED_READS,
    MERGED_WRITES,
    NO_SLOT,
    READ_LATENCY,
    READS_DONE,
    SLOT_FIELDS,
    SLOT_READERS,
    SLOT_STAMPS,
    WRITES_DONE,
)
from ppim.jit import helper


@helper(forceinline=True)
def arrival_waits(h, cycle):
    """Whether there is a buffered arrival that was accepted in `cycle` or before."""
    at = h.clocks[ARRIVALS]
    return at != h.clocks[ARRIVALS_END] and h.arrivals[at * ARRIVAL_FIELDS + ARRIVAL_CYCLE] <= cycle


@helper(forceinline=True)
def _complete_at_once(h, done_counter, stamp):
    """A write, or a read answered from a write, is done one cycle after its stamp."""
    cycle = stamp + 1
    h.counters[LAST_COMPLETION] = max(h.counters[LAST_COMPLETION], cycle)
    done = int64(cycle <= h.rules[LAST_CYCLE])
    h.counters[done_counter] += done
    return done


@helper(forceinline=True)
def _register_write(h, address, stamp):
    h.counters[ACCEPTED_WRITES] += 1
    _complete_at_once(h, WRITES_DONE, stamp)
    if h.rules[MERGE] != 0 and find_outstanding(h, address, True) != NO_SLOT:
        h.counters[MERGED_WRITES] += 1
        return int64(NO_SLOT)
    return take_slot(h, address, stamp, 0)


@helper
def _join_outstanding(h, address, stamp):
    """Serve a read by an outstanding write or read of its address; False if there is none."""
    if find_outstanding(h, address, True) != NO_SLOT:
        h.counters[FORWARDED] += 1
        h.counters[READ_LATENCY] += _complete_at_once(h, READS_DONE, stamp)
        return True
    if h.rules[MERGE] == 0:
        return False
    slot = find_outstanding(h, address, False)
    if slot == NO_SLOT:
        return False
    h.pool[slot * SLOT_FIELDS + SLOT_STAMPS] += stamp
    h.pool[slot * SLOT_FIELDS + SLOT_READERS] += 1
    h.counters[MERGED_READS] += 1
    return True


@helper(forceinline=True)
def _register_read(h, address, stamp):
    h.counters[ACCEPTED_READS] += 1
    if first_in_bucket(h, address) != NO_SLOT and _join_outstanding(h, address, stamp):
        return int64(NO_SLOT)
    return take_slot(h, address, stamp, 1)


@helper(forceinline=True)
def register_arrival(h):
    """Take the next buffered arrival into the controller; its new slot, or NO_SLOT if it needs none."""
    at = h.clocks[ARRIVALS] * ARRIVAL_FIELDS
    h.clocks[ARRIVALS] += 1
    stamp = h.arrivals[at + ARRIVAL_CYCLE] + 1
    address = h.arrivals[at + ARRIVAL_ADDRESS]
    h.counters[LAST_STAMP] = stamp
    if h.arrivals[at + ARRIVAL_IS_WRITE] != 0:
        return _register_write(h, address, stamp)
    return _register_read(h, address, stamp)
