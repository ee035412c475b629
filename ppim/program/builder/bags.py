"""Instructions of one bag: a second row is read once, a product made once (docs/model.md §1, §6)."""

import numpy as np

from ppim.jit import helper
from ppim.program import instruction as i
from ppim.program.builder import recipe as b
from ppim.program.builder.lookups import count_kept_vector, emit_lookup
from ppim.program.builder.sums import owner_of_sum


@helper(forceinline=True)
def access_of(turn, k, which):
    """An access of a turn's k-th lookup."""
    return turn.start + k * turn.width + which


@helper(forceinline=True)
def order_by_second_row(chunk, scratch, turn, first, stop):
    """Order a bag's lookups, all of first..stop-1, by their second rows, equal ones as in the trace.

    (Shell's sort, of numbers that are all different.)
    """
    n = stop - first
    for k in range(first, stop):
        scratch[b.SCRATCH_ORDER, k] = np.int64(chunk.row[access_of(turn, k, 1)]) * n + k - first
    gap = n >> 1
    while gap > 0:
        for k in range(first + gap, stop):
            value = scratch[b.SCRATCH_ORDER, k]
            j = k
            while j >= first + gap and scratch[b.SCRATCH_ORDER, j - gap] > value:
                scratch[b.SCRATCH_ORDER, j] = scratch[b.SCRATCH_ORDER, j - gap]
                j -= gap
            scratch[b.SCRATCH_ORDER, j] = value
        gap >>= 1
    for k in range(first, stop):
        scratch[b.SCRATCH_ORDER, k] = first + scratch[b.SCRATCH_ORDER, k] % n


@helper(forceinline=True)
def lookup_at(scratch, place):
    """The lookup that comes at a place of the turn."""
    return scratch[b.SCRATCH_ORDER, place]


@helper(forceinline=True)
def only_own_matter(recipe, table):
    """Whether what a lookup needs depends on no lookup of another unit."""
    return (not recipe.reordered[table]) & (recipe.macs_reused[table] == recipe.macs[table])


@helper(forceinline=True)
def same_second_row(chunk, scratch, turn, left, right):
    """Whether two lookups of a bag use one second row in one unit."""
    return (
        chunk.row[access_of(turn, left, 1)] == chunk.row[access_of(turn, right, 1)]
        and scratch[b.SCRATCH_OWNER, left] == scratch[b.SCRATCH_OWNER, right]
    )


@helper(forceinline=True)
def count_sharers(chunk, scratch, turn, place, stop):
    """Lookups that come directly behind the one at `place` and use its second row in its unit."""
    k = lookup_at(scratch, place)
    ahead = place + 1
    while ahead < stop and same_second_row(chunk, scratch, turn, k, lookup_at(scratch, ahead)):
        ahead += 1
    return ahead - place - 1


@helper(forceinline=True)
def has_product(chunk, scratch, turn, run, place):
    """Whether a lookup at run..place-1 has the first row of the one at `place`."""
    row = chunk.row[access_of(turn, lookup_at(scratch, place), 0)]
    while run < place:
        if chunk.row[access_of(turn, lookup_at(scratch, run), 0)] == row:
            return True
        run += 1
    return False


@helper(forceinline=True)
def emit_bag(rings, recipe, placement, state, chunk, scratch, turn, first, stop):
    """Instructions of a bag, lookups at places first..stop-1 of the turn."""
    table = turn.table
    reordered = recipe.reordered[table]
    full, reused = recipe.compute[table], recipe.compute_reused[table]
    reuses = recipe.macs_reused[table] < recipe.macs[table]
    if reordered:
        order_by_second_row(chunk, scratch, turn, first, stop)
    run = first  # place of the first of the lookups with this second row
    for place in range(first, stop):
        k = lookup_at(scratch, place)
        compute, macs, kept, sharers = full, recipe.macs[table], 0, 0
        if reordered or reuses:
            if not same_second_row(chunk, scratch, turn, lookup_at(scratch, run), k):
                run = place
            if reuses and has_product(chunk, scratch, turn, run, place):
                compute, macs = reused, recipe.macs_reused[table]
            if reordered and run < place:
                kept = 1
            elif reordered:
                sharers = count_sharers(chunk, scratch, turn, place, stop)
        unit = scratch[b.SCRATCH_OWNER, k]
        if unit == i.NONE:
            continue
        slot = state.slot_of_unit[unit]
        owner = owner_of_sum(rings, recipe, slot)
        accesses = turn.width
        if (
            recipe.kept_lookups
            and np.int64(chunk.subtable[access_of(turn, k, 0)]) == recipe.kept_subtable[table]
        ):
            accesses, compute, macs = 1, recipe.kept_compute, recipe.kept_macs
            count_kept_vector(recipe, state, owner, turn.width)
        emit_lookup(
            rings,
            recipe,
            placement,
            state,
            chunk,
            scratch,
            turn,
            k,
            accesses,
            owner,
            slot,
            kept,
            sharers,
            compute,
            macs,
        )
