"""Classes of cycles and which of them comes first (docs/model.md §9).

Cycles are counted a word at a time, one bit a cycle: for each thing that may be true of a cycle, a word says of
which it is. Both engines keep rings of such words.
"""

from ppim.jit import helper
from ppim.jit.bits import population

# The classes, columns of `account`; of two that are true the one before counts.
BUSY = 0
STALL_REFRESH = 1
STALL_COMPUTE = 2
STALL_BUS = 3
STALL_BANK = 4
STALL_ISSUE = 5
IDLE = 6
N_CYCLE_CLASSES = 7

WORD_SHIFT = 5
WORD_CYCLES = 1 << WORD_SHIFT
IN_WORD = WORD_CYCLES - 1
WORD_FULL = (1 << WORD_CYCLES) - 1


@helper(forceinline=True)
def bits_between(first, stop):
    """Mask of bits first..stop-1, 0 <= first <= stop <= WORD_CYCLES."""
    return (1 << stop) - (1 << first)


@helper(forceinline=True)
def bits_before(cycle, origin):
    """Mask of the cycles before `cycle` in the word that begins with cycle `origin`."""
    return bits_between(0, min(max(cycle - origin, 0), WORD_CYCLES))


@helper(forceinline=True)
def paint(words, mask, kind, first, stop):
    """Set the bits of a kind of cycles first..stop-1 in a channel's ring, shape (words, kinds)."""
    while first < stop:
        start = first & IN_WORD
        end = min(start + stop - first, WORD_CYCLES)
        words[(first >> WORD_SHIFT) & mask, kind] |= bits_between(start, end)
        first += end - start


@helper(forceinline=True)
def data_move_from(p, cycle, arrival):
    """From when on the data of a READ in `cycle` move into their unit: in the last burst's length before they arrive."""
    return max(cycle, arrival - p.burst_cycles)


@helper(forceinline=True)
def count_cycles(counts, span, busy, refresh, compute, bus, bank, issue):
    """Count the cycles of a word that are in `span`, each by the first class that is true of it."""
    left, found = span, span & busy
    counts[BUSY] += population(found)
    left &= ~found
    found = left & refresh
    counts[STALL_REFRESH] += population(found)
    left &= ~found
    found = left & compute
    counts[STALL_COMPUTE] += population(found)
    left &= ~found
    found = left & bus
    counts[STALL_BUS] += population(found)
    left &= ~found
    found = left & bank
    counts[STALL_BANK] += population(found)
    left &= ~found
    found = left & issue
    counts[STALL_ISSUE] += population(found)
    counts[IDLE] += population(left & ~found)
