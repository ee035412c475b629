"""How often a turn uses a row, where rows that it uses rarely go past the caches (`cache_bypass_below`; docs/model.md §1)."""

from __future__ import annotations

import numpy as np

from ppim.jit import helper
from ppim.program import instruction as i
from ppim.program.builder import recipe as b

# Of the hash table of a turn's rows, in the scratch behind all else (`SCRATCH_ROWS`): the first access to each row, in
# `use_rows` rows, and how many there are, in as many.
ROWS_PER_ACCESS = 4  # at most four times as many places as accesses
HASH_MULTIPLIER = 0x2545F4914F6CDD1D  # odd, as in `equal`
HASH_MASK = (1 << 62) - 1


@helper(forceinline=True)
def table_size(turn):
    """Places of the hash table of a turn: a power of two, twice as many as accesses or more."""
    size = ROWS_PER_ACCESS
    while size < 2 * turn.lookups * turn.width:
        size <<= 1
    return size


@helper
def place_of(recipe, chunk, scratch, turn, at):
    """(row, column) of the scratch where the row of an access is, or its place if it has none yet."""
    size = table_size(turn)
    subtable, row = np.int64(chunk.subtable[at]), np.int64(chunk.row[at])
    value = ((row * recipe.subtables + subtable) * HASH_MULTIPLIER) & HASH_MASK
    slot = (value ^ (value >> 29)) & (size - 1)
    while True:
        line, column = b.SCRATCH_ROWS + slot % recipe.use_rows, slot // recipe.use_rows
        first = scratch[line, column]
        if first == i.NONE or (
            chunk.row[first] == chunk.row[at] and chunk.subtable[first] == chunk.subtable[at]
        ):
            return line, column
        slot = (slot + 1) & (size - 1)


@helper
def count_uses(recipe, chunk, scratch, turn):
    """Count the accesses of a turn to each row."""
    for slot in range(table_size(turn)):
        scratch[b.SCRATCH_ROWS + slot % recipe.use_rows, slot // recipe.use_rows] = i.NONE
    for at in range(turn.start, turn.start + turn.lookups * turn.width):
        line, column = place_of(recipe, chunk, scratch, turn, at)
        if scratch[line, column] == i.NONE:
            scratch[line, column] = at
            scratch[line + recipe.use_rows, column] = 0
        scratch[line + recipe.use_rows, column] += 1


@helper(forceinline=True)
def goes_past_cache(recipe, chunk, scratch, turn, at):
    """Whether the turn uses the row of an access too rarely to cache it."""
    if recipe.bypass_below == 0:
        return False
    line, column = place_of(recipe, chunk, scratch, turn, at)
    return scratch[line + recipe.use_rows, column] < recipe.bypass_below
