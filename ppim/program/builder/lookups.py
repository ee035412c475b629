"""Instructions of one lookup (docs/model.md §1)."""

import numpy as np

from ppim.jit import helper
from ppim.mapping.placing import locate
from ppim.mapping.placing.placement import NO_COPY
from ppim.program import cache, instruction as i, state as r
from ppim.program.builder import demand, recipe as b
from ppim.program.builder.emit import append, append_deliver, append_hit, write_lookup
from ppim.program.builder.prefetches import is_held
from ppim.program.builder.uses import goes_past_cache


@helper(forceinline=True)
def emit_access(rings, recipe, placement, state, chunk, scratch, turn, at, owner, located, lookup, sharers):
    """Serve access i; returns (operands, bursts kept in the unit) it brings by instruction.

    `located` is the row's address in the owner, or NONE if it is to be found. So many `sharers`, the lookups
    behind this one, use the row too.
    """
    table, subtable, row = turn.table, np.int64(chunk.subtable[at]), np.int64(chunk.row[at])
    counts = state.counts[owner.channel]
    bursts = placement.row_bursts[table, subtable]
    if recipe.resident[table, subtable] > 0:
        if is_held(recipe, state, table, subtable, row, turn.number):
            count_kept_row(recipe, state, table, subtable, owner, 1)
            counts[b.SRAM_READS] += bursts
            return 0, 0
        counts[b.CACHE_MISSES] += 1
    if recipe.demanded[table, subtable] > 0:
        if demand.is_kept(recipe, state, owner.number, table, subtable, row, turn.number):
            count_kept_row(recipe, state, table, subtable, owner, 1)
            counts[b.SRAM_READS] += bursts
            return 0, 0
        counts[b.CACHE_MISSES] += 1
        if demand.keep(recipe, state, owner.number, table, subtable, row, turn.number):
            counts[b.SRAM_FILLS] += bursts
    index, channel, unit, address = owner.number, owner.channel, owner.unit, located
    if located == i.NONE:
        address = locate.find_copy(placement, table, subtable, row)
        if address == NO_COPY:
            holder, address = locate.locate_row(placement, table, subtable, row)
            index = recipe.own_unit[holder]
            channel, unit = index % recipe.channels, index // recipe.channels
    state.unit_accesses[index] += 1
    state.counts[channel if recipe.host_consumes else owner.channel, b.ACCESSES] += 1
    stream = 0 if recipe.global_stream else channel
    kind = i.READ if index == owner.number and not recipe.host_consumes else i.READ_OUT
    if recipe.lru and kind == i.READ and recipe.cached[table, subtable]:
        if not goes_past_cache(recipe, chunk, scratch, turn, at) and cache.probe(
            recipe, state.cache_tags[index], address, bursts
        ):
            counts[b.CACHE_HITS] += 1
            counts[b.BYTES_CACHE] += recipe.row_bytes[table, subtable]
            counts[b.SRAM_READS] += bursts
            kind = i.HIT
        else:
            counts[b.CACHE_MISSES] += 1
            counts[b.SRAM_FILLS] += bursts
    append(rings, stream, kind, channel, unit, address, bursts, turn.number, lookup, i.NONE, sharers)
    if recipe.in_order and kind == i.READ_OUT:
        append_deliver(rings, recipe, owner, bursts, turn.number, lookup, sharers)
    # What the host reads out is one operand: complete when delivered, or in the host if that adds it.
    rings.turns[turn.number & rings.turn_mask, r.TURN_LEFT] += 1 + sharers
    return 1, 0 if recipe.host_consumes else bursts


@helper(forceinline=True)
def count_kept_row(recipe, state, table, subtable, owner, accesses):
    """Accesses to a row that the unit has: in its scratchpad, or in its buffer for the lookup before."""
    counts = state.counts[owner.channel]
    counts[b.ACCESSES] += accesses
    counts[b.CACHE_HITS] += accesses
    counts[b.BYTES_CACHE] += recipe.row_bytes[table, subtable] * accesses
    state.unit_accesses[owner.number] += accesses


@helper
def count_kept_vector(recipe, state, owner, width):
    """What lookups of so many accesses each do not make, since their sum is kept, and those that it serves besides."""
    counts, accesses = state.counts[owner.channel], recipe.kept_lookups * width - 1
    counts[b.LOOKUPS] += recipe.kept_lookups - 1
    counts[b.ACCESSES] += accesses
    counts[b.PARTIAL_SUM_HITS] += accesses
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
    macs,
):
    """Instructions of the first `accesses` of a turn's k-th lookup, which adds to the sum `slot`.

    The unit's buffer holds the row of its second access where `kept` is 1; otherwise so many `sharers`, the
    lookups behind it, will use that row too.
    """
    number = rings.marks[r.NEXT_LOOKUP]
    rings.marks[r.NEXT_LOOKUP] = number + 1
    state.counts[owner.channel, b.LOOKUPS] += 1
    state.counts[owner.channel, b.MACS] += macs
    operands, kept_bursts = 0, 0
    start = turn.start + k * turn.width
    for at in range(start, start + accesses):
        is_second = at == start + 1
        if kept and is_second:
            count_kept_row(recipe, state, turn.table, np.int64(chunk.subtable[at]), owner, 1)
            continue
        users = sharers if is_second else 0
        located = scratch[b.SCRATCH_ADDRESS, k] if at == scratch[b.SCRATCH_LARGE, k] else np.int64(i.NONE)
        brought, bursts = emit_access(
            rings, recipe, placement, state, chunk, scratch, turn, at, owner, located, number, users
        )
        operands += brought
        kept_bursts += bursts
    if operands == 0:
        append_hit(rings, recipe, owner, turn.number, number, 0)
        operands = 1
    write_lookup(rings, number, slot, operands + kept, compute, kept_bursts)
