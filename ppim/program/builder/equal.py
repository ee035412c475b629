"""Turns whose equal lookups are sent once (`dedup`; docs/model.md §1)."""

from __future__ import annotations

import numpy as np

from ppim.jit import helper
from ppim.program.builder.emit import append_hit
from ppim.program.builder.lookups import count_kept_row, emit_access
from ppim.program.builder.owners import list_lookups
from ppim.program.builder.recipe import (
    LOOKUPS,
    SCRATCH_ADDRESS,
    SCRATCH_LARGE,
    SCRATCH_ORDER,
    SCRATCH_OWNER,
    TURN_ROWS,
)
from ppim.program.builder.sums import end_of_bag, open_sums, owner_of_sum
from ppim.program.instruction import (
    LOOKUP_BURSTS,
    LOOKUP_COMPUTE,
    LOOKUP_OPERANDS,
    LOOKUP_READY,
    LOOKUP_SUM,
    NONE,
    SUM_LOOKUPS,
)
from ppim.program.state import NEXT_LOOKUP

# Rows of the scratch behind those of every turn; an owner is NONE, too, once its lookup is sent.
SUM = TURN_ROWS
EQUAL = TURN_ROWS + 1  # next lookup with the same rows and owner, or NONE
# Hash table of the last lookup of each kind: at most four times as many places as lookups, in so many rows.
LAST_EQUAL = TURN_ROWS + 2
LAST_ROWS = 4

HASH_MULTIPLIER = (
    0x2545F4914F6CDD1D  # odd; Vigna, An experimental exploration of Marsaglia's xorshift generators
)
HASH_MASK = (1 << 62) - 1


@helper
def hash_lookup(chunk, start, stop, owner):
    """A number that equal lookups of one owner share."""
    value = owner
    for i in range(start, stop):
        value = (value * HASH_MULTIPLIER + np.int64(chunk.row[i])) & HASH_MASK
    return value ^ (value >> 29)


@helper
def same_rows(chunk, left, right, width):
    """Whether two lookups of so many accesses use the same rows."""
    k = 0
    while k < width and chunk.row[left + k] == chunk.row[right + k]:
        k += 1
    return k == width


@helper
def open_turn(rings, recipe, placement, state, chunk, scratch, turn):
    """Open the sums of all bags of a turn, and note owner and sum of each lookup."""
    n = list_lookups(recipe, placement, state, chunk, scratch, turn, True)
    first = 0
    while first < n:
        end = end_of_bag(chunk, scratch, turn, first, n)
        open_sums(rings, recipe, state, chunk, scratch, turn, first, end)
        for place in range(first, end):
            k = scratch[SCRATCH_ORDER, place]
            scratch[SUM, k] = state.slot_of_unit[scratch[SCRATCH_OWNER, k]]
            scratch[EQUAL, k] = NONE
        first = end


@helper
def chain_equal_lookups(chunk, scratch, turn):
    """Have each lookup of a turn name the next one with the same rows and owner (`scratch`, EQUAL)."""
    size = LAST_ROWS
    while size < 2 * turn.lookups:
        size <<= 1
    for slot in range(size):
        scratch[LAST_EQUAL + slot % LAST_ROWS, slot // LAST_ROWS] = NONE
    for k in range(turn.lookups):
        owner = scratch[SCRATCH_OWNER, k]
        if owner == NONE:
            continue
        start = turn.start + k * turn.width
        slot = hash_lookup(chunk, start, start + turn.width, owner) & (size - 1)
        while True:
            last = scratch[LAST_EQUAL + slot % LAST_ROWS, slot // LAST_ROWS]
            if last == NONE:
                break
            if scratch[SCRATCH_OWNER, last] == owner and same_rows(
                chunk, turn.start + last * turn.width, start, turn.width
            ):
                scratch[EQUAL, last] = k
                break
            slot = (slot + 1) & (size - 1)
        scratch[LAST_EQUAL + slot % LAST_ROWS, slot // LAST_ROWS] = k


@helper
def emit_turn_once(rings, recipe, placement, state, chunk, scratch, turn):
    """Instructions of a turn whose equal lookups in one unit are sent as one, in place of the first of them."""
    open_turn(rings, recipe, placement, state, chunk, scratch, turn)
    chain_equal_lookups(chunk, scratch, turn)
    for k in range(turn.lookups):
        if scratch[SCRATCH_OWNER, k] != NONE:
            emit_equal_lookups(rings, recipe, placement, state, chunk, scratch, turn, k)


@helper
def emit_equal_lookups(rings, recipe, placement, state, chunk, scratch, turn, first):
    """Instructions of the turn's lookup `first` for all that equal it, each with its own bag's sum."""
    owner = owner_of_sum(rings, recipe, scratch[SUM, first])
    number = rings.marks[NEXT_LOOKUP]
    sharers = 0
    other = scratch[EQUAL, first]
    while other != NONE:
        scratch[SCRATCH_OWNER, other] = NONE  # it needs nothing more
        sharers += 1
        other = scratch[EQUAL, other]
    rings.marks[NEXT_LOOKUP] = number + 1 + sharers
    state.counts[owner.channel, LOOKUPS] += 1 + sharers
    operands, kept_bursts = 0, 0
    start = turn.start + first * turn.width
    for i in range(start, start + turn.width):
        located = scratch[SCRATCH_ADDRESS, first] if i == scratch[SCRATCH_LARGE, first] else np.int64(NONE)
        brought, bursts = emit_access(
            rings, recipe, placement, state, chunk, turn, i, owner, located, number, sharers
        )
        operands += brought
        kept_bursts += bursts
        count_kept_row(recipe, state, turn.table, np.int64(chunk.subtable[i]), owner, sharers)
    if operands == 0:
        append_hit(rings, recipe, owner, turn.number, number, sharers)
        operands = 1
    other = first
    for lookup in range(number, number + 1 + sharers):
        slot = scratch[SUM, other]
        row = rings.lookups[lookup & rings.lookup_mask]
        row[LOOKUP_SUM] = slot
        row[LOOKUP_OPERANDS] = operands
        row[LOOKUP_COMPUTE] = recipe.compute[turn.table]
        row[LOOKUP_READY] = 0
        row[LOOKUP_BURSTS] = kept_bursts if lookup == number else 0
        rings.sums[slot & rings.sum_mask, SUM_LOOKUPS] += 1
        other = scratch[EQUAL, other]
