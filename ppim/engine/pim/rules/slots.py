"""Slots of a stream: one instruction or deliver each, at least an interval apart (docs/model.md §2)."""

from __future__ import annotations

from ppim.engine.pim import state as s
from ppim.engine.pim.rules import limits
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
def lasts_until(p, cycle):
    """The slot of `cycle` lasts, or its instruction is on its way, in cycles before this one (§9, `issue`)."""
    return cycle + max(p.interval, s.ACTS_AFTER)


@helper(forceinline=True)
def use_slot(p, rings, state, stream, cycle, waits_for_barrier):
    """Something is sent in the slot of `cycle`."""
    state.peaks[stream, limits.INSTRUCTION_RATE] += waits_for_barrier
    row = rings.stream[stream]
    row[r.SLOTS] += 1
    row[r.NEXT_SLOT] = cycle + p.interval
