"""Transfers over the channel's bus, with what the count of cycles notes of them.

Where the base die adds up the sums of a bag, channels meet in its sum: it is ready when the last of its partial
sums has come over its bus, and takes a place on one channel's bus before what is ready later there. Transfers
change nothing but the end of turns and the classes of cycles. So the units of all channels go first, and the
buses follow, all together in order of readiness, as far as no unit can have another sum ready.
"""

from ppim.engine.codes import NEVER
from ppim.engine.pim import heap, state as s
from ppim.engine.pim.by_unit import cycles, state as u
from ppim.engine.pim.rules import accumulators, collect, transfers, turns
from ppim.jit import helper
from ppim.jit.by_address import by_address
from ppim.program import instruction as ins, state as r


@helper(forceinline=True)
def channels_meet(p):
    """Whether sums of several channels are added up in the memory."""
    return p.collect == s.COLLECT_BASE_DIE


@helper(forceinline=True)
def add_to_parent(p, rings, state, parent, ready, end):
    """A partial sum that was ready in cycle `ready` is in the base die at `end`; the last one lets its bag's sum leave."""
    row = rings.sums[parent & rings.sum_mask]
    # Not sent yet, it has the place for the latest cycle in which one of its partial sums was ready.
    row[ins.SUM_ORDER] = max(row[ins.SUM_ORDER], ready)
    if collect.add_to_collector(p, row, end):
        collect.send_collected(rings, state, parent, row[ins.SUM_ORDER])


@helper
def serve_ready(p, rings, state, a, last):
    """Transfers of a channel that are ready by `last` take the bus."""
    while transfers.is_ready(state, a.number, last):
        number, ready, since = transfers.take_ready(state, a.number)
        cycles.note_compute(a, since, ready)
        row = rings.sums[number & rings.sum_mask]
        start, end = transfers.use_bus(p, state, a.number, row, ready)
        cycles.note_bus(a, ready, start, end)
        row[ins.SUM_READY] = end
        if p.accumulators:
            accumulators.free(p, rings, state, row, end)
        turns.complete_one(rings, state, a.number, row[ins.SUM_TURN], end)
        if row[ins.SUM_PARENT] >= 0:
            add_to_parent(p, rings, state, row[ins.SUM_PARENT], ready, end)


@helper(forceinline=True)
def serve_transfers(p, rings, state, a, last):
    """`serve_ready` for a channel by itself."""
    if not channels_meet(p) and transfers.is_ready(state, a.number, last):
        serve_ready(p, rings, state, a, last)


@helper(forceinline=True)
def first_ready(p, state):
    """First cycle in which a transfer of any channel is ready, of those that wait; or NEVER."""
    first = NEVER
    for channel in range(p.channels):
        if state.channel[channel, s.TRANSFERS_WAITING] > 0:
            first = min(first, state.transfers[channel, 0, heap.READY_AT])
    return first


@helper(forceinline=True)
def sums_known(rings, every, channel, final):
    """Cycle up to which it is known which of a channel's own sums are ready.

    A channel at a barrier has no more before that opens; nor has one whose program has ended.
    """
    front = rings.stream[channel, r.FRONT]
    if front == r.FRONT_BARRIER or (final and front == r.FRONT_EMPTY):
        return NEVER
    # Nothing behind the last barrier is ready before it has opened.
    return max(every.channel[channel, u.HORIZON], rings.marks[r.RELEASE])


@helper
def serve_together(p, rings, state, every, final):
    """Transfers of all channels take their buses as far as is known; the cycle up to which all have that are ready.

    A bag's sum is ready later than its partial sums, by a burst and an addition at least. So up to that long behind
    the first transfer of all, each channel's go by themselves. None is served that is ready beyond a ring of bits.
    """
    known, counted = NEVER, NEVER
    for channel in range(p.channels):
        known = min(known, sums_known(rings, every, channel, final))
        counted = min(counted, every.channel[channel, u.COUNTED])
    apart = transfers.bus_cycles(p, 1) + p.collect_delay
    while True:
        first = first_ready(p, state)
        last = min(min(known, counted + every.span), first + apart - 1)
        if first > last:
            return known if first == NEVER else min(known, first - 1)
        for channel in range(p.channels):
            if transfers.is_ready(state, channel, last):
                serve_ready(p, rings, state, by_address(u.channel_of(every, channel)), last)
