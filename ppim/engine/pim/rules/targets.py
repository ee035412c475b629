"""Who executes an instruction, and whom it serves (docs/model.md §1 and §2)."""

import numpy as np

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
def delivered_to(rings, first, step, unit):
    """(first lookup, those behind it) that a row which goes to several serves in the `unit`-th of its units.

    `first` and `step` are those of its READ_OUT.
    """
    if step == ins.LISTED:
        receiver = rings.lookups[(first + unit) & rings.lookup_mask]
        return receiver[ins.RECEIVER_LOOKUP], receiver[ins.RECEIVER_SHARERS]
    return first + unit * step, np.int64(0)


@helper(forceinline=True)
def waits_for_barrier(instruction):
    """Whether an instruction counts between barriers: prefetches and empty transfers may overlap (§10)."""
    kind = instruction[ins.KIND]
    return kind != ins.PREFETCH and (kind != ins.TRANSFER or instruction[ins.N_SUMS] > 0)


@helper(forceinline=True)
def goes_to_several(instruction):
    """Whether one row is read out for the units of several lookups."""
    return instruction[ins.KIND] == ins.READ_OUT and instruction[ins.STEP] != 0


@helper(forceinline=True)
def n_units_served(p, instruction):
    """Units that a demand instruction serves, of all its channels."""
    if goes_to_several(instruction):
        return 1 + instruction[ins.SHARERS]
    first_channel, stop_channel = channels_of(p, instruction)
    first_unit, stop_unit = units_of(p, instruction)
    return (stop_channel - first_channel) * (stop_unit - first_unit)


@helper(forceinline=True)
def sharers_in_unit(instruction):
    """Lookups behind the first that a demand instruction serves in each unit."""
    return 0 if goes_to_several(instruction) else instruction[ins.SHARERS]
