"""Instructions of one bag: a second row is read once, a product made once (docs/model.md §1, §6)."""

from __future__ import annotations

import numpy as np

from ppim.jit import helper
from ppim.program.builder.chunk import end_of_lookup
from ppim.program.builder.lookups import count_kept_vector, emit_lookup
from ppim.program.builder.recipe import SCRATCH_ADDRESSES, SCRATCH_LARGE
from ppim.program.instruction import NONE


@helper(forceinline=True)
def order_by_second_row(chunk, places, start, n_lookups, width):
    """Order a bag's lookups of `width` accesses by their second rows, equal ones as in the trace.

    places[k * width + 1] receives the position in the bag of the lookup that comes k-th. (Shell's sort, of
    numbers that are all different.)
    """
    for k in range(n_lookups):
        places[k * width + 1] = np.int64(chunk.row[start + k * width + 1]) * n_lookups + k
    gap = n_lookups >> 1
    while gap > 0:
        for k in range(gap, n_lookups):
            value = places[k * width + 1]
            j = k
            while j >= gap and places[(j - gap) * width + 1] > value:
                places[j * width + 1] = places[(j - gap) * width + 1]
                j -= gap
            places[j * width + 1] = value
        gap >>= 1
    for k in range(n_lookups):
        places[k * width + 1] %= n_lookups


@helper(forceinline=True)
def lookup_at(places, start, place, width):
    """First access of the lookup that comes at `place` of the bag that begins at `start`."""
    return start + width * places[place - start + 1] if width else place


@helper(forceinline=True)
def same_second_row(chunk, owners, start, left, right):
    """Whether two lookups of a bag use one second row in one unit."""
    return chunk.row[left + 1] == chunk.row[right + 1] and owners[left - start] == owners[right - start]


@helper(forceinline=True)
def count_sharers(chunk, owners, start, stop, place, width):
    """Lookups that come directly behind the one at `place` and use its second row in its unit."""
    first = lookup_at(owners, start, place, width)
    ahead = place + width
    while ahead < stop and same_second_row(
        chunk, owners, start, first, lookup_at(owners, start, ahead, width)
    ):
        ahead += width
    return (ahead - place) // width - 1


@helper(forceinline=True)
def has_product(chunk, owners, start, run, place, width, step):
    """Whether a lookup at run..place-1 has the first row of the one at `place`."""
    row = chunk.row[lookup_at(owners, start, place, width)]
    while run < place:
        if chunk.row[lookup_at(owners, start, run, width)] == row:
            return True
        run += step
    return False


@helper(forceinline=True)
def emit_bag(rings, recipe, placement, state, chunk, owners, start, stop, total, turn):
    """Instructions of one bag; a second row is read once, a product made once (docs/model.md §1, §6)."""
    table = np.int64(chunk.table[start])
    width = recipe.reordered[table]
    full, reused = recipe.compute[table], recipe.compute_reused[table]
    if width > 0:
        order_by_second_row(chunk, owners, start, (stop - start) // width, width)
    run = start  # place of the first of the lookups with this second row
    place = start
    while place < stop:
        first = lookup_at(owners, start, place, width)
        after = end_of_lookup(chunk, first, stop)
        compute, kept, sharers = full, 0, 0
        if width > 0 or reused < full:
            if not same_second_row(chunk, owners, start, lookup_at(owners, start, run, width), first):
                run = place
            if reused < full and has_product(chunk, owners, start, run, place, width, after - first):
                compute = reused
            if width > 0 and run < place:
                kept = 1
            elif width > 0:
                sharers = count_sharers(chunk, owners, start, stop, place, width)
        place += after - first
        owner = owners[first - start]
        if owner == NONE:
            continue
        stop_reading = after
        if recipe.has_kept and np.int64(chunk.subtable[first]) == recipe.kept_subtable[table]:
            stop_reading, compute = first + 1, recipe.kept_compute
            count_kept_vector(recipe, state, owner, after - stop_reading)
        large = owners[SCRATCH_LARGE * total + first - start]
        address = owners[SCRATCH_ADDRESSES * total + first - start]
        emit_lookup(
            rings,
            recipe,
            placement,
            state,
            chunk,
            first,
            stop_reading,
            owner,
            large,
            address,
            turn,
            kept,
            sharers,
            compute,
        )
