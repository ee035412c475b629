"""Which PIM unit a lookup belongs to, and where its row lies there (docs/model.md §1, §8)."""

import numpy as np

from ppim.jit import helper
from ppim.mapping.placing import locate
from ppim.mapping.placing.placement import DUPLICATED, NO_COPY
from ppim.program import instruction as i
from ppim.program.builder import recipe as b
from ppim.program.builder.chunk import end_of_bag
from ppim.program.builder.sums import open_sums_apart


@helper(forceinline=True)
def large_access(recipe, chunk, turn, k):
    """The first access of a turn's k-th lookup whose subtable is not shared (its first one, if all are)."""
    start = turn.start + k * turn.width
    for large in range(start, start + turn.width):
        if not recipe.shared[turn.table, np.int64(chunk.subtable[large])]:
            return large
    return start


@helper(forceinline=True)
def find_at_once(placement, table, subtable, row):
    """(unit, address) of a row; the unit is NONE if all have a copy: any of them can serve the lookup."""
    if placement.mode[table, subtable] == DUPLICATED:
        return row % placement.units, locate.find_copy(placement, table, subtable, row)
    if placement.copy_mask:
        copy = locate.find_copy(placement, table, subtable, row)
        if copy != NO_COPY:
            return np.int64(i.NONE), copy
    return locate.locate_row(placement, table, subtable, row)


@helper(forceinline=True)
def permute_pages(pages, outside, first, n, slots, bits, key):
    """Send n pages, from the first on, to their images.

    All go through the bijection once, several at a time; then those again whose images are outside, which
    are listed there, so that none waits for the steps of another.
    """
    for at in range(first, first + n):
        pages[at] = locate.permute_once(pages[at], bits, key)
    n_outside = 0
    for at in range(first, first + n):
        outside[first + n_outside] = at - first
        n_outside += pages[at] >= slots
    while n_outside > 0:
        n, n_outside = n_outside, 0
        for place in range(first, first + n):
            at = outside[place]
            image = locate.permute_once(pages[first + at], bits, key)
            pages[first + at] = image
            outside[first + n_outside] = at
            n_outside += image >= slots


@helper(forceinline=True)
def find_owners(recipe, placement, chunk, turn, owners, addresses, first):
    """Write owner, and address of the large row, of each lookup of a turn to two tables, from `first` on.

    An owner is a unit of the whole memory, or NONE if any unit can be it.
    """
    if turn.lookups == 0:
        return
    table = turn.table
    usual = np.int64(chunk.subtable[large_access(recipe, chunk, turn, 0)])
    go_together = locate.is_permuted(placement, table, usual) and placement.copy_mask == 0
    alone = 0
    for k in range(turn.lookups):
        large = large_access(recipe, chunk, turn, k)
        if go_together and chunk.subtable[large] == usual:
            addresses[first + k] = locate.page_of_row(placement, table, usual, np.int64(chunk.row[large]))
        else:
            addresses[first + k] = 0
            alone += 1
    if alone < turn.lookups:
        slots, bits = placement.slots[table, usual], placement.bits[table, usual]
        permute_pages(addresses, owners, first, turn.lookups, slots, bits, placement.key[table, usual])
    for k in range(turn.lookups):
        large = large_access(recipe, chunk, turn, k)
        subtable, row = np.int64(chunk.subtable[large]), np.int64(chunk.row[large])
        if go_together and subtable == usual:
            unit, address = locate.locate_on_page(placement, table, usual, row, addresses[first + k])
        else:
            unit, address = find_at_once(placement, table, subtable, row)
        owners[first + k] = unit
        addresses[first + k] = address


@helper(forceinline=True)
def list_lookups(rings, recipe, placement, state, chunk, scratch, turn, only_own):
    """Write owner, large access and address of each lookup of a turn to the scratch, and list them in trace order.

    Owners become numbers of the program's units, or NONE where they are not among these; such lookups are not
    listed if `only_own`. Returns how many are.
    """
    owners, addresses = scratch[b.SCRATCH_OWNER], scratch[b.SCRATCH_ADDRESS]
    if chunk.found:
        for k in range(turn.lookups):
            owners[k] = np.int64(chunk.owner[turn.start + k])
            addresses[k] = chunk.address[turn.start + k]
    else:
        find_owners(recipe, placement, chunk, turn, owners, addresses, 0)
    for k in range(turn.lookups):
        scratch[b.SCRATCH_LARGE, k] = large_access(recipe, chunk, turn, k)
    if placement.copy_mask:
        balance_owners(recipe, placement, state, chunk, scratch, turn)
    if recipe.apart:
        open_sums_apart(rings, recipe, placement, state, chunk, owners, turn)
    n = 0
    for k in range(turn.lookups):
        owner = recipe.own_unit[owners[k]]
        owners[k] = owner
        scratch[b.SCRATCH_ORDER, n] = k
        n += 1 - only_own * (owner == i.NONE)
    return n


@helper
def balance_owners(recipe, placement, state, chunk, scratch, turn):
    """Owners of a turn's lookups where rows have copies: of each bag, those without a choice first.

    Then, in trace order, each lookup whose large row lies in every unit goes to the unit that has the
    fewest lookups of the turn so far; of these the first unit of every channel comes first, then the second.
    """
    for unit in range(placement.units):
        state.turn_lookups[unit] = 0
    first = 0
    while first < turn.lookups:
        stop = end_of_bag(chunk, turn, first)
        for k in range(first, stop):
            owner = scratch[b.SCRATCH_OWNER, k]
            if owner != i.NONE:
                state.turn_lookups[owner] += 1
        for k in range(first, stop):
            if scratch[b.SCRATCH_OWNER, k] == i.NONE:
                owner = 0
                for unit in range(recipe.units_per_channel):
                    for other in range(unit, placement.units, recipe.units_per_channel):
                        if state.turn_lookups[other] < state.turn_lookups[owner]:
                            owner = other
                scratch[b.SCRATCH_OWNER, k] = owner
                state.turn_lookups[owner] += 1
        first = stop
