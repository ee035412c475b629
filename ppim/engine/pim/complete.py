"""What follows from data being there: operand -> lookup -> sum -> transfer -> turn."""

from __future__ import annotations

from ppim.engine.pim.heap import push
from ppim.engine.pim.state import (
    ACTS_AFTER,
    BARRIER_BATCH,
    COMPUTE_CYCLES,
    FINISH,
    FRONT_BARRIER,
    FRONT_READY,
)
from ppim.jit import njit
from ppim.program.instruction import (
    LOOKUP_BURSTS,
    LOOKUP_COMPUTE,
    LOOKUP_OPERANDS,
    LOOKUP_READY,
    LOOKUP_SUM,
    NONE,
    SUM_BURSTS,
    SUM_CHANNEL,
    SUM_LOOKUPS,
    SUM_ORDER,
    SUM_READY,
    SUM_SENT,
    SUM_TURN,
    SUM_UNIT,
)
from ppim.program.state import (
    NEXT_TURN,
    OLDEST_TURN,
    TURN_BATCH,
    TURN_CLOSED,
    TURN_END,
    TURN_LEFT,
)


@njit(cache=False)
def finish_at(state, channel, cycle):
    """Note a completion for the run's length."""
    if cycle > state.counters[channel, FINISH]:
        state.counters[channel, FINISH] = cycle


@njit(cache=False)
def release_turns(parameters, rings, state):
    """Advance over complete turns, and wake the streams that waited for them."""
    turn_mask = len(rings.turns) - 1
    front = state.front
    oldest = rings.marks[OLDEST_TURN]
    while oldest < rings.marks[NEXT_TURN]:
        row = oldest & turn_mask
        if not rings.turns[row, TURN_CLOSED] or rings.turns[row, TURN_LEFT] > 0:
            break
        front.release[1] = max(front.release[1], rings.turns[row, TURN_END])
        oldest += 1
        same_batch = (
            oldest < rings.marks[NEXT_TURN]
            and rings.turns[oldest & turn_mask, TURN_BATCH] == rings.turns[row, TURN_BATCH]
        )
        if parameters.barrier != BARRIER_BATCH or not same_batch:
            front.release[0] = front.release[1] + parameters.host_latency
    if oldest == rings.marks[OLDEST_TURN]:
        return
    rings.marks[OLDEST_TURN] = oldest
    for stream in range(len(front.wake)):
        if front.state[stream] == FRONT_BARRIER:
            front.state[stream] = FRONT_READY
            front.wake[stream] = max(front.next_slot[stream], front.release[0])


@njit(cache=False)
def complete_one(parameters, rings, state, channel, turn, cycle):
    """One demand access, deliver, hit or transfer of a turn is complete at `cycle`."""
    row = turn & (len(rings.turns) - 1)
    state.front.open[channel] -= 1
    finish_at(state, channel, cycle)
    if cycle > rings.turns[row, TURN_END]:
        rings.turns[row, TURN_END] = cycle
    rings.turns[row, TURN_LEFT] -= 1
    if rings.turns[row, TURN_LEFT] == 0:
        release_turns(parameters, rings, state)


@njit(cache=False)
def queue_transfer(rings, state, number):
    """Both the sum's completion and its transfer's slot are known: it is ready when both are there."""
    bus = state.bus
    row = number & (len(rings.sums) - 1)
    channel = rings.sums[row, SUM_CHANNEL]
    ready = max(rings.sums[row, SUM_SENT] + ACTS_AFTER, rings.sums[row, SUM_READY])
    push(
        bus.heap_ready,
        bus.heap_order,
        bus.heap_sum,
        bus.heap_bursts,
        bus.heap_count,
        channel,
        ready,
        rings.sums[row, SUM_ORDER],
        number,
        rings.sums[row, SUM_BURSTS],
    )
    if ready < state.look.next_event[channel]:
        state.look.next_event[channel] = ready


@njit(cache=False)
def operand_arrives(parameters, rings, state, lookup, cycle):
    """An operand of a lookup is in its unit at `cycle` (>= now); the last one starts its arithmetic."""
    row = lookup & (len(rings.lookups) - 1)
    if cycle > rings.lookups[row, LOOKUP_READY]:
        rings.lookups[row, LOOKUP_READY] = cycle
    rings.lookups[row, LOOKUP_OPERANDS] -= 1
    number = rings.lookups[row, LOOKUP_SUM]
    sum_row = number & (len(rings.sums) - 1)
    channel = rings.sums[sum_row, SUM_CHANNEL]
    unit = rings.sums[sum_row, SUM_UNIT]
    if rings.lookups[row, LOOKUP_OPERANDS] == 0:
        units = state.units
        complete = rings.lookups[row, LOOKUP_READY]
        start = max(complete, units.compute_free[channel, unit])
        end = start + rings.lookups[row, LOOKUP_COMPUTE]
        units.compute_free[channel, unit] = end
        state.counters[channel, COMPUTE_CYCLES] += rings.lookups[row, LOOKUP_COMPUTE]
        if parameters.buffer_bursts:
            place = units.buffer_tail[channel, unit] & (units.buffer_end.shape[2] - 1)
            units.buffer_complete[channel, unit, place] = complete
            units.buffer_end[channel, unit, place] = end
            units.buffer_bursts[channel, unit, place] = rings.lookups[row, LOOKUP_BURSTS]
            units.buffer_tail[channel, unit] += 1
        finish_at(state, channel, end)
        if end > rings.sums[sum_row, SUM_READY]:
            rings.sums[sum_row, SUM_READY] = end
        rings.sums[sum_row, SUM_LOOKUPS] -= 1
        if rings.sums[sum_row, SUM_LOOKUPS] == 0 and rings.sums[sum_row, SUM_SENT] != NONE:
            queue_transfer(rings, state, number)
    complete_one(parameters, rings, state, channel, rings.sums[sum_row, SUM_TURN], cycle)
