"""Masks of a channel's lanes: a bit for each bank, in words of 64 bits.

Most channels have one word. One of up to 128 banks has two, which lie side by side wherever a mask is kept.
"""

from numba import int64

from ppim.jit import helper

WORD_SHIFT = 6
WORD_LANES = 1 << WORD_SHIFT
IN_WORD = WORD_LANES - 1
MOST_WORDS = 2
MOST_LANES = MOST_WORDS * WORD_LANES
WHOLE_WORD = -1


def words_for(lanes: int) -> int:
    """Words of a mask of so many lanes."""
    return -(-lanes // WORD_LANES)


@helper(forceinline=True)
def word_of(lane):
    """Which word has the lane's bit."""
    return lane >> WORD_SHIFT


@helper(forceinline=True)
def bit_of(lane):
    """The lane's bit in its word."""
    return int64(1) << (lane & IN_WORD)
