"""Turns of the authors' format -> rings: the bags, lookups and sums that the format does not name.

Every read is a lookup of its own, of the unit it reads from or, with a deliver behind it, of the unit that
the deliver names. A turn's transfers say how many bags it has; lookups are dealt out to the bags evenly, in
order (docs/formats.md).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppim.jit import helper, njit
from ppim.jit.tables import bare
from ppim.program.authors import DELIVER_LINE, PREFETCH_LINE, READ_LINE, TRANSFER_LINE
from ppim.program.authors_read import ITEM_ADDRESS, ITEM_BURSTS, ITEM_CHANNEL, ITEM_KIND, ITEM_UNIT
from ppim.program.builder.emit import append
from ppim.program.builder.sums import new_sum
from ppim.program.instruction import (
    ALL,
    HIT,
    LOOKUP_BURSTS,
    LOOKUP_COMPUTE,
    LOOKUP_OPERANDS,
    LOOKUP_READY,
    LOOKUP_SUM,
    NONE,
    PREFETCH,
    READ,
    READ_OUT,
    SUM_BAG,
    SUM_CHANNEL,
    SUM_LOOKUPS,
    SUM_UNIT,
    TRANSFER,
)
from ppim.program.state import (
    HEAD,
    NEXT_LOOKUP,
    NEXT_SUM,
    NEXT_TURN,
    OLDEST_TURN,
    TAIL,
    TURN_BATCH,
    TURN_CLOSED,
    TURN_COLUMNS,
    TURN_FIRST_LOOKUP,
    TURN_FIRST_SUM,
    TURN_LEFT,
    bare_rings,
)

# Columns of `counts`, per channel of the unit that consumes.
LOOKUPS = 0
HITS = 1
N_REPLAY_COUNTS = 2

TOUCHED = -2  # in `slots`: a unit whose sum in the current bag has no row yet


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
    slots : ndarray of int64, shape (units,)
        Sum of the current bag in each unit, TOUCHED or NONE.
    cursors : ndarray of int64, shape (channels,)
        Item from which on each stream's next prefetch is sought.
    most_bags : ndarray of int64, shape (1,)
        Of a turn so far.
    counts : ndarray of int64, shape (channels, N_REPLAY_COUNTS)
    unit_accesses : ndarray of int64, shape (units,)
        Reads of each unit.
    """

    slots: np.ndarray
    cursors: np.ndarray
    most_bags: np.ndarray
    counts: np.ndarray
    unit_accesses: np.ndarray


def make_replay_state(channels: int, units_per_channel: int) -> ReplayState:
    """Nothing counted."""
    units = channels * units_per_channel
    return ReplayState(
        slots=np.full(units, NONE, dtype=np.int64),
        cursors=np.zeros(channels, dtype=np.int64),
        most_bags=np.zeros(1, dtype=np.int64),
        counts=np.zeros((channels, N_REPLAY_COUNTS), dtype=np.int64),
        unit_accesses=np.zeros(units, dtype=np.int64),
    )


@helper(forceinline=True)
def is_demand(items, at):
    """Whether an item is a read or its deliver."""
    return items[at, ITEM_KIND] == READ_LINE or items[at, ITEM_KIND] == DELIVER_LINE


@helper(forceinline=True)
def count_items(items, start, stop, kind):
    """Items of one kind."""
    n = 0
    for at in range(start, stop):
        if items[at, ITEM_KIND] == kind:
            n += 1
    return n


@helper(forceinline=True)
def is_delivered(items, at, stop):
    """Whether the read at `at` has a deliver behind it."""
    return at + 1 < stop and items[at + 1, ITEM_KIND] == DELIVER_LINE


@helper(forceinline=True)
def owner_of(layout, items, at, stop):
    """Unit, over all channels, that the row read at `at` is for."""
    place = at + 1 if is_delivered(items, at, stop) else at
    return items[place, ITEM_CHANNEL] * layout.units_per_channel + items[place, ITEM_UNIT]


@helper(forceinline=True)
def end_of_bag(bag, bags, lookups):
    """One past the last lookup of a bag: `lookups` dealt out evenly to `bags`."""
    return ((bag + 1) * lookups + bags - 1) // bags


@helper(forceinline=True)
def count_sums(layout, items, state, first, end, lookups, bags):
    """Pairs of a bag and a unit's number in its channel that have a lookup in any channel."""
    pairs, at, taken = 0, first, 0
    units = layout.units_per_channel
    for bag in range(bags):
        stop = end_of_bag(bag, bags, lookups)
        while taken < stop:
            number = owner_of(layout, items, at, end) % units
            if state.slots[number] == NONE:
                state.slots[number] = TOUCHED
                pairs += 1
            at += 2 if is_delivered(items, at, end) else 1
            taken += 1
        for number in range(units):
            state.slots[number] = NONE
    return pairs


@helper(forceinline=True)
def guess_bags(layout, items, state, first, end, lookups, transfers):
    """How many bags a turn has, by its transfers: one for each unit of a channel and bag, or for each sum.

    Where sums are too few to tell, as many as the turn that had most so far, if that explains the transfers.
    """
    units = layout.units_per_channel
    if lookups == 0:
        return 0
    if transfers == 0:
        return 1
    if layout.transfer_all and transfers % units == 0:
        return transfers // units
    usual = state.most_bags[0]
    if usual > 0 and count_sums(layout, items, state, first, end, lookups, usual) == transfers:
        return usual
    bags = (transfers + units - 1) // units
    most = min(transfers, lookups)
    while bags < most and count_sums(layout, items, state, first, end, lookups, bags) < transfers:
        bags += 1
    state.most_bags[0] = max(usual, bags)
    return bags


@helper(forceinline=True)
def append_prefetch(rings, layout, items, at, stream, turn):
    """A prefetch goes to every unit of a stream's channels."""
    address, bursts = items[at, ITEM_ADDRESS], items[at, ITEM_BURSTS]
    channel = ALL if layout.global_stream else stream
    append(rings, stream, PREFETCH, channel, ALL, address, bursts, turn, NONE, NONE, 0)


@helper(forceinline=True)
def append_next_prefetch(rings, layout, items, state, stop, stream, turn):
    """The next prefetch before `stop` that the stream does not have; whether there was one."""
    at = state.cursors[stream]
    while at < stop and items[at, ITEM_KIND] != PREFETCH_LINE:
        at += 1
    state.cursors[stream] = at + 1
    if at >= stop:
        return False
    append_prefetch(rings, layout, items, at, stream, turn)
    return True


@helper(forceinline=True)
def append_transfer(rings, layout, turn, channel, unit, bursts, first, n_sums):
    """A transfer completes once for each of its sums; an empty one once."""
    stream = 0 if layout.global_stream else channel
    append(rings, stream, TRANSFER, channel, unit, 0, bursts, turn, NONE, first, n_sums)
    rings.turns[turn & rings.turn_mask, TURN_LEFT] += max(n_sums, 1)


@helper(forceinline=True)
def spread_transfer(
    rings, layout, items, state, prefetch_stop, turn, prefetch_turn, unit, bursts, first, stop
):
    """A transfer of the sums first..stop-1 in the streams of their channels, a prefetch behind each."""
    for channel in range(layout.channels):
        own = 0
        for number in range(first, stop):
            if rings.sums[number & rings.sum_mask, SUM_CHANNEL] != channel:
                continue
            holder = rings.sums[number & rings.sum_mask, SUM_UNIT]
            append_transfer(rings, layout, turn, channel, holder, bursts, number, 1)
            append_next_prefetch(rings, layout, items, state, prefetch_stop, channel, prefetch_turn)
            own += 1
        if own == 0 and layout.transfer_all:
            append_transfer(rings, layout, turn, channel, unit, bursts, first, 0)
            append_next_prefetch(rings, layout, items, state, prefetch_stop, channel, prefetch_turn)


@helper(forceinline=True)
def append_others(rings, layout, items, state, start, stop, turn, prefetch_turn, bags, transfers):
    """Transfers of a turn and prefetches of `prefetch_turn`.

    One stream has them in the order of the file. A stream of its own merges the transfers of its channel one
    to one with the prefetches, as the program of a trace does (docs/model.md §1).
    """
    units = layout.units_per_channel
    position = rings.turns[turn & rings.turn_mask, TURN_FIRST_SUM]
    end = rings.marks[NEXT_SUM]
    index = 0
    for stream in range(rings.n_streams):
        state.cursors[stream] = start
    for at in range(start, stop):
        if items[at, ITEM_KIND] == PREFETCH_LINE and layout.global_stream:
            append_prefetch(rings, layout, items, at, 0, prefetch_turn)
        if items[at, ITEM_KIND] != TRANSFER_LINE:
            continue
        first, bag, unit = position, index // units, index % units
        if transfers != bags * units and position < end:
            # Not one for every unit and bag: one for every sum that there is.
            bag = rings.sums[position & rings.sum_mask, SUM_BAG]
            unit = rings.sums[position & rings.sum_mask, SUM_UNIT]
        index += 1
        while position < end and (
            index == transfers
            or (
                rings.sums[position & rings.sum_mask, SUM_BAG] == bag
                and rings.sums[position & rings.sum_mask, SUM_UNIT] == unit
            )
        ):
            position += 1
        bursts = items[at, ITEM_BURSTS]
        if layout.global_stream:
            append_transfer(rings, layout, turn, ALL, unit, bursts, first, position - first)
        else:
            spread_transfer(
                rings, layout, items, state, stop, turn, prefetch_turn, unit, bursts, first, position
            )
    if not layout.global_stream:
        for stream in range(rings.n_streams):
            while append_next_prefetch(rings, layout, items, state, stop, stream, prefetch_turn):
                pass


@helper(forceinline=True)
def open_sums(rings, layout, items, state, start, stop, turn, bag):
    """Sums of the bag whose reads are start..stop-1, by unit of the channel, then channel."""
    units = layout.units_per_channel
    at = start
    while at < stop:
        state.slots[owner_of(layout, items, at, stop)] = TOUCHED
        at += 2 if is_delivered(items, at, stop) else 1
    for unit in range(units):
        for channel in range(layout.channels):
            if state.slots[channel * units + unit] != TOUCHED:
                continue
            state.slots[channel * units + unit] = new_sum(rings, channel, unit, bag, turn)


@helper(forceinline=True)
def append_read(rings, layout, items, state, at, stop, turn, vector_bursts):
    """A read with its deliver, and the lookup that it makes; items taken."""
    channel, unit = items[at, ITEM_CHANNEL], items[at, ITEM_UNIT]
    address, bursts = items[at, ITEM_ADDRESS], items[at, ITEM_BURSTS]
    delivered = is_delivered(items, at, stop)
    owner = owner_of(layout, items, at, stop)
    kind = READ_OUT if delivered else READ
    counts = state.counts[owner // layout.units_per_channel]
    counts[LOOKUPS] += 1
    state.unit_accesses[channel * layout.units_per_channel + unit] += 1
    worked = bursts
    if bursts == 0:
        kind, worked = HIT, vector_bursts
        counts[HITS] += 1
    number = rings.marks[NEXT_LOOKUP]
    rings.marks[NEXT_LOOKUP] = number + 1
    row = rings.lookups[number & rings.lookup_mask]
    row[LOOKUP_SUM] = state.slots[owner]
    row[LOOKUP_OPERANDS] = 1
    row[LOOKUP_COMPUTE] = layout.compute[worked]
    row[LOOKUP_READY] = 0
    row[LOOKUP_BURSTS] = bursts
    rings.sums[state.slots[owner] & rings.sum_mask, SUM_LOOKUPS] += 1
    stream = 0 if layout.global_stream else channel
    append(rings, stream, kind, channel, unit, address, bursts, turn, number, NONE, 0)
    rings.turns[turn & rings.turn_mask, TURN_LEFT] += 1
    return 2 if delivered else 1


@helper(forceinline=True)
def vector_of_turn(items, start, stop):
    """Bursts that the first transfer in start..stop-1 moves; 0 without any."""
    for at in range(start, stop):
        if items[at, ITEM_KIND] == TRANSFER_LINE:
            return items[at, ITEM_BURSTS]
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
    turn = rings.marks[NEXT_TURN]
    rings.marks[NEXT_TURN] = turn + 1
    row = rings.turns[turn & rings.turn_mask]
    for column in range(TURN_COLUMNS):
        row[column] = 0
    row[TURN_BATCH] = turn
    row[TURN_FIRST_LOOKUP] = rings.marks[NEXT_LOOKUP]
    row[TURN_FIRST_SUM] = rings.marks[NEXT_SUM]
    append_others(rings, layout, items, state, start, first, turn, turn, 0, 0)
    lookups = count_items(items, first, end, READ_LINE)
    transfers = count_items(items, end, stop, TRANSFER_LINE)
    bags = guess_bags(layout, items, state, first, end, lookups, transfers)
    vector_bursts = vector_of_turn(items, end, stop)
    at, taken = first, 0
    for bag in range(bags):
        bag_end = at
        while taken < end_of_bag(bag, bags, lookups):
            bag_end += 2 if is_delivered(items, bag_end, end) else 1
            taken += 1
        open_sums(rings, layout, items, state, at, bag_end, turn, bag)
        while at < bag_end:
            at += append_read(rings, layout, items, state, at, bag_end, turn, vector_bursts)
        for unit in range(layout.channels * layout.units_per_channel):
            state.slots[unit] = NONE
    append_others(rings, layout, items, state, end, stop, turn, turn + 1, bags, transfers)
    row[TURN_CLOSED] = 1


@helper(forceinline=True)
def has_room(rings, n_items):
    """Whether a turn of `n_items` surely fits."""
    turn = rings.marks[NEXT_TURN]
    oldest = rings.turns[rings.marks[OLDEST_TURN] & rings.turn_mask]
    live = turn > rings.marks[OLDEST_TURN]
    first_lookup = oldest[TURN_FIRST_LOOKUP] if live else rings.marks[NEXT_LOOKUP]
    first_sum = oldest[TURN_FIRST_SUM] if live else rings.marks[NEXT_SUM]
    if turn + 1 - rings.marks[OLDEST_TURN] > rings.turn_mask + 1:
        return False
    if rings.marks[NEXT_LOOKUP] + n_items - first_lookup > rings.lookup_mask + 1:
        return False
    if rings.marks[NEXT_SUM] + n_items - first_sum > rings.sum_mask + 1:
        return False
    for stream in range(rings.n_streams):
        # A transfer may become one for each sum of a channel: as many as there are lookups.
        if rings.stream[stream, TAIL] - rings.stream[stream, HEAD] + 2 * n_items > rings.instruction_mask + 1:
            return False
    return True


@njit
def append_turns(owned_rings, owned_layout, owned_items, starts, owned_state, turn):
    """Append turns from number `turn` of this stretch on while they fit.

    Returns
    -------
    int
        Number of the first turn that was not taken.
    """
    rings, items = bare_rings(owned_rings), bare(owned_items)
    layout = Layout(
        owned_layout.channels,
        owned_layout.units_per_channel,
        owned_layout.global_stream,
        owned_layout.transfer_all,
        bare(owned_layout.compute),
    )
    state = ReplayState(
        bare(owned_state.slots),
        bare(owned_state.cursors),
        bare(owned_state.most_bags),
        bare(owned_state.counts),
        bare(owned_state.unit_accesses),
    )
    while turn < len(starts) - 1:
        start, stop = starts[turn], starts[turn + 1]
        if not has_room(rings, stop - start):
            break
        append_turn(rings, layout, items, state, start, stop)
        turn += 1
    return turn
