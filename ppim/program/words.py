"""Words and numbers of program files, compiled: what both text formats read and write."""

from collections.abc import Sequence

import numpy as np

from ppim.jit import njit
from ppim.requests.kernels import BLANK, BYTE_BITS, DECIMAL_BASE, DIGIT_ZERO, WORD_BYTES


def keys_of(words: Sequence[str]) -> np.ndarray:
    """Words of at most WORD_BYTES letters as numbers, int64."""
    return np.array([int.from_bytes(word.encode(), "big") for word in words], np.int64)


@njit(cache=False)
def read_key(data, at, ends):
    """(the word as a number, position after it); -1 if it is too long to be known. Blanks end it, and what is in `ends`."""
    key, start = np.int64(0), at
    while data[at] > BLANK:
        for end in ends:
            if data[at] == end:
                return key, at
        key = (key << BYTE_BITS) | np.int64(data[at])
        at += 1
        if at - start > WORD_BYTES:
            key = np.int64(-1)
    return key, at


@njit(cache=False)
def find_key(keys, key):
    """The place of a word among some, or -1."""
    for index in range(keys.size):
        if keys[index] == key:
            return index
    return -1


@njit(cache=False)
def put_digits(text, at, value):
    """Write a number >= 0 in decimal digits; position after them."""
    end = at + 1
    rest = value // DECIMAL_BASE
    while rest > 0:
        end += 1
        rest //= DECIMAL_BASE
    for place in range(end - 1, at - 1, -1):
        text[place] = DIGIT_ZERO + value % DECIMAL_BASE
        value //= DECIMAL_BASE
    return end
