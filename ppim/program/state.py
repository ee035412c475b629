"""Rings through which program builder and engine hand over instructions, lookups and sums.

A row's number is absolute and grows for ever; it lives at `number & (capacity - 1)`. Capacities are powers
of two. The builder writes at the tails, the engine reads at the heads; what the engine has finished is
overwritten. So a program of any length runs in bounded memory.
"""

from typing import Any, NamedTuple

import numpy as np

from ppim.arrays import give_back, integers
from ppim.jit.pack import pack
from ppim.program.instruction import INSTRUCTION_COLUMNS, LOOKUP_COLUMNS, SUM_COLUMNS

# Columns of `turns`: one row per turn.
TURN_LEFT = 0  # demand reads, delivers, hits and transfers that it waits for
TURN_CLOSED = 1  # 1 once its transfers are in the streams
TURN_BATCH = 2
TURN_FIRST_LOOKUP = 3
TURN_FIRST_SUM = 4
TURN_DONE = 5  # how much of TURN_LEFT is complete
TURN_END = 6  # when, memory cycles
TURN_TWIN_DONE = 7  # 1: the same turn of another memory is complete
TURN_TWIN_END = 8  # when, in cycles of this memory
TURN_START = 9  # first slot of its demand, or NOT_STARTED
TURN_COLUMNS = 10
NOT_STARTED = 1 << 62

# Positions in `marks`; OLDEST_TURN and the releases are the engine's.
NEXT_LOOKUP = 0
NEXT_SUM = 1
NEXT_TURN = 2
OLDEST_TURN = 3  # turns before it are complete
RELEASE = 4  # cycle from which the oldest turn's demand may be sent
RELEASE_NEXT = 5  # the same for the next barrier, as far as known
NEXT_READ_OUT = 6  # read-outs written so far; the builder's
SHORT = 7  # which rings had no room for what was to be written last, a sum of SHORT_*; the builder's
N_MARKS = 8

SHORT_INSTRUCTIONS = 1
SHORT_LOOKUPS = 2
SHORT_SUMS = 4
SHORT_TURNS = 8

# Columns of `stream`: the builder writes TAIL, the engine the rest.
TAIL = 0  # next instruction to write
HEAD = 1  # next instruction to send
NEXT_SLOT = 2  # earliest cycle of the next slot
WAKE = 3  # cycle of the next attempt to send, NEVER while blocked
FRONT = 4  # one of FRONT_*
SLOTS = 5  # slots used
DELIVERS = 6  # delivers waiting for a slot
SLOT_PART = 7  # parts of the cycle NEXT_SLOT that the slot before takes
STREAM_COLUMNS = 8

# Why a stream does not send.
FRONT_READY = 0
FRONT_BARRIER = 1
FRONT_QUEUE = 2
FRONT_EMPTY = 3
FRONT_DELIVER = 4  # the host does not hold what its next instruction delivers
FRONT_ACCUMULATOR = 5  # the unit has no accumulator for the sum of its next instruction


class Rings(NamedTuple):
    """Shared state of builder and engine.

    Attributes
    ----------
    instructions : ndarray of int64, shape (n_streams, capacity, INSTRUCTION_COLUMNS)
    stream : ndarray of int64, shape (n_streams, STREAM_COLUMNS)
    lookups : ndarray of int64, shape (capacity, LOOKUP_COLUMNS)
    sums : ndarray of int64, shape (capacity, SUM_COLUMNS)
    turns : ndarray of int64, shape (capacity, TURN_COLUMNS)
    marks : ndarray of int64, shape (N_MARKS,)
    n_streams : int
    instruction_mask, lookup_mask, sum_mask, turn_mask : int
        Capacities less one.
    """

    instructions: np.ndarray
    stream: np.ndarray
    lookups: np.ndarray
    sums: np.ndarray
    turns: np.ndarray
    marks: np.ndarray
    n_streams: int
    instruction_mask: int
    lookup_mask: int
    sum_mask: int
    turn_mask: int


def as_rings(
    instructions: np.ndarray,
    stream: np.ndarray,
    lookups: np.ndarray,
    sums: np.ndarray,
    turns: np.ndarray,
    marks: np.ndarray,
) -> Rings:
    """Rings of these arrays, with the masks that follow from their sizes."""
    return Rings(
        instructions,
        stream,
        lookups,
        sums,
        turns,
        marks,
        n_streams=len(stream),
        instruction_mask=instructions.shape[1] - 1,
        lookup_mask=len(lookups) - 1,
        sum_mask=len(sums) - 1,
        turn_mask=len(turns) - 1,
    )


def pack_rings(rings: Rings) -> Any:
    """The rings for kernels."""
    return pack(
        rings,
        instructions=INSTRUCTION_COLUMNS,
        stream=STREAM_COLUMNS,
        lookups=LOOKUP_COLUMNS,
        sums=SUM_COLUMNS,
        turns=TURN_COLUMNS,
    )


def make_rings(n_streams: int, instructions: int, lookups: int, sums: int, turns: int) -> Rings:
    """Empty rings with at least the given capacities."""

    def capacity(least: int) -> int:
        return 1 << max(least - 1, 1).bit_length()

    stream = integers(n_streams, STREAM_COLUMNS)
    stream[:, FRONT] = FRONT_EMPTY
    return as_rings(
        instructions=integers(n_streams, capacity(instructions), INSTRUCTION_COLUMNS),
        stream=stream,
        lookups=integers(capacity(lookups), LOOKUP_COLUMNS),
        sums=integers(capacity(sums), SUM_COLUMNS),
        turns=integers(capacity(turns), TURN_COLUMNS),
        marks=integers(N_MARKS),
    )


def put_rows(ring: np.ndarray, first: int, stop: int, into: np.ndarray) -> None:
    """Copy rows first..stop-1 of a ring to their places in another one."""
    while first < stop:
        source, place = first & (len(ring) - 1), first & (len(into) - 1)
        n = min(stop - first, len(ring) - source, len(into) - place)
        into[place : place + n] = ring[source : source + n]
        first += n


def copy_ring(ring: np.ndarray, first: int, stop: int, times: int) -> np.ndarray:
    """A ring of so many times the capacity, in memory of its own, with rows first..stop-1."""
    copy = integers(times * len(ring), *ring.shape[1:])
    put_rows(ring, first, stop, copy)
    return copy


def give_back_rest(ring: np.ndarray, first: int, stop: int) -> None:
    """Have a ring take no more memory than its rows first..stop-1 need; the others are not needed any more."""
    if stop - first >= len(ring):
        return
    begin, end = stop & (len(ring) - 1), first & (len(ring) - 1)
    if begin < end:
        give_back(ring, begin, end)
    else:
        give_back(ring, begin, len(ring))
        give_back(ring, 0, end)
