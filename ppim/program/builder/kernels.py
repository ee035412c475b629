"""Trace accesses -> instructions, a turn (one table's part of one batch) at a time.

`docs/model.md` §1 is what this package does. Everything that depends on program order alone is decided
here: owners of lookups, cache contents, which instruction goes to which stream. Times are the engine's.
"""

from __future__ import annotations

import numpy as np

from ppim.jit import helper, njit
from ppim.jit.tables import bare
from ppim.mapping.placing.placement import Placement, bare_placement
from ppim.program import instruction as i
from ppim.program import state as r
from ppim.program.builder import recipe as b
from ppim.program.builder import sums
from ppim.program.builder.bags import emit_bag, only_own_matter
from ppim.program.builder.chunk import Turn, end_of_bag, end_of_turn, is_empty_turn
from ppim.program.builder.equal import emit_turn_once
from ppim.program.builder.owners import list_lookups
from ppim.program.builder.prefetches import emit_rest_of_prefetches, list_resident_rows
from ppim.program.builder.recipe import (
    Accesses,
    BuildState,
    Recipe,
    bare_accesses,
    bare_build_state,
    bare_recipe,
)
from ppim.program.builder.slices import emit_split_bag
from ppim.program.builder.transfers import emit_transfers
from ppim.program.builder.turns import begin_turn
from ppim.program.state import Rings, bare_rings


@njit
def flush_transfers(owned_rings, owned_recipe, owned_state):
    """End of the program: transfers of the last turn."""
    rings, recipe, state = bare_rings(owned_rings), bare_recipe(owned_recipe), bare_build_state(owned_state)
    if state.pending[b.PENDING_TURN] != i.NONE:
        emit_transfers(rings, recipe, state, i.NONE, 0)


@njit
def prefetch_all(owned_rings, owned_recipe, owned_placement, owned_state):
    """Start of the program where rows are prefetched there: every table's resident ones, once."""
    rings, recipe = bare_rings(owned_rings), bare_recipe(owned_recipe)
    placement, state = bare_placement(owned_placement), bare_build_state(owned_state)
    for table in range(recipe.tables):
        n_rows = list_resident_rows(recipe, placement, state, table)
        emit_rest_of_prefetches(rings, recipe, state, 0, n_rows)


@helper
def append_turns(joint, rings, recipe, placement, state, chunk, scratch, position, goal, total):
    """Append whole turns from chunk position `position` on, until `goal` is reached or one does not fit.

    Parameters
    ----------
    joint : int, or None
        1: an instruction serves lookups of several units or bags, since rows are split, or sent once. The
        compiler leaves out what is not needed.
    scratch : Table of int64, of `make_scratch`
        For owners of a turn's lookups, where their rows lie, and the order of lookups.
    total : int
        Accesses of the chunk. Those behind its first n are of the turn after them, to be looked at only.

    Returns
    -------
    int
        Position of the first access that was not taken.
    """
    while position < goal:
        stop = end_of_turn(recipe, chunk, position, chunk.n)
        if not begin_turn(rings, recipe, placement, state, chunk, position, stop, total):
            return position
        table = np.int64(chunk.table[position])
        width = recipe.accesses[table]
        lookups = 0 if is_empty_turn(chunk, position) else (stop - position) // width
        turn = Turn(state.pending[b.PENDING_TURN], table, position, width, lookups)
        first = 0
        if joint is None:
            n = list_lookups(recipe, placement, state, chunk, scratch, turn, only_own_matter(recipe, table))
            while first < n:
                end = sums.end_of_bag(chunk, scratch, turn, first, n)
                sums.open_sums(rings, recipe, state, chunk, scratch, turn, first, end)
                emit_bag(rings, recipe, placement, state, chunk, scratch, turn, first, end)
                first = end
        if joint is not None:
            if recipe.dedup:
                emit_turn_once(rings, recipe, placement, state, chunk, scratch, turn)
                first = turn.lookups
            while first < turn.lookups:
                end = end_of_bag(chunk, turn, first)
                emit_split_bag(rings, recipe, placement, state, chunk, turn, first, end)
                first = end
        state.pending[b.PENDING_STOP_SUM] = rings.marks[r.NEXT_SUM]
        position = stop
    return position


def is_joint(recipe: Recipe) -> int | None:
    """1 where an instruction serves lookups of several units or bags, else None (see `append_turns`)."""
    return 1 if recipe.slices or recipe.dedup else None


@njit
def build(joint, owned_rings, owned_recipe, owned_placement, owned_state, accesses, position, scratch):
    """`append_turns` for Python, to the end of the accesses."""
    rings, recipe = bare_rings(owned_rings), bare_recipe(owned_recipe)
    placement, state = bare_placement(owned_placement), bare_build_state(owned_state)
    chunk, n, total = bare_accesses(accesses), accesses.n, accesses.row.size
    return append_turns(joint, rings, recipe, placement, state, chunk, bare(scratch), position, n, total)


def build_turns(
    rings: Rings,
    recipe: Recipe,
    placement: Placement,
    state: BuildState,
    accesses: Accesses,
    position: int,
    scratch: np.ndarray,
) -> int:
    """Append whole turns while they fit; position of the first access that was not taken."""
    return int(build(is_joint(recipe), rings, recipe, placement, state, accesses, position, scratch))
