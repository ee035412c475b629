"""Channels one by one: of each, its stream and its units take turns."""

from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.engine.pim.by_unit import cycles, state as u, transfers
from ppim.engine.pim.by_unit.stream import act_stream
from ppim.engine.pim.by_unit.travel import act_in_round
from ppim.engine.pim.by_unit.units import advance
from ppim.engine.pim.rules import commands, refresh
from ppim.jit import helper
from ppim.jit.by_address import by_address

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
def run_channel(p, rings, state, a, final, until, served, reach, quiet):
    """Run a channel until its stream waits at a barrier or for more program; DONE, REFILL, LOG_FULL, NO_TIME or WAITS.

    Without a stream to look at, up to the cycle before `until`. Where channels meet, all transfers that are ready up
    to `served` have been served, and a channel at a barrier goes up to `reach`, when the first one is that has not.
    In rounds all go up to the cycle before `reach`, and nothing that one may wait for comes up to `quiet`.
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
            if served == NEVER:
                cycles.settle(p, state, a, until)
            return s.DONE
        if a.in_rounds:
            status, goal = act_in_round(p, rings, state, a, final, reach, quiet)
            if status < 0 and goal <= row[u.HORIZON]:
                return s.DONE
        else:
            status, goal = act_stream(p, rings, state, a, final, reach)
        if status >= 0:
            return status


@helper
def run_channels(p, rings, state, every, first, stop, final, until, served, reach, quiet):
    """Run channels as far as they go without the others; a status, and whether one has no more bits for cycles."""
    status, lacks_bits = s.DONE, False
    for channel in range(first, stop):
        a = by_address(u.channel_of(every, channel))
        stopped = run_channel(p, rings, state, a, final, until, served, reach, quiet)
        if stopped >= s.GROW:
            return stopped, False
        lacks_bits |= stopped == WAITS
        status = max(status, stopped)
    return status, lacks_bits
