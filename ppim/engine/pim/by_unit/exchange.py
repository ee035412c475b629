"""Sums of bags over all parts of a memory: where the base die adds them up, and parts run beside each other.

A part knows the partial sums of its own channels. When all that a barrier waits for is complete but transfers, it
shows these to the others, in order of readiness. With those of all parts each finds, for itself, when every bag's
sum is ready and when the last transfer ends; nothing else has to be told. Then the part serves its own channels
as if it were alone (`transfers`), the sums of bags that leave over them included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ppim.arrays import integers
from ppim.engine.codes import NEVER
from ppim.engine.pim import board as b, heap, state as s
from ppim.engine.pim.rules import barrier, collect, limits, transfers
from ppim.jit import helper
from ppim.jit.pack import pack
from ppim.jit.tables import rows_at
from ppim.program import instruction as ins, state as r
from ppim.program.state import Rings

# Columns of a line: a partial sum that waits.
READY = 0
PLACE = 1  # its channel and, in the low bits, its order there: breaks ties
TURN = 2
BAG = 3
TAKEN = 4  # cycles of the bus
LINE_COLUMNS = 5
ORDER_BITS = 44

# Columns of a bag.
LEFT = 0  # partial sums that have not come over their bus
COLLECTED = 1  # when its sum is ready, as far as known
SINCE = 2  # when the latest of its partial sums was ready
VECTOR = 3  # cycles of the bus that its sum takes
BAG_COLUMNS = 4

# Columns of a bus.
FREE = 0
WORK = 1  # cycles taken since the last barrier
BUS_COLUMNS = 2

# Positions in `marks`.
BAGS_NEEDED = 0
LINES_AT = 1  # address of the lines of even barriers, then of odd ones
N_MARKS = 3

INITIAL_BAGS = 1 << 8


class Exchange(NamedTuple):
    """What a part shows to others, and finds out from what they show; all int64.

    Attributes
    ----------
    marks : ndarray, shape (N_MARKS,)
    lines : ndarray, shape (2, sums, LINE_COLUMNS)
        Those of barriers with even and odd numbers: no part can reach a barrier before all have read what was shown at the
        last but one.
    bags : ndarray, shape (bags, BAG_COLUMNS)
        By turn and bag, those of a barrier.
    waiting : ndarray, shape (1, bags, HEAP_COLUMNS)
        A heap of bags whose sums are ready some time.
    next_line : ndarray, shape (parts,)
    bus : ndarray, shape (channels of the memory, BUS_COLUMNS)
    channels : ndarray, shape (channels of the part,)
        Their numbers in the memory.
    all_channels, bag_capacity : int
    """

    marks: np.ndarray
    lines: np.ndarray
    bags: np.ndarray
    waiting: np.ndarray
    next_line: np.ndarray
    bus: np.ndarray
    channels: np.ndarray
    all_channels: int
    bag_capacity: int


def make_exchange(rings: Rings, channels: Sequence[int], parts: int, all_channels: int) -> Exchange:
    """Nothing shown, all buses free; without lines where there is but one part."""
    exchange = Exchange(
        marks=integers(N_MARKS),
        lines=integers(2, 0, LINE_COLUMNS),
        bags=integers(INITIAL_BAGS, BAG_COLUMNS),
        waiting=integers(1, INITIAL_BAGS, heap.HEAP_COLUMNS),
        next_line=integers(parts),
        bus=integers(all_channels, BUS_COLUMNS),
        channels=np.array(channels, dtype=np.int64),
        all_channels=all_channels,
        bag_capacity=INITIAL_BAGS,
    )
    return exchange if parts == 1 else resized(exchange, rings)


def resized(exchange: Exchange, rings: Rings) -> Exchange:
    """For larger rings of sums. Others may still read the lines from before: the caller keeps them."""
    lines = integers(2, len(rings.sums), LINE_COLUMNS)
    exchange.marks[LINES_AT : LINES_AT + 2] = [lines[0].ctypes.data, lines[1].ctypes.data]
    return exchange._replace(lines=lines)


def with_more_bags(exchange: Exchange) -> Exchange:
    """Room for the bags that are needed."""
    capacity = 1 << int(exchange.marks[BAGS_NEEDED] - 1).bit_length()
    return exchange._replace(
        bags=integers(capacity, BAG_COLUMNS),
        waiting=integers(1, capacity, heap.HEAP_COLUMNS),
        bag_capacity=capacity,
    )


def pack_exchange(exchange: Exchange | None) -> Any:
    """The exchange for kernels."""
    return pack(exchange, lines=LINE_COLUMNS, bags=BAG_COLUMNS, bus=BUS_COLUMNS)


@helper(forceinline=True)
def comes_first(left, right):
    """Whether one line's transfer goes before another's."""
    if left[READY] != right[READY]:
        return left[READY] < right[READY]
    return left[PLACE] < right[PLACE]


@helper
def sort_lines(lines, n):
    """Order n lines as their transfers go (Shell's sort: they are nearly in order, and no two are equal)."""
    gap = n >> 1
    while gap > 0:
        for first in range(gap, n):
            place = first
            while place >= gap and comes_first(lines[place], lines[place - gap]):
                for column in range(LINE_COLUMNS):
                    kept = lines[place, column]
                    lines[place, column] = lines[place - gap, column]
                    lines[place - gap, column] = kept
                place -= gap
        gap >>= 1


@helper
def show(p, rings, state, exchange, board):
    """Show the others what waits at the coming barrier, and tell them that it is reached."""
    number = state.bounds[limits.BARRIERS] + 1
    line = b.line_of(p.part, number)
    shown = exchange.lines[number & 1]
    n, first_turn, last_turn, last_bag = 0, NEVER, -1, 0
    for channel in range(p.channels):
        for place in range(state.channel[channel, s.TRANSFERS_WAITING]):
            item = state.transfers[channel, place]
            row = rings.sums[item[heap.ITEM] & rings.sum_mask]
            entry = shown[n]
            entry[READY] = item[heap.READY_AT]
            entry[PLACE] = exchange.channels[channel] << ORDER_BITS | item[heap.TIE_BREAK]
            entry[TURN] = row[ins.SUM_TURN]
            entry[BAG] = row[ins.SUM_BAG]
            entry[TAKEN] = transfers.bus_cycles(p, row[ins.SUM_BURSTS])
            first_turn = min(first_turn, row[ins.SUM_TURN])
            last_turn = max(last_turn, row[ins.SUM_TURN])
            last_bag = max(last_bag, row[ins.SUM_BAG])
            n += 1
    sort_lines(shown, n)
    board[line + b.SUMS_AT] = exchange.marks[LINES_AT + (number & 1)]
    board[line + b.SUMS] = n
    board[line + b.FIRST_TURN] = first_turn
    board[line + b.LAST_TURN] = last_turn
    board[line + b.LAST_BAG] = last_bag
    end = rings.marks[r.RELEASE_NEXT]
    for turn in range(rings.marks[r.OLDEST_TURN], rings.marks[r.NEXT_TURN]):
        end = max(end, rings.turns[turn & rings.turn_mask, r.TURN_END])
    barrier.tell(p, state, board, number, end)


@helper(forceinline=True)
def take_bus(exchange, channel, ready, taken):
    """End of a transfer that is ready in cycle `ready` on a channel's bus."""
    bus = exchange.bus[channel]
    end = max(ready, bus[FREE]) + taken
    bus[FREE] = end
    bus[WORK] += taken
    return end


@helper
def count_bags(p, exchange, board, number, first_turn, bags_of_turn):
    """Count the partial sums of each bag, and begin with the first line of every part."""
    for part in range(p.parts):
        line = b.line_of(part, number)
        lines = rows_at(board[line + b.SUMS_AT], board[line + b.SUMS], LINE_COLUMNS)
        exchange.next_line[part] = 0
        for place in range(board[line + b.SUMS]):
            entry = lines[place]
            bag = exchange.bags[(entry[TURN] - first_turn) * bags_of_turn + entry[BAG]]
            bag[LEFT] += 1
            bag[VECTOR] = entry[TAKEN]


@helper(forceinline=True)
def next_part(p, exchange, board, number):
    """(The part whose next partial sum goes first of all, when that is ready), or (NONE, NEVER)."""
    found, first_ready, first_place = ins.NONE, NEVER, 0
    for part in range(p.parts):
        line = b.line_of(part, number)
        if exchange.next_line[part] == board[line + b.SUMS]:
            continue
        lines = rows_at(board[line + b.SUMS_AT], board[line + b.SUMS], LINE_COLUMNS)
        entry = lines[exchange.next_line[part]]
        if entry[READY] < first_ready or (entry[READY] == first_ready and entry[PLACE] < first_place):
            found, first_ready, first_place = part, entry[READY], entry[PLACE]
    return found, first_ready


@helper
def serve_all(p, exchange, board, number, first_turn, bags_of_turn):
    """All transfers of all parts take their buses; the end of the last one.

    As each part serves its own: by readiness; of what is ready in one cycle, sums of bags go first, in order.
    """
    end, waiting = 0, 0
    while True:
        part, ready = next_part(p, exchange, board, number)
        if waiting > 0 and exchange.waiting[0, 0, heap.READY_AT] <= ready:
            number_of_bag = exchange.waiting[0, 0, heap.TIE_BREAK]
            heap.pop(exchange.waiting, 0, waiting)
            waiting -= 1
            bag = exchange.bags[number_of_bag]
            channel = number_of_bag % bags_of_turn % exchange.all_channels
            end = max(end, take_bus(exchange, channel, bag[COLLECTED], bag[VECTOR]))
            continue
        if part == ins.NONE:
            return end
        line = b.line_of(part, number)
        lines = rows_at(board[line + b.SUMS_AT], board[line + b.SUMS], LINE_COLUMNS)
        entry = lines[exchange.next_line[part]]
        exchange.next_line[part] += 1
        arrival = take_bus(exchange, entry[PLACE] >> ORDER_BITS, entry[READY], entry[TAKEN])
        end = max(end, arrival)
        number_of_bag = (entry[TURN] - first_turn) * bags_of_turn + entry[BAG]
        bag = exchange.bags[number_of_bag]
        bag[COLLECTED] = max(bag[COLLECTED], arrival + p.collect_delay)
        bag[SINCE] = max(bag[SINCE], entry[READY])
        bag[LEFT] -= 1
        if bag[LEFT] == 0:
            heap.push(exchange.waiting, 0, waiting, bag[COLLECTED], number_of_bag, 0, 0, 0)
            waiting += 1


@helper
def send_own(rings, state, exchange, first_turn, last_turn, bags_of_turn):
    """The sums of bags that leave over the part's channels are known: they stand first in their turn."""
    for turn in range(max(first_turn, rings.marks[r.OLDEST_TURN]), last_turn + 1):
        number = rings.turns[turn & rings.turn_mask, r.TURN_FIRST_SUM]
        while number < rings.marks[r.NEXT_SUM]:
            row = rings.sums[number & rings.sum_mask]
            if row[ins.SUM_TURN] != turn or row[ins.SUM_UNIT] != ins.NONE:
                break
            bag = exchange.bags[(turn - first_turn) * bags_of_turn + row[ins.SUM_BAG]]
            row[ins.SUM_READY] = bag[COLLECTED]
            collect.send_collected(rings, state, number, bag[SINCE])
            number += 1


@helper
def join(p, rings, state, exchange, board):
    """All parts have reached the coming barrier: find out what comes of it; False to make room for more bags first."""
    number = state.bounds[limits.BARRIERS] + 1
    first_turn, last_turn, last_bag = NEVER, -1, 0
    for part in range(p.parts):
        line = b.line_of(part, number)
        first_turn = min(first_turn, board[line + b.FIRST_TURN])
        last_turn = max(last_turn, board[line + b.LAST_TURN])
        last_bag = max(last_bag, board[line + b.LAST_BAG])
    bags_of_turn = last_bag + 1
    bags = max(last_turn - first_turn + 1, 0) * bags_of_turn
    if bags > exchange.bag_capacity:
        exchange.marks[BAGS_NEEDED] = bags
        return False
    for bag in range(bags):
        for column in range(BAG_COLUMNS):
            exchange.bags[bag, column] = 0
    count_bags(p, exchange, board, number, first_turn, bags_of_turn)
    end = serve_all(p, exchange, board, number, first_turn, bags_of_turn)
    most = 0
    for channel in range(exchange.all_channels):
        most = max(most, exchange.bus[channel, WORK])
        exchange.bus[channel, WORK] = 0
    send_own(rings, state, exchange, first_turn, last_turn, bags_of_turn)
    line = b.line_of(p.part, number)
    board[line + b.JOINT_END] = end
    board[line + b.JOINT_BUS] = most
    board[line + b.JOINED] = number
    return True
