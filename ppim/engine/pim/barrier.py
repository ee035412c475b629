"""Turns that are complete, and the barriers that they open (docs/model.md §4)."""

from __future__ import annotations

from ppim.engine.pim.board import END, PEAKS, REACHED, has_reached, line_of
from ppim.engine.pim.limits import BARRIERS, N_LIMITS, add_barrier
from ppim.engine.pim.state import BARRIER_BATCH, BARRIER_NONE
from ppim.jit import helper
from ppim.jit.atomics import store_atomically
from ppim.program.state import (
    FRONT,
    FRONT_BARRIER,
    FRONT_READY,
    NEXT_SLOT,
    NEXT_TURN,
    OLDEST_TURN,
    RELEASE,
    RELEASE_NEXT,
    TURN_BATCH,
    TURN_CLOSED,
    TURN_DONE,
    TURN_END,
    TURN_LEFT,
    TURN_TWIN_DONE,
    TURN_TWIN_END,
    WAKE,
)

# What `release_turns` has found.
NOTHING = 0  # the oldest turn is incomplete
RELEASED = 1
WAITS = 2  # other parts have not reached the next barrier


@helper(forceinline=True)
def is_complete(parameters, turn):
    """Whether nothing of a turn is left, its twin in another memory included."""
    done = turn[TURN_DONE]
    if parameters.tied:
        done += turn[TURN_TWIN_DONE]
    return turn[TURN_CLOSED] and done >= turn[TURN_LEFT]


@helper(forceinline=True)
def ends_at_barrier(parameters, rings, number):
    """Whether a barrier stands behind a turn."""
    if parameters.barrier != BARRIER_BATCH:
        return parameters.barrier != BARRIER_NONE
    # What follows a turn that is complete is known, unless it was the last.
    if number + 1 == rings.marks[NEXT_TURN]:
        return True
    mask = rings.turn_mask
    return rings.turns[number & mask, TURN_BATCH] != rings.turns[(number + 1) & mask, TURN_BATCH]


@helper(forceinline=True)
def tell(parameters, state, board, barrier, end):
    """Tell the other parts that this one has reached a barrier, once."""
    line = line_of(parameters.part, barrier)
    if board[line + REACHED] == barrier:
        return
    board[line + END] = end
    for kind in range(N_LIMITS):
        peak = 0
        for channel in range(parameters.channels):
            peak = max(peak, state.peaks[channel, kind])
        board[line + PEAKS + kind] = peak
    store_atomically(board, line + REACHED, barrier)


@helper(forceinline=True)
def all_have_reached(parameters, board, barrier):
    """Whether no part is before a barrier."""
    reached = 0
    for part in range(parameters.parts):
        reached += has_reached(board, part, barrier)
    return reached == parameters.parts


@helper(forceinline=True)
def latest_end(parameters, board, barrier):
    """Last completion that a barrier waits for, in any part."""
    end = 0
    for part in range(parameters.parts):
        end = max(end, board[line_of(part, barrier) + END])
    return end


@helper(forceinline=True)
def wake_streams(rings):
    """Streams that waited at a barrier look again."""
    for stream in range(rings.n_streams):
        row = rings.stream[stream]
        if row[FRONT] == FRONT_BARRIER:
            row[FRONT] = FRONT_READY
            row[WAKE] = min(row[WAKE], max(row[NEXT_SLOT], rings.marks[RELEASE]))


@helper
def release_turns(parameters, rings, state, board):
    """Advance over complete turns, and wake the streams that waited for them; NOTHING, RELEASED or WAITS."""
    marks = rings.marks
    found = NOTHING
    oldest = marks[OLDEST_TURN]
    while oldest < marks[NEXT_TURN]:
        turn = rings.turns[oldest & rings.turn_mask]
        if not is_complete(parameters, turn):
            break
        end = max(marks[RELEASE_NEXT], turn[TURN_END])
        if parameters.tied:
            end = max(end, turn[TURN_TWIN_END])
        if ends_at_barrier(parameters, rings, oldest):
            barrier = state.bounds[BARRIERS] + 1
            tell(parameters, state, board, barrier, end)
            if not all_have_reached(parameters, board, barrier):
                if found == NOTHING:
                    found = WAITS
                break
            end = latest_end(parameters, board, barrier)
            add_barrier(parameters, state, board, barrier)
            marks[RELEASE] = end + parameters.host_latency
        marks[RELEASE_NEXT] = end
        found = RELEASED
        oldest += 1
    marks[OLDEST_TURN] = oldest
    if found == RELEASED:
        wake_streams(rings)
    return found
