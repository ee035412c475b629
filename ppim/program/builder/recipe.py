"""What the builder knows (a recipe), reads (accesses) and remembers between calls (its state)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ppim.arrays import aligned_full, integers
from ppim.jit import helper
from ppim.program import cache, instruction as i
from ppim.program.state import Rings
from ppim.units import ceil_div

# Columns of `counts`, per channel of the unit that consumes; filled while building.
LOOKUPS = 0
ACCESSES = 1
CACHE_HITS = 2
CACHE_MISSES = 3
BYTES_CACHE = 4
PARTIAL_SUM_HITS = 5
MACS = 6  # multiply-accumulates of units
SRAM_READS = 7  # bursts that units read from their SRAMs
SRAM_FILLS = 8  # bursts that demand reads write into them
COLLECTED = 9  # bursts of vectors that collectors add to others, in the channel that they come from
MOVES = 10  # rows that have moved into a unit of the channel
N_BUILD_COUNTS = 11

# Columns of `fetched`: a row to be prefetched.
FETCHED_ADDRESS = 0
FETCHED_BURSTS = 1
FETCHED_COLUMNS = 2

# Positions in `pending`: the last turn, whose transfers are still to be emitted.
PENDING_TURN = 0  # NONE before the first turn
PENDING_FIRST_SUM = 1
PENDING_STOP_SUM = 2
PENDING_BAGS = 3
# The turn whose demand is being emitted, where the streams had no room for all of it.
OPEN_START = 4  # position of its first access in the chunk
OPEN_STOP = 5  # one past its last; NONE while no turn is open
OPEN_LOOKUPS = 6  # that are listed,
OPEN_PLACE = 7  # and the place of the first of them that is still to be emitted
SEEN_LOOKUPS = 8  # lookups of the trace so far, of whatever channels, where rows lie in parts
N_PENDING = 9

# Columns of `pieces`: of the second row of the lookups being emitted,
PIECE_UNIT = 0  # first unit that has a part of each piece, or NONE if it is served
PIECE_ADDRESS = 1
SET_ADDRESS = 2  # addresses of those in one set of units, from the first row on
PIECE_COLUMNS = 3

# Columns of `kept`.
KEPT_TURN = 0  # number of the unit's last turn, from 1
KEPT_FREE = 1  # bytes of the scratchpad that it has left
KEPT_FIRST_ROW = 2  # from here on, by row: number of the last turn that keeps it

# Bits of a word of `touched`, a power of two.
WORD_BITS = 32

# Rows of the scratch, by number of a lookup in its turn:
SCRATCH_OWNER = 0  # its unit, or NONE where that is not the program's,
SCRATCH_LARGE = 1  # the access that says which unit it is,
SCRATCH_ADDRESS = 2  # and where the row of that access lies in the unit;
SCRATCH_ORDER = 3  # by place in the turn: numbers of lookups as they come.
TURN_ROWS = 4
SCRATCH_SUM = 4  # where equal lookups are sent once: the sum of each lookup,
SCRATCH_EQUAL = 5  # and the next one with the same rows and owner, or NONE
SCRATCH_ROWS = (
    10  # where equal lookups are sent once (`equal`); behind them, where uses of rows are counted (`uses`), and
    # where rows that units have got are noted (`seen`)
)


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
    demanded : ndarray of int64, shape (tables, subtables)
        Rows of a subtable that a unit's scratchpad keeps when a turn has read them (`demand`); 0: not of this one.
    room : ndarray of int64, shape (tables,)
        Bytes of a scratchpad that they have; with `only_used`, what the turn's prefetches leave (`free`).
    compute : ndarray of int64, shape (tables,)
        Memory cycles of a lookup's arithmetic.
    compute_reused : ndarray of int64, shape (tables,)
        The same where a lookup before it has made the product of equal first and second rows.
    macs, macs_reused : ndarray of int64, shape (tables,)
        Multiply-accumulates of that arithmetic; where rows are split, in each unit.
    accesses : ndarray of int64, shape (tables,)
        Accesses of a lookup.
    reordered : ndarray of int64, shape (tables,)
        1 where a bag's lookups are ordered by their second row.
    vector_bursts : int
        Bursts of one vector of partial sums.
    own_unit : ndarray of int64, shape (units of the memory,)
        Number of a unit among those that the program is for, in the order in which their sums leave: the first
        of every channel, then the second (`number_of_unit`); NONE for other units.
    cached : ndarray of int64, shape (tables, subtables)
        With `lru`, 1 where a subtable's rows go through the cache.
    kept_subtable : ndarray of int64, shape (tables,)
        With `kept_lookups`, the subtable of whole vectors that are kept, each the sum of so many lookups, or NONE. A
        lookup whose first access is of that subtable makes no other, and stands for all of them.
    kept_compute : int
        Memory cycles to add such a vector.
    kept_macs : int
        Its elements.
    parted : ndarray of int64, shape (tables,)
        1 where the second row of a table's lookups lies in parts or pieces (`parts`).
    part_compute : ndarray of int64, shape (tables, most pieces + 1)
        Memory cycles of a lookup's arithmetic in a unit that has a part of so many pieces.
    part_reused : ndarray of int64, of the same shape
        The same where a lookup before it has made the product of equal first and second rows.
    part_macs, part_macs_reused : ndarray of int64, of the same shape
        Multiply-accumulates of that arithmetic.
    reuses : ndarray of int64, shape (tables,)
        1 where that is less.
    most_pieces, most_units : int
        Of a second row, and that have a part of a piece, of whatever table; units of the program's channels.
    """

    shared: np.ndarray
    row_bytes: np.ndarray
    resident: np.ndarray
    compute: np.ndarray
    compute_reused: np.ndarray
    macs: np.ndarray
    macs_reused: np.ndarray
    accesses: np.ndarray
    reordered: np.ndarray
    vector_bursts: int
    channels: int  # that the program is for
    units_per_channel: int
    own_unit: np.ndarray
    global_stream: int  # 1: one stream for all channels
    fetch_at_start: int  # 1: rows are prefetched once, before everything else
    fetch_each_turn: int  # 1: a turn's rows are prefetched with the transfers of a turn before it:
    turns_ahead: int  # 0: of the last one, 1: of the last but one
    only_used: int  # 1: only rows that the turn touches are prefetched
    line_bytes: np.ndarray
    turn_bytes: int
    demanded: np.ndarray
    room: np.ndarray
    transfer_all: int
    host_consumes: int  # 1: every row is read out to the host, units add nothing
    slices: int  # of the program's units, which each have a part of every row; 0: rows are whole
    in_order: int  # 1: a deliver is an instruction, behind its read-out
    accumulators: int  # bags that a unit may have open; 0: unlimited
    collect: int  # 1: collectors add up the partial sums of a bag:
    collectors: int  # as many as the units of a channel have, or 0: one for all units
    apart: int  # 1: that one adds up sums of channels that the program is not for, too
    dedup: int  # 1: equal lookups of a turn are sent once
    listed: int  # 1: a row that is read out goes to all units that need it in the turn
    seen_rows: int  # of the scratch, for rows that a unit has got in a turn (`seen`); 0: they are sent again
    lru: int  # 1: demand goes through a cache in the unit
    cached: np.ndarray
    cache_sets: int
    cache_ways: int
    bypass_below: int  # uses in a turn without which a row goes past the cache; 0: all rows are cached
    use_rows: int  # of the scratch, for counting them (`uses`)
    tables: int
    subtables: int  # most of one table
    batch_size: int
    samples: int  # of the whole trace
    tied: int  # 1: each turn waits for the same turn of another memory too
    kept_lookups: int
    kept_subtable: np.ndarray
    kept_compute: int
    kept_macs: int
    parts: int  # 1: rows of some table lie in parts, so that all go the way of `parts`
    parted: np.ndarray
    part_compute: np.ndarray
    part_reused: np.ndarray
    part_macs: np.ndarray
    part_macs_reused: np.ndarray
    reuses: np.ndarray
    most_pieces: int
    most_units: int


class Accesses(NamedTuple):
    """Accesses of whole turns: the columns of a trace chunk, and how many of its accesses are to be built.

    Attributes
    ----------
    owner : ndarray of int32, shape (accesses,) or (0,)
    address : ndarray of int64, of the same shape
        Where `found`, unit of the memory that owns a turn's k-th lookup, or NONE if any can, and address of its large row
        there: k behind the turn's first access.
    found : int
        1: the owners of all lookups have been found before (`ppim.program.owners`); 0: each turn's are found when it
        is built.
    """

    batch: np.ndarray
    table: np.ndarray
    sample: np.ndarray
    lookup: np.ndarray
    subtable: np.ndarray
    row: np.ndarray
    n: int
    owner: np.ndarray
    address: np.ndarray
    found: int


def rows_of_lookups(recipe: Recipe) -> int:
    """Rows of the scratch about a turn's lookups, and uses of rows."""
    if recipe.bypass_below:
        return SCRATCH_ROWS + 2 * recipe.use_rows
    return SCRATCH_ROWS if recipe.dedup else TURN_ROWS


def make_scratch(recipe: Recipe, rings: Rings) -> np.ndarray:
    """Scratch of `build`: for the lookups of any turn that fits the rings."""
    # Behind all else: rows that units get in a turn (`seen`), and who else gets them (`receivers`).
    rows = rows_of_lookups(recipe) + (2 + recipe.listed) * recipe.seen_rows
    return np.empty((rows, len(rings.lookups)), dtype=np.int64)


class BuildState(NamedTuple):
    """What the builder remembers between calls.

    Attributes
    ----------
    pending : ndarray of int64, shape (N_PENDING,)
    slot_of_unit : ndarray of int64, shape (units,)
        Sum of the current bag in each unit, or NONE.
    touched : ndarray of int64, shape (words,)
        A bit for each unit that owns a lookup of the current bag, WORD_BITS in a word.
    turn_lookups : ndarray of int64, shape (units of the memory,)
        Lookups of the turn that each unit owns so far, where owners are balanced.
    prefetched : ndarray of int64, shape (streams,)
        Rows of the next turn already emitted, while transfers and prefetches are merged.
    counts : ndarray of int64, shape (channels, N_BUILD_COUNTS)
    unit_accesses : ndarray of int64, shape (units,)
    opened : ndarray of int64, shape (units,)
        Sums opened in each unit so far,
    opened_before : ndarray of int64, shape (units,)
        and before the last turn.
    collected : ndarray of int64, shape (channels * collectors,)
        Sum of the current bag at each collector of a channel, or NONE.
    recent : ndarray of int64, shape (units, accumulators)
        The last ones of them, the n-th at n modulo the accumulators.
    held : ndarray of int64, shape (2, rows)
        With `only_used`, for even and odd turns and each row that may be prefetched: number of the last
        turn (from 1) that has it in its scratchpads, or less that number if it was touched but did not fit.
    fetched : ndarray of int64, shape (rows, FETCHED_COLUMNS)
        The rows to be prefetched that are being emitted.
    free : ndarray of int64, shape (2,)
        With `only_used`, bytes that the prefetches of an even and an odd turn leave of a scratchpad.
    kept : ndarray of int64, shape (units, KEPT_FIRST_ROW + rows)
        What each unit keeps of rows that were read by demand, and the turn that it is of (`demand`).
    cache_tags : ndarray of int64, shape (units, sets, ways)
    pieces : ndarray of int64, shape (most pieces, PIECE_COLUMNS)
    """

    pending: np.ndarray
    slot_of_unit: np.ndarray
    touched: np.ndarray
    turn_lookups: np.ndarray
    prefetched: np.ndarray
    counts: np.ndarray
    unit_accesses: np.ndarray
    opened: np.ndarray
    opened_before: np.ndarray
    collected: np.ndarray
    recent: np.ndarray
    held: np.ndarray
    fetched: np.ndarray
    free: np.ndarray
    kept: np.ndarray
    cache_tags: np.ndarray
    pieces: np.ndarray


def make_build_state(recipe: Recipe) -> BuildState:
    """An empty builder."""
    units = recipe.channels * recipe.units_per_channel
    streams = 1 if recipe.global_stream else recipe.channels
    sets, ways = recipe.cache_sets, recipe.cache_ways
    pending = integers(N_PENDING)
    pending[PENDING_TURN] = pending[OPEN_STOP] = i.NONE
    most_rows = int(recipe.resident.sum(axis=1).max())
    most_demanded = int(recipe.demanded.sum(axis=1).max())
    return BuildState(
        pending=pending,
        slot_of_unit=aligned_full((units,), i.NONE, np.int64),
        touched=integers(ceil_div(units, WORD_BITS)),
        turn_lookups=integers(recipe.own_unit.size),
        prefetched=integers(streams),
        counts=integers(recipe.channels, N_BUILD_COUNTS),
        unit_accesses=integers(units),
        opened=integers(units),
        opened_before=integers(units),
        collected=integers(recipe.channels * recipe.collectors),
        recent=integers(units, recipe.accumulators),
        held=integers(2, most_rows if recipe.only_used else 0),
        fetched=integers(most_rows, FETCHED_COLUMNS),
        free=integers(2),
        kept=integers(units if most_demanded else 0, KEPT_FIRST_ROW + most_demanded),
        cache_tags=aligned_full((units, sets, ways), cache.EMPTY, np.int64),
        pieces=integers(recipe.most_pieces, PIECE_COLUMNS),
    )


def recipe_for(recipe: Recipe, channels: Sequence[int]) -> Recipe:
    """The recipe of the part of the program that is for some channels, which get new numbers in this order."""
    n = recipe.units_per_channel
    own_unit = own_units(recipe.own_unit.size, n, channels)
    return recipe._replace(
        channels=len(channels),
        own_unit=own_unit,
        slices=len(channels) * n if recipe.slices else 0,
        apart=int(recipe.collect and not recipe.collectors and len(channels) * n < recipe.own_unit.size),
    )


def own_units(units: int, units_per_channel: int, channels: Sequence[int]) -> np.ndarray:
    """`own_unit` of a recipe for some channels of a memory of so many units."""
    own_unit = np.full((units // units_per_channel, units_per_channel), i.NONE, dtype=np.int64)
    own_unit[list(channels)] = np.arange(len(channels) * units_per_channel).reshape(units_per_channel, -1).T
    return own_unit.ravel()


@helper(forceinline=True)
def number_of_unit(recipe, channel, unit):
    """Number of a channel's unit among those that the program is for."""
    return unit * recipe.channels + channel


@helper(forceinline=True)
def number_of_collector(recipe, channel, unit):
    """Number of the collector of a channel's unit, where each channel has some."""
    return channel * recipe.collectors + unit * recipe.collectors // recipe.units_per_channel


@helper(forceinline=True)
def most_collected(recipe):
    """Most sums that collectors make of one bag."""
    return recipe.collect * max(recipe.channels * recipe.collectors, 1)
