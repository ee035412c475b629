"""What follows from data being there: operand -> lookup -> sum -> transfer (docs/model.md §6)."""

from ppim.engine.pim import state as s
from ppim.engine.pim.rules import buffer, events, limits, transfers, turns
from ppim.jit import helper
from ppim.program import instruction as ins


@helper(forceinline=True)
def add_up(p, state, channel, unit, lookup, complete):
    """Append the arithmetic of a lookup (a row of `lookups`) that is complete to its unit's; its end."""
    cycles = lookup[ins.LOOKUP_COMPUTE]
    end = max(complete, state.unit[channel, unit, s.COMPUTE_FREE]) + cycles
    state.unit[channel, unit, s.COMPUTE_FREE] = end
    state.channel[channel, s.COMPUTE_CYCLES] += cycles
    limits.tally(p, state, channel, limits.COMPUTE, unit, cycles, True)
    turns.finish_at(state, channel, end)
    if p.buffer_bursts:
        buffer.keep(state, channel, unit, complete, end, lookup[ins.LOOKUP_BURSTS])
    return end


@helper(forceinline=True)
def operand_arrives(p, rings, state, lookup, cycle, arrival):
    """An operand of a lookup, known in `cycle`, is in its unit at `arrival`; the last one starts its arithmetic.

    Returns the unit's channel.
    """
    row = rings.lookups[lookup & rings.lookup_mask]
    complete = max(row[ins.LOOKUP_READY], arrival)
    row[ins.LOOKUP_READY] = complete
    row[ins.LOOKUP_OPERANDS] -= 1
    number = row[ins.LOOKUP_SUM]
    sums = rings.sums[number & rings.sum_mask]
    channel = sums[ins.SUM_CHANNEL]
    if row[ins.LOOKUP_OPERANDS] == 0:
        end = add_up(p, state, channel, sums[ins.SUM_UNIT], row, complete)
        if p.keeps_events:
            events.keep_compute(state, sums, lookup, end - row[ins.LOOKUP_COMPUTE], end)
        sums[ins.SUM_READY] = max(sums[ins.SUM_READY], end)
        sums[ins.SUM_LOOKUPS] -= 1
        if sums[ins.SUM_LOOKUPS] == 0 and sums[ins.SUM_SENT] != ins.NONE:
            transfers.queue(rings, state, number, cycle)
    turns.complete_one(rings, state, channel, sums[ins.SUM_TURN], arrival)
    return channel


@helper(forceinline=True)
def owner_channel(rings, lookup):
    """Channel of the unit that a lookup belongs to."""
    number = rings.lookups[lookup & rings.lookup_mask, ins.LOOKUP_SUM]
    return rings.sums[number & rings.sum_mask, ins.SUM_CHANNEL]
