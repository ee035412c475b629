"""Classes of cycles (docs/model.md §9) from bits: for each cycle and kind, whether that was true of it.

Units are simulated one after the other, so what holds in a cycle is learnt in no order of time. Each kind has
a bit a cycle in a ring; when all is known of a stretch, its words are combined by precedence and counted.
What lasts long (the bus, slots, waiting entries) is kept as a stretch and painted when it ends or is counted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ppim.engine.pim.account import (
    BUSY,
    IDLE,
    STALL_BANK,
    STALL_BUS,
    STALL_COMPUTE,
    STALL_ISSUE,
    STALL_REFRESH,
    bits_between,
)
from ppim.engine.pim.apart.state import (
    ACTIVE,
    COMPUTES,
    HELD_FROM,
    HOLDING,
    MOVES,
    N_KINDS,
    REFRESHES,
    RESERVED,
    RESERVED_END,
    RESERVED_FROM,
    SENDING_END,
    SENDING_FROM,
    SENDS,
    SETTLED,
    UNDER_WAY,
    USED_END,
    USED_FROM,
    WAITING_FROM,
    WAITS,
)
from ppim.engine.pim.heap import READY, SIZE
from ppim.engine.pim.state import ACTS_AFTER, TRANSFERS_WAITING, Parameters
from ppim.jit import helper
from ppim.jit.bits import population

WORD_SHIFT = 5
WORD_CYCLES = 1 << WORD_SHIFT
WORD_BITS = WORD_CYCLES - 1
WORD_FULL = (1 << WORD_CYCLES) - 1
SPAN = 1 << 11  # cycles between two counts


def ring_words(p: Parameters) -> int:
    """Words of the ring: all cycles that are known before they are counted."""
    ahead = max(p.unit_read_latency, p.refresh_cycles, p.interval, p.cache_latency + ACTS_AFTER)
    least = SPAN + 2 * ahead + 2 * WORD_CYCLES
    return 1 << (least // WORD_CYCLES).bit_length()


def read_patterns(p: Parameters, read_to_read: int) -> NDArray[np.int64]:
    """Bits of the cycles in which n READs one behind the other move something, from the first one's; by n.

    A READ does so with its command, and with its data moving in before they arrive. 0: too long for a word.
    """
    first = max(0, p.unit_read_latency - p.burst_cycles)
    one = 1 | (1 << p.unit_read_latency) - (1 << first)
    patterns = np.zeros(p.bursts_per_row + 1, dtype=np.int64)
    for n in range(1, p.bursts_per_row + 1):
        if (n - 1) * read_to_read + p.unit_read_latency > WORD_CYCLES:
            break
        patterns[n] = patterns[n - 1] | one << (n - 1) * read_to_read
    return patterns


@helper
def paint_row(bits, mask, kind, first, stop):
    """Set the bits of cycles first..stop-1 of one channel."""
    while first < stop:
        start = first & WORD_BITS
        end = min(start + stop - first, WORD_CYCLES)
        bits[(first >> WORD_SHIFT) & mask, kind] |= bits_between(start, end)
        first += end - start


@helper(forceinline=True)
def paint(a, kind, first, stop):
    """Something is true of cycles first..stop-1; those already counted are left."""
    paint_row(a.bits, a.word_mask, kind, max(first, a.channel[SETTLED]), stop)


@helper(forceinline=True)
def paint_two(a, kind, cycle, pattern):
    """Set the bits of a pattern that begins with `cycle` and is no longer than a word."""
    shifted = pattern << (cycle & WORD_BITS)
    word = cycle >> WORD_SHIFT
    a.bits[word & a.word_mask, kind] |= shifted & WORD_FULL
    a.bits[(word + 1) & a.word_mask, kind] |= shifted >> WORD_CYCLES


@helper(forceinline=True)
def paint_command(a, cycle):
    """A command other than READ."""
    a.bits[(cycle >> WORD_SHIFT) & a.word_mask, MOVES] |= 1 << (cycle & WORD_BITS)


@helper(forceinline=True)
def paint_reads(p, a, first, reads, arrival):
    """READs one behind the other from cycle `first` on: their data are on their way until `arrival`, then move in."""
    pattern = a.read_patterns[reads]
    if pattern:
        paint_two(a, MOVES, first, pattern)
        paint_two(a, UNDER_WAY, first, (1 << arrival - first) - 1)
    else:
        paint_long_reads(p, a, first, reads)


@helper
def paint_long_reads(p, a, first, reads):
    """As `paint_reads`, where the bits are more than a word."""
    for number in range(reads):
        cycle = first + number * a.read_to_read
        arrival = cycle + p.unit_read_latency
        paint_command(a, cycle)
        paint(a, MOVES, max(cycle, arrival - p.burst_cycles), arrival)
        paint(a, UNDER_WAY, cycle, arrival)


@helper(forceinline=True)
def note_bus(a, ready, start, end):
    """The bus is reserved from cycle `ready` on for cycles start..end-1."""
    row = a.channel
    if start > row[USED_END]:
        paint(a, MOVES, row[USED_FROM], row[USED_END])
        row[USED_FROM] = start
    row[USED_END] = end
    if ready > row[RESERVED_END]:
        paint(a, RESERVED, row[RESERVED_FROM], row[RESERVED_END])
        row[RESERVED_FROM] = ready
    row[RESERVED_END] = end


@helper(forceinline=True)
def note_slot(p, a, cycle):
    """A slot is used in `cycle`."""
    row = a.channel
    if cycle > row[SENDING_END]:
        paint(a, SENDS, row[SENDING_FROM], row[SENDING_END])
        row[SENDING_FROM] = cycle
    row[SENDING_END] = cycle + max(p.interval, ACTS_AFTER)


@helper(forceinline=True)
def paint_stretches(p, state, a, stop):
    """Paint what has not ended, up to `stop`."""
    row = a.channel
    paint(a, SENDS, row[SENDING_FROM], min(row[SENDING_END], stop))
    paint(a, MOVES, row[USED_FROM], min(row[USED_END], stop))
    paint(a, RESERVED, row[RESERVED_FROM], min(row[RESERVED_END], stop))
    if row[HOLDING]:
        paint(a, REFRESHES, row[HELD_FROM], stop)
    for place in range(state.channel[a.number, TRANSFERS_WAITING]):
        item = state.transfers[a.number, place]
        paint(a, COMPUTES, item[SIZE], min(item[READY], stop))
    for unit in range(p.units):
        item = a.unit[unit]
        if item[ACTIVE]:
            paint(a, WAITS, item[WAITING_FROM], stop)


@helper(forceinline=True)
def count_word(classes, word, span):
    """Count the cycles of one word that are in `span`, and clear their bits."""
    left = span
    found = left & word[MOVES]
    classes[BUSY] += population(found)
    left &= ~found
    found = left & word[REFRESHES] & word[WAITS]
    classes[STALL_REFRESH] += population(found)
    left &= ~found
    found = left & word[COMPUTES] & ~word[UNDER_WAY]
    classes[STALL_COMPUTE] += population(found)
    left &= ~found
    found = left & word[RESERVED]
    classes[STALL_BUS] += population(found)
    left &= ~found
    found = left & (word[WAITS] | word[UNDER_WAY])
    classes[STALL_BANK] += population(found)
    left &= ~found
    found = left & word[SENDS]
    classes[STALL_ISSUE] += population(found)
    classes[IDLE] += population(left & ~found)
    for kind in range(N_KINDS):
        word[kind] &= ~span


@helper
def settle(p, state, a, stop):
    """Count the cycles before `stop`, of which everything is known."""
    paint_stretches(p, state, a, stop)
    first = a.channel[SETTLED]
    while first < stop:
        start = first & WORD_BITS
        end = min(start + stop - first, WORD_CYCLES)
        word = a.bits[(first >> WORD_SHIFT) & a.word_mask]
        count_word(state.account[a.number], word, bits_between(start, end))
        first += end - start
    a.channel[SETTLED] = max(a.channel[SETTLED], stop)
