"""Where lookups, bags and turns end in a chunk of a trace."""

from __future__ import annotations

import numpy as np

from ppim.jit import helper

# `sample` of the only access that stands for a turn without accesses (the other memory has some).
EMPTY_TURN = (1 << 32) - 1


@helper(forceinline=True)
def is_empty_turn(chunk, start):
    """Whether the turn that begins at `start` has no accesses in this memory."""
    return np.int64(chunk.sample[start]) == EMPTY_TURN


@helper(forceinline=True)
def end_of_lookup(chunk, start, stop):
    """One past the last access of the lookup that begins at `start`."""
    i = start + 1
    while i < stop and chunk.lookup[i] == chunk.lookup[start] and chunk.sample[i] == chunk.sample[start]:
        i += 1
    return i


@helper(forceinline=True)
def end_of_bag(chunk, start, stop):
    """One past the last access of the bag that begins at `start`."""
    i = start + 1
    while i < stop and chunk.sample[i] == chunk.sample[start]:
        i += 1
    return i


@helper(forceinline=True)
def end_of_turn(chunk, start, n):
    """One past the last access of the turn that begins at `start`, of accesses 0..n-1."""
    i = start + 1
    while i < n and chunk.table[i] == chunk.table[start] and chunk.batch[i] == chunk.batch[start]:
        i += 1
    return i
