"""What goes before a turn's demand, and whether a turn fits the rings."""

from __future__ import annotations

import numpy as np

from ppim.jit import helper
from ppim.program.builder.chunk import end_of_turn, is_empty_turn
from ppim.program.builder.prefetches import emit_rest_of_prefetches, list_rows, rows_to_prefetch
from ppim.program.builder.recipe import (
    PENDING_BAGS,
    PENDING_FIRST_SUM,
    PENDING_TURN,
)
from ppim.program.builder.transfers import emit_transfers
from ppim.program.instruction import NONE
from ppim.program.state import (
    HEAD,
    NEXT_LOOKUP,
    NEXT_SUM,
    NEXT_TURN,
    OLDEST_TURN,
    TAIL,
    TURN_BATCH,
    TURN_CLOSED,
    TURN_COLUMNS,
    TURN_DONE,
    TURN_FIRST_LOOKUP,
    TURN_FIRST_SUM,
    TURN_LEFT,
)


@helper(forceinline=True)
def has_room(rings, recipe, n_accesses, n_bags, n_rows):
    """Whether a turn of `n_accesses` surely fits the rings, before the transfers of the one before it."""
    oldest = rings.turns[rings.marks[OLDEST_TURN] & rings.turn_mask]
    turn = rings.marks[NEXT_TURN]
    live = turn > rings.marks[OLDEST_TURN]
    first_lookup = oldest[TURN_FIRST_LOOKUP] if live else rings.marks[NEXT_LOOKUP]
    first_sum = oldest[TURN_FIRST_SUM] if live else rings.marks[NEXT_SUM]
    if turn + 1 - rings.marks[OLDEST_TURN] > rings.turn_mask + 1:
        return False
    parts = max(recipe.slices, 1) + recipe.collect
    if rings.marks[NEXT_LOOKUP] + n_accesses * parts - first_lookup > rings.lookup_mask + 1:
        return False
    if rings.marks[NEXT_SUM] + n_accesses * parts - first_sum > rings.sum_mask + 1:
        return False
    # A deliver may stand behind each access, and a transfer before it.
    per_access = 1 + recipe.in_order + min(recipe.accumulators, 1)
    # Transfers of the pending turn are bounded by one per unit and bag, or by its sums.
    transfers = n_bags * recipe.units_per_channel * (1 if recipe.global_stream else recipe.channels)
    for stream in range(rings.n_streams):
        used = rings.stream[stream, TAIL] - rings.stream[stream, HEAD]
        if used + n_accesses * per_access + transfers + n_rows > rings.instruction_mask + 1:
            return False
    return True


@helper(forceinline=True)
def start_turn(rings, recipe, placement, state, chunk, start, stop, total, turn):
    """What goes before a turn's demand: transfers of the turn before it, merged with prefetches."""
    fetched_turn, first, last = turn, start, stop
    if recipe.turns_ahead:
        if turn == 0:
            n_rows = list_rows(recipe, placement, state, chunk, start, stop, turn)
            emit_rest_of_prefetches(rings, recipe, state, turn, n_rows)
        fetched_turn, first = turn + 1, stop
        last = end_of_turn(recipe, chunk, stop, total) if stop < total else stop
    n_rows = 0
    if first < last and recipe.fetch_each_turn:
        n_rows = list_rows(recipe, placement, state, chunk, first, last, fetched_turn)
    if state.pending[PENDING_TURN] != NONE:
        emit_transfers(rings, recipe, state, fetched_turn, n_rows)
    emit_rest_of_prefetches(rings, recipe, state, fetched_turn, n_rows)


@helper(forceinline=True)
def begin_turn(rings, recipe, placement, state, chunk, position, stop, total):
    """Open the turn at position..stop-1 and emit what goes before its demand; False if it does not fit."""
    first_turn = rings.marks[NEXT_TURN] == 0
    most_rows = rows_to_prefetch(recipe, chunk, position, stop, total, first_turn)
    batch = np.int64(chunk.batch[position])
    # The last bags of a turn may be empty.
    bags = min(recipe.batch_size, recipe.samples - batch * recipe.batch_size)
    if not is_empty_turn(chunk, position):
        bags = max(bags, np.int64(chunk.sample[stop - 1]) + 1)
    if not has_room(rings, recipe, stop - position, max(bags, state.pending[PENDING_BAGS]), most_rows):
        return False
    turn = rings.marks[NEXT_TURN]
    rings.marks[NEXT_TURN] = turn + 1
    row = rings.turns[turn & rings.turn_mask]
    row[TURN_LEFT] = recipe.tied
    row[TURN_CLOSED] = 0
    for column in range(TURN_DONE, TURN_COLUMNS):
        row[column] = 0
    row[TURN_BATCH] = batch
    row[TURN_FIRST_LOOKUP] = rings.marks[NEXT_LOOKUP]
    row[TURN_FIRST_SUM] = rings.marks[NEXT_SUM]
    start_turn(rings, recipe, placement, state, chunk, position, stop, total, turn)
    state.pending[PENDING_TURN] = turn
    state.pending[PENDING_FIRST_SUM] = rings.marks[NEXT_SUM]
    state.pending[PENDING_BAGS] = bags
    return True
