"""Where turns and bags end in a chunk of a trace. All lookups of a table have as many accesses."""

from typing import NamedTuple

import numpy as np

from ppim.jit import helper

# `sample` of the only access that stands for a turn without accesses (the other memory has some).
EMPTY_TURN = (1 << 32) - 1


class Turn(NamedTuple):
    """One table's part of one batch, in a chunk: its k-th lookup begins at access start + k * width."""

    number: int  # in the program
    table: int
    start: int
    width: int  # accesses of a lookup
    lookups: int


@helper(forceinline=True)
def is_empty_turn(chunk, start):
    """Whether the turn that begins at `start` has no accesses in this memory."""
    return np.int64(chunk.sample[start]) == EMPTY_TURN


@helper(forceinline=True)
def end_of_turn(recipe, chunk, start, n):
    """One past the last access of the turn that begins at `start`, of accesses 0..n-1."""
    if is_empty_turn(chunk, start):
        return start + 1
    table, batch = chunk.table[start], chunk.batch[start]
    width = recipe.accesses[np.int64(table)]
    i = start + width
    while i < n and chunk.table[i] == table and chunk.batch[i] == batch:
        i += width
    return i


@helper(forceinline=True)
def end_of_first_bag(chunk, start, stop):
    """One past the last access of the first bag of the turn at start..stop-1."""
    at = start + 1
    while at < stop and chunk.sample[at] == chunk.sample[start]:
        at += 1
    return at


@helper(forceinline=True)
def sample_of(chunk, turn, k):
    """Sample in the batch of a turn's k-th lookup."""
    return np.int64(chunk.sample[turn.start + k * turn.width])


@helper(forceinline=True)
def end_of_bag(chunk, turn, first):
    """One past the last lookup of the bag that begins with a turn's `first`."""
    sample = sample_of(chunk, turn, first)
    k = first + 1
    while k < turn.lookups and sample_of(chunk, turn, k) == sample:
        k += 1
    return k
