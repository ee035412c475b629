"""Where the parts of a run tell each other that they have reached a barrier: counters, without a lock.

Each thread runs some of the channels, a part, with rings and state of its own; parts meet in nothing but
barriers. A part writes on its own line of the board, which the others read. A turn takes a few microseconds,
less than waking a thread through the operating system; so threads spin, and give their processor away when
another needs it.
"""

import numpy as np
from numpy.typing import NDArray

from ppim.arrays import aligned_full
from ppim.jit import helper
from ppim.jit.atomics import load_atomically, store_atomically, yield_processor

# A line of the board: what one part says of one barrier.
REACHED = 0  # number of the barrier, counted from 1; written last
END = 1  # cycle of the last completion that the barrier waits for
PEAKS = 2  # most work of each kind since the barrier before it (`limits`), up to 8
# Where the base die adds up sums of all parts (`by_unit.exchange`): partial sums that wait at the barrier,
SUMS_AT = 9  # the address of the first,
SUMS = 10  # how many,
FIRST_TURN = 11  # of which turns,
LAST_TURN = 12
LAST_BAG = 13  # and the greatest number of a bag;
# for this part itself, what comes out for all of them, once it is found:
JOINED = 14  # number of the barrier
JOINT_END = 15  # end of the last transfer
JOINT_BUS = 16  # cycles of the bus that is used most
LINE = 24  # three cache lines

# A part has two such lines and uses them in turn: it cannot reach a barrier before all have read what it said
# of the last but one. On a third one stands which of its jobs it has left, since it needs more program.
JOB_LEFT = 2
LINES_OF_PART = 3

# What `wait_for_others` has found.
ALL_REACHED = 0
ONE_LEFT = 1  # its job without reaching the barrier
ALL_GIVEN_UP = 2

SPINS_BEFORE_YIELD = 2000


def make_board(parts: int) -> NDArray[np.int64]:
    """An empty board for so many parts; its last line says whether the run is given up."""
    return aligned_full(((parts * LINES_OF_PART + 1) * LINE,), 0, np.int64)


def give_up(board: NDArray[np.int64]) -> None:
    """Let no part wait for others any more."""
    board[-LINE] = 1


@helper(forceinline=True)
def line_of(part, barrier):
    """Where a part writes of a barrier."""
    return (part * LINES_OF_PART + (barrier & 1)) * LINE


@helper(forceinline=True)
def leave_job(board, part, job):
    """Say that a part has done a job as far as it can, after all that it has said of barriers."""
    store_atomically(board, (part * LINES_OF_PART + JOB_LEFT) * LINE, job)


@helper(forceinline=True)
def has_reached(board, part, barrier):
    """Whether a part has reached a barrier."""
    return load_atomically(board, line_of(part, barrier) + REACHED) >= barrier


@helper(forceinline=True)
def has_left(board, part, job):
    """Whether a part has left a job."""
    return load_atomically(board, (part * LINES_OF_PART + JOB_LEFT) * LINE) >= job


@helper(forceinline=True)
def has_joined(board, part, barrier):
    """Whether a part has found out what comes of the sums of all parts at a barrier."""
    return board[line_of(part, barrier) + JOINED] == barrier


@helper
def wait_for_others(board, parts, barrier, job):
    """Wait until all parts have reached a barrier: ALL_REACHED, ONE_LEFT or ALL_GIVEN_UP.

    A part that has left this job may reach the barrier in the next one only.
    """
    for part in range(parts):
        spins = 0
        while not has_reached(board, part, barrier):
            if load_atomically(board, parts * LINES_OF_PART * LINE) != 0:
                return ALL_GIVEN_UP
            # It may have reached the barrier just before it left.
            if has_left(board, part, job) and not has_reached(board, part, barrier):
                return ONE_LEFT
            spins += 1
            if spins > SPINS_BEFORE_YIELD:
                yield_processor()
    return ALL_REACHED
