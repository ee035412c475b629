"""Rows that are read out once in a turn for all units that need them (`dedup = "rows"`; docs/model.md §1)."""

import numpy as np

from ppim.jit import helper
from ppim.mapping.placing import locate
from ppim.mapping.placing.placement import NO_COPY
from ppim.program import instruction as i, state as r
from ppim.program.builder import recipe as b, seen
from ppim.program.builder.emit import append, append_deliver, set_step
from ppim.program.builder.lookups import count_kept_row
from ppim.program.builder.sums import owner_of_sum

# Rows of the scratch behind `seen`'s: first number of a lookup and those that equal it, then, for each access of a
# lookup, the next access with its row in another unit, or NONE; then the last such one, of the first.
NUMBER = 0
NEXT = 1

IS_EQUAL = -2  # in place of its number: the lookup goes together with one before it


@helper(forceinline=True)
def first_line(recipe):
    """Row of the scratch where this begins."""
    return seen.first_line(recipe) + 2 * recipe.seen_rows


@helper(forceinline=True)
def number_of(recipe, scratch, k):
    """Number of a turn's k-th lookup, or IS_EQUAL."""
    return scratch[first_line(recipe) + NUMBER, k]


@helper(forceinline=True)
def place_of_next(recipe, turn, at):
    """(row, column) of the scratch of the access behind this one."""
    access = at - turn.start
    return first_line(recipe) + NEXT + access % turn.width, access // turn.width


@helper(forceinline=True)
def place_of_last(recipe, turn, at):
    """The same of the last one."""
    line, column = place_of_next(recipe, turn, at)
    return line + turn.width, column


@helper(forceinline=True)
def anywhere(recipe):
    """Stands for an owner: whichever unit gets the row first."""
    return recipe.channels * recipe.units_per_channel


@helper
def lies_elsewhere(recipe, placement, chunk, turn, at, owner):
    """Whether the row of an access lies under another unit than its lookup's owner."""
    subtable, row = np.int64(chunk.subtable[at]), np.int64(chunk.row[at])
    if locate.find_copy(placement, turn.table, subtable, row) != NO_COPY:
        return False
    holder, _ = locate.locate_row(placement, turn.table, subtable, row)
    return recipe.own_unit[holder] != owner


@helper
def find_receivers(rings, recipe, placement, chunk, scratch, turn):
    """Number a turn's lookups, and chain the accesses with which units get a row that lies elsewhere."""
    numbers = first_line(recipe) + NUMBER
    for k in range(turn.lookups):
        scratch[numbers, k] = i.NONE
    number = rings.marks[r.NEXT_LOOKUP]
    for k in range(turn.lookups):
        owner = scratch[b.SCRATCH_OWNER, k]
        if owner == i.NONE or scratch[numbers, k] == IS_EQUAL:
            continue
        scratch[numbers, k] = number
        number += 1
        other = scratch[b.SCRATCH_EQUAL, k]
        while other != i.NONE:
            scratch[numbers, other] = IS_EQUAL
            number += 1
            other = scratch[b.SCRATCH_EQUAL, other]
        start = turn.start + k * turn.width
        for at in range(start, start + turn.width):
            # A lookup belongs where its large row lies.
            if at != scratch[b.SCRATCH_LARGE, k] and lies_elsewhere(
                recipe, placement, chunk, turn, at, owner
            ):
                chain_receiver(recipe, chunk, scratch, turn, at, owner)
    rings.marks[r.NEXT_LOOKUP] = number


@helper
def chain_receiver(recipe, chunk, scratch, turn, at, owner):
    """An owner gets the row of an access, if it has not got it by another one before."""
    if seen.brought_by(recipe, chunk, scratch, turn, at, owner) != i.NONE:
        return
    seen.note_row(recipe, chunk, scratch, turn, at, owner)
    line, column = place_of_next(recipe, turn, at)
    scratch[line, column] = i.NONE
    first = seen.brought_by(recipe, chunk, scratch, turn, at, anywhere(recipe))
    if first == i.NONE:
        first = at
        seen.note_row(recipe, chunk, scratch, turn, at, anywhere(recipe))
    else:
        line, column = place_of_last(recipe, turn, first)
        line, column = place_of_next(recipe, turn, scratch[line, column])
        scratch[line, column] = at
    line, column = place_of_last(recipe, turn, first)
    scratch[line, column] = at


@helper
def receive(rings, recipe, placement, state, chunk, scratch, turn, at, owner, number, sharers):
    """The owner gets a row that lies elsewhere, with the read-out for the first unit that needs it; its bursts."""
    table, subtable, row = turn.table, np.int64(chunk.subtable[at]), np.int64(chunk.row[at])
    bursts = placement.row_bursts[table, subtable]
    rings.turns[turn.number & rings.turn_mask, r.TURN_LEFT] += 1 + sharers
    if seen.brought_by(recipe, chunk, scratch, turn, at, anywhere(recipe)) != at:
        count_kept_row(recipe, state, table, subtable, owner, 1)
        return bursts
    holder, address = locate.locate_row(placement, table, subtable, row)
    index = recipe.own_unit[holder]
    channel, unit = index % recipe.channels, index // recipe.channels
    state.unit_accesses[index] += 1
    state.counts[owner.channel, b.ACCESSES] += 1
    stream = 0 if recipe.global_stream else channel
    line, column = place_of_next(recipe, turn, at)
    if scratch[line, column] == i.NONE:
        append(
            rings, stream, i.READ_OUT, channel, unit, address, bursts, turn.number, number, i.NONE, sharers
        )
        if recipe.in_order:
            append_deliver(rings, recipe, owner, bursts, turn.number, number, sharers)
        return bursts
    first = rings.marks[r.NEXT_LOOKUP]
    more = list_receivers(rings, recipe, scratch, turn, at) - 1
    append(rings, stream, i.READ_OUT, channel, unit, address, bursts, turn.number, first, i.NONE, more)
    set_step(rings, stream, i.LISTED)
    if recipe.in_order:
        for place in range(first, first + 1 + more):
            receiver = rings.lookups[place & rings.lookup_mask]
            to = owner_of_sum(rings, recipe, receiver[i.RECEIVER_SUM])
            lookup, users = receiver[i.RECEIVER_LOOKUP], receiver[i.RECEIVER_SHARERS]
            append_deliver(rings, recipe, to, bursts, turn.number, lookup, users)
    return bursts


@helper
def list_receivers(rings, recipe, scratch, turn, at):
    """Write the receivers of a row behind all lookups; how many there are."""
    n = 0
    while at != i.NONE:
        k = (at - turn.start) // turn.width
        sharers = 0
        other = scratch[b.SCRATCH_EQUAL, k]
        while other != i.NONE:
            sharers += 1
            other = scratch[b.SCRATCH_EQUAL, other]
        row = rings.lookups[(rings.marks[r.NEXT_LOOKUP] + n) & rings.lookup_mask]
        row[i.RECEIVER_SUM] = scratch[b.SCRATCH_SUM, k]
        row[i.RECEIVER_MARK] = i.NONE
        row[i.RECEIVER_LOOKUP] = number_of(recipe, scratch, k)
        row[i.RECEIVER_SHARERS] = sharers
        row[i.LOOKUP_BURSTS] = 0
        line, column = place_of_next(recipe, turn, at)
        at = scratch[line, column]
        n += 1
    rings.marks[r.NEXT_LOOKUP] += n
    return n
