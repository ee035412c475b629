"""Instructions of one lookup (docs/model.md §1)."""

from __future__ import annotations

import numpy as np

from ppim.jit import helper
from ppim.mapping.base import NO_COPY, find_copy, locate_row
from ppim.program.builder.emit import append, append_deliver, append_hit
from ppim.program.builder.prefetches import is_held
from ppim.program.builder.recipe import (
    ACCESSES,
    BYTES_CACHE,
    CACHE_HITS,
    CACHE_MISSES,
    LOOKUPS,
    PARTIAL_SUM_HITS,
)
from ppim.program.cache import probe
from ppim.program.instruction import (
    HIT,
    LOOKUP_BURSTS,
    LOOKUP_COMPUTE,
    LOOKUP_OPERANDS,
    LOOKUP_READY,
    LOOKUP_SUM,
    NONE,
    READ,
    READ_OUT,
    SUM_LOOKUPS,
)
from ppim.program.state import NEXT_LOOKUP, TURN_LEFT


@helper(forceinline=True)
def emit_access(rings, recipe, placement, state, chunk, i, owner, located, lookup, sharers, turn):
    """Serve one access; returns (operands, bursts kept in the unit) it brings by instruction.

    `located` is the row's address in the owner, or NONE if it is to be found. So many `sharers`, the lookups behind this one, use the row too.
    """
    table = np.int64(chunk.table[i])
    subtable = np.int64(chunk.subtable[i])
    row = np.int64(chunk.row[i])
    owner_channel = owner // recipe.units_per_channel
    counts = state.counts[owner_channel]
    bursts = placement.row_bursts[table, subtable]
    if recipe.resident[table, subtable] > 0:
        if is_held(recipe, state, table, subtable, row, turn):
            counts[ACCESSES] += 1
            counts[CACHE_HITS] += 1
            counts[BYTES_CACHE] += recipe.row_bytes[table, subtable]
            state.unit_accesses[owner] += 1
            return 0, 0
        counts[CACHE_MISSES] += 1
    holder, address = owner, located
    if located == NONE:
        address = find_copy(placement, table, subtable, row)
        if address == NO_COPY:
            holder, address = locate_row(placement, table, subtable, row)
            holder = recipe.own_unit[holder]
    channel = holder // recipe.units_per_channel
    unit = holder % recipe.units_per_channel
    state.unit_accesses[holder] += 1
    state.counts[channel if recipe.host_consumes else owner_channel, ACCESSES] += 1
    stream = 0 if recipe.global_stream else channel
    kind = READ if holder == owner and not recipe.host_consumes else READ_OUT
    if recipe.lru and kind == READ and recipe.cached[table, subtable]:
        if probe(recipe, state.cache_tags[owner], state.cache_stamps[owner], address, bursts):
            counts[CACHE_HITS] += 1
            counts[BYTES_CACHE] += recipe.row_bytes[table, subtable]
            kind = HIT
        else:
            counts[CACHE_MISSES] += 1
    append(rings, stream, kind, channel, unit, address, bursts, turn, lookup, NONE, sharers)
    if recipe.in_order and kind == READ_OUT:
        append_deliver(rings, recipe, owner, bursts, turn, lookup, sharers)
    # What the host reads out is one operand: complete when delivered, or in the host if that adds it.
    rings.turns[turn & rings.turn_mask, TURN_LEFT] += 1 + sharers
    return 1, 0 if recipe.host_consumes else bursts


@helper(forceinline=True)
def count_kept_row(recipe, state, table, subtable, owner):
    """An access whose row the unit's buffer still holds for the lookup before it."""
    counts = state.counts[owner // recipe.units_per_channel]
    counts[ACCESSES] += 1
    counts[CACHE_HITS] += 1
    counts[BYTES_CACHE] += recipe.row_bytes[table, subtable]
    state.unit_accesses[owner] += 1


@helper
def count_kept_vector(recipe, state, owner, accesses):
    """The accesses that a lookup does not make, since its vector is kept."""
    counts = state.counts[owner // recipe.units_per_channel]
    counts[ACCESSES] += accesses
    counts[PARTIAL_SUM_HITS] += accesses
    state.unit_accesses[owner] += accesses


@helper(forceinline=True)
def emit_lookup(
    rings, recipe, placement, state, chunk, start, stop, owner, large, address, turn, kept, sharers, compute
):
    """Instructions of one lookup; the row of its access `large` lies at `address`, unless that is NONE.

    The unit's buffer holds the row of its second access where `kept` is 1; otherwise so many `sharers`, the
    lookups behind it, will use that row too.
    """
    number = rings.marks[NEXT_LOOKUP]
    rings.marks[NEXT_LOOKUP] = number + 1
    owner_channel = owner // recipe.units_per_channel
    state.counts[owner_channel, LOOKUPS] += 1
    operands, kept_bursts = 0, 0
    for i in range(start, stop):
        is_second = i == start + 1
        if kept and is_second:
            count_kept_row(recipe, state, np.int64(chunk.table[i]), np.int64(chunk.subtable[i]), owner)
            continue
        users = sharers if is_second else 0
        located = address if i == large else np.int64(NONE)
        brought, bursts = emit_access(
            rings, recipe, placement, state, chunk, i, owner, located, number, users, turn
        )
        operands += brought
        kept_bursts += bursts
    if operands == 0:
        append_hit(rings, recipe, owner, turn, number, 0)
        operands = 1
    slot = state.slot_of_unit[owner]
    row = rings.lookups[number & rings.lookup_mask]
    row[LOOKUP_SUM] = slot
    row[LOOKUP_OPERANDS] = operands + kept
    row[LOOKUP_COMPUTE] = compute
    row[LOOKUP_READY] = 0
    row[LOOKUP_BURSTS] = kept_bursts
    rings.sums[slot & rings.sum_mask, SUM_LOOKUPS] += 1
