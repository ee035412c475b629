"""Partial sums of a bag: opened in the units that own a lookup of it, and forgotten again."""

from __future__ import annotations

import numpy as np

from ppim.jit import helper
from ppim.program.builder.chunk import end_of_lookup
from ppim.program.builder.emit import append
from ppim.program.builder.owners import balance_owners, find_owner
from ppim.program.builder.recipe import SCRATCH_ADDRESSES, SCRATCH_LARGE
from ppim.program.instruction import (
    NONE,
    SUM_BAG,
    SUM_BURSTS,
    SUM_CHANNEL,
    SUM_LOOKUPS,
    SUM_ORDER,
    SUM_ORDINAL,
    SUM_PARENT,
    SUM_READY,
    SUM_SENT,
    SUM_TURN,
    SUM_UNIT,
    TRANSFER,
)
from ppim.program.state import NEXT_SUM, TURN_FIRST_SUM, TURN_LEFT


@helper
def free_accumulator(rings, recipe, state, channel, unit, ordinal, number, turn):
    """The unit's sum `number`, its `ordinal`-th, needs an accumulator: the sum that has it leaves, if it is of the turn.

    Sums of turns before it have their transfers in the program already.
    """
    recent = state.recent[channel * recipe.units_per_channel + unit]
    older = recent[ordinal % recipe.accumulators]
    recent[ordinal % recipe.accumulators] = number
    if ordinal >= recipe.accumulators and older >= rings.turns[turn & rings.turn_mask, TURN_FIRST_SUM]:
        append(rings, channel, TRANSFER, channel, unit, 0, recipe.vector_bursts, turn, NONE, older, 1)
        rings.turns[turn & rings.turn_mask, TURN_LEFT] += 1


@helper(forceinline=True)
def new_sum(rings, channel, unit, bag, turn):
    """Write the row of an empty sum; its number."""
    number = rings.marks[NEXT_SUM]
    rings.marks[NEXT_SUM] = number + 1
    row = rings.sums[number & rings.sum_mask]
    row[SUM_CHANNEL] = channel
    row[SUM_UNIT] = unit
    row[SUM_BAG] = bag
    row[SUM_TURN] = turn
    row[SUM_LOOKUPS] = 0
    row[SUM_READY] = 0
    row[SUM_SENT] = NONE
    row[SUM_PARENT] = NONE
    return number


@helper(forceinline=True)
def open_sum(rings, recipe, state, channel, unit, bag, turn):
    """Allocate the sum of a bag in a unit; its number."""
    number = new_sum(rings, channel, unit, bag, turn)
    index = channel * recipe.units_per_channel + unit
    ordinal = state.opened[index]
    state.opened[index] = ordinal + 1
    if recipe.accumulators:
        free_accumulator(rings, recipe, state, channel, unit, ordinal, number, turn)
    rings.sums[number & rings.sum_mask, SUM_ORDINAL] = ordinal
    return number


@helper
def open_collected(rings, recipe, bag, turn, n_sums):
    """Allocate the sum that a collector makes of a bag's partial sums, which follow it."""
    number = new_sum(rings, bag % recipe.channels, NONE, bag, turn)
    row = rings.sums[number & rings.sum_mask]
    row[SUM_LOOKUPS] = n_sums
    row[SUM_SENT] = 0
    row[SUM_ORDER] = 0
    row[SUM_BURSTS] = recipe.vector_bursts
    row[SUM_ORDINAL] = 0
    rings.turns[turn & rings.turn_mask, TURN_LEFT] += 1


@helper(forceinline=True)
def open_sums(rings, recipe, placement, state, chunk, scratch, start, stop, total, turn):
    """Allocate the sums of the bag in start..stop-1, by unit of the channel, then channel; how many.

    The scratch receives the owner of each lookup, or NONE if it is not among the program's units.
    """
    n_touched = 0
    if placement.copy_mask:
        balance_owners(recipe, placement, state, chunk, scratch, start, stop)
    i = start
    while i < stop:
        after = end_of_lookup(chunk, i, stop)
        large, address = i, np.int64(NONE)
        if not placement.copy_mask:
            scratch[i - start], large, address = find_owner(recipe, placement, chunk, i, after)
        # The row that has been located will be read next.
        scratch[SCRATCH_LARGE * total + i - start] = large
        scratch[SCRATCH_ADDRESSES * total + i - start] = address
        owner = recipe.own_unit[scratch[i - start]]
        scratch[i - start] = owner
        if owner != NONE and state.slot_of_unit[owner] == NONE:
            state.slot_of_unit[owner] = 0
            key = (owner % recipe.units_per_channel) * recipe.channels + owner // recipe.units_per_channel
            place = n_touched
            while place > 0 and state.touched[place - 1] > key:
                state.touched[place] = state.touched[place - 1]
                place -= 1
            state.touched[place] = key
            n_touched += 1
        i = after
    if recipe.collect:
        open_collected(rings, recipe, np.int64(chunk.sample[start]), turn, n_touched)
    for index in range(n_touched):
        unit = state.touched[index] // recipe.channels
        channel = state.touched[index] % recipe.channels
        number = open_sum(rings, recipe, state, channel, unit, np.int64(chunk.sample[start]), turn)
        if recipe.collect:
            rings.sums[number & rings.sum_mask, SUM_PARENT] = number - 1 - index
        state.slot_of_unit[channel * recipe.units_per_channel + unit] = number
    return n_touched


@helper(forceinline=True)
def close_sums(recipe, state, n_touched):
    """Forget the bag's sums."""
    for index in range(n_touched):
        unit = state.touched[index] // recipe.channels
        channel = state.touched[index] % recipe.channels
        state.slot_of_unit[channel * recipe.units_per_channel + unit] = NONE
