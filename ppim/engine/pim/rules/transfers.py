"""Transfers of sums: sent, ready when the sum is complete, then over the bus (docs/model.md §4)."""

from ppim.engine.pim import heap, state as s
from ppim.engine.pim.rules import bus, events, slots, turns
from ppim.jit import helper
from ppim.program import instruction as ins


@helper
def queue(rings, state, number, cycle):
    """A sum is complete but for its arithmetic, and its transfer was sent, both by `cycle`: it is known when it is ready."""
    row = rings.sums[number & rings.sum_mask]
    counters = state.channel[row[ins.SUM_CHANNEL]]
    ready = max(slots.joins_at(row[ins.SUM_SENT]), row[ins.SUM_READY])
    since = max(row[ins.SUM_SENT], cycle)
    waiting = counters[s.TRANSFERS_WAITING]
    heap.push(state.transfers, row[ins.SUM_CHANNEL], waiting, ready, row[ins.SUM_ORDER], number, since, 0)
    counters[s.TRANSFERS_WAITING] = waiting + 1
    counters[s.NEXT_EVENT] = min(counters[s.NEXT_EVENT], ready)


@helper(forceinline=True)
def send_sum(rings, state, number, bursts, cycle):
    """The transfer of a sum is sent in `cycle`."""
    row = rings.sums[number & rings.sum_mask]
    counters = state.channel[row[ins.SUM_CHANNEL]]
    counters[s.OPEN] += 1
    row[ins.SUM_SENT] = cycle
    row[ins.SUM_ORDER] = counters[s.TRANSFERS_SENT]
    row[ins.SUM_BURSTS] = bursts
    counters[s.TRANSFERS_SENT] += 1
    if row[ins.SUM_LOOKUPS] == 0:
        queue(rings, state, number, cycle)


@helper(forceinline=True)
def send_empty(rings, state, channel, turn, cycle):
    """A transfer without a sum takes its slot, no bus, no bytes."""
    state.channel[channel, s.OPEN] += 1
    turns.complete_one(rings, state, channel, turn, slots.joins_at(cycle))


@helper(forceinline=True)
def is_ready(state, channel, cycle):
    """Whether a transfer is ready by `cycle`."""
    return (
        state.channel[channel, s.TRANSFERS_WAITING] > 0
        and state.transfers[channel, 0, heap.READY_AT] <= cycle
    )


@helper(forceinline=True)
def take_ready(state, channel):
    """(sum, ready, since when it is known) of the transfer that goes next: by readiness, then in order of sending."""
    item = state.transfers[channel, 0]
    number, ready, since = item[heap.ITEM], item[heap.READY_AT], item[heap.SIZE]
    heap.pop(state.transfers, channel, state.channel[channel, s.TRANSFERS_WAITING])
    state.channel[channel, s.TRANSFERS_WAITING] -= 1
    return number, ready, since


@helper(forceinline=True)
def bus_cycles(p, bursts):
    """How long a vector takes the bus, or a link."""
    return bursts * p.bus_burst_cycles


@helper(forceinline=True)
def use_bus(p, state, channel, row, cycle):
    """(start, end) on the bus of the transfer of a sum, a row of `sums`, that is ready in `cycle`."""
    bursts = row[ins.SUM_BURSTS]
    taken = bus_cycles(p, bursts)
    start = max(cycle, bus.free_from(p, state, channel, s.TO_HOST, s.ANY_RANK))
    bus.reserve(state, channel, s.TO_HOST, s.ANY_RANK, start, start + taken)
    if p.keeps_events:
        parent = row[ins.SUM_PARENT]
        events.keep_use(state, events.TRANSFER, channel, cycle, start, start + taken, row, bursts, parent, 0)
    counters = state.channel[channel]
    counters[s.TRANSFER_CYCLES] += taken
    # What the base die collects does not leave the memory.
    counters[s.TRANSFER_BURSTS] += bursts if row[ins.SUM_PARENT] == ins.NONE else 0
    return start, start + taken
