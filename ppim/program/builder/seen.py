"""Rows that a unit has got in a turn, and keeps for other lookups of it (`dedup = "rows"`; docs/model.md §1)."""

import numpy as np

from ppim.jit import helper
from ppim.program import instruction as i
from ppim.program.builder import recipe as b

# Of the hash table of a turn's rows and their owners, in the scratch behind all else: the access that brought each
# row, in `seen_rows` rows, and the unit that has it, in as many.
ROWS_PER_ACCESS = 8  # at most eight times as many places as accesses
HASH_MULTIPLIER = 0x2545F4914F6CDD1D  # odd, as in `equal`
HASH_MASK = (1 << 62) - 1


@helper(forceinline=True)
def first_line(recipe):
    """Row of the scratch where the table begins."""
    return b.SCRATCH_ROWS + 2 * recipe.use_rows * min(recipe.bypass_below, 1)


@helper(forceinline=True)
def table_size(turn):
    """Places of the table of a turn: a power of two, twice as many as rows in it or more.

    A row that travels is there once more, for whatever unit; a lookup's large row does not.
    """
    size, rows = ROWS_PER_ACCESS, turn.lookups * (2 * turn.width - 1)
    while size < 2 * rows:
        size <<= 1
    return size


@helper
def forget_all(recipe, scratch, turn):
    """A turn begins: no unit has a row."""
    first = first_line(recipe)
    for slot in range(table_size(turn)):
        scratch[first + slot % recipe.seen_rows, slot // recipe.seen_rows] = i.NONE


@helper
def place_of(recipe, chunk, scratch, turn, at, owner):
    """(row, column) of the scratch where the row of an access is, in an owner; or its place if it has none yet."""
    size, first = table_size(turn), first_line(recipe)
    subtable, row = np.int64(chunk.subtable[at]), np.int64(chunk.row[at])
    value = ((row * recipe.subtables + subtable) * HASH_MULTIPLIER) & HASH_MASK
    value = ((value ^ (value >> 29)) + owner) * HASH_MULTIPLIER & HASH_MASK
    slot = (value ^ (value >> 29)) & (size - 1)
    while True:
        line, column = first + slot % recipe.seen_rows, slot // recipe.seen_rows
        other = scratch[line, column]
        if other == i.NONE or (
            scratch[line + recipe.seen_rows, column] == owner
            and chunk.row[other] == chunk.row[at]
            and chunk.subtable[other] == chunk.subtable[at]
        ):
            return line, column
        slot = (slot + 1) & (size - 1)


@helper
def brought_by(recipe, chunk, scratch, turn, at, owner):
    """The access with which the owner gets the row of an access, or NONE if none so far."""
    line, column = place_of(recipe, chunk, scratch, turn, at, owner)
    return scratch[line, column]


@helper
def note_row(recipe, chunk, scratch, turn, at, owner):
    """The owner gets the row of an access."""
    line, column = place_of(recipe, chunk, scratch, turn, at, owner)
    scratch[line, column] = at
    scratch[line + recipe.seen_rows, column] = owner
