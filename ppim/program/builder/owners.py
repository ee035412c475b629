"""Which PIM unit a lookup belongs to (docs/model.md §1, §8)."""

from __future__ import annotations

import numpy as np

from ppim.jit import helper
from ppim.mapping.base import DUPLICATED, NO_COPY, find_copy, locate_row
from ppim.program.builder.chunk import end_of_lookup
from ppim.program.instruction import NONE


@helper(forceinline=True)
def find_owner(recipe, placement, chunk, start, stop):
    """(unit, access, address) of the first row of a lookup that is not shared (or of its first row, if all are).

    The unit is NONE if every unit has a copy of that row: any of them can serve the lookup. The address is
    NONE in that case, and if every unit has a copy of its subtable.
    """
    table = np.int64(chunk.table[start])
    large = start
    while large < stop and recipe.shared[table, np.int64(chunk.subtable[large])]:
        large += 1
    if large == stop:
        large = start
    subtable, row = np.int64(chunk.subtable[large]), np.int64(chunk.row[large])
    if placement.mode[table, subtable] == DUPLICATED:
        return row % placement.units, large, np.int64(NONE)
    if placement.copy_mask and find_copy(placement, table, subtable, row) != NO_COPY:
        return np.int64(NONE), large, np.int64(NONE)
    unit, address = locate_row(placement, table, subtable, row)
    return unit, large, address


@helper
def balance_owners(recipe, placement, state, chunk, owners, start, stop):
    """Owners of a bag's lookups where rows have copies: those without a choice first.

    Then, in trace order, each lookup whose large row lies in every unit goes to the unit that has the
    fewest lookups of the turn so far; of these the first unit of every channel comes first, then the second.
    """
    i = start
    while i < stop:
        after = end_of_lookup(chunk, i, stop)
        owner, _, _ = find_owner(recipe, placement, chunk, i, after)
        owners[i - start] = owner
        if owner != NONE:
            state.turn_lookups[owner] += 1
        i = after
    i = start
    while i < stop:
        if owners[i - start] == NONE:
            owner = 0
            for unit in range(recipe.units_per_channel):
                for other in range(unit, placement.units, recipe.units_per_channel):
                    if state.turn_lookups[other] < state.turn_lookups[owner]:
                        owner = other
            owners[i - start] = owner
            state.turn_lookups[owner] += 1
        i = end_of_lookup(chunk, i, stop)
