"""Turns of the authors' format -> rings: the bags, lookups and sums that the format does not name.

Every read is a lookup of its own, of the unit it reads from or, with a deliver behind it, of the unit that
the deliver names; or, in a turn whose reads come in pairs, two reads are one. A turn's transfers say how many
bags it has; lookups are dealt out to the bags evenly, in order (docs/formats.md).
"""

from typing import NamedTuple

import numpy as np

from ppim.jit import helper, njit
from ppim.jit.tables import bare
from ppim.program import instruction as i, state as r
from ppim.program.authors import form as f
from ppim.program.builder import recipe as b
from ppim.program.builder.emit import append, append_transfer, write_lookup
from ppim.program.builder.prefetches import append_prefetch, emit_rest_of_prefetches
from ppim.program.builder.recipe import number_of_unit
from ppim.program.builder.sums import new_sum
from ppim.program.builder.transfers import append_merged
from ppim.program.builder.turns import has_room, open_turn

# Columns of `counts`, per channel of the unit that consumes.
LOOKUPS = 0
ACCESSES = 1
HITS = 2
ADDED = 3  # bursts that units add to their sums
HIT_BURSTS = 4  # of what is read for them, those that lie in their SRAMs
N_REPLAY_COUNTS = 5

ALONE = 1  # reads of a lookup
PAIR = 2

TOUCHED = -2  # in `slot_of_unit`: a unit whose sum in the current bag has no row yet


class Layout(NamedTuple):
    """What the builder must know of the system; constant during a run.

    Attributes
    ----------
    compute : ndarray of int64, shape (most bursts + 1,)
        Memory cycles of the arithmetic on a row of so many bursts.
    """

    channels: int
    units_per_channel: int
    global_stream: int  # 1: one stream for all channels
    transfer_all: int
    compute: np.ndarray


class ReplayState(NamedTuple):
    """What the builder counts, and its scratch.

    Attributes
    ----------
    slot_of_unit : ndarray of int64, shape (units,)
        Sum of the current bag in each unit, TOUCHED or NONE.
    fetched : ndarray of int64, shape (rows, FETCHED_COLUMNS)
        Rows of the prefetches between two turns' reads.
    prefetched : ndarray of int64, shape (streams,)
        How many of them each stream has.
    most_bags : ndarray of int64, shape (1,)
        Of a turn so far.
    counts : ndarray of int64, shape (channels, N_REPLAY_COUNTS)
    unit_accesses : ndarray of int64, shape (units,)
        Reads of each unit; units are numbered as in a recipe (`number_of_unit`).
    """

    slot_of_unit: np.ndarray
    fetched: np.ndarray
    prefetched: np.ndarray
    most_bags: np.ndarray
    counts: np.ndarray
    unit_accesses: np.ndarray


def make_replay_state(channels: int, units_per_channel: int) -> ReplayState:
    """Nothing counted."""
    units = channels * units_per_channel
    return ReplayState(
        slot_of_unit=np.full(units, i.NONE, dtype=np.int64),
        fetched=np.zeros((0, b.FETCHED_COLUMNS), dtype=np.int64),
        prefetched=np.zeros(channels, dtype=np.int64),
        most_bags=np.zeros(1, dtype=np.int64),
        counts=np.zeros((channels, N_REPLAY_COUNTS), dtype=np.int64),
        unit_accesses=np.zeros(units, dtype=np.int64),
    )


def with_room(state: ReplayState, starts: np.ndarray) -> ReplayState:
    """The same state, for turns that begin at these items: any of a turn's items may be a prefetch."""
    longest = int(np.diff(starts).max(initial=0))
    if longest <= len(state.fetched):
        return state
    return state._replace(fetched=np.zeros((longest, b.FETCHED_COLUMNS), dtype=np.int64))


@helper(forceinline=True)
def is_demand(items, at):
    """Whether an item is a read or its deliver."""
    return items[at, f.ITEM_KIND] == f.READ_LINE or items[at, f.ITEM_KIND] == f.DELIVER_LINE


@helper(forceinline=True)
def count_items(items, start, stop, kind):
    """Items of one kind."""
    n = 0
    for at in range(start, stop):
        if items[at, f.ITEM_KIND] == kind:
            n += 1
    return n


@helper(forceinline=True)
def is_delivered(items, at, stop):
    """Whether the read at `at` has a deliver behind it."""
    return at + 1 < stop and items[at + 1, f.ITEM_KIND] == f.DELIVER_LINE


@helper(forceinline=True)
def owner_of(layout, items, at, stop):
    """Number of the unit that the row read at `at` is for."""
    place = at + 1 if is_delivered(items, at, stop) else at
    return number_of_unit(layout, items[place, f.ITEM_CHANNEL], items[place, f.ITEM_UNIT])


@helper
def reads_of_lookup(layout, items, first, end):
    """PAIR if all reads of a turn come two by two, some of the second ones delivered to where the first is read."""
    at, travel = first, False
    while at < end:
        second = at + 1
        if is_delivered(items, at, end) or second == end:
            return ALONE
        if owner_of(layout, items, at, end) != owner_of(layout, items, second, end):
            return ALONE
        delivered = is_delivered(items, second, end)
        travel |= delivered
        at += 3 if delivered else 2
    return PAIR if travel else ALONE


@helper(forceinline=True)
def end_of_bag(bag, bags, reads, together):
    """One past the last read of a bag: lookups of so many reads `together` are dealt out evenly to `bags`."""
    return ((bag + 1) * (reads // together) + bags - 1) // bags * together


@helper(forceinline=True)
def count_sums(layout, items, state, first, end, reads, together, bags):
    """Pairs of a bag and a unit's number in its channel that have a lookup in any channel."""
    pairs, at, taken = 0, first, 0
    units = layout.units_per_channel
    for bag in range(bags):
        stop = end_of_bag(bag, bags, reads, together)
        while taken < stop:
            number = owner_of(layout, items, at, end) // layout.channels
            if state.slot_of_unit[number] == i.NONE:
                state.slot_of_unit[number] = TOUCHED
                pairs += 1
            at += 2 if is_delivered(items, at, end) else 1
            taken += 1
        for number in range(units):
            state.slot_of_unit[number] = i.NONE
    return pairs


@helper(forceinline=True)
def guess_bags(layout, items, state, first, end, reads, together, transfers):
    """How many bags a turn has, by its transfers: one for each unit of a channel and bag, or for each sum.

    Where sums are too few to tell, as many as the turn that had most so far, if that explains the transfers.
    """
    units = layout.units_per_channel
    if reads == 0:
        return 0
    if transfers == 0:
        return 1
    if layout.transfer_all and transfers % units == 0:
        return transfers // units
    usual = state.most_bags[0]
    if usual > 0 and count_sums(layout, items, state, first, end, reads, together, usual) == transfers:
        return usual
    bags = (transfers + units - 1) // units
    most = min(transfers, reads // together)
    while bags < most and count_sums(layout, items, state, first, end, reads, together, bags) < transfers:
        bags += 1
    state.most_bags[0] = max(usual, bags)
    return bags


@helper(forceinline=True)
def list_prefetches(items, state, start, stop):
    """List the rows of the prefetches in start..stop-1; their number."""
    n_rows = 0
    for at in range(start, stop):
        if items[at, f.ITEM_KIND] == f.PREFETCH_LINE:
            state.fetched[n_rows, b.FETCHED_ADDRESS] = items[at, f.ITEM_ADDRESS]
            state.fetched[n_rows, b.FETCHED_BURSTS] = items[at, f.ITEM_BURSTS]
            n_rows += 1
    return n_rows


@helper(forceinline=True)
def spread_transfer(rings, layout, state, turn, unit, bursts, first, stop, prefetch_turn, n_rows):
    """A transfer of the sums first..stop-1 in the streams of their channels, a prefetch behind each."""
    for channel in range(layout.channels):
        own = 0
        for number in range(first, stop):
            row = rings.sums[number & rings.sum_mask]
            if row[i.SUM_CHANNEL] == channel:
                holder = row[i.SUM_UNIT]
                append_merged(
                    rings, layout, state, channel, holder, bursts, turn, number, 1, prefetch_turn, n_rows
                )
                own += 1
        if own == 0 and layout.transfer_all:
            append_merged(rings, layout, state, channel, unit, bursts, turn, first, 0, prefetch_turn, n_rows)


@helper(forceinline=True)
def append_others(rings, layout, items, state, start, stop, turn, prefetch_turn, bags, transfers):
    """Transfers of a turn and prefetches of `prefetch_turn`.

    One stream has them in the order of the file. A stream of its own merges the transfers of its channel one
    to one with the prefetches, as the program of a trace does (docs/model.md §1).
    """
    units = layout.units_per_channel
    position = rings.turns[turn & rings.turn_mask, r.TURN_FIRST_SUM]
    end = rings.marks[r.NEXT_SUM]
    n_rows = list_prefetches(items, state, start, stop)
    index = 0
    for at in range(start, stop):
        if items[at, f.ITEM_KIND] == f.PREFETCH_LINE and layout.global_stream:
            append_prefetch(rings, layout, state, 0, prefetch_turn, state.prefetched[0])
            state.prefetched[0] += 1
        if items[at, f.ITEM_KIND] != f.TRANSFER_LINE:
            continue
        first, bag, unit = position, index // units, index % units
        if transfers != bags * units and position < end:
            # Not one for every unit and bag: one for every sum that there is.
            bag = rings.sums[position & rings.sum_mask, i.SUM_BAG]
            unit = rings.sums[position & rings.sum_mask, i.SUM_UNIT]
        index += 1
        while position < end and (
            index == transfers
            or (
                rings.sums[position & rings.sum_mask, i.SUM_BAG] == bag
                and rings.sums[position & rings.sum_mask, i.SUM_UNIT] == unit
            )
        ):
            position += 1
        bursts = items[at, f.ITEM_BURSTS]
        if layout.global_stream:
            append_transfer(rings, layout, i.ALL, unit, bursts, turn, first, position - first)
        else:
            spread_transfer(rings, layout, state, turn, unit, bursts, first, position, prefetch_turn, n_rows)
    emit_rest_of_prefetches(rings, layout, state, prefetch_turn, n_rows)


@helper(forceinline=True)
def open_sums(rings, layout, items, state, start, stop, turn, bag):
    """Sums of the bag whose reads are start..stop-1, by unit of the channel, then channel."""
    at = start
    while at < stop:
        state.slot_of_unit[owner_of(layout, items, at, stop)] = TOUCHED
        at += 2 if is_delivered(items, at, stop) else 1
    for unit in range(layout.units_per_channel):
        for channel in range(layout.channels):
            number = number_of_unit(layout, channel, unit)
            if state.slot_of_unit[number] == TOUCHED:
                state.slot_of_unit[number] = new_sum(rings, channel, unit, bag, turn)


@helper(forceinline=True)
def bursts_added(items, at, vector_bursts):
    """Bursts of the row of a read; a `HIT` has a vector in its unit."""
    return items[at, f.ITEM_BURSTS] if items[at, f.ITEM_BURSTS] > 0 else vector_bursts


@helper(forceinline=True)
def append_read(rings, layout, items, state, at, stop, turn, number, vector_bursts):
    """A read of a lookup with its deliver; items taken."""
    channel, unit = items[at, f.ITEM_CHANNEL], items[at, f.ITEM_UNIT]
    address, bursts = items[at, f.ITEM_ADDRESS], items[at, f.ITEM_BURSTS]
    delivered = is_delivered(items, at, stop)
    kind = i.READ_OUT if delivered else i.READ
    counts = state.counts[owner_of(layout, items, at, stop) % layout.channels]
    counts[ACCESSES] += 1
    state.unit_accesses[number_of_unit(layout, channel, unit)] += 1
    if bursts == 0:
        kind = i.HIT
        counts[HITS] += 1
        counts[HIT_BURSTS] += vector_bursts
    stream = 0 if layout.global_stream else channel
    append(rings, stream, kind, channel, unit, address, bursts, turn, number, i.NONE, 0)
    rings.turns[turn & rings.turn_mask, r.TURN_LEFT] += 1
    return 2 if delivered else 1


@helper(forceinline=True)
def append_lookup(rings, layout, items, state, at, stop, turn, together, vector_bursts):
    """A lookup and its reads, one or two; items taken.

    Two rows are multiplied and added element by element: one multiply-accumulate for each of the longer one.
    """
    owner = owner_of(layout, items, at, stop)
    worked, bursts = bursts_added(items, at, vector_bursts), items[at, f.ITEM_BURSTS]
    if together == PAIR:
        worked = max(worked, bursts_added(items, at + 1, vector_bursts))
        bursts += items[at + 1, f.ITEM_BURSTS]
    counts = state.counts[owner % layout.channels]
    counts[LOOKUPS] += 1
    counts[ADDED] += worked
    number = rings.marks[r.NEXT_LOOKUP]
    rings.marks[r.NEXT_LOOKUP] = number + 1
    write_lookup(rings, number, state.slot_of_unit[owner], together, layout.compute[worked], bursts)
    taken = 0
    for _ in range(together):
        taken += append_read(rings, layout, items, state, at + taken, stop, turn, number, vector_bursts)
    return taken


@helper(forceinline=True)
def vector_of_turn(items, start, stop):
    """Bursts that the first transfer in start..stop-1 moves; 0 without any."""
    for at in range(start, stop):
        if items[at, f.ITEM_KIND] == f.TRANSFER_LINE:
            return items[at, f.ITEM_BURSTS]
    return 0


@helper(forceinline=True)
def append_turn(rings, layout, items, state, start, stop):
    """Write a turn and what stands before the next."""
    first = start
    while first < stop and not is_demand(items, first):
        first += 1
    end = first
    while end < stop and is_demand(items, end):
        end += 1
    turn = open_turn(rings, rings.marks[r.NEXT_TURN], 0)
    append_others(rings, layout, items, state, start, first, turn, turn, 0, 0)
    reads = count_items(items, first, end, f.READ_LINE)
    together = reads_of_lookup(layout, items, first, end)
    transfers = count_items(items, end, stop, f.TRANSFER_LINE)
    bags = guess_bags(layout, items, state, first, end, reads, together, transfers)
    vector_bursts = vector_of_turn(items, end, stop)
    at, taken = first, 0
    for bag in range(bags):
        bag_end = at
        while taken < end_of_bag(bag, bags, reads, together):
            bag_end += 2 if is_delivered(items, bag_end, end) else 1
            taken += 1
        open_sums(rings, layout, items, state, at, bag_end, turn, bag)
        while at < bag_end:
            at += append_lookup(rings, layout, items, state, at, bag_end, turn, together, vector_bursts)
        for unit in range(layout.channels * layout.units_per_channel):
            state.slot_of_unit[unit] = i.NONE
    append_others(rings, layout, items, state, end, stop, turn, turn + 1, bags, transfers)
    rings.turns[turn & rings.turn_mask, r.TURN_CLOSED] = 1


@njit
def append_turns(rings, layout, owned_items, starts, state, turn):
    """Append turns from number `turn` of this stretch on while they fit.

    Returns
    -------
    int
        Number of the first turn that was not taken.
    """
    items = bare(owned_items)
    while turn < len(starts) - 1:
        start, stop = starts[turn], starts[turn + 1]
        # A transfer may become one for each sum of a channel: as many as there are lookups.
        items_of_turn = stop - start
        if not has_room(rings, items_of_turn, items_of_turn, 2 * items_of_turn):
            break
        append_turn(rings, layout, items, state, start, stop)
        turn += 1
    return turn
