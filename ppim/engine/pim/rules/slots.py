"""Slots of a stream: one instruction or deliver each, at least an interval apart (docs/model.md §2)."""

from ppim.engine.pim import state as s
from ppim.engine.pim.rules import bus, events, limits
from ppim.jit import helper
from ppim.program import state as r


@helper(forceinline=True)
def joins_at(cycle):
    """Cycle from which selection sees what was sent in `cycle`, and from which a transfer can be ready."""
    return cycle + s.ACTS_AFTER


@helper(forceinline=True)
def hit_arrives(p, cycle):
    """When the data of a `HIT` that was sent in `cycle` are there (§4)."""
    return cycle + s.ACTS_AFTER + p.cache_latency


@helper(forceinline=True)
def lasts_until(cycle, next_slot):
    """The slot of `cycle` lasts, or its instruction is on its way, in cycles before this one (§9, `issue`)."""
    return max(next_slot, cycle + s.ACTS_AFTER)


@helper(forceinline=True)
def use_slot(p, rings, state, stream, cycle, waits_for_barrier):
    """Something is sent in the slot of `cycle`; returns the cycle in which the next one can begin."""
    state.peaks[stream, limits.INSTRUCTION_RATE] += waits_for_barrier
    row = rings.stream[stream]
    row[r.SLOTS] += 1
    next_slot = cycle + p.interval
    begins = 0
    if p.interval_part:
        # What is left of the slot before, if that ends in this cycle.
        begins = row[r.SLOT_PART] * (row[r.NEXT_SLOT] == cycle)
        part = begins + p.interval_part
        next_slot += part >= p.interval_parts
        row[r.SLOT_PART] = part - p.interval_parts * (part >= p.interval_parts)
    row[r.NEXT_SLOT] = next_slot
    if p.keeps_events:
        events.keep_slot(state, stream, cycle, begins, next_slot, row[r.SLOT_PART])
    if p.data_pins:
        bus.take_pins(state, stream, cycle, next_slot)
    return next_slot
