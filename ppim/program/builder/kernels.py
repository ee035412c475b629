"""Trace accesses -> instructions, a turn (one table's part of one batch) at a time.

`docs/model.md` §1 is what this package does. Everything that depends on program order alone is decided
here: owners of lookups, cache contents, which instruction goes to which stream. Times are the engine's.
"""

from __future__ import annotations

import numpy as np

from ppim.jit import helper, njit
from ppim.mapping.base import Placement, bare_placement
from ppim.program.builder.bags import emit_bag
from ppim.program.builder.chunk import end_of_bag, end_of_turn, is_empty_turn
from ppim.program.builder.equal import emit_turn_once
from ppim.program.builder.prefetches import emit_rest_of_prefetches, list_resident_rows
from ppim.program.builder.recipe import (
    PENDING_STOP_SUM,
    PENDING_TURN,
    Accesses,
    BuildState,
    Recipe,
    bare_accesses,
    bare_build_state,
    bare_recipe,
)
from ppim.program.builder.slices import emit_split_bag
from ppim.program.builder.sums import close_sums, open_sums
from ppim.program.builder.transfers import emit_transfers
from ppim.program.builder.turns import begin_turn
from ppim.program.instruction import NONE
from ppim.program.state import NEXT_SUM, Rings, bare_rings
from ppim.tables import bare


# Accesses that are built at once: enough to make a call worth it, few enough to stay in a core's cache.
BLOCK_ACCESSES = 1 << 12


@helper(forceinline=True)
def end_of_block(position, n):
    """Where building pauses, of a chunk of n accesses.

    The same for all parts of a run, so that each builds while the others do, and waits for none of them.
    """
    return min(n, (position // BLOCK_ACCESSES + 1) * BLOCK_ACCESSES)


@njit
def flush_transfers(owned_rings, owned_recipe, owned_state):
    """End of the program: transfers of the last turn."""
    rings, recipe, state = bare_rings(owned_rings), bare_recipe(owned_recipe), bare_build_state(owned_state)
    if state.pending[PENDING_TURN] != NONE:
        emit_transfers(rings, recipe, state, NONE, 0)


@njit
def prefetch_all(owned_rings, owned_recipe, owned_placement, owned_state):
    """Start of the program under `prefetch = "all"`: every table's resident rows, once."""
    rings, recipe = bare_rings(owned_rings), bare_recipe(owned_recipe)
    placement, state = bare_placement(owned_placement), bare_build_state(owned_state)
    for table in range(recipe.tables):
        n_rows = list_resident_rows(recipe, placement, state, table)
        emit_rest_of_prefetches(rings, recipe, state, 0, n_rows)


@njit
def build(owned_rings, owned_recipe, owned_placement, owned_state, accesses, position, scratch):
    """Append whole turns from chunk position `position` on, to the end of a block or while they fit.

    Parameters
    ----------
    accesses : Accesses
        Whole turns. Accesses behind the first n are those of the turn after them, to be looked at only.
    scratch : ndarray of int64, shape (`scratch_size`,)
        For owners of lookups, where their rows lie, and the order of lookups.

    Returns
    -------
    int
        Position of the first access that was not taken.
    """
    rings, recipe = bare_rings(owned_rings), bare_recipe(owned_recipe)
    placement, state = bare_placement(owned_placement), bare_build_state(owned_state)
    chunk, owners = bare_accesses(accesses), bare(scratch)
    n, total = chunk.n, accesses.row.size
    goal = end_of_block(position, n)
    while position < goal:
        stop = end_of_turn(chunk, position, n)
        if not begin_turn(rings, recipe, placement, state, chunk, position, stop, total):
            return position
        turn = state.pending[PENDING_TURN]
        if is_empty_turn(chunk, position):
            position = stop
        while position < stop:
            end = end_of_bag(chunk, position, stop)
            n_touched = open_sums(rings, recipe, placement, state, chunk, owners, position, end, total, turn)
            emit_bag(rings, recipe, placement, state, chunk, owners, position, end, total, turn)
            close_sums(recipe, state, n_touched)
            position = end
        state.pending[PENDING_STOP_SUM] = rings.marks[NEXT_SUM]
    return position


@njit
def build_joint(owned_rings, owned_recipe, owned_placement, owned_state, accesses, position, scratch):
    """`build` where an instruction serves lookups of several units or bags: rows are split, or sent once.

    A kernel of its own, so that systems without either do not wait for its compilation.
    """
    rings, recipe = bare_rings(owned_rings), bare_recipe(owned_recipe)
    placement, state = bare_placement(owned_placement), bare_build_state(owned_state)
    chunk, places = bare_accesses(accesses), bare(scratch)
    n, total = chunk.n, accesses.row.size
    goal = end_of_block(position, n)
    while position < goal:
        stop = end_of_turn(chunk, position, n)
        if not begin_turn(rings, recipe, placement, state, chunk, position, stop, total):
            return position
        turn = state.pending[PENDING_TURN]
        if is_empty_turn(chunk, position):
            position = stop
        elif recipe.dedup:
            emit_turn_once(rings, recipe, placement, state, chunk, places, position, stop, total, turn)
            position = stop
        while position < stop:
            end = end_of_bag(chunk, position, stop)
            emit_split_bag(rings, recipe, placement, state, chunk, position, end, turn)
            position = end
        state.pending[PENDING_STOP_SUM] = rings.marks[NEXT_SUM]
    return position


def build_turns(
    rings: Rings,
    recipe: Recipe,
    placement: Placement,
    state: BuildState,
    accesses: Accesses,
    position: int,
    scratch: np.ndarray,
) -> int:
    """Append whole turns while they fit; position of the first access that was not taken (see `build`)."""
    kernel = build_joint if recipe.slices or recipe.dedup else build
    return int(kernel(rings, recipe, placement, state, accesses, position, scratch))
