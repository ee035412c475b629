"""Rows that move between units: a turn that reads them out, and a turn that writes them (docs/model.md §15)."""

from __future__ import annotations

from ppim.jit import helper, njit
from ppim.jit.tables import bare
from ppim.program import cache, instruction as i, state as r
from ppim.program.builder import recipe as b
from ppim.program.builder.emit import append
from ppim.program.builder.recipe import number_of_unit
from ppim.program.builder.transfers import emit_transfers
from ppim.program.builder.turns import open_turn

# Columns of a row that moves.
FROM_CHANNEL = 0
FROM_UNIT = 1  # of the channel
FROM_ADDRESS = 2  # unit-local, in bursts
TO_CHANNEL = 3
TO_UNIT = 4
TO_ADDRESS = 5
BURSTS = 6
MOVE_COLUMNS = 7

TURNS = 2  # of a round of moves


@helper
def begin_turn_of_moves(rings, recipe, state, batch):
    """A turn without lookups, behind the transfers of the one before it."""
    turn = open_turn(rings, batch, 0)
    if state.pending[b.PENDING_TURN] != i.NONE:
        emit_transfers(rings, recipe, state, i.NONE, 0)
    state.pending[b.PENDING_TURN] = turn
    state.pending[b.PENDING_FIRST_SUM] = state.pending[b.PENDING_STOP_SUM] = rings.marks[r.NEXT_SUM]
    state.pending[b.PENDING_BAGS] = 0
    return turn


@helper
def append_move(rings, recipe, kind, channel, unit, address, bursts, turn, number):
    """Write one instruction of a row that moves, `number` of those of its round."""
    stream = 0 if recipe.global_stream else channel
    append(rings, stream, kind, channel, unit, address, bursts, turn, i.NONE, number, 0)
    rings.turns[turn & rings.turn_mask, r.TURN_LEFT] += 1


@njit
def emit_moves(rings, recipe, state, moves, n, batch):
    """Append the two turns in which the first n rows of a table move; `batch`, and the one before, name no other turn's."""
    rows = bare(moves)
    turn = begin_turn_of_moves(rings, recipe, state, batch)
    for k in range(n):
        move = rows[k]
        channel, unit, address = move[FROM_CHANNEL], move[FROM_UNIT], move[FROM_ADDRESS]
        append_move(rings, recipe, i.MOVE_OUT, channel, unit, address, move[BURSTS], turn, k)
    turn = begin_turn_of_moves(rings, recipe, state, batch - 1)
    for k in range(n):
        move = rows[k]
        channel, unit, address = move[TO_CHANNEL], move[TO_UNIT], move[TO_ADDRESS]
        append_move(rings, recipe, i.MOVE_IN, channel, unit, address, move[BURSTS], turn, k)
        state.counts[channel, b.MOVES] += 1
        if recipe.lru:
            # What the unit's cache has of that place is no longer there.
            cache.forget(recipe, state.cache_tags[number_of_unit(recipe, channel, unit)], address)
