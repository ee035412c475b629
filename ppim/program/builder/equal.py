"""Turns whose equal lookups are sent once (`dedup`; docs/model.md §1)."""

from __future__ import annotations

import numpy as np

from ppim.jit import helper
from ppim.program.builder.chunk import end_of_bag, end_of_lookup
from ppim.program.builder.emit import append_hit
from ppim.program.builder.lookups import count_kept_row, emit_access
from ppim.program.builder.recipe import BAG_PARTS, LOOKUPS
from ppim.program.builder.sums import close_sums, open_sums
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

# Parts of the scratch behind those of a bag, by position in the turn.
OWNERS = BAG_PARTS  # unit of a lookup, by the position of its first access in the turn; NONE: not to be sent
SUMS = BAG_PARTS + 1
EQUAL = BAG_PARTS + 2  # next lookup with the same rows and owner, or NONE
LAST_EQUAL = (
    BAG_PARTS + 3
)  # hash table of the last lookup of each kind; at most four times as many places as lookups

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
def open_turn(rings, recipe, placement, state, chunk, scratch, start, stop, total, turn):
    """Open the sums of all bags of a turn, and note owner and sum of each lookup; the number of lookups."""
    n_lookups = 0
    position = start
    while position < stop:
        end = end_of_bag(chunk, position, stop)
        n_touched = open_sums(rings, recipe, placement, state, chunk, scratch, position, end, total, turn)
        i = position
        while i < end:
            owner = scratch[i - position]
            scratch[OWNERS * total + i - start] = owner
            if owner != NONE:
                scratch[SUMS * total + i - start] = state.slot_of_unit[owner]
            scratch[EQUAL * total + i - start] = NONE
            n_lookups += 1
            i = end_of_lookup(chunk, i, end)
        close_sums(recipe, state, n_touched)
        position = end
    return n_lookups


@helper
def chain_equal_lookups(chunk, scratch, start, stop, total, n_lookups):
    """Have each lookup of a turn name the next one with the same rows and owner (`scratch`, EQUAL)."""
    size = 4
    while size < 2 * n_lookups:
        size <<= 1
    for slot in range(size):
        scratch[LAST_EQUAL * total + slot] = NONE
    width = end_of_lookup(chunk, start, stop) - start
    for i in range(start, stop, width):
        owner = scratch[OWNERS * total + i - start]
        if owner == NONE:
            continue
        slot = hash_lookup(chunk, i, i + width, owner) & (size - 1)
        while True:
            last = scratch[LAST_EQUAL * total + slot]
            if last == NONE:
                break
            if scratch[OWNERS * total + last - start] == owner and same_rows(chunk, last, i, width):
                scratch[EQUAL * total + last - start] = i
                break
            slot = (slot + 1) & (size - 1)
        scratch[LAST_EQUAL * total + slot] = i


@helper
def emit_turn_once(rings, recipe, placement, state, chunk, scratch, start, stop, total, turn):
    """Instructions of a turn whose equal lookups in one unit are sent as one, in place of the first of them."""
    n_lookups = open_turn(rings, recipe, placement, state, chunk, scratch, start, stop, total, turn)
    chain_equal_lookups(chunk, scratch, start, stop, total, n_lookups)
    i = start
    while i < stop:
        after = end_of_lookup(chunk, i, stop)
        if scratch[OWNERS * total + i - start] != NONE:
            emit_equal_lookups(rings, recipe, placement, state, chunk, scratch, start, i, after, total, turn)
        i = after


@helper
def emit_equal_lookups(rings, recipe, placement, state, chunk, scratch, start, first, after, total, turn):
    """Instructions of the lookup at `first` for all that equal it, each with its own bag's sum."""
    table = np.int64(chunk.table[first])
    owner = scratch[OWNERS * total + first - start]
    number = rings.marks[NEXT_LOOKUP]
    sharers = 0
    other = scratch[EQUAL * total + first - start]
    while other != NONE:
        scratch[OWNERS * total + other - start] = NONE  # it needs nothing more
        sharers += 1
        other = scratch[EQUAL * total + other - start]
    rings.marks[NEXT_LOOKUP] = number + 1 + sharers
    channel = owner // recipe.units_per_channel
    state.counts[channel, LOOKUPS] += 1 + sharers
    operands, kept_bursts = 0, 0
    for i in range(first, after):
        brought, bursts = emit_access(
            rings, recipe, placement, state, chunk, i, owner, NONE, number, sharers, turn
        )
        operands += brought
        kept_bursts += bursts
        for _ in range(sharers):
            count_kept_row(recipe, state, table, np.int64(chunk.subtable[i]), owner)
    if operands == 0:
        append_hit(rings, recipe, owner, turn, number, sharers)
        operands = 1
    other = first
    for lookup in range(number, number + 1 + sharers):
        slot = scratch[SUMS * total + other - start]
        row = rings.lookups[lookup & rings.lookup_mask]
        row[LOOKUP_SUM] = slot
        row[LOOKUP_OPERANDS] = operands
        row[LOOKUP_COMPUTE] = recipe.compute[table]
        row[LOOKUP_READY] = 0
        row[LOOKUP_BURSTS] = kept_bursts if lookup == number else 0
        rings.sums[slot & rings.sum_mask, SUM_LOOKUPS] += 1
        other = scratch[EQUAL * total + other - start]
