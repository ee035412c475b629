"""Rows that travel: read out to the host, which delivers each to its lookups' units (docs/model.md §2 and §4)."""

from ppim.engine.pim import heap, state as s
from ppim.engine.pim.rules import bus, compute, events, targets
from ppim.jit import helper
from ppim.program import instruction as ins, state as r


@helper
def expect(rings, state, instruction):
    """Count what a row that goes to several units serves as open, in the channels of these."""
    for unit in range(1 + instruction[ins.SHARERS]):
        lookup, sharers = targets.delivered_to(rings, instruction[ins.LOOKUP], instruction[ins.STEP], unit)
        state.channel[compute.owner_channel(rings, lookup), s.OPEN] += 1 + sharers


@helper
def hand_to_host(p, rings, state, lookup, sharers, step, bursts, number, due):
    """A read-out is complete: from `due` on the host can deliver it, to one unit or to several.

    `lookup`, `sharers` and `step` are those of its instruction, `number` is its place among all read-outs.
    """
    if step == 0:
        add(p, rings, state, lookup, sharers, bursts, number, due)
        return
    for unit in range(1 + sharers):
        first, users = targets.delivered_to(rings, lookup, step, unit)
        add(p, rings, state, first, users, bursts, number, due)


@helper
def add(p, rings, state, lookup, sharers, bursts, number, due):
    """What was read out waits for its deliver to the unit of a lookup, in the stream of that unit's channel."""
    stream = 0 if p.global_stream else compute.owner_channel(rings, lookup)
    first, then = due, number
    if p.in_order:
        first, then = then, first
    row = rings.stream[stream]
    heap.push(state.delivers, stream, row[r.DELIVERS], first, then, lookup, bursts, sharers)
    row[r.DELIVERS] += 1
    if not p.in_order or row[r.FRONT] == r.FRONT_DELIVER:
        row[r.WAKE] = min(row[r.WAKE], max(row[r.NEXT_SLOT], due))


@helper(forceinline=True)
def owner_of_next(rings, state, stream):
    """Channel of the unit that gets the oldest deliver of a stream."""
    return compute.owner_channel(rings, state.delivers[stream, 0, heap.ITEM])


@helper(forceinline=True)
def send_next(p, rings, state, stream, channel, cycle):
    """The oldest deliver of a stream goes over its channel's bus: (its lookup, those behind it, start, end)."""
    item = state.delivers[stream, 0]
    lookup, bursts, sharers = item[heap.ITEM], item[heap.SIZE], item[heap.SHARED]
    heap.pop(state.delivers, stream, rings.stream[stream, r.DELIVERS])
    rings.stream[stream, r.DELIVERS] -= 1
    start = max(cycle + p.write_latency, bus.free_from(p, state, channel, s.TO_UNIT, s.ANY_RANK))
    end = start + bursts * p.bus_burst_cycles
    bus.reserve(state, channel, s.TO_UNIT, s.ANY_RANK, start, end)
    state.channel[channel, s.INSTRUCTIONS] += 1
    state.channel[channel, s.DELIVER_BURSTS] += bursts
    if p.keeps_events:
        number = rings.lookups[lookup & rings.lookup_mask, ins.LOOKUP_SUM]
        row = rings.sums[number & rings.sum_mask]
        events.keep_use(state, events.DELIVER, channel, cycle, start, end, row, bursts, lookup, 0)
    return lookup, sharers, start, end
