"""Who executes an instruction, and whom it serves (docs/model.md §1 and §2)."""

from __future__ import annotations

from ppim.jit import helper
from ppim.program import instruction as ins


@helper(forceinline=True)
def units_of(p, instruction):
    """(first, behind the last) unit of an instruction, in each of its channels."""
    unit = instruction[ins.UNIT]
    if unit == ins.ALL:
        return 0, p.units
    return unit, unit + 1


@helper(forceinline=True)
def channels_of(p, instruction):
    """(first, behind the last) channel of an instruction."""
    channel = instruction[ins.CHANNEL]
    if channel == ins.ALL:
        return 0, p.channels
    return channel, channel + 1


@helper(forceinline=True)
def lookups_of(instruction, units):
    """Lookups that a demand instruction serves, which `units` units execute: as many in each of them."""
    return units * (1 + instruction[ins.SHARERS])


@helper(forceinline=True)
def first_lookup_in(instruction, unit):
    """First lookup that an instruction serves in the `unit`-th of those that execute it, all channels' together."""
    return instruction[ins.LOOKUP] + unit * instruction[ins.STEP]


@helper(forceinline=True)
def waits_for_barrier(instruction):
    """Whether an instruction counts between barriers: prefetches and empty transfers may overlap (§10)."""
    kind = instruction[ins.KIND]
    return kind != ins.PREFETCH and (kind != ins.TRANSFER or instruction[ins.N_SUMS] > 0)
