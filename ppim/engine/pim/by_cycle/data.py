"""Data on their way: operands that arrive, and the external bus, with what the account of cycles notes of them."""

from ppim.engine.pim.by_cycle import account
from ppim.engine.pim.rules import accumulators, bus, collect, compute, transfers, turns
from ppim.jit import helper
from ppim.program import instruction as ins

IN_TIME = 0  # nothing is known late: what happens is known in the cycle in which it happens


@helper(forceinline=True)
def lookup_operand(p, rings, state, lookup, arrival):
    """An operand of a lookup is in its unit at `arrival` (>= now)."""
    channel = compute.operand_arrives(p, rings, state, lookup, IN_TIME, arrival)
    account.note_arrival(state, channel, arrival)


@helper(forceinline=True)
def reserve(state, channel, direction, rank, start, end):
    """Take the external bus from `start` up to `end`."""
    account.note_use(state, channel, start, end)
    bus.reserve(state, channel, direction, rank, start, end)


@helper
def add_to_parent(p, rings, state, parent, cycle, end):
    """A partial sum is with its collector at `end`; the last one of a bag lets the collector's sum leave."""
    row = rings.sums[parent & rings.sum_mask]
    if collect.add_to_collector(p, row, end):
        account.settle(p, state, row[ins.SUM_CHANNEL], cycle)
        collect.send_collected(rings, state, parent, cycle)


@helper(forceinline=True)
def start_ready_transfers(p, rings, state, channel, cycle):
    """Transfers that are ready by now take the bus, or the link to their collector."""
    while transfers.is_ready(state, channel, cycle):
        number, _, _ = transfers.take_ready(state, channel)
        row = rings.sums[number & rings.sum_mask]
        parent = row[ins.SUM_PARENT]
        if parent != ins.NONE and p.link_units:
            end = collect.use_link(p, state, channel, row, cycle)
        else:
            start, end = transfers.use_bus(p, state, channel, row, cycle)
            account.note_use(state, channel, start, end)
            state.account[channel, account.COMES_END] = end
        row[ins.SUM_READY] = end
        if p.accumulators:
            accumulators.free(p, rings, state, row, end)
        turns.complete_one(rings, state, channel, row[ins.SUM_TURN], end)
        if parent != ins.NONE:
            add_to_parent(p, rings, state, parent, cycle, end)
