"""Trace accesses -> instructions, a turn (one table's part of one batch) at a time.

`docs/model.md` §1 is what this package does. Everything that depends on program order alone is decided
here: owners of lookups, cache contents, which instruction goes to which stream. Times are the engine's.
"""

import numpy as np

from ppim.jit import helper, njit
from ppim.jit.pack import pack
from ppim.jit.tables import bare
from ppim.mapping.placing.placement import Placement
from ppim.program import instruction as i, state as r
from ppim.program.builder import (
    bags,
    equal,
    owners,
    parts,
    prefetches,
    recipe as b,
    slices,
    sums,
    transfers,
    turns,
    uses,
)
from ppim.program.builder.chunk import Turn, end_of_bag, end_of_turn, is_empty_turn
from ppim.program.state import Rings, pack_rings


@njit
def flush_transfers(rings, recipe, state):
    """End of the program: transfers of the last turn; False if the streams have no room for them."""
    if state.pending[b.PENDING_TURN] != i.NONE:
        if transfers.most_transfers(recipe, state) > turns.free_instructions(rings):
            rings.marks[r.SHORT] = r.SHORT_INSTRUCTIONS
            return False
        transfers.emit_transfers(rings, recipe, state, i.NONE, 0)
    return True


@njit
def prefetch_all(rings, recipe, placement, state):
    """Start of the program where rows are prefetched there: every table's resident ones, once."""
    for table in range(recipe.tables):
        n_rows = prefetches.list_resident_rows(recipe, placement, state, table)
        prefetches.emit_rest_of_prefetches(rings, recipe, state, 0, n_rows)


@helper(forceinline=True)
def emit_bags(rings, recipe, placement, state, chunk, scratch, turn):
    """Instructions of the bags of a turn that are still to be emitted, while there is room; whether that was for all."""
    n = state.pending[b.OPEN_LOOKUPS]
    first = state.pending[b.OPEN_PLACE]
    free = turns.free_instructions(rings)
    while first < n:
        end = sums.end_of_bag(chunk, scratch, turn, first, n)
        needed = turns.most_demand(recipe, (end - first) * turn.width)
        if needed > free:
            free = turns.free_instructions(rings)  # no stream has got them all
            if needed > free:
                rings.marks[r.SHORT] = r.SHORT_INSTRUCTIONS
                break
        free -= needed
        sums.open_sums(rings, recipe, state, chunk, scratch, turn, first, end)
        bags.emit_bag(rings, recipe, placement, state, chunk, scratch, turn, first, end)
        first = end
    state.pending[b.OPEN_PLACE] = first
    return first == n


@helper
def append_turns(joint, rings, recipe, placement, state, chunk, scratch, position, goal, total):
    """Append turns from chunk position `position` on, until one ends at or behind `goal`, or there is no room.

    Parameters
    ----------
    joint : int, or None
        1: an instruction serves lookups of several units or bags, since rows are split, or sent once. The
        compiler leaves out what is not needed.
    scratch : Table of int64, of `make_scratch`
        For owners of a turn's lookups, where their rows lie, and the order of lookups.
    total : int
        b.Accesses of the chunk. Those behind its first n are of the turn after them, to be looked at only.

    Returns
    -------
    int
        Position of the first access that was not taken.
    """
    pending = state.pending
    while position < goal:
        start, stop = pending[b.OPEN_START], pending[b.OPEN_STOP]
        is_open = stop != i.NONE
        if not is_open:
            start, stop = position, end_of_turn(recipe, chunk, position, chunk.n)
            if not turns.begin_turn(rings, recipe, placement, state, chunk, start, stop, total):
                return position
        table = np.int64(chunk.table[start])
        width = recipe.accesses[table]
        lookups = 0 if is_empty_turn(chunk, start) else (stop - start) // width
        turn = Turn(pending[b.PENDING_TURN], table, start, width, lookups)
        if recipe.bypass_below and not is_open:
            uses.count_uses(recipe, chunk, scratch, turn)
        if joint is None:
            if not is_open:
                only_own = bags.only_own_matter(recipe, table)
                pending[b.OPEN_LOOKUPS] = owners.list_lookups(
                    rings, recipe, placement, state, chunk, scratch, turn, only_own
                )
                pending[b.OPEN_PLACE] = 0
            if not emit_bags(rings, recipe, placement, state, chunk, scratch, turn):
                pending[b.OPEN_START], pending[b.OPEN_STOP] = start, stop
                return start + scratch[b.SCRATCH_ORDER, pending[b.OPEN_PLACE]] * width
            pending[b.OPEN_STOP] = i.NONE
        if joint is not None:
            first = 0
            if recipe.dedup:
                equal.emit_turn_once(rings, recipe, placement, state, chunk, scratch, turn)
                first = turn.lookups
            if recipe.apart and recipe.parts:
                parts.open_parted_sums_apart(rings, recipe, placement, state, chunk, turn)
            while first < turn.lookups:
                end = end_of_bag(chunk, turn, first)
                if recipe.parts:
                    parts.emit_parted_bag(rings, recipe, placement, state, chunk, scratch, turn, first, end)
                else:
                    slices.emit_split_bag(rings, recipe, placement, state, chunk, turn, first, end)
                first = end
        state.pending[b.PENDING_STOP_SUM] = rings.marks[r.NEXT_SUM]
        position = stop
    return position


def is_joint(recipe: b.Recipe) -> int | None:
    """1 where an instruction serves lookups of several units or bags, else None (see `append_turns`)."""
    return 1 if recipe.slices or recipe.dedup or recipe.parts else None


@njit
def build(joint, rings, recipe, placement, state, chunk, scratch, position, total):
    """`append_turns` for Python, to the end of the accesses."""
    return append_turns(
        joint, rings, recipe, placement, state, chunk, bare(scratch), position, chunk.n, total
    )


def build_turns(
    rings: Rings,
    recipe: b.Recipe,
    placement: Placement,
    state: b.BuildState,
    accesses: b.Accesses,
    position: int,
    scratch: np.ndarray,
) -> int:
    """Append turns while they fit; position of the first access that was not taken."""
    return int(
        build(
            is_joint(recipe),
            pack_rings(rings),
            pack(recipe),
            pack(placement),
            pack(state),
            pack(accesses),
            scratch,
            position,
            len(accesses.row),
        )
    )
