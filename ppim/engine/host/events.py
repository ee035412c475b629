"""What the fast and the general kernel have in common about a channel's course."""

from __future__ import annotations

from numba import int64

from ppim.engine.codes import NEVER
from ppim.engine.host.state import (
    ARRIVAL_CYCLE,
    ARRIVAL_FIELDS,
    ARRIVALS,
    ARRIVALS_END,
    DRAINED,
    LAST_CYCLE,
    LAST_READ_CYCLE,
    LAST_STAMP,
    LAST_WRITE_CYCLE,
    LOG_ENTRIES_PER_EVENT,
    LOG_SIZE,
    LOG_USED,
    N_READS,
    N_WRITES,
    QUEUED,
    SEPARATE,
    TRANS_SIZE,
)
from ppim.jit import helper

# Until when a channel is advanced.
TO_CYCLE = 0
TO_EMPTY = 1
TO_ROOM = 2  # in the read queue; TO_ROOM + 1: in the write buffer

# Why it was not.
LOG_FULL = -1
MORE_SLOTS = -2
STALLED = -3

# Cycles without an arrival or a column command after which a run that should drain is given up.
PATIENCE = 1 << 26


@helper(forceinline=True)
def next_arrival(h):
    """Cycle in which the next buffered arrival is registered."""
    at = h.clocks[ARRIVALS]
    if at == h.clocks[ARRIVALS_END]:
        return int64(NEVER)
    return h.arrivals[at * ARRIVAL_FIELDS + ARRIVAL_CYCLE] + 1


@helper(forceinline=True)
def is_reached(h, goal):
    """Whether the goal holds now."""
    clocks = h.clocks
    if goal == TO_CYCLE:
        return True
    if goal == TO_EMPTY:
        return clocks[N_READS] + clocks[N_WRITES] + clocks[QUEUED] == 0
    return clocks[N_READS + (goal - TO_ROOM) * h.rules[SEPARATE]] < h.rules[TRANS_SIZE]


@helper(forceinline=True)
def log_is_full(h):
    """Whether the next event might not find room in the command log."""
    return h.rules[LOG_SIZE] != 0 and h.clocks[LOG_USED] > h.rules[LOG_SIZE] - LOG_ENTRIES_PER_EVENT


@helper(forceinline=True)
def beyond_the_run(h, cycle):
    """NEVER or STALLED when a goal cannot be waited for until `cycle`, else 0."""
    if cycle > h.rules[LAST_CYCLE]:
        return int64(NEVER)
    progress = max(h.counters[LAST_STAMP], max(h.counters[LAST_READ_CYCLE], h.counters[LAST_WRITE_CYCLE]))
    if h.rules[DRAINED] != 0 and cycle - progress > PATIENCE:
        return int64(STALLED)
    return int64(0)
