"""Trace accesses -> instructions, a turn (one table's part of one batch) at a time.

`docs/model.md` §1 is what this file does. Everything that depends on program order alone is decided
here: owners of lookups, cache contents, which instruction goes to which stream. Times are the engine's.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppim.jit import helper, njit
from ppim.mapping.base import DUPLICATED, NO_COPY, Placement, bare_placement, find_copy, locate_row
from ppim.program.cache import probe
from ppim.program.instruction import (
    ADDRESS,
    ALL,
    BURSTS,
    CHANNEL,
    DELIVER,
    HIT,
    KIND,
    LOOKUP,
    LOOKUP_BURSTS,
    LOOKUP_COMPUTE,
    LOOKUP_OPERANDS,
    LOOKUP_READY,
    LOOKUP_SUM,
    N_SUMS,
    NONE,
    ORDER,
    PREFETCH,
    READ,
    READ_OUT,
    SUM,
    SUM_BAG,
    SUM_BURSTS,
    SUM_CHANNEL,
    SUM_LOOKUPS,
    SUM_ORDER,
    SUM_ORDINAL,
    SUM_PARENT,
    SUM_READY,
    SUM_SENT,
    SUM_TURN,
    SUM_UNIT,
    TRANSFER,
    TURN,
    UNIT,
)
from ppim.program.state import (
    HEAD,
    NEXT_LOOKUP,
    NEXT_READ_OUT,
    NEXT_SUM,
    NEXT_TURN,
    OLDEST_TURN,
    TAIL,
    TURN_BATCH,
    TURN_CLOSED,
    TURN_COLUMNS,
    TURN_FIRST_LOOKUP,
    TURN_FIRST_SUM,
    TURN_GROUPS,
    TURN_LEFT,
    Rings,
    bare_rings,
)
from ppim.tables import bare

# When the rows of a prefetched subtable enter the scratchpad.
PREFETCH_NONE = 0
PREFETCH_TABLE = 1
PREFETCH_ALL = 2
PREFETCH_NEXT = 3  # as PREFETCH_TABLE, a turn earlier

# Columns of `counts`, per channel of the unit that consumes; filled while building.
LOOKUPS = 0
ACCESSES = 1
CACHE_HITS = 2
CACHE_MISSES = 3
BYTES_CACHE = 4
PARTIAL_SUM_HITS = 5
N_BUILD_COUNTS = 6

# `sample` of the only access that stands for a turn without accesses (the other memory has some).
EMPTY_TURN = (1 << 32) - 1

# Columns of `fetched`: a row to be prefetched.
FETCHED_ADDRESS = 0
FETCHED_BURSTS = 1
FETCHED_COLUMNS = 2

# Positions in `pending`: the turn whose transfers are still to be emitted.
PENDING_TURN = 0  # NONE before the first turn
PENDING_FIRST_SUM = 1
PENDING_STOP_SUM = 2
PENDING_BAGS = 3
N_PENDING = 4


# Parts of the scratch of a turn whose equal lookups are sent once, each as long as the chunk; the first is a bag's.
OWNERS = 1  # unit of a lookup, by the position of its first access in the turn; NONE once it is sent
SUMS = 2
EQUAL = 3  # next lookup with the same rows and owner, or NONE
LAST_EQUAL = 4  # hash table of the last lookup of each kind; at most four times as many places as lookups
SCRATCH_PARTS = 9

HASH_MULTIPLIER = (
    0x2545F4914F6CDD1D  # odd; Vigna, An experimental exploration of Marsaglia's xorshift generators
)
HASH_MASK = (1 << 62) - 1


class Recipe(NamedTuple):
    """What the builder must know of trace, mapping and system; constant during a run.

    Attributes
    ----------
    shared : ndarray of int64, shape (tables, subtables)
    row_bytes : ndarray of int64, shape (tables, subtables)
    resident : ndarray of int64, shape (tables, subtables)
        Rows 0..n-1 of a subtable that its turn finds in every scratchpad; with `only_used`, may find.
    line_bytes : ndarray of int64, shape (tables, subtables)
        Scratchpad that a row takes.
    turn_bytes : int
        Scratchpad that the rows of a turn may take.
    compute : ndarray of int64, shape (tables,)
        Memory cycles of a lookup's arithmetic.
    compute_reused : ndarray of int64, shape (tables,)
        The same where a lookup before it has made the product of equal first and second rows.
    reordered : ndarray of int64, shape (tables,)
        Accesses of a lookup where a bag's lookups are ordered by their second row; else 0.
    vector_bursts : int
        Bursts of one vector of partial sums.
    cached : ndarray of int64, shape (tables, subtables)
        With `lru`, 1 where a subtable's rows go through the cache.
    kept_subtable : ndarray of int64, shape (tables,)
        With `has_kept`, the subtable of whole vectors that are kept, or NONE. A lookup whose first access is of
        that subtable makes no other.
    kept_compute : int
        Memory cycles to add such a vector.
    """

    shared: np.ndarray
    row_bytes: np.ndarray
    resident: np.ndarray
    compute: np.ndarray
    compute_reused: np.ndarray
    reordered: np.ndarray
    vector_bursts: int
    channels: int
    units_per_channel: int
    global_stream: int  # 1: one stream for all channels
    prefetch: int
    only_used: int  # 1: only rows that the turn touches are prefetched
    line_bytes: np.ndarray
    turn_bytes: int
    transfer_all: int
    host_consumes: int  # 1: every row is read out to the host, units add nothing
    slices: int  # units that each row is split over; 0: rows are whole
    in_order: int  # 1: a deliver is an instruction, behind its read-out
    accumulators: int  # bags that a unit may have open; 0: unlimited
    collect: int  # 1: a collector adds up the partial sums of a bag
    dedup: int  # 1: equal lookups of a turn are sent once
    lru: int  # 1: demand goes through a cache in the unit
    cached: np.ndarray
    cache_sets: int
    cache_ways: int
    tables: int
    subtables: int  # most of one table
    batch_size: int
    samples: int  # of the whole trace
    tied: int  # 1: each turn waits for the same turn of another memory too
    has_kept: int
    kept_subtable: np.ndarray
    kept_compute: int


class Accesses(NamedTuple):
    """Accesses of whole turns: the columns of a trace chunk, and how many of its accesses are to be built."""

    batch: np.ndarray
    table: np.ndarray
    sample: np.ndarray
    lookup: np.ndarray
    subtable: np.ndarray
    row: np.ndarray
    n: int


def scratch_size(recipe: Recipe, n: int) -> int:
    """Length of the scratch of `build` for a chunk of n accesses."""
    return n * SCRATCH_PARTS if recipe.dedup else n


class BuildState(NamedTuple):
    """What the builder remembers between calls.

    Attributes
    ----------
    pending : ndarray of int64, shape (N_PENDING,)
    slot_of_unit : ndarray of int64, shape (units,)
        Sum of the current bag in each unit, or NONE.
    touched : ndarray of int64, shape (units,)
    turn_lookups : ndarray of int64, shape (units,)
        Lookups of the turn that each unit owns so far, where owners are balanced.
    prefetched : ndarray of int64, shape (streams,)
        Rows of the next turn already emitted, while transfers and prefetches are merged.
    counts : ndarray of int64, shape (channels, N_BUILD_COUNTS)
    unit_accesses : ndarray of int64, shape (units,)
    opened : ndarray of int64, shape (units,)
        Sums opened in each unit so far.
    recent : ndarray of int64, shape (units, accumulators)
        The last ones of them, the n-th at n modulo the accumulators.
    held : ndarray of int64, shape (2, rows)
        With `only_used`, for even and odd turns and each row that may be prefetched: number of the last
        turn (from 1) that has it in its scratchpads, or less that number if it was touched but did not fit.
    fetched : ndarray of int64, shape (rows, FETCHED_COLUMNS)
        With `only_used`, the rows to be prefetched that are being emitted.
    cache_tags, cache_stamps : ndarray of int64, shape (units, sets, ways)
    """

    pending: np.ndarray
    slot_of_unit: np.ndarray
    touched: np.ndarray
    turn_lookups: np.ndarray
    prefetched: np.ndarray
    counts: np.ndarray
    unit_accesses: np.ndarray
    opened: np.ndarray
    recent: np.ndarray
    held: np.ndarray
    fetched: np.ndarray
    cache_tags: np.ndarray
    cache_stamps: np.ndarray


@helper(forceinline=True)
def bare_recipe(recipe):
    """The same recipe as bare tables, for use inside a kernel."""
    return Recipe(
        bare(recipe.shared),
        bare(recipe.row_bytes),
        bare(recipe.resident),
        bare(recipe.compute),
        bare(recipe.compute_reused),
        bare(recipe.reordered),
        recipe.vector_bursts,
        recipe.channels,
        recipe.units_per_channel,
        recipe.global_stream,
        recipe.prefetch,
        recipe.only_used,
        bare(recipe.line_bytes),
        recipe.turn_bytes,
        recipe.transfer_all,
        recipe.host_consumes,
        recipe.slices,
        recipe.in_order,
        recipe.accumulators,
        recipe.collect,
        recipe.dedup,
        recipe.lru,
        bare(recipe.cached),
        recipe.cache_sets,
        recipe.cache_ways,
        recipe.tables,
        recipe.subtables,
        recipe.batch_size,
        recipe.samples,
        recipe.tied,
        recipe.has_kept,
        bare(recipe.kept_subtable),
        recipe.kept_compute,
    )


@helper(forceinline=True)
def bare_build_state(state):
    """The same builder's state as bare tables, for use inside a kernel."""
    return BuildState(
        bare(state.pending),
        bare(state.slot_of_unit),
        bare(state.touched),
        bare(state.turn_lookups),
        bare(state.prefetched),
        bare(state.counts),
        bare(state.unit_accesses),
        bare(state.opened),
        bare(state.recent),
        bare(state.held),
        bare(state.fetched),
        bare(state.cache_tags),
        bare(state.cache_stamps),
    )


@helper(forceinline=True)
def bare_accesses(accesses):
    """The same accesses as bare tables, for use inside a kernel."""
    return Accesses(
        bare(accesses.batch),
        bare(accesses.table),
        bare(accesses.sample),
        bare(accesses.lookup),
        bare(accesses.subtable),
        bare(accesses.row),
        accesses.n,
    )


@helper(forceinline=True)
def append(rings, stream, kind, channel, unit, address, bursts, turn, lookup, first_sum, n_sums):
    """Write one instruction at the tail of a stream."""
    mask = rings.instruction_mask
    row = rings.instructions[stream, rings.stream[stream, TAIL] & mask]
    row[KIND] = kind
    row[CHANNEL] = channel
    row[UNIT] = unit
    row[ADDRESS] = address
    row[BURSTS] = bursts
    row[TURN] = turn
    row[LOOKUP] = lookup
    row[SUM] = first_sum
    row[N_SUMS] = n_sums
    if kind == READ_OUT:
        row[ORDER] = rings.marks[NEXT_READ_OUT]
        rings.marks[NEXT_READ_OUT] += 1
    rings.stream[stream, TAIL] += 1


@helper
def append_deliver(rings, recipe, owner, bursts, turn, lookup, sharers):
    """Write the deliver of the read-out that was written last, to its lookup's owner."""
    channel, unit = owner // recipe.units_per_channel, owner % recipe.units_per_channel
    stream = 0 if recipe.global_stream else channel
    order = rings.marks[NEXT_READ_OUT] - 1
    append(rings, stream, DELIVER, channel, unit, 0, bursts, turn, lookup, order, sharers)


@helper(forceinline=True)
def count_resident(recipe, table):
    """Rows that a turn of `table` prefetches."""
    total = 0
    for subtable in range(recipe.subtables):
        total += recipe.resident[table, subtable]
    return total


@helper(forceinline=True)
def held_index(recipe, table, subtable, row):
    """Position of a row among all rows of a table that may be prefetched."""
    index = row
    for earlier in range(subtable):
        index += recipe.resident[table, earlier]
    return index


@helper(forceinline=True)
def choose_used_rows(recipe, placement, state, chunk, start, stop, turn):
    """List the rows that the turn at start..stop-1 touches, in ascending order, as far as they fit; their number."""
    table = np.int64(chunk.table[start])
    held = state.held[turn & 1]
    for i in range(start, stop):
        subtable = np.int64(chunk.subtable[i])
        if recipe.resident[table, subtable] > 0:
            held[held_index(recipe, table, subtable, np.int64(chunk.row[i]))] = -(turn + 1)
    n_rows = 0
    free = recipe.turn_bytes
    for subtable in range(recipe.subtables):
        bursts = placement.row_bursts[table, subtable]
        for row in range(recipe.resident[table, subtable]):
            index = held_index(recipe, table, subtable, row)
            if held[index] == -(turn + 1) and recipe.line_bytes[table, subtable] <= free:
                held[index] = turn + 1
                free -= recipe.line_bytes[table, subtable]
                state.fetched[n_rows, FETCHED_ADDRESS] = placement.base[table, subtable] + row * bursts
                state.fetched[n_rows, FETCHED_BURSTS] = bursts
                n_rows += 1
    return n_rows


@helper(forceinline=True)
def is_empty_turn(chunk, start):
    """Whether the turn that begins at `start` has no accesses in this memory."""
    return np.int64(chunk.sample[start]) == EMPTY_TURN


@helper(forceinline=True)
def choose_rows(recipe, placement, state, chunk, start, stop, turn):
    """Rows to be prefetched for the turn at start..stop-1."""
    if is_empty_turn(chunk, start):
        return 0
    if recipe.only_used:
        return choose_used_rows(recipe, placement, state, chunk, start, stop, turn)
    return count_resident(recipe, np.int64(chunk.table[start]))


@helper(forceinline=True)
def is_held(recipe, state, table, subtable, row, turn):
    """Whether a turn finds a row in every scratchpad."""
    if recipe.only_used:
        return state.held[turn & 1, held_index(recipe, table, subtable, row)] == turn + 1
    return row < recipe.resident[table, subtable]


@helper(forceinline=True)
def append_prefetch(rings, recipe, placement, state, stream, turn, table, index):
    """Emit the prefetch of the index-th row for a turn of `table`."""
    if recipe.only_used:
        address, bursts = state.fetched[index, FETCHED_ADDRESS], state.fetched[index, FETCHED_BURSTS]
        channel = ALL if recipe.global_stream else stream
        append(rings, stream, PREFETCH, channel, ALL, address, bursts, turn, NONE, NONE, 0)
        return
    for subtable in range(recipe.subtables):
        rows = recipe.resident[table, subtable]
        if index < rows:
            bursts = placement.row_bursts[table, subtable]
            address = placement.base[table, subtable] + index * bursts
            channel = ALL if recipe.global_stream else stream
            append(rings, stream, PREFETCH, channel, ALL, address, bursts, turn, NONE, NONE, 0)
            return
        index -= rows


@helper(forceinline=True)
def append_transfer(
    rings, recipe, placement, state, channel, unit, first_sum, n_sums, next_turn, next_table, n_rows
):
    """Emit a transfer and, one to one, the next prefetch of the following turn in that stream."""
    stream = 0 if recipe.global_stream else channel
    turn = state.pending[PENDING_TURN]
    append(
        rings,
        stream,
        TRANSFER,
        ALL if recipe.global_stream else channel,
        unit,
        0,
        recipe.vector_bursts,
        turn,
        NONE,
        first_sum,
        n_sums,
    )
    # A transfer of several sums completes once for each; an empty one once.
    rings.turns[turn & rings.turn_mask, TURN_LEFT] += max(n_sums, 1)
    if state.prefetched[stream] < n_rows:
        append_prefetch(
            rings, recipe, placement, state, stream, next_turn, next_table, state.prefetched[stream]
        )
        state.prefetched[stream] += 1


@helper
def has_left(rings, recipe, state, number):
    """Whether a sum's transfer stands before the first instruction of a sum that needed its accumulator."""
    row = rings.sums[number & rings.sum_mask]
    unit = row[SUM_CHANNEL] * recipe.units_per_channel + row[SUM_UNIT]
    return row[SUM_ORDINAL] + recipe.accumulators < state.opened[unit]


@helper(forceinline=True)
def emit_transfers(rings, recipe, placement, state, next_turn, next_table, n_rows):
    """Transfers of the pending turn, merged one to one with `n_rows` prefetches of the next."""
    sum_mask = rings.sum_mask
    position = state.pending[PENDING_FIRST_SUM]
    stop = state.pending[PENDING_STOP_SUM]
    for bag in range(0 if recipe.host_consumes else state.pending[PENDING_BAGS]):
        # The sum of a bag's collector stands before its partial sums, and leaves by itself.
        if recipe.collect and position < stop and rings.sums[position & sum_mask, SUM_BAG] == bag:
            position += 1
        for unit in range(recipe.units_per_channel):
            first = position
            while (
                position < stop
                and rings.sums[position & sum_mask, SUM_BAG] == bag
                and rings.sums[position & sum_mask, SUM_UNIT] == unit
            ):
                position += 1
            if recipe.global_stream:
                if position > first or recipe.transfer_all:
                    append_transfer(
                        rings,
                        recipe,
                        placement,
                        state,
                        ALL,
                        unit,
                        first,
                        position - first,
                        next_turn,
                        next_table,
                        n_rows,
                    )
                continue
            for channel in range(recipe.channels):
                has_sum = first < position and rings.sums[first & sum_mask, SUM_CHANNEL] == channel
                if has_sum and recipe.accumulators and has_left(rings, recipe, state, first):
                    first += 1
                    continue
                if has_sum or recipe.transfer_all:
                    append_transfer(
                        rings,
                        recipe,
                        placement,
                        state,
                        channel,
                        unit,
                        first,
                        1 if has_sum else 0,
                        next_turn,
                        next_table,
                        n_rows,
                    )
                if has_sum:
                    first += 1
    rings.turns[state.pending[PENDING_TURN] & rings.turn_mask, TURN_CLOSED] = 1
    state.pending[PENDING_TURN] = NONE


@helper(forceinline=True)
def emit_rest_of_prefetches(rings, recipe, placement, state, turn, table, n_rows):
    """Prefetches that found no transfer to be merged with."""
    for stream in range(rings.n_streams):
        for index in range(state.prefetched[stream], n_rows):
            append_prefetch(rings, recipe, placement, state, stream, turn, table, index)
        state.prefetched[stream] = 0


@njit
def flush_transfers(owned_rings, owned_recipe, owned_placement, owned_state):
    """End of the program: transfers of the last turn."""
    rings, recipe = bare_rings(owned_rings), bare_recipe(owned_recipe)
    placement, state = bare_placement(owned_placement), bare_build_state(owned_state)
    if state.pending[PENDING_TURN] != NONE:
        emit_transfers(rings, recipe, placement, state, NONE, 0, 0)


@njit
def prefetch_all(owned_rings, owned_recipe, owned_placement, owned_state):
    """Start of the program under `prefetch = "all"`: every table's resident rows, once."""
    rings, recipe = bare_rings(owned_rings), bare_recipe(owned_recipe)
    placement, state = bare_placement(owned_placement), bare_build_state(owned_state)
    for table in range(recipe.tables):
        n_rows = count_resident(recipe, table)
        emit_rest_of_prefetches(rings, recipe, placement, state, 0, table, n_rows)


@helper(forceinline=True)
def find_owner(recipe, placement, chunk, start, stop):
    """Unit of the first row of a lookup that is not shared (or of its first row, if all are).

    NONE if every unit has a copy of that row: any of them can serve the lookup.
    """
    table = np.int64(chunk.table[start])
    large = start
    while large < stop and recipe.shared[table, np.int64(chunk.subtable[large])]:
        large += 1
    if large == stop:
        large = start
    subtable, row = np.int64(chunk.subtable[large]), np.int64(chunk.row[large])
    if placement.mode[table, subtable] == DUPLICATED:
        return row % placement.units
    if placement.copy_mask and find_copy(placement, table, subtable, row) != NO_COPY:
        return np.int64(NONE)
    return locate_row(placement, table, subtable, row)[0]


@helper
def balance_owners(recipe, placement, state, chunk, owners, start, stop):
    """Owners of a bag's lookups where rows have copies: those without a choice first.

    Then, in trace order, each lookup whose large row lies in every unit goes to the unit that has the
    fewest lookups of the turn so far; of these the first unit of every channel comes first, then the second.
    """
    i = start
    while i < stop:
        after = end_of_lookup(chunk, i, stop)
        owner = find_owner(recipe, placement, chunk, i, after)
        owners[i - start] = owner
        if owner != NONE:
            state.turn_lookups[owner] += 1
        i = after
    i = start
    while i < stop:
        if owners[i - start] == NONE:
            owner = 0
            for unit in range(recipe.units_per_channel):
                for other in range(unit, placement.units, recipe.units_per_channel):
                    if state.turn_lookups[other] < state.turn_lookups[owner]:
                        owner = other
            owners[i - start] = owner
            state.turn_lookups[owner] += 1
        i = end_of_lookup(chunk, i, stop)


@helper(forceinline=True)
def end_of_lookup(chunk, start, stop):
    """One past the last access of the lookup that begins at `start`."""
    i = start + 1
    while i < stop and chunk.lookup[i] == chunk.lookup[start] and chunk.sample[i] == chunk.sample[start]:
        i += 1
    return i


@helper(forceinline=True)
def end_of_bag(chunk, start, stop):
    """One past the last access of the bag that begins at `start`."""
    i = start + 1
    while i < stop and chunk.sample[i] == chunk.sample[start]:
        i += 1
    return i


@helper(forceinline=True)
def end_of_turn(chunk, start, n):
    """One past the last access of the turn that begins at `start`, of accesses 0..n-1."""
    i = start + 1
    while i < n and chunk.table[i] == chunk.table[start] and chunk.batch[i] == chunk.batch[start]:
        i += 1
    return i


@helper
def free_accumulator(rings, recipe, state, channel, unit, ordinal, number, turn):
    """The unit's sum `number`, its `ordinal`-th, needs an accumulator: the sum that has it leaves, if it is of the turn.

    Sums of turns before it have their transfers in the program already.
    """
    recent = state.recent[channel * recipe.units_per_channel + unit]
    older = recent[ordinal % recipe.accumulators]
    recent[ordinal % recipe.accumulators] = number
    if ordinal >= recipe.accumulators and older >= rings.turns[turn & rings.turn_mask, TURN_FIRST_SUM]:
        append(rings, channel, TRANSFER, channel, unit, 0, recipe.vector_bursts, turn, NONE, older, 1)
        rings.turns[turn & rings.turn_mask, TURN_LEFT] += 1


@helper(forceinline=True)
def open_sum(rings, recipe, state, channel, unit, bag, turn):
    """Allocate the sum of a bag in a unit; its number."""
    number = rings.marks[NEXT_SUM]
    rings.marks[NEXT_SUM] = number + 1
    index = channel * recipe.units_per_channel + unit
    ordinal = state.opened[index]
    state.opened[index] = ordinal + 1
    if recipe.accumulators:
        free_accumulator(rings, recipe, state, channel, unit, ordinal, number, turn)
    row = rings.sums[number & rings.sum_mask]
    row[SUM_ORDINAL] = ordinal
    row[SUM_CHANNEL] = channel
    row[SUM_UNIT] = unit
    row[SUM_BAG] = bag
    row[SUM_TURN] = turn
    row[SUM_LOOKUPS] = 0
    row[SUM_READY] = 0
    row[SUM_SENT] = NONE
    row[SUM_PARENT] = NONE
    return number


@helper
def open_collected(rings, recipe, bag, turn, n_sums):
    """Allocate the sum that a collector makes of a bag's partial sums, which follow it."""
    number = rings.marks[NEXT_SUM]
    rings.marks[NEXT_SUM] = number + 1
    row = rings.sums[number & rings.sum_mask]
    row[SUM_CHANNEL] = bag % recipe.channels
    row[SUM_UNIT] = NONE
    row[SUM_BAG] = bag
    row[SUM_TURN] = turn
    row[SUM_LOOKUPS] = n_sums
    row[SUM_READY] = 0
    row[SUM_SENT] = 0
    row[SUM_ORDER] = 0
    row[SUM_BURSTS] = recipe.vector_bursts
    row[SUM_PARENT] = NONE
    row[SUM_ORDINAL] = 0
    rings.turns[turn & rings.turn_mask, TURN_LEFT] += 1


@helper(forceinline=True)
def open_sums(rings, recipe, placement, state, chunk, owners, start, stop, turn):
    """Allocate the sums of the bag in start..stop-1, by unit of the channel, then channel."""
    n_touched = 0
    if placement.copy_mask:
        balance_owners(recipe, placement, state, chunk, owners, start, stop)
    i = start
    while i < stop:
        after = end_of_lookup(chunk, i, stop)
        if not placement.copy_mask:
            owners[i - start] = find_owner(recipe, placement, chunk, i, after)
        owner = owners[i - start]
        if state.slot_of_unit[owner] == NONE:
            state.slot_of_unit[owner] = 0
            key = (owner % recipe.units_per_channel) * recipe.channels + owner // recipe.units_per_channel
            place = n_touched
            while place > 0 and state.touched[place - 1] > key:
                state.touched[place] = state.touched[place - 1]
                place -= 1
            state.touched[place] = key
            n_touched += 1
        i = after
    if recipe.collect:
        open_collected(rings, recipe, np.int64(chunk.sample[start]), turn, n_touched)
    for index in range(n_touched):
        unit = state.touched[index] // recipe.channels
        channel = state.touched[index] % recipe.channels
        number = open_sum(rings, recipe, state, channel, unit, np.int64(chunk.sample[start]), turn)
        if recipe.collect:
            rings.sums[number & rings.sum_mask, SUM_PARENT] = number - 1 - index
        state.slot_of_unit[channel * recipe.units_per_channel + unit] = number
    return n_touched


@helper(forceinline=True)
def close_sums(recipe, state, n_touched):
    """Forget the bag's sums."""
    for index in range(n_touched):
        unit = state.touched[index] // recipe.channels
        channel = state.touched[index] % recipe.channels
        state.slot_of_unit[channel * recipe.units_per_channel + unit] = NONE


@helper(forceinline=True)
def emit_access(rings, recipe, placement, state, chunk, i, owner, lookup, sharers, turn):
    """Serve one access; returns (operands, bursts kept in the unit) it brings by instruction.

    So many `sharers`, the lookups behind this one, use the row too.
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
    holder = owner
    address = find_copy(placement, table, subtable, row)
    if address == NO_COPY:
        holder, address = locate_row(placement, table, subtable, row)
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
def append_hit(rings, recipe, owner, turn, lookup, sharers):
    """All rows of a lookup lie in its unit, which still has to be told to add them."""
    channel, unit = owner // recipe.units_per_channel, owner % recipe.units_per_channel
    stream = 0 if recipe.global_stream else channel
    append(rings, stream, HIT, channel, unit, 0, 0, turn, lookup, NONE, sharers)
    rings.turns[turn & rings.turn_mask, TURN_LEFT] += 1 + sharers


@helper(forceinline=True)
def emit_lookup(rings, recipe, placement, state, chunk, start, stop, owner, turn, kept, sharers, compute):
    """Instructions of one lookup.

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
        brought, bursts = emit_access(rings, recipe, placement, state, chunk, i, owner, number, users, turn)
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


@helper(forceinline=True)
def order_by_second_row(chunk, places, start, n_lookups, width):
    """Order a bag's lookups of `width` accesses by their second rows, equal ones as in the trace.

    places[k * width + 1] receives the position in the bag of the lookup that comes k-th. (Shell's sort, of
    numbers that are all different.)
    """
    for k in range(n_lookups):
        places[k * width + 1] = np.int64(chunk.row[start + k * width + 1]) * n_lookups + k
    gap = n_lookups >> 1
    while gap > 0:
        for k in range(gap, n_lookups):
            value = places[k * width + 1]
            j = k
            while j >= gap and places[(j - gap) * width + 1] > value:
                places[j * width + 1] = places[(j - gap) * width + 1]
                j -= gap
            places[j * width + 1] = value
        gap >>= 1
    for k in range(n_lookups):
        places[k * width + 1] %= n_lookups


@helper(forceinline=True)
def lookup_at(places, start, place, width):
    """First access of the lookup that comes at `place` of the bag that begins at `start`."""
    return start + width * places[place - start + 1] if width else place


@helper(forceinline=True)
def same_second_row(chunk, owners, start, left, right):
    """Whether two lookups of a bag use one second row in one unit."""
    return chunk.row[left + 1] == chunk.row[right + 1] and owners[left - start] == owners[right - start]


@helper(forceinline=True)
def count_sharers(chunk, owners, start, stop, place, width):
    """Lookups that come directly behind the one at `place` and use its second row in its unit."""
    first = lookup_at(owners, start, place, width)
    ahead = place + width
    while ahead < stop and same_second_row(
        chunk, owners, start, first, lookup_at(owners, start, ahead, width)
    ):
        ahead += width
    return (ahead - place) // width - 1


@helper(forceinline=True)
def has_product(chunk, owners, start, run, place, width, step):
    """Whether a lookup at run..place-1 has the first row of the one at `place`."""
    row = chunk.row[lookup_at(owners, start, place, width)]
    while run < place:
        if chunk.row[lookup_at(owners, start, run, width)] == row:
            return True
        run += step
    return False


@helper(forceinline=True)
def emit_bag(rings, recipe, placement, state, chunk, owners, start, stop, turn):
    """Instructions of one bag; a second row is read once, a product made once (docs/model.md §1, §6)."""
    table = np.int64(chunk.table[start])
    width = recipe.reordered[table]
    full, reused = recipe.compute[table], recipe.compute_reused[table]
    if width > 0:
        order_by_second_row(chunk, owners, start, (stop - start) // width, width)
    run = start  # place of the first of the lookups with this second row
    place = start
    while place < stop:
        first = lookup_at(owners, start, place, width)
        after = end_of_lookup(chunk, first, stop)
        compute, kept, sharers = full, 0, 0
        if width > 0 or reused < full:
            if not same_second_row(chunk, owners, start, lookup_at(owners, start, run, width), first):
                run = place
            if reused < full and has_product(chunk, owners, start, run, place, width, after - first):
                compute = reused
            if width > 0 and run < place:
                kept = 1
            elif width > 0:
                sharers = count_sharers(chunk, owners, start, stop, place, width)
        owner = owners[first - start]
        stop_reading = after
        if recipe.has_kept and np.int64(chunk.subtable[first]) == recipe.kept_subtable[table]:
            stop_reading, compute = first + 1, recipe.kept_compute
            count_kept_vector(recipe, state, owner, after - stop_reading)
        emit_lookup(
            rings, recipe, placement, state, chunk, first, stop_reading, owner, turn, kept, sharers, compute
        )
        place += after - first


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
        n_touched = open_sums(rings, recipe, placement, state, chunk, scratch, position, end, turn)
        i = position
        while i < end:
            owner = scratch[i - position]
            scratch[OWNERS * total + i - start] = owner
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
        brought, bursts = emit_access(rings, recipe, placement, state, chunk, i, owner, number, sharers, turn)
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


@helper
def emit_split_bag(rings, recipe, placement, state, chunk, start, stop, turn):
    """Instructions of one bag whose rows are split over all units: every unit executes each of them.

    A lookup of the trace is one of every unit, a bag has a sum in every unit.
    """
    first_sum = rings.marks[NEXT_SUM]
    for unit in range(recipe.units_per_channel):
        for channel in range(recipe.channels):
            open_sum(rings, recipe, state, channel, unit, np.int64(chunk.sample[start]), turn)
    i = start
    while i < stop:
        after = end_of_lookup(chunk, i, stop)
        emit_split_lookup(rings, recipe, placement, state, chunk, i, after, turn, first_sum)
        i = after


@helper
def emit_split_lookup(rings, recipe, placement, state, chunk, start, stop, turn, first_sum):
    """Instructions of one lookup that all units execute, and what each of them adds to its sum."""
    table = np.int64(chunk.table[start])
    first = rings.marks[NEXT_LOOKUP]
    rings.marks[NEXT_LOOKUP] = first + recipe.slices
    # No channel has more of it than another: it counts in each in turn.
    channel = first // recipe.slices % recipe.channels
    state.counts[channel, LOOKUPS] += 1
    bursts = 0
    for i in range(start, stop):
        bursts += emit_split_access(rings, recipe, placement, state, chunk, i, channel, first, turn)
    for index in range(recipe.slices):
        channel, unit = index // recipe.units_per_channel, index % recipe.units_per_channel
        number = first_sum + unit * recipe.channels + channel
        row = rings.lookups[(first + index) & rings.lookup_mask]
        row[LOOKUP_SUM] = number
        row[LOOKUP_OPERANDS] = stop - start
        row[LOOKUP_COMPUTE] = recipe.compute[table]
        row[LOOKUP_READY] = 0
        row[LOOKUP_BURSTS] = bursts
        rings.sums[number & rings.sum_mask, SUM_LOOKUPS] += 1


@helper
def emit_split_access(rings, recipe, placement, state, chunk, i, channel, first, turn):
    """One access that all units serve, each with its slice; returns the bursts that each keeps.

    Lookups from `first` on, one a unit, use it. It counts in `channel`.
    """
    table = np.int64(chunk.table[i])
    subtable = np.int64(chunk.subtable[i])
    bursts = placement.row_bursts[table, subtable]
    address = placement.base[table, subtable] + np.int64(chunk.row[i]) * bursts
    counts = state.counts[channel]
    counts[ACCESSES] += 1
    for unit in range(recipe.slices):
        state.unit_accesses[unit] += 1
    kind = READ
    if recipe.lru and recipe.cached[table, subtable]:
        # The caches of all units hold the same rows: one stands for them all.
        if probe(recipe, state.cache_tags[0], state.cache_stamps[0], address, bursts):
            counts[CACHE_HITS] += 1
            counts[BYTES_CACHE] += recipe.row_bytes[table, subtable]
            kind = HIT
        else:
            counts[CACHE_MISSES] += 1
    for stream in range(rings.n_streams):
        reached = ALL if recipe.global_stream else stream
        lookup = first + stream * recipe.units_per_channel
        append(rings, stream, kind, reached, ALL, address, bursts, turn, lookup, NONE, 0)
    rings.turns[turn & rings.turn_mask, TURN_LEFT] += recipe.slices
    return bursts


@helper(forceinline=True)
def has_room(rings, recipe, n_accesses, n_bags, n_rows):
    """Whether a turn of `n_accesses` surely fits the rings, before the transfers of the one before it."""
    oldest = rings.turns[rings.marks[OLDEST_TURN] & rings.turn_mask]
    turn = rings.marks[NEXT_TURN]
    live = turn > rings.marks[OLDEST_TURN]
    first_lookup = oldest[TURN_FIRST_LOOKUP] if live else rings.marks[NEXT_LOOKUP]
    first_sum = oldest[TURN_FIRST_SUM] if live else rings.marks[NEXT_SUM]
    if turn + 1 - rings.marks[OLDEST_TURN] > rings.turn_mask + 1:
        return False
    parts = max(recipe.slices, 1) + recipe.collect
    if rings.marks[NEXT_LOOKUP] + n_accesses * parts - first_lookup > rings.lookup_mask + 1:
        return False
    if rings.marks[NEXT_SUM] + n_accesses * parts - first_sum > rings.sum_mask + 1:
        return False
    # A deliver may stand behind each access, and a transfer before it.
    per_access = 1 + recipe.in_order + min(recipe.accumulators, 1)
    # Transfers of the pending turn are bounded by one per unit and bag, or by its sums.
    transfers = n_bags * recipe.units_per_channel * (1 if recipe.global_stream else recipe.channels)
    for stream in range(rings.n_streams):
        used = rings.stream[stream, TAIL] - rings.stream[stream, HEAD]
        if used + n_accesses * per_access + transfers + n_rows > rings.instruction_mask + 1:
            return False
    return True


@helper(forceinline=True)
def rows_to_prefetch(recipe, chunk, start, stop, total, first_turn):
    """Most rows whose prefetches go before the demand of the turn at start..stop-1."""
    rows = 0
    if recipe.prefetch == PREFETCH_TABLE or (recipe.prefetch == PREFETCH_NEXT and first_turn):
        rows += count_resident(recipe, np.int64(chunk.table[start]))
    if recipe.prefetch == PREFETCH_NEXT and stop < total:
        rows += count_resident(recipe, np.int64(chunk.table[stop]))
    return rows


@helper(forceinline=True)
def start_turn(rings, recipe, placement, state, chunk, start, stop, total, turn):
    """What goes before a turn's demand: transfers of the turn before it, merged with prefetches."""
    fetched_turn, first, last = turn, start, stop
    if recipe.prefetch == PREFETCH_NEXT:
        if turn == 0:
            table = np.int64(chunk.table[start])
            n_rows = choose_rows(recipe, placement, state, chunk, start, stop, turn)
            emit_rest_of_prefetches(rings, recipe, placement, state, turn, table, n_rows)
        fetched_turn, first = turn + 1, stop
        last = end_of_turn(chunk, stop, total) if stop < total else stop
    n_rows, table = 0, 0
    if first < last and (recipe.prefetch == PREFETCH_TABLE or recipe.prefetch == PREFETCH_NEXT):
        n_rows = choose_rows(recipe, placement, state, chunk, first, last, fetched_turn)
        table = np.int64(chunk.table[first])
    if state.pending[PENDING_TURN] != NONE:
        emit_transfers(rings, recipe, placement, state, fetched_turn, table, n_rows)
    emit_rest_of_prefetches(rings, recipe, placement, state, fetched_turn, table, n_rows)


@helper(forceinline=True)
def begin_turn(rings, recipe, placement, state, chunk, position, stop, total):
    """Open the turn at position..stop-1 and emit what goes before its demand; False if it does not fit."""
    first_turn = rings.marks[NEXT_TURN] == 0
    most_rows = rows_to_prefetch(recipe, chunk, position, stop, total, first_turn)
    batch = np.int64(chunk.batch[position])
    # The last bags of a turn may be empty.
    bags = min(recipe.batch_size, recipe.samples - batch * recipe.batch_size)
    if not is_empty_turn(chunk, position):
        bags = max(bags, np.int64(chunk.sample[stop - 1]) + 1)
    if not has_room(rings, recipe, stop - position, max(bags, state.pending[PENDING_BAGS]), most_rows):
        return False
    turn = rings.marks[NEXT_TURN]
    rings.marks[NEXT_TURN] = turn + 1
    row = rings.turns[turn & rings.turn_mask]
    row[TURN_LEFT] = recipe.tied
    row[TURN_CLOSED] = 0
    for column in range(TURN_GROUPS, TURN_COLUMNS):
        row[column] = 0
    row[TURN_BATCH] = batch
    row[TURN_FIRST_LOOKUP] = rings.marks[NEXT_LOOKUP]
    row[TURN_FIRST_SUM] = rings.marks[NEXT_SUM]
    start_turn(rings, recipe, placement, state, chunk, position, stop, total, turn)
    state.pending[PENDING_TURN] = turn
    state.pending[PENDING_FIRST_SUM] = rings.marks[NEXT_SUM]
    state.pending[PENDING_BAGS] = bags
    if placement.copy_mask:
        for unit in range(placement.units):
            state.turn_lookups[unit] = 0
    return True


@njit
def build(owned_rings, owned_recipe, owned_placement, owned_state, accesses, position, scratch):
    """Append whole turns from chunk position `position` on while they fit.

    Parameters
    ----------
    accesses : Accesses
        Whole turns. Accesses behind the first n are those of the turn after them, to be looked at only.
    scratch : ndarray of int64, shape (`scratch_size`,)
        For owners of lookups, and behind them the order of lookups.

    Returns
    -------
    int
        Position of the first access that was not taken.
    """
    rings, recipe = bare_rings(owned_rings), bare_recipe(owned_recipe)
    placement, state = bare_placement(owned_placement), bare_build_state(owned_state)
    chunk, owners = bare_accesses(accesses), bare(scratch)
    n, total = chunk.n, accesses.row.size
    while position < n:
        stop = end_of_turn(chunk, position, n)
        if not begin_turn(rings, recipe, placement, state, chunk, position, stop, total):
            return position
        turn = state.pending[PENDING_TURN]
        if is_empty_turn(chunk, position):
            position = stop
        while position < stop:
            end = end_of_bag(chunk, position, stop)
            n_touched = open_sums(rings, recipe, placement, state, chunk, owners, position, end, turn)
            emit_bag(rings, recipe, placement, state, chunk, owners, position, end, turn)
            close_sums(recipe, state, n_touched)
            position = end
        state.pending[PENDING_STOP_SUM] = rings.marks[NEXT_SUM]
    return position


@njit
def build_joint(owned_rings, owned_recipe, owned_placement, owned_state, accesses, position, scratch):
    """`build` where an instruction serves lookups of several units or bags: rows are split, or sent once.

    A kernel of its own, so that systems without either do not wait for its compilation.
    """
    rings, recipe = bare_rings(owned_rings), bare_recipe(owned_recipe)
    placement, state = bare_placement(owned_placement), bare_build_state(owned_state)
    chunk, places = bare_accesses(accesses), bare(scratch)
    n, total = chunk.n, accesses.row.size
    while position < n:
        stop = end_of_turn(chunk, position, n)
        if not begin_turn(rings, recipe, placement, state, chunk, position, stop, total):
            return position
        turn = state.pending[PENDING_TURN]
        if is_empty_turn(chunk, position):
            position = stop
        elif recipe.dedup:
            emit_turn_once(rings, recipe, placement, state, chunk, places, position, stop, total, turn)
            position = stop
        while position < stop:
            end = end_of_bag(chunk, position, stop)
            emit_split_bag(rings, recipe, placement, state, chunk, position, end, turn)
            position = end
        state.pending[PENDING_STOP_SUM] = rings.marks[NEXT_SUM]
    return position


def build_turns(
    rings: Rings,
    recipe: Recipe,
    placement: Placement,
    state: BuildState,
    accesses: Accesses,
    position: int,
    scratch: np.ndarray,
) -> int:
    """Append whole turns while they fit; position of the first access that was not taken (see `build`)."""
    kernel = build_joint if recipe.slices or recipe.dedup else build
    return int(kernel(rings, recipe, placement, state, accesses, position, scratch))
