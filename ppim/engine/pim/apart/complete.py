"""What follows from data being there, as `ppim.engine.pim.complete` without delivers and buffers."""

from __future__ import annotations

from ppim.engine.pim.apart.cycles import note_bus, paint
from ppim.engine.pim.apart.state import COMPUTE_FREE, COMPUTES
from ppim.engine.pim.complete import complete_one
from ppim.engine.pim.heap import ITEM, READY, SIZE, pop, push
from ppim.engine.pim.limits import BUS, COMPUTE, tally
from ppim.engine.pim.state import (
    ACTS_AFTER,
    BUS_END,
    COMPUTE_CYCLES,
    FINISH,
    TRANSFER_BURSTS,
    TRANSFER_CYCLES,
    TRANSFERS_WAITING,
)
from ppim.jit import helper
from ppim.program.instruction import (
    LOOKUP_COMPUTE,
    LOOKUP_OPERANDS,
    LOOKUP_READY,
    LOOKUP_SUM,
    NONE,
    SUM_BURSTS,
    SUM_LOOKUPS,
    SUM_ORDER,
    SUM_READY,
    SUM_SENT,
    SUM_TURN,
)


@helper
def push_transfer(heaps, channel, count, ready, order, number, since):
    """As `push`, not inlined: this is rare and compiles once."""
    push(heaps, channel, count, ready, order, number, since, 0)


@helper(forceinline=True)
def queue_transfer(rings, state, a, number, cycle):
    """A sum is complete but for its arithmetic, and its transfer was sent; both by `cycle`."""
    row = rings.sums[number & rings.sum_mask]
    ready = max(row[SUM_SENT] + ACTS_AFTER, row[SUM_READY])
    since = max(row[SUM_SENT], cycle)
    waiting = state.channel[a.number, TRANSFERS_WAITING]
    push_transfer(state.transfers, a.number, waiting, ready, row[SUM_ORDER], number, since)
    state.channel[a.number, TRANSFERS_WAITING] = waiting + 1


@helper(forceinline=True)
def operand_arrives(p, rings, state, a, unit, lookup, cycle, arrival):
    """An operand that was read (or hit) in `cycle` is in its unit at `arrival`; the last starts arithmetic."""
    row = rings.lookups[lookup & rings.lookup_mask]
    ready = max(row[LOOKUP_READY], arrival)
    row[LOOKUP_READY] = ready
    row[LOOKUP_OPERANDS] -= 1
    number = row[LOOKUP_SUM]
    sums = rings.sums[number & rings.sum_mask]
    if row[LOOKUP_OPERANDS] == 0:
        compute = row[LOOKUP_COMPUTE]
        end = max(ready, a.unit[unit, COMPUTE_FREE]) + compute
        a.unit[unit, COMPUTE_FREE] = end
        state.channel[a.number, COMPUTE_CYCLES] += compute
        state.channel[a.number, FINISH] = max(state.channel[a.number, FINISH], end)
        tally(p, state, a.number, COMPUTE, unit, compute, True)
        sums[SUM_READY] = max(sums[SUM_READY], end)
        sums[SUM_LOOKUPS] -= 1
        if sums[SUM_LOOKUPS] == 0 and sums[SUM_SENT] != NONE:
            queue_transfer(rings, state, a, number, cycle)
    complete_one(rings, state, a.number, sums[SUM_TURN], arrival)


@helper(forceinline=True)
def serve_transfers(p, rings, state, a, last):
    """Transfers that are ready by `last` reserve the bus, in order of readiness and sending."""
    counters = state.channel[a.number]
    while counters[TRANSFERS_WAITING] > 0 and state.transfers[a.number, 0, READY] <= last:
        item = state.transfers[a.number, 0]
        ready, number = item[READY], item[ITEM]
        paint(a, COMPUTES, item[SIZE], ready)
        pop(state.transfers, a.number, counters[TRANSFERS_WAITING])
        counters[TRANSFERS_WAITING] -= 1
        row = rings.sums[number & rings.sum_mask]
        taken = row[SUM_BURSTS] * p.bus_burst_cycles
        start = max(ready, counters[BUS_END])
        note_bus(a, ready, start, start + taken)
        counters[BUS_END] = start + taken
        counters[TRANSFER_BURSTS] += row[SUM_BURSTS]
        counters[TRANSFER_CYCLES] += taken
        state.peaks[a.number, BUS] += taken
        complete_one(rings, state, a.number, row[SUM_TURN], start + taken)
