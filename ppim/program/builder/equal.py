"""Turns whose equal lookups, or equal rows too, are sent once (`dedup`; docs/model.md §1)."""

import numpy as np

from ppim.jit import helper
from ppim.program import instruction as i, state as r
from ppim.program.builder import receivers, recipe as b, seen
from ppim.program.builder.emit import append_hit, write_lookup
from ppim.program.builder.lookups import count_kept_row, emit_access
from ppim.program.builder.owners import list_lookups
from ppim.program.builder.sums import end_of_bag, open_sums, owner_of_sum

# In the scratch an owner is NONE, too, once its lookup is sent.
# Hash table of the last lookup of each kind: at most four times as many places as lookups, in so many rows.
LAST_EQUAL = b.SCRATCH_EQUAL + 1
LAST_ROWS = 4

HASH_MULTIPLIER = (
    0x2545F4914F6CDD1D  # odd; Vigna, An experimental exploration of Marsaglia's xorshift generators
)
HASH_MASK = (1 << 62) - 1


@helper
def hash_lookup(chunk, start, stop, owner):
    """A number that equal lookups of one owner share."""
    value = owner
    for at in range(start, stop):
        value = (value * HASH_MULTIPLIER + np.int64(chunk.row[at])) & HASH_MASK
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
    n = list_lookups(rings, recipe, placement, state, chunk, scratch, turn, True)
    first = 0
    while first < n:
        end = end_of_bag(chunk, scratch, turn, first, n)
        open_sums(rings, recipe, state, chunk, scratch, turn, first, end)
        for place in range(first, end):
            k = scratch[b.SCRATCH_ORDER, place]
            scratch[b.SCRATCH_SUM, k] = state.slot_of_unit[scratch[b.SCRATCH_OWNER, k]]
            scratch[b.SCRATCH_EQUAL, k] = i.NONE
        first = end


@helper
def chain_equal_lookups(chunk, scratch, turn):
    """Have each lookup of a turn name the next one with the same rows and owner (`scratch`, SCRATCH_EQUAL)."""
    size = LAST_ROWS
    while size < 2 * turn.lookups:
        size <<= 1
    for slot in range(size):
        scratch[LAST_EQUAL + slot % LAST_ROWS, slot // LAST_ROWS] = i.NONE
    for k in range(turn.lookups):
        owner = scratch[b.SCRATCH_OWNER, k]
        if owner == i.NONE:
            continue
        start = turn.start + k * turn.width
        slot = hash_lookup(chunk, start, start + turn.width, owner) & (size - 1)
        while True:
            last = scratch[LAST_EQUAL + slot % LAST_ROWS, slot // LAST_ROWS]
            if last == i.NONE:
                break
            if scratch[b.SCRATCH_OWNER, last] == owner and same_rows(
                chunk, turn.start + last * turn.width, start, turn.width
            ):
                scratch[b.SCRATCH_EQUAL, last] = k
                break
            slot = (slot + 1) & (size - 1)
        scratch[LAST_EQUAL + slot % LAST_ROWS, slot // LAST_ROWS] = k


@helper
def emit_turn_once(rings, recipe, placement, state, chunk, scratch, turn):
    """Instructions of a turn whose equal lookups in one unit are sent as one, in place of the first of them."""
    open_turn(rings, recipe, placement, state, chunk, scratch, turn)
    chain_equal_lookups(chunk, scratch, turn)
    if recipe.seen_rows:
        seen.forget_all(recipe, scratch, turn)
    if recipe.listed:
        receivers.find_receivers(rings, recipe, placement, chunk, scratch, turn)
    for k in range(turn.lookups):
        if scratch[b.SCRATCH_OWNER, k] != i.NONE:
            emit_equal_lookups(rings, recipe, placement, state, chunk, scratch, turn, k)


@helper
def emit_equal_lookups(rings, recipe, placement, state, chunk, scratch, turn, first):
    """Instructions of the turn's lookup `first` for all that equal it, each with its own bag's sum."""
    owner = owner_of_sum(rings, recipe, scratch[b.SCRATCH_SUM, first])
    number = receivers.number_of(recipe, scratch, first) if recipe.listed else rings.marks[r.NEXT_LOOKUP]
    sharers = 0
    other = scratch[b.SCRATCH_EQUAL, first]
    while other != i.NONE:
        scratch[b.SCRATCH_OWNER, other] = i.NONE  # it needs nothing more
        sharers += 1
        other = scratch[b.SCRATCH_EQUAL, other]
    if not recipe.listed:
        rings.marks[r.NEXT_LOOKUP] = number + 1 + sharers
    state.counts[owner.channel, b.LOOKUPS] += 1 + sharers
    state.counts[owner.channel, b.MACS] += recipe.macs[turn.table] * (1 + sharers)
    operands, kept_bursts = 0, 0
    start = turn.start + first * turn.width
    for at in range(start, start + turn.width):
        if recipe.seen_rows:
            brings = seen.brought_by(recipe, chunk, scratch, turn, at, owner.number)
            if brings == at:
                kept_bursts += receivers.receive(
                    rings, recipe, placement, state, chunk, scratch, turn, at, owner, number, sharers
                )
                operands += 1
                count_kept_row(recipe, state, turn.table, np.int64(chunk.subtable[at]), owner, sharers)
                continue
            if brings != i.NONE:
                count_kept_row(recipe, state, turn.table, np.int64(chunk.subtable[at]), owner, 1 + sharers)
                continue
        located = (
            scratch[b.SCRATCH_ADDRESS, first] if at == scratch[b.SCRATCH_LARGE, first] else np.int64(i.NONE)
        )
        brought, bursts = emit_access(
            rings, recipe, placement, state, chunk, scratch, turn, at, owner, located, number, sharers
        )
        if recipe.seen_rows and brought:
            seen.note_row(recipe, chunk, scratch, turn, at, owner.number)
        operands += brought
        kept_bursts += bursts
        count_kept_row(recipe, state, turn.table, np.int64(chunk.subtable[at]), owner, sharers)
    if operands == 0:
        append_hit(rings, recipe, owner, turn.number, number, sharers)
        operands = 1
    other = first
    for lookup in range(number, number + 1 + sharers):
        kept = kept_bursts if lookup == number else 0
        write_lookup(rings, lookup, scratch[b.SCRATCH_SUM, other], operands, recipe.compute[turn.table], kept)
        other = scratch[b.SCRATCH_EQUAL, other]
