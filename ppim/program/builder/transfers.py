"""Result transfers of a turn, merged with the prefetches for the next (docs/model.md §1)."""

from __future__ import annotations

from ppim.jit import helper
from ppim.program.builder.emit import append
from ppim.program.builder.prefetches import append_prefetch
from ppim.program.builder.recipe import (
    PENDING_BAGS,
    PENDING_FIRST_SUM,
    PENDING_STOP_SUM,
    PENDING_TURN,
    number_of_unit,
)
from ppim.program.instruction import ALL, NONE, SUM_BAG, SUM_CHANNEL, SUM_ORDINAL, SUM_UNIT, TRANSFER
from ppim.program.state import TURN_CLOSED, TURN_LEFT


@helper(forceinline=True)
def append_transfer(rings, recipe, state, channel, unit, first_sum, n_sums, next_turn, n_rows):
    """Emit a transfer and, one to one, the next prefetch of the following turn in that stream."""
    stream = 0 if recipe.global_stream else channel
    turn = state.pending[PENDING_TURN]
    bursts = recipe.vector_bursts
    append(rings, stream, TRANSFER, channel, unit, 0, bursts, turn, NONE, first_sum, n_sums)
    # A transfer of several sums completes once for each; an empty one once.
    rings.turns[turn & rings.turn_mask, TURN_LEFT] += max(n_sums, 1)
    if state.prefetched[stream] < n_rows:
        append_prefetch(rings, recipe, state, stream, next_turn, state.prefetched[stream])
        state.prefetched[stream] += 1


@helper
def has_left(rings, recipe, state, number):
    """Whether a sum's transfer stands before the first instruction of a sum that needed its accumulator."""
    row = rings.sums[number & rings.sum_mask]
    own = number_of_unit(recipe, row[SUM_CHANNEL], row[SUM_UNIT])
    return row[SUM_ORDINAL] + recipe.accumulators < state.opened[own]


@helper(forceinline=True)
def emit_transfers_of_sums(rings, recipe, state, next_turn, n_rows):
    """A transfer for each sum of the pending turn: they were opened in the order in which they leave."""
    for number in range(state.pending[PENDING_FIRST_SUM], state.pending[PENDING_STOP_SUM]):
        row = rings.sums[number & rings.sum_mask]
        # The sum of a bag's collector leaves by itself.
        if recipe.collect and row[SUM_UNIT] == NONE:
            continue
        if recipe.accumulators and has_left(rings, recipe, state, number):
            continue
        append_transfer(rings, recipe, state, row[SUM_CHANNEL], row[SUM_UNIT], number, 1, next_turn, n_rows)


@helper
def emit_transfers_of_units(rings, recipe, state, next_turn, n_rows):
    """Transfers of the pending turn by bag and unit: of all channels at once, or of empty bags too."""
    sum_mask = rings.sum_mask
    position = state.pending[PENDING_FIRST_SUM]
    stop = state.pending[PENDING_STOP_SUM]
    for bag in range(state.pending[PENDING_BAGS]):
        # The sum of a bag's collector stands before its partial sums, and leaves by itself.
        if recipe.collect and position < stop and rings.sums[position & sum_mask, SUM_BAG] == bag:
            position += 1
        for unit in range(recipe.units_per_channel):
            first = position
            while (
                position < stop
                and rings.sums[position & sum_mask, SUM_BAG] == bag
                and rings.sums[position & sum_mask, SUM_UNIT] == unit
            ):
                position += 1
            if recipe.global_stream:
                n_sums = position - first
                if n_sums or recipe.transfer_all:
                    append_transfer(rings, recipe, state, ALL, unit, first, n_sums, next_turn, n_rows)
                continue
            for channel in range(recipe.channels):
                has_sum = first < position and rings.sums[first & sum_mask, SUM_CHANNEL] == channel
                append_transfer(rings, recipe, state, channel, unit, first, int(has_sum), next_turn, n_rows)
                first += has_sum


@helper(forceinline=True)
def emit_transfers(rings, recipe, state, next_turn, n_rows):
    """Transfers of the pending turn, merged one to one with prefetches of the `n_rows` rows listed for the next."""
    if not recipe.host_consumes:
        if recipe.global_stream or recipe.transfer_all:
            emit_transfers_of_units(rings, recipe, state, next_turn, n_rows)
        else:
            emit_transfers_of_sums(rings, recipe, state, next_turn, n_rows)
    rings.turns[state.pending[PENDING_TURN] & rings.turn_mask, TURN_CLOSED] = 1
    state.pending[PENDING_TURN] = NONE
