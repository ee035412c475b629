"""Classes of cycles (docs/model.md §9) from bits: for each cycle and kind, whether that was true of it.

Units are simulated one after the other, so what holds in a cycle is learnt in no order of time. Each kind has
a bit a cycle in a ring; when all is known of a stretch, its words are combined by precedence and counted.
What lasts long (the bus, slots, waiting entries) is kept as a stretch and painted when it ends or is counted.
"""

import numpy as np
from numpy.typing import NDArray

from ppim.engine.pim import heap, state as s
from ppim.engine.pim.by_unit import state as u
from ppim.engine.pim.rules import classes, refresh, slots
from ppim.engine.pim.state import Parameters
from ppim.jit import helper
from ppim.jit.bits import population

SPAN = 1 << 11  # cycles between two counts


def ring_words(p: Parameters) -> int:
    """Words of the ring: all cycles that are known before they are counted."""
    ahead = max(
        p.unit_read_latency,
        p.read_latency + p.burst_cycles,
        p.refresh_cycles,
        p.interval + 1,
        p.cache_latency + s.ACTS_AFTER,
    )
    least = SPAN + 2 * ahead + 2 * classes.WORD_CYCLES
    return 1 << (least // classes.WORD_CYCLES).bit_length()


def read_patterns(p: Parameters, read_to_read: int) -> NDArray[np.int64]:
    """Bits of the cycles in which n READs one behind the other move something, from the first one's; by n.

    A READ does so with its command, and with its data moving in before they arrive. 0: too long for a word.
    """
    first = max(0, p.unit_read_latency - p.burst_cycles)
    one = 1 | (1 << p.unit_read_latency) - (1 << first)
    patterns = np.zeros(p.bursts_per_row + 1, dtype=np.int64)
    for n in range(1, p.bursts_per_row + 1):
        if (n - 1) * read_to_read + p.unit_read_latency > classes.WORD_CYCLES:
            break
        patterns[n] = patterns[n - 1] | one << (n - 1) * read_to_read
    return patterns


@helper
def paint_row(words, mask, kind, first, stop):
    """As `classes.paint`, not inlined."""
    classes.paint(words, mask, kind, first, stop)


@helper(forceinline=True)
def paint(a, kind, first, stop):
    """Something is true of cycles first..stop-1; those already counted are left."""
    paint_row(a.bits, a.word_mask, kind, max(first, a.channel[u.COUNTED]), stop)


@helper(forceinline=True)
def note_open(unit, cycle):
    """A bank of a unit is opened."""
    if unit[u.OPEN_BANKS] == 0:
        unit[u.OPEN_FROM] = cycle
    unit[u.OPEN_BANKS] += 1


@helper(forceinline=True)
def note_closed(a, unit, cycle):
    """A bank of a unit is closed."""
    unit[u.OPEN_BANKS] -= 1
    if unit[u.OPEN_BANKS] == 0:
        paint(a, u.OPEN, unit[u.OPEN_FROM], cycle)


@helper(forceinline=True)
def paint_two(a, kind, cycle, pattern):
    """Set the bits of a pattern that begins with `cycle` and is no longer than a word."""
    shifted = pattern << (cycle & classes.IN_WORD)
    word = cycle >> classes.WORD_SHIFT
    a.bits[word & a.word_mask, kind] |= shifted & classes.WORD_FULL
    a.bits[(word + 1) & a.word_mask, kind] |= shifted >> classes.WORD_CYCLES


@helper(forceinline=True)
def paint_command(a, cycle):
    """A command other than READ."""
    a.bits[(cycle >> classes.WORD_SHIFT) & a.word_mask, u.MOVES] |= 1 << (cycle & classes.IN_WORD)


@helper(forceinline=True)
def paint_reads(p, a, first, reads, arrival):
    """READs one behind the other from cycle `first` on: their data are on their way until `arrival`, then move in."""
    pattern = a.read_patterns[reads]
    if pattern:
        paint_two(a, u.MOVES, first, pattern)
        paint_two(a, u.UNDER_WAY, first, (1 << arrival - first) - 1)
    else:
        paint_long_reads(p, a, first, reads)


@helper
def paint_long_reads(p, a, first, reads):
    """As `paint_reads`, where the bits are more than a word."""
    for number in range(reads):
        cycle = first + number * a.read_to_read
        arrival = cycle + p.unit_read_latency
        paint_command(a, cycle)
        paint(a, u.MOVES, classes.data_move_from(p, cycle, arrival), arrival)
        paint(a, u.UNDER_WAY, cycle, arrival)


@helper(forceinline=True)
def lengthen(a, kind, from_column, end_column, since, end):
    """Something is true of cycles since..end-1, which end last: its stretch goes on, or is painted and a new one begins."""
    row = a.channel
    if since > row[end_column]:
        paint(a, kind, row[from_column], row[end_column])
        row[from_column] = since
    row[end_column] = end


@helper(forceinline=True)
def note_use(a, start, end):
    """The bus moves data in cycles start..end-1, behind all that it moved before."""
    lengthen(a, u.MOVES, u.USED_FROM, u.USED_END, start, end)


@helper(forceinline=True)
def note_bus(a, ready, start, end):
    """The bus is reserved from cycle `ready` on for cycles start..end-1."""
    note_use(a, start, end)
    lengthen(a, u.RESERVED, u.RESERVED_FROM, u.RESERVED_END, ready, end)


@helper(forceinline=True)
def note_deliver(a, cycle, start, end):
    """What the host sends in `cycle` is on its way from then on, and uses the bus in cycles start..end-1."""
    note_bus(a, cycle, start, end)
    lengthen(a, u.UNDER_WAY, u.DELIVERED_FROM, u.DELIVERED_END, cycle, end)


@helper(forceinline=True)
def paint_read_out(p, a, cycle):
    """A READ in `cycle` whose burst goes to the host."""
    paint_command(a, cycle)
    start = cycle + p.read_latency
    note_use(a, start, start + p.bus_burst_cycles)
    paint(a, u.UNDER_WAY, cycle, start + p.burst_cycles)


@helper(forceinline=True)
def note_compute(a, since, ready):
    """A transfer waits for arithmetic alone in cycles since..ready-1; none comes that is ready before the one before.

    Thousands may wait in the same cycles, since the bus lags behind at the end of a long turn: stretches that meet
    are painted once.
    """
    if since >= ready:
        return
    row = a.channel
    if since > row[u.COMPUTED_END]:
        paint(a, u.COMPUTES, row[u.COMPUTED_FROM], row[u.COMPUTED_END])
        row[u.COMPUTED_FROM] = since
    row[u.COMPUTED_FROM] = min(row[u.COMPUTED_FROM], since)
    row[u.COMPUTED_END] = ready


@helper(forceinline=True)
def note_slot(a, cycle, next_slot):
    """A slot is used in `cycle`, and the next one can begin in `next_slot`."""
    lengthen(a, u.SENDS, u.SLOTS_FROM, u.SLOTS_END, cycle, slots.lasts_until(cycle, next_slot))


@helper(forceinline=True)
def paint_stretches(p, state, a, stop):
    """Paint what has not ended, up to `stop`."""
    row = a.channel
    paint(a, u.SENDS, a.sending[u.SLOTS_FROM], min(a.sending[u.SLOTS_END], stop))
    paint(a, u.MOVES, row[u.USED_FROM], min(row[u.USED_END], stop))
    paint(a, u.RESERVED, row[u.RESERVED_FROM], min(row[u.RESERVED_END], stop))
    paint(a, u.COMPUTES, row[u.COMPUTED_FROM], min(row[u.COMPUTED_END], stop))
    paint(a, u.UNDER_WAY, row[u.DELIVERED_FROM], min(row[u.DELIVERED_END], stop))
    if refresh.is_holding(state.channel[a.number]):
        paint(a, u.REFRESHING, row[u.HELD_FROM], stop)
    for place in range(state.channel[a.number, s.TRANSFERS_WAITING]):
        item = state.transfers[a.number, place]
        paint(a, u.COMPUTES, item[heap.SIZE], min(item[heap.READY_AT], stop))
    open_from = stop
    for unit in range(p.units):
        item = a.unit[unit]
        if item[u.ACTIVE]:
            paint(a, u.WAITING, item[u.WAITING_FROM], stop)
        if item[u.OPEN_BANKS]:
            open_from = min(open_from, item[u.OPEN_FROM])
    paint(a, u.OPEN, open_from, stop)


@helper(forceinline=True)
def count_word(a, counts, word, span):
    """Count the cycles of one word that are in `span`, and clear their bits."""
    a.channel[u.ACTIVE_CYCLES] += population(word[u.OPEN] & span)
    classes.count_cycles(
        counts,
        span,
        word[u.MOVES],
        word[u.REFRESHING] & word[u.WAITING],
        word[u.COMPUTES] & ~word[u.UNDER_WAY],
        word[u.RESERVED],
        word[u.WAITING] | word[u.UNDER_WAY],
        word[u.SENDS],
    )
    for kind in range(u.BIT_KINDS):
        word[kind] &= ~span


@helper
def settle(p, state, a, stop):
    """Count the cycles before `stop`, of which everything is known."""
    paint_stretches(p, state, a, stop)
    first = a.channel[u.COUNTED]
    while first < stop:
        start = first & classes.IN_WORD
        end = min(start + stop - first, classes.WORD_CYCLES)
        word = a.bits[(first >> classes.WORD_SHIFT) & a.word_mask]
        count_word(a, state.account[a.number], word, classes.bits_between(start, end))
        first += end - start
    a.channel[u.COUNTED] = max(a.channel[u.COUNTED], stop)
