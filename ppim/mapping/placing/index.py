"""An open hash table from numbers to indices, filled once and searched inside kernels."""

import numpy as np
from numpy.typing import NDArray

from ppim.jit import helper, njit

NOT_THERE = -1

_MULTIPLIER = 0x9E3779B1  # 2^32 divided by the golden ratio (Knuth, The Art of Computer Programming, 6.4)

# Columns of a table.
KEY = 0
INDEX = 1
INDEX_COLUMNS = 2


@helper
def _first_slot(key, mask):
    """Where the search for a key begins."""
    return ((key * _MULTIPLIER) >> 15) & mask


@njit
def _fill(table, keys, indices):
    mask = table.shape[0] - 1
    for i in range(keys.size):
        slot = _first_slot(keys[i], mask)
        while table[slot, KEY] != NOT_THERE:
            slot = (slot + 1) & mask
        table[slot, KEY] = keys[i]
        table[slot, INDEX] = indices[i]


def refill_index(table: NDArray[np.int64], keys: NDArray[np.int64], indices: NDArray[np.int64]) -> None:
    """Put different keys >= 0, at most half as many as the table has places, in the place of those it has."""
    table.fill(NOT_THERE)
    if len(keys):
        _fill(table, keys, indices)


def make_index(keys: NDArray[np.int64], indices: NDArray[np.int64]) -> NDArray[np.int64]:
    """A table of different keys >= 0, at most half full; shape (a power of two, INDEX_COLUMNS)."""
    capacity = 1 << (2 * len(keys)).bit_length()
    table = np.full((capacity, INDEX_COLUMNS), NOT_THERE, dtype=np.int64)
    if len(keys):
        _fill(table, keys, indices)
    return table


@helper
def find(table, mask, key):
    """Index of a key, or NOT_THERE; `mask` is the table's capacity less one."""
    slot = _first_slot(key, mask)
    while table[slot, KEY] != key:
        if table[slot, KEY] == NOT_THERE:
            return NOT_THERE
        slot = (slot + 1) & mask
    return table[slot, INDEX]
