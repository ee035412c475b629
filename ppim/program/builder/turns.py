"""What goes before a turn's demand, and whether a turn fits the rings."""

import numpy as np

from ppim.jit import helper
from ppim.program import instruction as i, state as r
from ppim.program.builder import recipe as b
from ppim.program.builder.chunk import end_of_first_bag, end_of_turn, is_empty_turn
from ppim.program.builder.prefetches import emit_rest_of_prefetches, list_rows, rows_to_prefetch
from ppim.program.builder.recipe import most_collected
from ppim.program.builder.transfers import emit_transfers, most_transfers, note_opened


@helper(forceinline=True)
def free_instructions(rings):
    """Instructions for which every stream has room."""
    used = 0
    for stream in range(rings.n_streams):
        used = max(used, rings.stream[stream, r.TAIL] - rings.stream[stream, r.HEAD])
    return rings.instruction_mask + 1 - used


@helper(forceinline=True)
def most_demand(recipe, n_accesses):
    """Most instructions of so many accesses: a deliver may stand behind each, and a transfer before it."""
    if recipe.parts:
        return n_accesses * recipe.most_pieces * (1 + recipe.in_order * recipe.most_units)
    return n_accesses * (1 + recipe.in_order + min(recipe.accumulators, 1))


@helper(forceinline=True)
def has_room(rings, n_lookups, n_sums, n_instructions):
    """Whether one more turn has room in the rings, with at most so many instructions in each stream."""
    marks = rings.marks
    oldest = rings.turns[marks[r.OLDEST_TURN] & rings.turn_mask]
    live = marks[r.NEXT_TURN] > marks[r.OLDEST_TURN]
    first_lookup = oldest[r.TURN_FIRST_LOOKUP] if live else marks[r.NEXT_LOOKUP]
    first_sum = oldest[r.TURN_FIRST_SUM] if live else marks[r.NEXT_SUM]
    short = 0
    if marks[r.NEXT_TURN] + 1 - marks[r.OLDEST_TURN] > rings.turn_mask + 1:
        short |= r.SHORT_TURNS
    if marks[r.NEXT_LOOKUP] + n_lookups - first_lookup > rings.lookup_mask + 1:
        short |= r.SHORT_LOOKUPS
    if marks[r.NEXT_SUM] + n_sums - first_sum > rings.sum_mask + 1:
        short |= r.SHORT_SUMS
    if n_instructions > free_instructions(rings):
        short |= r.SHORT_INSTRUCTIONS
    marks[r.SHORT] = short
    return short == 0


@helper(forceinline=True)
def turn_fits(rings, recipe, state, table, n_accesses, n_bags, n_first, n_rows):
    """Whether a turn of so many accesses and bags can begin, behind the transfers of the one before it.

    Its lookups and sums surely fit, and the instructions of the first `n_first` accesses.
    """
    n_lookups = n_accesses // recipe.accesses[table]
    units = recipe.channels * recipe.units_per_channel
    n_sums = min(n_lookups, n_bags * units) + n_bags * most_collected(recipe)
    # Receivers stand among lookups, one at most for each access but that of the large row.
    n_lookups += recipe.listed * (n_accesses - n_lookups)
    if recipe.slices:
        n_lookups, n_sums = n_lookups * recipe.slices, n_bags * recipe.slices
    if recipe.parts:
        n_lookups *= recipe.most_pieces * recipe.most_units
        n_sums = min(n_lookups, n_bags * units) + n_bags * most_collected(recipe)
    n_instructions = most_demand(recipe, n_first) + most_transfers(recipe, state) + n_rows
    return has_room(rings, n_lookups, n_sums, n_instructions)


@helper(forceinline=True)
def open_turn(rings, batch, left):
    """Write the row of a turn without instructions, which waits for `left` completions more than those; its number."""
    turn = rings.marks[r.NEXT_TURN]
    rings.marks[r.NEXT_TURN] = turn + 1
    row = rings.turns[turn & rings.turn_mask]
    for column in range(r.TURN_COLUMNS):
        row[column] = 0
    row[r.TURN_START] = r.NOT_STARTED
    row[r.TURN_LEFT] = left
    row[r.TURN_BATCH] = batch
    row[r.TURN_FIRST_LOOKUP] = rings.marks[r.NEXT_LOOKUP]
    row[r.TURN_FIRST_SUM] = rings.marks[r.NEXT_SUM]
    return turn


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
    if state.pending[b.PENDING_TURN] != i.NONE:
        emit_transfers(rings, recipe, state, fetched_turn, n_rows)
    emit_rest_of_prefetches(rings, recipe, state, fetched_turn, n_rows)


@helper(forceinline=True)
def begin_turn(rings, recipe, placement, state, chunk, position, stop, total):
    """Open the turn at position..stop-1 and emit what goes before its demand; False if it does not fit."""
    first_turn = rings.marks[r.NEXT_TURN] == 0
    most_rows = rows_to_prefetch(recipe, chunk, position, stop, total, first_turn)
    batch = np.int64(chunk.batch[position])
    # The last bags of a turn may be empty.
    bags = min(recipe.batch_size, recipe.samples - batch * recipe.batch_size)
    if not is_empty_turn(chunk, position):
        bags = max(bags, np.int64(chunk.sample[stop - 1]) + 1)
    table = np.int64(chunk.table[position])
    # Whole turns are joint; otherwise the bags behind the first can wait for room.
    first_stop = (
        stop if recipe.slices | recipe.dedup | recipe.parts else end_of_first_bag(chunk, position, stop)
    )
    if not turn_fits(rings, recipe, state, table, stop - position, bags, first_stop - position, most_rows):
        return False
    turn = open_turn(rings, batch, recipe.tied)
    start_turn(rings, recipe, placement, state, chunk, position, stop, total, turn)
    state.pending[b.PENDING_TURN] = turn
    state.pending[b.PENDING_FIRST_SUM] = rings.marks[r.NEXT_SUM]
    state.pending[b.PENDING_BAGS] = bags
    note_opened(recipe, state)
    return True
