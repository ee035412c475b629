"""Bags whose rows are split over all units (mapping vertical; docs/model.md §8)."""

import numpy as np

from ppim.jit import helper
from ppim.program import cache, instruction as i, state as r
from ppim.program.builder import recipe as b
from ppim.program.builder.chunk import sample_of
from ppim.program.builder.emit import append, set_step, write_lookup
from ppim.program.builder.sums import open_sum


@helper
def emit_split_bag(rings, recipe, placement, state, chunk, turn, first, stop):
    """Instructions of one bag whose rows are split over all units: every unit executes each of them.

    A lookup of the trace is one of every unit, a bag has a sum in every unit.
    """
    first_sum = rings.marks[r.NEXT_SUM]
    for unit in range(recipe.units_per_channel):
        for channel in range(recipe.channels):
            open_sum(rings, recipe, state, channel, unit, sample_of(chunk, turn, first), turn.number)
    for k in range(first, stop):
        emit_split_lookup(rings, recipe, placement, state, chunk, turn, k, first_sum)


@helper
def emit_split_lookup(rings, recipe, placement, state, chunk, turn, k, first_sum):
    """Instructions of a turn's k-th lookup that all units execute, and what each of them adds to its sum."""
    first = rings.marks[r.NEXT_LOOKUP]
    rings.marks[r.NEXT_LOOKUP] = first + recipe.slices
    # No channel has more of it than another: it counts in each of the memory's in turn.
    channel = first // recipe.slices % placement.channels
    own = recipe.own_unit[
        channel * recipe.units_per_channel
    ]  # the number of a channel's first unit is the channel's
    counted = int(own != i.NONE)
    channel = own if counted else 0
    state.counts[channel, b.LOOKUPS] += counted
    bursts = 0
    start = turn.start + k * turn.width
    for at in range(start, start + turn.width):
        bursts += emit_split_access(rings, recipe, placement, state, chunk, turn, at, channel, counted, first)
    for index in range(recipe.slices):
        channel, unit = index // recipe.units_per_channel, index % recipe.units_per_channel
        number = first_sum + unit * recipe.channels + channel
        state.counts[channel, b.MACS] += recipe.macs[turn.table]
        write_lookup(rings, first + index, number, turn.width, recipe.compute[turn.table], bursts)


@helper
def emit_split_access(rings, recipe, placement, state, chunk, turn, at, channel, counted, first):
    """One access that all units serve, each with its slice; returns the bursts that each keeps.

    Lookups from `first` on, one a unit, use it. It counts in `channel` if `counted` is 1.
    """
    table, subtable = turn.table, np.int64(chunk.subtable[at])
    bursts = placement.row_bursts[table, subtable]
    address = placement.base[table, subtable] + np.int64(chunk.row[at]) * bursts
    counts = state.counts[channel]
    counts[b.ACCESSES] += counted
    for unit in range(recipe.slices):
        state.unit_accesses[unit] += 1
    kind = i.READ
    if recipe.lru and recipe.cached[table, subtable]:
        # The caches of all units hold the same rows: one stands for them all.
        if cache.probe(recipe, state.cache_tags[0], address, bursts):
            counts[b.CACHE_HITS] += counted
            counts[b.BYTES_CACHE] += recipe.row_bytes[table, subtable] * counted
            kind = i.HIT
        else:
            counts[b.CACHE_MISSES] += counted
        for own in range(recipe.channels):
            column = b.SRAM_READS if kind == i.HIT else b.SRAM_FILLS
            state.counts[own, column] += bursts * recipe.units_per_channel
    for stream in range(rings.n_streams):
        reached = i.ALL if recipe.global_stream else stream
        lookup = first + stream * recipe.units_per_channel
        append(rings, stream, kind, reached, i.ALL, address, bursts, turn.number, lookup, i.NONE, 0)
        set_step(rings, stream, 1)
    rings.turns[turn.number & rings.turn_mask, r.TURN_LEFT] += recipe.slices
    return bursts
