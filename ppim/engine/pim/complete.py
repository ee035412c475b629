"""What follows from data being there: operand -> lookup -> sum -> transfer -> turn."""

from __future__ import annotations

from ppim.engine.codes import NEVER
from ppim.engine.pim.account import note_arrival, settle
from ppim.engine.pim.heap import push
from ppim.engine.pim.limits import COMPUTE, tally
from ppim.engine.pim.state import (
    ACCUMULATOR_FREE,
    ACCUMULATOR_SUM,
    ACTS_AFTER,
    BUFFER_BURSTS,
    BUFFER_COMPLETE,
    BUFFER_END,
    BUFFER_TAIL,
    COMPUTE_CYCLES,
    COMPUTE_FREE,
    FINISH,
    NEXT_EVENT,
    OPEN,
    TRANSFERS_WAITING,
)
from ppim.jit import helper
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
    SUM_ORDINAL,
    SUM_READY,
    SUM_SENT,
    SUM_TURN,
    SUM_UNIT,
)
from ppim.program.state import (
    FRONT,
    FRONT_ACCUMULATOR,
    NEXT_SLOT,
    TURN_DONE,
    TURN_END,
    WAKE,
)

AFTER_COLLECTED = 1 << 60  # greater than any order of sending


@helper(forceinline=True)
def finish_at(state, channel, cycle):
    """Note a completion for the run's length."""
    state.channel[channel, FINISH] = max(state.channel[channel, FINISH], cycle)


@helper(forceinline=True)
def complete_one(rings, state, channel, turn, cycle):
    """One demand access, deliver, hit or transfer of a turn is complete at `cycle`.

    Who waits for the turn is woken after the event or, by `release_turns`, after the round.
    """
    state.channel[channel, OPEN] -= 1
    finish_at(state, channel, cycle)
    row = rings.turns[turn & rings.turn_mask]
    row[TURN_DONE] += 1
    row[TURN_END] = max(row[TURN_END], cycle)


@helper(forceinline=True)
def queue_transfer(rings, state, number):
    """Both the sum's completion and its transfer's slot are known: it is ready when both are there."""
    row = number & rings.sum_mask
    channel = rings.sums[row, SUM_CHANNEL]
    ready = max(rings.sums[row, SUM_SENT] + ACTS_AFTER, rings.sums[row, SUM_READY])
    push(
        state.transfers,
        channel,
        state.channel[channel, TRANSFERS_WAITING],
        ready,
        rings.sums[row, SUM_ORDER],
        number,
        rings.sums[row, SUM_BURSTS],
        0,
    )
    state.channel[channel, TRANSFERS_WAITING] += 1
    state.channel[channel, NEXT_EVENT] = min(state.channel[channel, NEXT_EVENT], ready)


@helper
def add_to_parent(parameters, rings, state, parent, cycle, end):
    """A partial sum is with its collector at `end`; the last one of a bag lets the collector's sum leave."""
    row = parent & rings.sum_mask
    rings.sums[row, SUM_READY] = max(rings.sums[row, SUM_READY], end + parameters.collect_delay)
    rings.sums[row, SUM_LOOKUPS] -= 1
    if rings.sums[row, SUM_LOOKUPS] == 0:
        channel = rings.sums[row, SUM_CHANNEL]
        settle(parameters, state, channel, cycle)
        state.channel[channel, OPEN] += 1
        # Of what is ready in one cycle, collectors' sums leave first, in order.
        rings.sums[row, SUM_ORDER] = parent - AFTER_COLLECTED
        queue_transfer(rings, state, parent)


@helper
def free_accumulator(parameters, rings, state, row, end):
    """The transfer of the sum in `row` has left its unit at `end`: streams that wait for its accumulator look again."""
    if rings.sums[row, SUM_UNIT] == NONE:
        return
    ordinal = rings.sums[row, SUM_ORDINAL]
    place = state.accumulators[
        rings.sums[row, SUM_CHANNEL], rings.sums[row, SUM_UNIT], ordinal % parameters.accumulators
    ]
    place[ACCUMULATOR_SUM] = ordinal
    place[ACCUMULATOR_FREE] = end
    for stream in range(rings.n_streams):
        if rings.stream[stream, FRONT] == FRONT_ACCUMULATOR:
            opens = max(rings.stream[stream, NEXT_SLOT], end)
            rings.stream[stream, WAKE] = min(rings.stream[stream, WAKE], opens)


@helper
def accumulator_opens(parameters, rings, state, lookup):
    """Cycle from which a lookup's sum has an accumulator in its unit; NEVER while another sum has it."""
    row = rings.lookups[lookup & rings.lookup_mask, LOOKUP_SUM] & rings.sum_mask
    ordinal = rings.sums[row, SUM_ORDINAL]
    if ordinal < parameters.accumulators:
        return 0
    place = state.accumulators[
        rings.sums[row, SUM_CHANNEL], rings.sums[row, SUM_UNIT], ordinal % parameters.accumulators
    ]
    # Sums leave a unit's accumulator in their order, and this one cannot have left.
    if place[ACCUMULATOR_SUM] == ordinal - parameters.accumulators:
        return place[ACCUMULATOR_FREE]
    return NEVER


@helper(forceinline=True)
def operand_arrives(parameters, rings, state, lookup, cycle):
    """An operand of a lookup is in its unit at `cycle` (>= now); the last one starts its arithmetic."""
    row = lookup & rings.lookup_mask
    rings.lookups[row, LOOKUP_READY] = max(rings.lookups[row, LOOKUP_READY], cycle)
    rings.lookups[row, LOOKUP_OPERANDS] -= 1
    number = rings.lookups[row, LOOKUP_SUM]
    sum_row = number & rings.sum_mask
    channel = rings.sums[sum_row, SUM_CHANNEL]
    unit = rings.sums[sum_row, SUM_UNIT]
    note_arrival(state, channel, cycle)
    if rings.lookups[row, LOOKUP_OPERANDS] == 0:
        complete = rings.lookups[row, LOOKUP_READY]
        start = max(complete, state.unit[channel, unit, COMPUTE_FREE])
        end = start + rings.lookups[row, LOOKUP_COMPUTE]
        state.unit[channel, unit, COMPUTE_FREE] = end
        state.channel[channel, COMPUTE_CYCLES] += rings.lookups[row, LOOKUP_COMPUTE]
        tally(parameters, state, channel, COMPUTE, unit, rings.lookups[row, LOOKUP_COMPUTE], True)
        if parameters.buffer_bursts:
            place = state.unit[channel, unit, BUFFER_TAIL] & state.buffer_mask
            state.buffer[channel, unit, place, BUFFER_COMPLETE] = complete
            state.buffer[channel, unit, place, BUFFER_END] = end
            state.buffer[channel, unit, place, BUFFER_BURSTS] = rings.lookups[row, LOOKUP_BURSTS]
            state.unit[channel, unit, BUFFER_TAIL] += 1
        finish_at(state, channel, end)
        rings.sums[sum_row, SUM_READY] = max(rings.sums[sum_row, SUM_READY], end)
        rings.sums[sum_row, SUM_LOOKUPS] -= 1
        if rings.sums[sum_row, SUM_LOOKUPS] == 0 and rings.sums[sum_row, SUM_SENT] != NONE:
            queue_transfer(rings, state, number)
    complete_one(rings, state, channel, rings.sums[sum_row, SUM_TURN], cycle)
