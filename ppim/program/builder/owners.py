"""Which PIM unit a lookup belongs to, and where its row lies there (docs/model.md §1, §8)."""

from __future__ import annotations

import numpy as np

from ppim.jit import helper
from ppim.mapping.base import (
    DUPLICATED,
    NO_COPY,
    find_copy,
    is_permuted,
    locate_on_page,
    locate_row,
    permute_once,
)
from ppim.program.builder.recipe import SCRATCH_ADDRESS, SCRATCH_LARGE, SCRATCH_ORDER, SCRATCH_OWNER
from ppim.program.instruction import NONE

TO_BE_LOCATED = -2  # instead of an owner


@helper(forceinline=True)
def large_access(recipe, chunk, table, start, stop):
    """The first access of a lookup whose subtable is not shared (its first one, if all are)."""
    large = start
    while large < stop and recipe.shared[table, np.int64(chunk.subtable[large])]:
        large += 1
    return start if large == stop else large


@helper(forceinline=True)
def find_at_once(placement, table, subtable, row):
    """(unit, address) of a row; the unit is NONE if all have a copy: any of them can serve the lookup."""
    if placement.mode[table, subtable] == DUPLICATED:
        return row % placement.units, find_copy(placement, table, subtable, row)
    if placement.copy_mask:
        copy = find_copy(placement, table, subtable, row)
        if copy != NO_COPY:
            return np.int64(NONE), copy
    return locate_row(placement, table, subtable, row)


@helper(forceinline=True)
def permute_pages(scratch, n, slots, bits, key):
    """Send the pages of the first n lookups of the order to their images, in place of addresses.

    All go through the bijection once, then those again whose images are outside, so that none waits for
    the steps of another.
    """
    while n > 0:
        n_left = 0
        for place in range(n):
            k = scratch[SCRATCH_ORDER, place]
            image = permute_once(scratch[SCRATCH_ADDRESS, k], bits, key)
            scratch[SCRATCH_ADDRESS, k] = image
            scratch[SCRATCH_ORDER, n_left] = k
            n_left += image >= slots
        n = n_left


@helper(forceinline=True)
def find_owners(recipe, placement, chunk, scratch, turn):
    """Write owner, large access and address of each lookup of a turn to the scratch.

    An owner is a unit of the whole memory, or NONE if any unit can be it.
    """
    table = turn.table
    usual = np.int64(chunk.subtable[large_access(recipe, chunk, table, turn.start, turn.start + turn.width)])
    go_together = is_permuted(placement, table, usual) and placement.copy_mask == 0
    first_page, page_rows = placement.first_page[table, usual], placement.page_rows[table, usual]
    n = 0
    for k in range(turn.lookups):
        start = turn.start + k * turn.width
        large = large_access(recipe, chunk, table, start, start + turn.width)
        subtable, row = np.int64(chunk.subtable[large]), np.int64(chunk.row[large])
        scratch[SCRATCH_LARGE, k] = large
        if go_together and subtable == usual:
            scratch[SCRATCH_OWNER, k] = TO_BE_LOCATED
            scratch[SCRATCH_ADDRESS, k] = first_page + (row if page_rows == 1 else row // page_rows)
            scratch[SCRATCH_ORDER, n] = k
            n += 1
        else:
            unit, address = find_at_once(placement, table, subtable, row)
            scratch[SCRATCH_OWNER, k] = unit
            scratch[SCRATCH_ADDRESS, k] = address
    if n == 0:
        return
    slots, bits = placement.slots[table, usual], placement.bits[table, usual]
    permute_pages(scratch, n, slots, bits, placement.key[table, usual])
    for k in range(turn.lookups):
        if scratch[SCRATCH_OWNER, k] == TO_BE_LOCATED:
            row = np.int64(chunk.row[scratch[SCRATCH_LARGE, k]])
            unit, address = locate_on_page(placement, table, usual, row, scratch[SCRATCH_ADDRESS, k])
            scratch[SCRATCH_OWNER, k] = unit
            scratch[SCRATCH_ADDRESS, k] = address


@helper
def balance_owners(recipe, placement, state, scratch, first, stop):
    """Owners of a bag's lookups first..stop-1 of the turn where rows have copies: those without a choice first.

    Then, in trace order, each lookup whose large row lies in every unit goes to the unit that has the
    fewest lookups of the turn so far; of these the first unit of every channel comes first, then the second.
    """
    for k in range(first, stop):
        owner = scratch[SCRATCH_OWNER, k]
        if owner != NONE:
            state.turn_lookups[owner] += 1
    for k in range(first, stop):
        if scratch[SCRATCH_OWNER, k] == NONE:
            owner = 0
            for unit in range(recipe.units_per_channel):
                for other in range(unit, placement.units, recipe.units_per_channel):
                    if state.turn_lookups[other] < state.turn_lookups[owner]:
                        owner = other
            scratch[SCRATCH_OWNER, k] = owner
            state.turn_lookups[owner] += 1
