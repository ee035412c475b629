"""All channels: of each, its stream and its units take turns (docs/performance-log.md)."""

from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.engine.pim.board import has_joined, has_reached
from ppim.engine.pim.by_unit import cycles, exchange as x, state as u, transfers
from ppim.engine.pim.by_unit.stream import GOES_ON, act_stream
from ppim.engine.pim.by_unit.travel import act_where_rows_travel, look_around
from ppim.engine.pim.by_unit.units import advance
from ppim.engine.pim.rules import barrier, commands, limits, refresh
from ppim.jit import helper
from ppim.jit.by_address import by_address
from ppim.program import state as r

WAITS = -1  # the channel's cycles cannot be counted before other channels come nearer


@helper(forceinline=True)
def step_end(p, state, a, goal):
    """How far the units go at once: not beyond the ring of bits, nor beyond what the log takes."""
    row = a.channel
    end = min(goal, row[u.COUNTED] + a.span)
    if state.log_capacity > 0:
        # In a cycle every unit issues one command at most, and a refresh one.
        end = min(end, row[u.HORIZON] + s.LOG_MARGIN // (p.units + 1))
    return end


@helper(forceinline=True)
def run_channel(p, rings, state, a, final, until, served, reach):
    """Run a channel until its stream waits at a barrier or for more program; DONE, REFILL, LOG_FULL, NO_TIME or WAITS.

    Without a stream to look at, up to the cycle before `until`. Where channels meet, all transfers that are ready up
    to `served` have been served, and a channel at a barrier goes up to `reach`, when the first one is that has not.
    Where rows travel, all go up to the cycle before `reach`.
    """
    row = a.channel
    goal = row[u.HORIZON] if until == NEVER else until - 1
    while True:
        while row[u.HORIZON] < goal:
            if commands.log_is_full(state, a.number):
                return s.LOG_FULL
            end = step_end(p, state, a, goal)
            advance(p, rings, state, a, end)
            if refresh.leaves_no_time(state.channel[a.number]):
                return s.NO_TIME
            transfers.serve_transfers(p, rings, state, a, end)
            if end == row[u.COUNTED] + a.span:
                # A slot may still be used in the cycle before `goal`.
                cycles.settle(p, state, a, min(end, served) - 1)
                if end == row[u.COUNTED] + a.span:
                    return WAITS
        if until < NEVER:
            cycles.settle(p, state, a, until)
            return s.DONE
        if a.reads_out:
            status, goal = act_where_rows_travel(p, rings, state, a, final, reach)
            if status < 0 and goal <= row[u.HORIZON]:
                return s.DONE
        else:
            status, goal = act_stream(p, rings, state, a, final, reach)
        if status >= 0:
            return status


@helper(forceinline=True)
def turn_is_left(p, rings):
    """Whether the oldest turn lacks something, so that no channel which waits for it goes on before what is known."""
    oldest = rings.marks[r.OLDEST_TURN]
    return oldest == rings.marks[r.NEXT_TURN] or not barrier.is_complete(
        p, rings.turns[oldest & rings.turn_mask]
    )


@helper
def run_each(p, rings, state, every, final, until, served, reach):
    """Run every channel as far as it goes without the others; a status, and whether one has no more bits for cycles."""
    status, lacks_bits = s.DONE, False
    for channel in range(p.channels):
        a = by_address(u.channel_of(every, channel))
        stopped = run_channel(p, rings, state, a, final, until, served, reach)
        if stopped >= s.GROW:
            return stopped, False
        lacks_bits |= stopped == WAITS
        status = max(status, stopped)
    return status, lacks_bits


@helper
def run_together(p, rings, state, every, final):
    """Run channels that meet in the sums of bags: each as far as it goes without the others, then transfers of all."""
    served, status = transfers.serve_together(p, rings, state, every, 0), s.DONE
    while turn_is_left(p, rings):
        status, _ = run_each(p, rings, state, every, final, NEVER, served, transfers.first_ready(p, state))
        if status >= s.GROW:
            return status
        before = served
        served = transfers.serve_together(p, rings, state, every, final)
        if served == NEVER:
            return status
        if served == before and turn_is_left(p, rings):
            return s.STUCK if status == s.DONE else status
    return status


@helper(forceinline=True)
def is_at_barrier(p, rings, every, final):
    """Whether all that the part's channels wait for is other turns, and transfers."""
    known = NEVER
    for channel in range(p.channels):
        known = min(known, transfers.sums_known(rings, every, channel, final))
    return known == NEVER


@helper
def run_part(p, rings, state, every, exchange, board, final):
    """Run a part's channels up to a barrier; when all parts are there, serve the transfers that it waits for."""
    number = state.bounds[limits.BARRIERS] + 1
    if not has_joined(board, p.part, number):
        # Sums of earlier turns have been served, and the turn's own are ready later than its barrier.
        status, lacks_bits = run_each(p, rings, state, every, final, NEVER, rings.marks[r.RELEASE], NEVER)
        if lacks_bits:
            return s.BITS_FULL
        if status >= s.GROW or not is_at_barrier(p, rings, every, final):
            return status
        if not has_reached(board, p.part, number):
            x.show(p, rings, state, exchange, board)
        if not barrier.all_have_reached(p, board, number):
            return status
        if not x.join(p, rings, state, exchange, board):
            return s.BAGS_FULL
    return run_together(p, rings, state, every, final)


@helper
def run_rounds(p, rings, state, every, board, ahead, final):
    """Run channels between which rows travel: round after round, all up to the same cycle; a status."""
    while True:
        if barrier.release_turns(p, rings, state, board) == barrier.TIMES_FULL:
            return s.GROW
        status, earliest = look_around(p, rings, state, every, final)
        if status != GOES_ON:
            return status
        status, _ = run_each(p, rings, state, every, final, NEVER, NEVER, earliest + ahead)
        if status >= s.GROW:
            return status


@helper
def run_units(p, rings, state, every, exchange, board, ahead, final, until):
    """Run every channel as far as it goes without the others; where they meet, with transfers of all between."""
    if until == NEVER and every.reads_out:
        return run_rounds(p, rings, state, every, board, ahead, final)
    if until == NEVER and barrier.parts_meet(p):
        return run_part(p, rings, state, every, exchange, board, final)
    if until == NEVER and transfers.channels_meet(p):
        return run_together(p, rings, state, every, final)
    status, _ = run_each(p, rings, state, every, final, until, NEVER, NEVER)
    return status
