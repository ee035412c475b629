"""Result transfers of a turn, merged with the prefetches for the next (docs/model.md §1)."""

from __future__ import annotations

from ppim.jit import helper
from ppim.program.builder.emit import append
from ppim.program.builder.prefetches import append_prefetch
from ppim.program.builder.recipe import PENDING_BAGS, PENDING_FIRST_SUM, PENDING_STOP_SUM, PENDING_TURN
from ppim.program.instruction import ALL, NONE, SUM_BAG, SUM_CHANNEL, SUM_ORDINAL, SUM_UNIT, TRANSFER
from ppim.program.state import TURN_CLOSED, TURN_LEFT


@helper(forceinline=True)
def append_transfer(
    rings, recipe, placement, state, channel, unit, first_sum, n_sums, next_turn, next_table, n_rows
):
    """Emit a transfer and, one to one, the next prefetch of the following turn in that stream."""
    stream = 0 if recipe.global_stream else channel
    turn = state.pending[PENDING_TURN]
    append(
        rings,
        stream,
        TRANSFER,
        ALL if recipe.global_stream else channel,
        unit,
        0,
        recipe.vector_bursts,
        turn,
        NONE,
        first_sum,
        n_sums,
    )
    # A transfer of several sums completes once for each; an empty one once.
    rings.turns[turn & rings.turn_mask, TURN_LEFT] += max(n_sums, 1)
    if state.prefetched[stream] < n_rows:
        append_prefetch(
            rings, recipe, placement, state, stream, next_turn, next_table, state.prefetched[stream]
        )
        state.prefetched[stream] += 1


@helper
def has_left(rings, recipe, state, number):
    """Whether a sum's transfer stands before the first instruction of a sum that needed its accumulator."""
    row = rings.sums[number & rings.sum_mask]
    unit = row[SUM_CHANNEL] * recipe.units_per_channel + row[SUM_UNIT]
    return row[SUM_ORDINAL] + recipe.accumulators < state.opened[unit]


@helper(forceinline=True)
def emit_transfers(rings, recipe, placement, state, next_turn, next_table, n_rows):
    """Transfers of the pending turn, merged one to one with `n_rows` prefetches of the next."""
    sum_mask = rings.sum_mask
    position = state.pending[PENDING_FIRST_SUM]
    stop = state.pending[PENDING_STOP_SUM]
    for bag in range(0 if recipe.host_consumes else state.pending[PENDING_BAGS]):
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
                if position > first or recipe.transfer_all:
                    append_transfer(
                        rings,
                        recipe,
                        placement,
                        state,
                        ALL,
                        unit,
                        first,
                        position - first,
                        next_turn,
                        next_table,
                        n_rows,
                    )
                continue
            for channel in range(recipe.channels):
                has_sum = first < position and rings.sums[first & sum_mask, SUM_CHANNEL] == channel
                if has_sum and recipe.accumulators and has_left(rings, recipe, state, first):
                    first += 1
                    continue
                if has_sum or recipe.transfer_all:
                    append_transfer(
                        rings,
                        recipe,
                        placement,
                        state,
                        channel,
                        unit,
                        first,
                        1 if has_sum else 0,
                        next_turn,
                        next_table,
                        n_rows,
                    )
                if has_sum:
                    first += 1
    rings.turns[state.pending[PENDING_TURN] & rings.turn_mask, TURN_CLOSED] = 1
    state.pending[PENDING_TURN] = NONE
