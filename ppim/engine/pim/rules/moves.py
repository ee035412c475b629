"""Rows that move to another unit: read out to the host, then written over the channel's bus (docs/model.md §15)."""

from ppim.engine.pim import state as s
from ppim.engine.pim.rules import bus
from ppim.jit import helper
from ppim.program import instruction as ins


@helper(forceinline=True)
def is_move(kind):
    """Whether an instruction of demand moves a row, and serves no lookup."""
    return ins.LAST_ACCESS < kind <= ins.LAST_DEMAND


@helper(forceinline=True)
def may_write(p, state, channel, cycle):
    """Whether a WRITE in `cycle` finds the bus free when its data have to be there."""
    return bus.free_from(p, state, channel, s.TO_UNIT, s.ANY_RANK) <= cycle + p.write_latency


@helper(forceinline=True)
def written_at(p, cycle):
    """When the burst of a WRITE in `cycle` is in its bank."""
    return cycle + p.write_latency + p.burst_cycles


@helper(forceinline=True)
def count_write(state, channel, columns_before):
    """Count a WRITE to an open row that had so many column commands before since its ACTIVATE."""
    counters = state.channel[channel]
    counters[s.WRITES] += 1
    counters[s.ROW_HITS] += columns_before > 0
