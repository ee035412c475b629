"""Rows that a turn has fetched into the scratchpads (docs/model.md §1, §5)."""

import numpy as np

from ppim.jit import helper
from ppim.program import instruction as i
from ppim.program.builder import recipe as b
from ppim.program.builder.chunk import is_empty_turn
from ppim.program.builder.emit import append


@helper(forceinline=True)
def count_resident(recipe, table):
    """Rows that a turn of `table` prefetches."""
    total = 0
    for subtable in range(recipe.subtables):
        total += recipe.resident[table, subtable]
    return total


@helper(forceinline=True)
def held_index(recipe, table, subtable, row):
    """Position of a row among all rows of a table that may be prefetched."""
    index = row
    for earlier in range(subtable):
        index += recipe.resident[table, earlier]
    return index


@helper(forceinline=True)
def list_row(placement, state, n_rows, table, subtable, row):
    """Put a row at the end of the list of those to be prefetched."""
    bursts = placement.row_bursts[table, subtable]
    state.fetched[n_rows, b.FETCHED_ADDRESS] = placement.base[table, subtable] + row * bursts
    state.fetched[n_rows, b.FETCHED_BURSTS] = bursts


@helper(forceinline=True)
def list_used_rows(recipe, placement, state, chunk, start, stop, turn):
    """List the rows that the turn at start..stop-1 touches, in ascending order, as far as they fit; their number."""
    table = np.int64(chunk.table[start])
    held = state.held[turn & 1]
    for at in range(start, stop):
        subtable = np.int64(chunk.subtable[at])
        if recipe.resident[table, subtable] > 0:
            held[held_index(recipe, table, subtable, np.int64(chunk.row[at]))] = -(turn + 1)
    n_rows = 0
    free = recipe.turn_bytes
    for subtable in range(recipe.subtables):
        for row in range(recipe.resident[table, subtable]):
            index = held_index(recipe, table, subtable, row)
            if held[index] == -(turn + 1) and recipe.line_bytes[table, subtable] <= free:
                held[index] = turn + 1
                free -= recipe.line_bytes[table, subtable]
                list_row(placement, state, n_rows, table, subtable, row)
                n_rows += 1
    state.free[turn & 1] = free
    return n_rows


@helper(forceinline=True)
def list_resident_rows(recipe, placement, state, table):
    """List all rows that a turn of `table` may prefetch; their number."""
    n_rows = 0
    for subtable in range(recipe.subtables):
        for row in range(recipe.resident[table, subtable]):
            list_row(placement, state, n_rows, table, subtable, row)
            n_rows += 1
    return n_rows


@helper(forceinline=True)
def list_rows(recipe, placement, state, chunk, start, stop, turn):
    """List the rows to be prefetched for the turn at start..stop-1; their number."""
    if is_empty_turn(chunk, start):
        return 0
    if recipe.only_used:
        return list_used_rows(recipe, placement, state, chunk, start, stop, turn)
    return list_resident_rows(recipe, placement, state, np.int64(chunk.table[start]))


@helper(forceinline=True)
def is_held(recipe, state, table, subtable, row, turn):
    """Whether a turn finds a row in every scratchpad."""
    if recipe.only_used:
        return state.held[turn & 1, held_index(recipe, table, subtable, row)] == turn + 1
    return row < recipe.resident[table, subtable]


@helper(forceinline=True)
def append_prefetch(rings, recipe, state, stream, turn, index):
    """Emit the prefetch of the index-th listed row for a turn."""
    address, bursts = state.fetched[index, b.FETCHED_ADDRESS], state.fetched[index, b.FETCHED_BURSTS]
    channel = i.ALL if recipe.global_stream else stream
    append(rings, stream, i.PREFETCH, channel, i.ALL, address, bursts, turn, i.NONE, i.NONE, 0)


@helper(forceinline=True)
def emit_rest_of_prefetches(rings, recipe, state, turn, n_rows):
    """Prefetches of listed rows that found no transfer to be merged with."""
    for stream in range(rings.n_streams):
        for index in range(state.prefetched[stream], n_rows):
            append_prefetch(rings, recipe, state, stream, turn, index)
        state.prefetched[stream] = 0


@helper(forceinline=True)
def rows_to_prefetch(recipe, chunk, start, stop, total, first_turn):
    """Most rows whose prefetches go before the demand of the turn at start..stop-1."""
    rows = 0
    if not recipe.fetch_each_turn:
        return rows
    if recipe.turns_ahead == 0 or first_turn:
        rows += count_resident(recipe, np.int64(chunk.table[start]))
    if recipe.turns_ahead and stop < total:
        rows += count_resident(recipe, np.int64(chunk.table[stop]))
    return rows
