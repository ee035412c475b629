"""Collectors: partial sums of a bag that are added up inside the memory (`collect`, docs/model.md §4)."""

from ppim.engine.pim import state as s
from ppim.engine.pim.rules import events, limits, transfers
from ppim.jit import helper
from ppim.program import instruction as ins

AFTER_COLLECTED = 1 << 60  # greater than any order of sending


@helper
def use_link(p, state, channel, row, cycle):
    """A partial sum (a row of `sums`) goes over the link to its collector behind those before it; when it has gone."""
    link = row[ins.SUM_UNIT] & -p.link_units
    taken = transfers.bus_cycles(p, row[ins.SUM_BURSTS])
    end = max(cycle, state.unit[channel, link, s.LINK_FREE]) + taken
    state.unit[channel, link, s.LINK_FREE] = end
    limits.tally(p, state, channel, limits.RANK_BUS, link, taken, True)
    if p.keeps_events:
        bursts, parent = row[ins.SUM_BURSTS], row[ins.SUM_PARENT]
        events.keep_use(state, events.TRANSFER, channel, cycle, end - taken, end, row, bursts, parent, 1)
    return end


@helper(forceinline=True)
def add_to_collector(p, row, end):
    """A partial sum is with its collector at `end`; whether the collector's sum (a row of `sums`) has all of its bag."""
    row[ins.SUM_READY] = max(row[ins.SUM_READY], end + p.collect_delay)
    row[ins.SUM_LOOKUPS] -= 1
    return row[ins.SUM_LOOKUPS] == 0


@helper(forceinline=True)
def send_collected(rings, state, number, cycle):
    """A collector's sum leaves without an instruction; of what is ready in one cycle, such sums go first, in order."""
    row = rings.sums[number & rings.sum_mask]
    state.channel[row[ins.SUM_CHANNEL], s.OPEN] += 1
    row[ins.SUM_ORDER] = number - AFTER_COLLECTED
    transfers.queue(rings, state, number, cycle)
