"""Instructions of one lookup (docs/model.md §1)."""

from __future__ import annotations

import numpy as np

from ppim.jit import helper
from ppim.mapping.placing.locate import find_copy, locate_row
from ppim.mapping.placing.placement import NO_COPY
from ppim.program.builder.emit import append, append_deliver, append_hit
from ppim.program.builder.prefetches import is_held
from ppim.program.builder.recipe import (
    ACCESSES,
    BYTES_CACHE,
    CACHE_HITS,
    CACHE_MISSES,
    LOOKUPS,
    PARTIAL_SUM_HITS,
    SCRATCH_ADDRESS,
    SCRATCH_LARGE,
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
def emit_access(rings, recipe, placement, state, chunk, turn, i, owner, located, lookup, sharers):
    """Serve access i; returns (operands, bursts kept in the unit) it brings by instruction.

    `located` is the row's address in the owner, or NONE if it is to be found. So many `sharers`, the lookups
    behind this one, use the row too.
    """
    table, subtable, row = turn.table, np.int64(chunk.subtable[i]), np.int64(chunk.row[i])
    counts = state.counts[owner.channel]
    bursts = placement.row_bursts[table, subtable]
    if recipe.resident[table, subtable] > 0:
        if is_held(recipe, state, table, subtable, row, turn.number):
            count_kept_row(recipe, state, table, subtable, owner, 1)
            return 0, 0
        counts[CACHE_MISSES] += 1
    index, channel, unit, address = owner.number, owner.channel, owner.unit, located
    if located == NONE:
        address = find_copy(placement, table, subtable, row)
        if address == NO_COPY:
            holder, address = locate_row(placement, table, subtable, row)
            index = recipe.own_unit[holder]
            channel, unit = index % recipe.channels, index // recipe.channels
    state.unit_accesses[index] += 1
    state.counts[channel if recipe.host_consumes else owner.channel, ACCESSES] += 1
    stream = 0 if recipe.global_stream else channel
    kind = READ if index == owner.number and not recipe.host_consumes else READ_OUT
    if recipe.lru and kind == READ and recipe.cached[table, subtable]:
        if probe(recipe, state.cache_tags[index], state.cache_stamps[index], address, bursts):
            counts[CACHE_HITS] += 1
            counts[BYTES_CACHE] += recipe.row_bytes[table, subtable]
            kind = HIT
        else:
            counts[CACHE_MISSES] += 1
    append(rings, stream, kind, channel, unit, address, bursts, turn.number, lookup, NONE, sharers)
    if recipe.in_order and kind == READ_OUT:
        append_deliver(rings, recipe, owner, bursts, turn.number, lookup, sharers)
    # What the host reads out is one operand: complete when delivered, or in the host if that adds it.
    rings.turns[turn.number & rings.turn_mask, TURN_LEFT] += 1 + sharers
    return 1, 0 if recipe.host_consumes else bursts


@helper(forceinline=True)
def count_kept_row(recipe, state, table, subtable, owner, accesses):
    """Accesses to a row that the unit has: in its scratchpad, or in its buffer for the lookup before."""
    counts = state.counts[owner.channel]
    counts[ACCESSES] += accesses
    counts[CACHE_HITS] += accesses
    counts[BYTES_CACHE] += recipe.row_bytes[table, subtable] * accesses
    state.unit_accesses[owner.number] += accesses


@helper
def count_kept_vector(state, owner, accesses):
    """The accesses that a lookup does not make, since its vector is kept."""
    counts = state.counts[owner.channel]
    counts[ACCESSES] += accesses
    counts[PARTIAL_SUM_HITS] += accesses
    state.unit_accesses[owner.number] += accesses


@helper(forceinline=True)
def emit_lookup(
    rings,
    recipe,
    placement,
    state,
    chunk,
    scratch,
    turn,
    k,
    accesses,
    owner,
    slot,
    kept,
    sharers,
    compute,
):
    """Instructions of the first `accesses` of a turn's k-th lookup, which adds to the sum `slot`.

    The unit's buffer holds the row of its second access where `kept` is 1; otherwise so many `sharers`, the
    lookups behind it, will use that row too.
    """
    number = rings.marks[NEXT_LOOKUP]
    rings.marks[NEXT_LOOKUP] = number + 1
    state.counts[owner.channel, LOOKUPS] += 1
    operands, kept_bursts = 0, 0
    start = turn.start + k * turn.width
    for i in range(start, start + accesses):
        is_second = i == start + 1
        if kept and is_second:
            count_kept_row(recipe, state, turn.table, np.int64(chunk.subtable[i]), owner, 1)
            continue
        users = sharers if is_second else 0
        located = scratch[SCRATCH_ADDRESS, k] if i == scratch[SCRATCH_LARGE, k] else np.int64(NONE)
        brought, bursts = emit_access(
            rings, recipe, placement, state, chunk, turn, i, owner, located, number, users
        )
        operands += brought
        kept_bursts += bursts
    if operands == 0:
        append_hit(rings, recipe, owner, turn.number, number, 0)
        operands = 1
    row = rings.lookups[number & rings.lookup_mask]
    row[LOOKUP_SUM] = slot
    row[LOOKUP_OPERANDS] = operands + kept
    row[LOOKUP_COMPUTE] = compute
    row[LOOKUP_READY] = 0
    row[LOOKUP_BURSTS] = kept_bursts
    rings.sums[slot & rings.sum_mask, SUM_LOOKUPS] += 1
