"""Partial sums of a bag: opened in the units that own a lookup of it, and forgotten again."""

from typing import NamedTuple

from ppim.jit import helper
from ppim.jit.bits import count_trailing_zeros
from ppim.program import instruction as i, state as r
from ppim.program.builder import recipe as b
from ppim.program.builder.chunk import end_of_bag as end_in_trace, sample_of
from ppim.program.builder.emit import append_transfer
from ppim.program.builder.recipe import number_of_collector, number_of_unit


class Owner(NamedTuple):
    """The unit that a lookup belongs to."""

    number: int  # among the program's units
    channel: int
    unit: int  # of the channel


@helper
def free_accumulator(rings, recipe, state, channel, unit, ordinal, number, turn):
    """The unit's sum `number`, its `ordinal`-th, needs an accumulator: the sum that has it leaves, if it is of the turn.

    Sums of turns before it have their transfers in the program already.
    """
    recent = state.recent[number_of_unit(recipe, channel, unit)]
    older = recent[ordinal % recipe.accumulators]
    recent[ordinal % recipe.accumulators] = number
    if ordinal >= recipe.accumulators and older >= rings.turns[turn & rings.turn_mask, r.TURN_FIRST_SUM]:
        append_transfer(rings, recipe, channel, unit, recipe.vector_bursts, turn, older, 1)


@helper(forceinline=True)
def new_sum(rings, channel, unit, bag, turn):
    """Write the row of an empty sum; its number."""
    number = rings.marks[r.NEXT_SUM]
    rings.marks[r.NEXT_SUM] = number + 1
    row = rings.sums[number & rings.sum_mask]
    row[i.SUM_CHANNEL] = channel
    row[i.SUM_UNIT] = unit
    row[i.SUM_BAG] = bag
    row[i.SUM_TURN] = turn
    row[i.SUM_LOOKUPS] = 0
    row[i.SUM_READY] = 0
    row[i.SUM_SENT] = i.NONE
    row[i.SUM_PARENT] = i.NONE
    return number


@helper(forceinline=True)
def open_sum(rings, recipe, state, channel, unit, bag, turn):
    """Allocate the sum of a bag in a unit; its number."""
    number = new_sum(rings, channel, unit, bag, turn)
    own = number_of_unit(recipe, channel, unit)
    ordinal = state.opened[own]
    state.opened[own] = ordinal + 1
    if recipe.accumulators:
        free_accumulator(rings, recipe, state, channel, unit, ordinal, number, turn)
    rings.sums[number & rings.sum_mask, i.SUM_ORDINAL] = ordinal
    return number


@helper
def open_collected(rings, recipe, channel, bag, turn):
    """Allocate the sum that a collector makes of a bag's partial sums, none so far, to leave over a channel; its number."""
    number = new_sum(rings, channel, i.NONE, bag, turn)
    row = rings.sums[number & rings.sum_mask]
    row[i.SUM_SENT] = 0
    row[i.SUM_ORDER] = 0
    row[i.SUM_BURSTS] = recipe.vector_bursts
    row[i.SUM_ORDINAL] = 0
    rings.turns[turn & rings.turn_mask, r.TURN_LEFT] += 1
    return number


@helper
def open_collectors(rings, recipe, state, bag, turn):
    """Allocate the sums of a bag at the collectors of the units that are marked in `touched`, in the units' order."""
    for collector in range(recipe.channels * recipe.collectors):
        state.collected[collector] = i.NONE
    for owner in range(recipe.channels * recipe.units_per_channel):
        if state.touched[owner // b.WORD_BITS] >> (owner % b.WORD_BITS) & 1:
            channel = owner % recipe.channels
            collector = number_of_collector(recipe, channel, owner // recipe.channels)
            if state.collected[collector] == i.NONE:
                state.collected[collector] = open_collected(rings, recipe, channel, bag, turn)


@helper
def add_to_collected(rings, number, collected):
    """A partial sum is one of those that a collector adds up."""
    rings.sums[number & rings.sum_mask, i.SUM_PARENT] = collected
    rings.sums[collected & rings.sum_mask, i.SUM_LOOKUPS] += 1


@helper(forceinline=True)
def end_of_bag(chunk, scratch, turn, first, n):
    """One past the last place of the bag that begins at place `first`, of a turn's n."""
    sample = sample_of(chunk, turn, scratch[b.SCRATCH_ORDER, first])
    place = first + 1
    while place < n and sample_of(chunk, turn, scratch[b.SCRATCH_ORDER, place]) == sample:
        place += 1
    return place


@helper(forceinline=True)
def note_owners(state, scratch, first, stop):
    """Mark the units that own a lookup at places first..stop-1 in `touched`."""
    for place in range(first, stop):
        owner = scratch[b.SCRATCH_OWNER, scratch[b.SCRATCH_ORDER, place]]
        if owner != i.NONE:
            state.touched[owner // b.WORD_BITS] |= 1 << (owner % b.WORD_BITS)


@helper(forceinline=True)
def open_sums(rings, recipe, state, chunk, scratch, turn, first, stop):
    """Allocate the sums of the bag at places first..stop-1, by unit of the channel, then channel."""
    note_owners(state, scratch, first, stop)
    bag = sample_of(chunk, turn, scratch[b.SCRATCH_ORDER, first])
    open_touched_sums(rings, recipe, state, bag, turn.number)


@helper(forceinline=True)
def open_touched_sums(rings, recipe, state, bag, turn):
    """Allocate the sums of a bag in the units that are marked in `touched`, by unit of the channel, then channel."""
    collected = i.NONE
    if recipe.collectors:
        open_collectors(rings, recipe, state, bag, turn)
    elif recipe.collect and not recipe.apart:
        # One for all units: its sums leave over the channels in turn.
        collected = open_collected(rings, recipe, bag % recipe.channels, bag, turn)
    for word in range(-(-recipe.channels * recipe.units_per_channel // b.WORD_BITS)):
        touched = state.touched[word]
        state.touched[word] = 0
        while touched != 0:
            owner = word * b.WORD_BITS + count_trailing_zeros(touched)
            touched &= touched - 1
            channel, unit = owner % recipe.channels, owner // recipe.channels
            number = open_sum(rings, recipe, state, channel, unit, bag, turn)
            if recipe.collectors:
                collected = state.collected[number_of_collector(recipe, channel, unit)]
            if recipe.apart:
                rings.sums[number & rings.sum_mask, i.SUM_PARENT] = i.APART
                state.counts[channel, b.COLLECTED] += recipe.vector_bursts
            elif recipe.collect:
                # The first one has nothing to be added to.
                if rings.sums[collected & rings.sum_mask, i.SUM_LOOKUPS] > 0:
                    state.counts[channel, b.COLLECTED] += recipe.vector_bursts
                add_to_collected(rings, number, collected)
            state.slot_of_unit[owner] = number


@helper(forceinline=True)
def place_of_unit(recipe, placement, unit):
    """Where the partial sum of a unit of the memory leaves among a bag's: the first unit of every channel first."""
    return unit % recipe.units_per_channel * placement.channels + unit // recipe.units_per_channel


@helper
def open_sum_apart(rings, recipe, placement, state, bag, turn, first_place):
    """Allocate the sum of a bag if it leaves over the program's channels, whoever owns the bag's lookups.

    The partial sum at `first_place` is the first, which is added to nothing.
    """
    channel = recipe.own_unit[first_place % placement.channels * recipe.units_per_channel]
    if channel != i.NONE:
        state.counts[channel, b.COLLECTED] -= recipe.vector_bursts
    channel = recipe.own_unit[bag % placement.channels * recipe.units_per_channel]
    if channel != i.NONE:
        open_collected(rings, recipe, channel, bag, turn)


@helper
def open_sums_apart(rings, recipe, placement, state, chunk, owners, turn):
    """`open_sum_apart` for the bags of a turn; `owners` of its lookups are units of the whole memory."""
    first = 0
    while first < turn.lookups:
        stop = end_in_trace(chunk, turn, first)
        place = placement.units
        for k in range(first, stop):
            place = min(place, place_of_unit(recipe, placement, owners[k]))
        open_sum_apart(rings, recipe, placement, state, sample_of(chunk, turn, first), turn.number, place)
        first = stop


@helper(forceinline=True)
def owner_of_sum(rings, recipe, number):
    """The unit that a sum is in."""
    row = rings.sums[number & rings.sum_mask]
    channel, unit = row[i.SUM_CHANNEL], row[i.SUM_UNIT]
    return Owner(number_of_unit(recipe, channel, unit), channel, unit)
