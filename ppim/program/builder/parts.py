"""Bags of tables whose rows lie in parts: split over the units of a channel, or in matrices (docs/model.md §1, §8).

In such a program tables whose rows are whole go the same way, each row in a set of one unit.
"""

from typing import NamedTuple

import numpy as np

from ppim.jit import helper
from ppim.mapping.placing import locate
from ppim.mapping.placing.placement import DUPLICATED, NO_COPY
from ppim.program import cache, instruction as i, state as r
from ppim.program.builder import demand, recipe as b, sums
from ppim.program.builder.bags import access_of, has_product, lookup_at, order_by_second_row
from ppim.program.builder.chunk import end_of_bag, sample_of
from ppim.program.builder.emit import append, append_deliver, set_step, write_lookup
from ppim.program.builder.owners import large_access
from ppim.program.builder.prefetches import is_held
from ppim.program.builder.recipe import number_of_unit

SECOND = 1  # access of a lookup whose row lies in parts


class Set(NamedTuple):
    """The program's units that each have a part of a row: one, those of a channel, or all; of another channel: none."""

    channel: int  # ALL: of every channel
    unit: int  # of the channel; ALL: every one of them
    size: int


class Block(NamedTuple):
    """Lookups of a bag that come one behind the other and have their second row read once, in one set of units.

    The lookup at `place` + j is that of row `first` + u * `length` + j in the set's u-th unit.
    """

    run: int  # place of the first lookup of those before it, too, that have its second row
    place: int
    length: int
    first: int


@helper
def find_set(recipe, placement, table, unit):
    """The set of a table's rows that begins with a unit of the memory."""
    size = placement.set_units[table, SECOND] if recipe.parted[table] else 1
    if size > 1 and size == placement.units:
        return Set(i.ALL, i.ALL, recipe.channels * recipe.units_per_channel)
    number = recipe.own_unit[unit]
    if number == i.NONE:
        return Set(0, 0, 0)
    if size > 1:
        return Set(number % recipe.channels, i.ALL, size)
    return Set(number % recipe.channels, number // recipe.channels, 1)


@helper
def member(recipe, units, index):
    """The index-th unit of a set."""
    channel, unit = units.channel, units.unit
    if channel == i.ALL:
        channel, unit = index // recipe.units_per_channel, index % recipe.units_per_channel
    elif unit == i.ALL:
        unit = index
    return sums.Owner(number_of_unit(recipe, channel, unit), channel, unit)


@helper
def count_pieces(recipe, placement, table):
    """In how many pieces, each placed by itself, the second row of a table's lookups lies."""
    return placement.pieces[table, SECOND] if recipe.parted[table] else 1


@helper
def find_piece(recipe, placement, chunk, turn, k, piece):
    """(first unit of the memory that has a part, address there) of a piece of what says who owns a lookup."""
    table = turn.table
    if recipe.parted[table]:
        row = np.int64(chunk.row[access_of(turn, k, SECOND)])
        return locate.locate_row(placement, table, SECOND, row * placement.pieces[table, SECOND] + piece)
    at = large_access(recipe, chunk, turn, k)
    subtable, row = np.int64(chunk.subtable[at]), np.int64(chunk.row[at])
    if placement.mode[table, subtable] == DUPLICATED:
        return row % placement.units, locate.find_copy(placement, table, subtable, row)
    return locate.locate_row(placement, table, subtable, row)


@helper
def note_sets(recipe, placement, state, chunk, turn, k):
    """Mark the units that have a part of a lookup in `touched`."""
    for piece in range(count_pieces(recipe, placement, turn.table)):
        unit, _ = find_piece(recipe, placement, chunk, turn, k, piece)
        units = find_set(recipe, placement, turn.table, unit)
        for index in range(units.size):
            number = member(recipe, units, index).number
            state.touched[number // b.WORD_BITS] |= 1 << (number % b.WORD_BITS)


@helper
def open_parted_sums_apart(rings, recipe, placement, state, chunk, turn):
    """`open_sum_apart` for the bags of a turn; the first unit of a set is the first in which its sums leave."""
    first = 0
    while first < turn.lookups:
        stop = end_of_bag(chunk, turn, first)
        place = placement.units
        for k in range(first, stop):
            for piece in range(count_pieces(recipe, placement, turn.table)):
                unit, _ = find_piece(recipe, placement, chunk, turn, k, piece)
                place = min(place, sums.place_of_unit(recipe, placement, unit))
        sums.open_sum_apart(
            rings, recipe, placement, state, sample_of(chunk, turn, first), turn.number, place
        )
        first = stop


@helper
def same_second(chunk, scratch, turn, left, right):
    """Whether the lookups at two places have one second row."""
    left, right = lookup_at(scratch, left), lookup_at(scratch, right)
    return chunk.row[access_of(turn, left, SECOND)] == chunk.row[access_of(turn, right, SECOND)]


@helper
def emit_parted_bag(rings, recipe, placement, state, chunk, scratch, turn, first, stop):
    """Instructions of one bag, lookups first..stop-1 of the turn, and the sums of all units that have a part."""
    table = turn.table
    for k in range(first, stop):
        scratch[b.SCRATCH_ORDER, k] = k
        note_sets(recipe, placement, state, chunk, turn, k)
    if recipe.reordered[table]:
        order_by_second_row(chunk, scratch, turn, first, stop)
    sums.open_touched_sums(rings, recipe, state, sample_of(chunk, turn, first), turn.number)
    run, place = first, first
    while place < stop:
        length = 1
        if recipe.parted[table] and not same_second(chunk, scratch, turn, run, place):
            run = place
        if recipe.reordered[table]:
            while place + length < stop and same_second(chunk, scratch, turn, place, place + length):
                length += 1
        emit_sets(rings, recipe, placement, state, chunk, scratch, turn, run, place, length)
        state.pending[b.SEEN_LOOKUPS] += length
        place += length


@helper
def emit_sets(rings, recipe, placement, state, chunk, scratch, turn, run, place, length):
    """Instructions of the lookups at `length` places, one set of units after the other."""
    pieces = count_pieces(recipe, placement, turn.table)
    k = lookup_at(scratch, place)
    for piece in range(pieces):
        unit, address = find_piece(recipe, placement, chunk, turn, k, piece)
        state.pieces[piece, b.PIECE_UNIT] = unit
        state.pieces[piece, b.PIECE_ADDRESS] = address
    for piece in range(pieces):
        unit = state.pieces[piece, b.PIECE_UNIT]
        if unit == i.NONE:
            continue  # of a set that came before
        units = find_set(recipe, placement, turn.table, unit)
        n = 0
        for other in range(piece, pieces):
            if state.pieces[other, b.PIECE_UNIT] == unit:
                state.pieces[n, b.SET_ADDRESS] = state.pieces[other, b.PIECE_ADDRESS]
                state.pieces[other, b.PIECE_UNIT] = i.NONE
                n += 1
        if units.size == 0:
            continue
        block = Block(run, place, length, rings.marks[r.NEXT_LOOKUP])
        rings.marks[r.NEXT_LOOKUP] += length * units.size
        for j in range(length):
            emit_lookup(
                rings, recipe, placement, state, chunk, scratch, turn, units, block, j, n, int(piece == 0)
            )


@helper
def counting_channel(recipe, placement, state, units, j):
    """The channel that a lookup counts in, or NONE if that is not the program's."""
    if units.channel != i.ALL:
        return units.channel
    # No channel has more of it than another: it counts in each of the memory's in turn.
    channel = (state.pending[b.SEEN_LOOKUPS] + j) % placement.channels
    # The number of a channel's first unit is the channel's.
    return recipe.own_unit[channel * recipe.units_per_channel]


@helper
def emit_lookup(rings, recipe, placement, state, chunk, scratch, turn, units, block, j, n, is_first):
    """Instructions of a block's j-th lookup in one set of units, which has `n` pieces of its second row.

    It counts where the set is the lookup's first.
    """
    table = turn.table
    k = lookup_at(scratch, block.place + j)
    channel = counting_channel(recipe, placement, state, units, j) if is_first else np.int64(i.NONE)
    if channel != i.NONE:
        state.counts[channel, b.LOOKUPS] += 1
    compute, macs = recipe.part_compute[table, n], recipe.part_macs[table, n]
    if recipe.reuses[table] and has_product(chunk, scratch, turn, block.run, block.place + j):
        compute, macs = recipe.part_reused[table, n], recipe.part_macs_reused[table, n]
    operands, kept, bursts = 0, 0, 0
    for at in range(access_of(turn, k, 0), access_of(turn, k, 0) + turn.width):
        if recipe.parted[table] and at == access_of(turn, k, SECOND):
            if j > 0:
                count_kept(recipe, state, table, SECOND, units, channel)
                kept = n
                continue
            for index in range(n):
                address = state.pieces[index, b.SET_ADDRESS]
                emit_part(rings, recipe, placement, state, turn, units, block, address, channel, index)
                operands += 1
                bursts += placement.row_bursts[table, SECOND]
            continue
        brought, more = emit_operand(
            rings, recipe, placement, state, chunk, turn, at, units, block, j, channel
        )
        operands += brought
        bursts += more
    if operands == 0:
        append_to_set(rings, recipe, units, i.HIT, 0, 0, turn.number, block.first + j, 0, block.length)
        operands = 1
    for index in range(units.size):
        owner = member(recipe, units, index)
        state.counts[owner.channel, b.MACS] += macs
        slot = state.slot_of_unit[owner.number]
        number = block.first + index * block.length + j
        write_lookup(rings, number, slot, operands + kept, compute, bursts)


@helper
def count_in(state, channel, column, amount):
    """Count in a channel, unless it is counted elsewhere."""
    if channel != i.NONE:
        state.counts[channel, column] += amount


@helper
def count_sram(recipe, state, units, column, bursts):
    """Every unit of a set reads so many bursts from its SRAM, or writes them into it."""
    for index in range(units.size):
        state.counts[member(recipe, units, index).channel, column] += bursts


@helper
def count_kept(recipe, state, table, subtable, units, channel):
    """An access to a row that all units of a set have: in their scratchpads, or buffers for the lookup before."""
    count_in(state, channel, b.ACCESSES, 1)
    count_in(state, channel, b.CACHE_HITS, 1)
    count_in(state, channel, b.BYTES_CACHE, recipe.row_bytes[table, subtable])
    for index in range(units.size):
        state.unit_accesses[member(recipe, units, index).number] += 1


@helper
def all_cached(recipe, state, units, address, bursts):
    """Whether the caches of all units of a set hold what lies at an address; now they do."""
    found = 1
    for index in range(units.size):
        if not cache.probe(recipe, state.cache_tags[member(recipe, units, index).number], address, bursts):
            found = 0
    return found


@helper
def emit_local(
    rings, recipe, placement, state, turn, subtable, units, address, lookup, sharers, step, channel
):
    """READ or HIT of what every unit of a set has at one address; counts in a channel, or nowhere if NONE."""
    table = turn.table
    bursts = placement.row_bursts[table, subtable]
    for index in range(units.size):
        state.unit_accesses[member(recipe, units, index).number] += 1
    count_in(state, channel, b.ACCESSES, 1)
    kind = i.READ
    if recipe.lru and recipe.cached[table, subtable]:
        if all_cached(recipe, state, units, address, bursts):
            count_in(state, channel, b.CACHE_HITS, 1)
            count_in(state, channel, b.BYTES_CACHE, recipe.row_bytes[table, subtable])
            count_sram(recipe, state, units, b.SRAM_READS, bursts)
            kind = i.HIT
        else:
            count_in(state, channel, b.CACHE_MISSES, 1)
            count_sram(recipe, state, units, b.SRAM_FILLS, bursts)
    append_to_set(rings, recipe, units, kind, address, bursts, turn.number, lookup, sharers, step)


@helper
def emit_part(rings, recipe, placement, state, turn, units, block, address, channel, index):
    """A piece of the second row, for all lookups of a block; the access counts with the first piece."""
    counted = channel if index == 0 else np.int64(i.NONE)
    emit_local(
        rings,
        recipe,
        placement,
        state,
        turn,
        SECOND,
        units,
        address,
        block.first,
        block.length - 1,
        block.length,
        counted,
    )


@helper
def emit_operand(rings, recipe, placement, state, chunk, turn, at, units, block, j, channel):
    """Serve an access to a whole row in every unit of a set; (operands, bursts) that it brings to each."""
    table, subtable, row = turn.table, np.int64(chunk.subtable[at]), np.int64(chunk.row[at])
    lookup, step = block.first + j, block.length
    bursts = placement.row_bursts[table, subtable]
    if recipe.resident[table, subtable] > 0:
        if is_held(recipe, state, table, subtable, row, turn.number):
            count_kept(recipe, state, table, subtable, units, channel)
            count_sram(recipe, state, units, b.SRAM_READS, bursts)
            return 0, 0
        count_in(state, channel, b.CACHE_MISSES, 1)
    if recipe.demanded[table, subtable] > 0:
        # All units of a set have read the same rows in this turn: the first one stands for them.
        if demand.is_kept(recipe, state, member(recipe, units, 0).number, table, subtable, row, turn.number):
            count_kept(recipe, state, table, subtable, units, channel)
            count_sram(recipe, state, units, b.SRAM_READS, bursts)
            return 0, 0
        count_in(state, channel, b.CACHE_MISSES, 1)
        if keep_in_set(recipe, state, units, table, subtable, row, turn.number):
            count_sram(recipe, state, units, b.SRAM_FILLS, bursts)
    address = locate.find_copy(placement, table, subtable, row)
    holder = np.int64(i.NONE)
    if address == NO_COPY:
        unit, address = locate.locate_row(placement, table, subtable, row)
        holder = recipe.own_unit[unit]
    if holder == i.NONE or (units.size == 1 and holder == member(recipe, units, 0).number):
        emit_local(rings, recipe, placement, state, turn, subtable, units, address, lookup, 0, step, channel)
        return 1, bursts
    count_in(state, channel, b.ACCESSES, 1)
    state.unit_accesses[holder] += 1
    read_out(rings, recipe, turn.number, holder, units, address, bursts, lookup, step)
    return 1, bursts


@helper
def keep_in_set(recipe, state, units, table, subtable, row, turn):
    """Let all units of a set keep a row that they read, if there is room; whether there was."""
    kept = False
    for index in range(units.size):
        kept = demand.keep(recipe, state, member(recipe, units, index).number, table, subtable, row, turn)
    return kept


@helper
def read_out(rings, recipe, turn, holder, units, address, bursts, lookup, step):
    """A row that lies once is read out, and delivered to every unit of a set."""
    channel, unit = holder % recipe.channels, holder // recipe.channels
    stream = 0 if recipe.global_stream else channel
    append(
        rings,
        stream,
        i.READ_OUT,
        channel,
        unit,
        address,
        bursts,
        turn,
        lookup,
        i.NONE,
        units.size - 1,
    )
    if units.size > 1:
        set_step(rings, stream, step)
    if recipe.in_order:
        for index in range(units.size):
            append_deliver(
                rings, recipe, member(recipe, units, index), bursts, turn, lookup + index * step, 0
            )
    rings.turns[turn & rings.turn_mask, r.TURN_LEFT] += units.size


@helper
def append_to_set(rings, recipe, units, kind, address, bursts, turn, lookup, sharers, step):
    """Write an instruction that every unit of a set executes, for `lookup` and its sharers and those `step` behind."""
    if units.channel == i.ALL and not recipe.global_stream:
        for stream in range(rings.n_streams):
            first = lookup + stream * recipe.units_per_channel * step
            append(rings, stream, kind, stream, i.ALL, address, bursts, turn, first, i.NONE, sharers)
            set_step(rings, stream, step)
    else:
        stream = 0 if recipe.global_stream else units.channel
        append(rings, stream, kind, units.channel, units.unit, address, bursts, turn, lookup, i.NONE, sharers)
        if units.unit == i.ALL:
            set_step(rings, stream, step)
    rings.turns[turn & rings.turn_mask, r.TURN_LEFT] += units.size * (1 + sharers)
