"""Turns that are complete, and the barriers that they open (docs/model.md §7)."""

from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.engine.pim.board import END, JOINT_END, PEAKS, REACHED, has_joined, has_reached, line_of
from ppim.engine.pim.rules import events, limits, times
from ppim.jit import helper
from ppim.jit.atomics import store_atomically
from ppim.program import instruction as ins, state as r

# What `release_turns` has found.
NOTHING = 0  # the oldest turn is incomplete
RELEASED = 1
OTHERS_LAG = 2  # other parts have not reached the next barrier
TIMES_FULL = 3  # the times of GnRs have to be taken, or get more room


@helper(forceinline=True)
def is_complete(p, turn):
    """Whether nothing of a turn is left, its twin in another memory included."""
    done = turn[r.TURN_DONE]
    if p.tied:
        done += turn[r.TURN_TWIN_DONE]
    return turn[r.TURN_CLOSED] and done >= turn[r.TURN_LEFT]


@helper(forceinline=True)
def parts_meet(p):
    """Whether the base die adds up sums of several parts, so that turns end in all of them together."""
    return p.parts > 1 and p.collect == s.COLLECT_BASE_DIE


@helper(forceinline=True)
def ends_at_barrier(p, rings, number):
    """Whether a barrier stands behind a turn."""
    if p.barrier != s.BARRIER_BATCH:
        return p.barrier != s.BARRIER_NONE
    # What follows a turn that is complete is known, unless it was the last.
    if number + 1 == rings.marks[r.NEXT_TURN]:
        return True
    mask = rings.turn_mask
    return rings.turns[number & mask, r.TURN_BATCH] != rings.turns[(number + 1) & mask, r.TURN_BATCH]


@helper(forceinline=True)
def tell(p, state, board, barrier, end):
    """Tell the other parts that this one has reached a barrier, once."""
    line = line_of(p.part, barrier)
    if board[line + REACHED] == barrier:
        return
    board[line + END] = end
    for kind in range(limits.N_LIMITS):
        peak = 0
        for channel in range(p.channels):
            peak = max(peak, state.peaks[channel, kind])
        board[line + PEAKS + kind] = peak
    store_atomically(board, line + REACHED, barrier)


@helper(forceinline=True)
def all_have_reached(p, board, barrier):
    """Whether no part is before a barrier."""
    reached = 0
    for part in range(p.parts):
        reached += has_reached(board, part, barrier)
    return reached == p.parts


@helper(forceinline=True)
def latest_end(p, board, barrier):
    """Last completion that a barrier waits for, in any part."""
    end = board[line_of(p.part, barrier) + JOINT_END]
    for part in range(p.parts):
        end = max(end, board[line_of(part, barrier) + END])
    return end


@helper(forceinline=True)
def wake_streams(rings):
    """Streams that waited at a barrier look again."""
    for stream in range(rings.n_streams):
        row = rings.stream[stream]
        if row[r.FRONT] == r.FRONT_BARRIER:
            row[r.FRONT] = r.FRONT_READY
            row[r.WAKE] = min(row[r.WAKE], max(row[r.NEXT_SLOT], rings.marks[r.RELEASE]))


@helper
def release_turns(p, rings, state, board):
    """Advance over complete turns, and wake the streams that waited for them; NOTHING, RELEASED, ..."""
    marks = rings.marks
    found, full = NOTHING, False
    oldest = marks[r.OLDEST_TURN]
    while oldest < marks[r.NEXT_TURN]:
        turn = rings.turns[oldest & rings.turn_mask]
        if parts_meet(p) and not has_joined(board, p.part, state.bounds[limits.BARRIERS] + 1):
            if found == NOTHING and has_reached(board, p.part, state.bounds[limits.BARRIERS] + 1):
                # Channels have to look again when all are there.
                others = all_have_reached(p, board, state.bounds[limits.BARRIERS] + 1)
                found = RELEASED if others else OTHERS_LAG
            break
        if not is_complete(p, turn):
            break
        if times.needs_room(rings, state, oldest):
            full = True
            break
        end = max(marks[r.RELEASE_NEXT], turn[r.TURN_END])
        if p.tied:
            end = max(end, turn[r.TURN_TWIN_END])
        if ends_at_barrier(p, rings, oldest):
            barrier = state.bounds[limits.BARRIERS] + 1
            tell(p, state, board, barrier, end)
            if not all_have_reached(p, board, barrier):
                if found == NOTHING:
                    found = OTHERS_LAG
                break
            end = latest_end(p, board, barrier)
            limits.add_barrier(p, state, board, barrier)
            marks[r.RELEASE] = end + p.host_latency
        marks[r.RELEASE_NEXT] = end
        if p.turns_open:
            state.released[oldest % p.turns_open] = end + p.host_latency
            if found != RELEASED:
                # Streams that wait for turns behind this one look again when its demand may be sent, not before.
                marks[r.RELEASE] = end + p.host_latency
        if p.keeps_events:
            is_barrier = ends_at_barrier(p, rings, oldest)
            events.keep_turn(rings, state, oldest, turn[r.TURN_END], end + p.host_latency, is_barrier)
        times.keep(rings, state, oldest)
        found = RELEASED
        oldest += 1
    marks[r.OLDEST_TURN] = oldest
    if found == RELEASED:
        wake_streams(rings)
    return TIMES_FULL if full else found


@helper(forceinline=True)
def opens(p, rings, state, instruction):
    """Cycle from which an instruction's turn may be sent; NEVER while turns that it waits for are incomplete."""
    if instruction[ins.KIND] > ins.LAST_DEMAND:
        return 0
    oldest = rings.marks[r.OLDEST_TURN]
    turn = instruction[ins.TURN]
    if p.barrier == s.BARRIER_NONE:
        if p.turns_open == 0 or turn < p.turns_open:
            return 0
        return state.released[turn % p.turns_open] if oldest > turn - p.turns_open else NEVER
    if oldest < turn:
        if p.barrier == s.BARRIER_TABLE:
            return NEVER
        mask = rings.turn_mask
        if rings.turns[oldest & mask, r.TURN_BATCH] != rings.turns[turn & mask, r.TURN_BATCH]:
            return NEVER
    return rings.marks[r.RELEASE]
