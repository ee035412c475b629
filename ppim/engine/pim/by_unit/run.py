"""All channels: of each, its stream and its units take turns (docs/performance.md)."""

from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.engine.pim.by_unit import cycles, state as u, transfers
from ppim.engine.pim.by_unit.stream import act_stream
from ppim.engine.pim.by_unit.units import advance
from ppim.engine.pim.rules import barrier, commands
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
    """Run a channel until its stream waits at a barrier or for more program; DONE, REFILL, LOG_FULL or WAITS.

    Without a stream to look at, up to the cycle before `until`. Where channels meet, all transfers that are ready up
    to `served` have been served, and a channel at a barrier goes up to `reach`, when the first one is that has not.
    """
    row = a.channel
    goal = row[u.HORIZON] if until == NEVER else until - 1
    while True:
        while row[u.HORIZON] < goal:
            if commands.log_is_full(state, a.number):
                return s.LOG_FULL
            end = step_end(p, state, a, goal)
            advance(p, rings, state, a, end)
            transfers.serve_transfers(p, rings, state, a, end)
            if end == row[u.COUNTED] + a.span:
                # A slot may still be used in the cycle before `goal`.
                cycles.settle(p, state, a, min(end, served) - 1)
                if end == row[u.COUNTED] + a.span:
                    return WAITS
        if until < NEVER:
            cycles.settle(p, state, a, until)
            return s.DONE
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
def run_units(p, rings, state, every, final, until):
    """Run every channel as far as it goes without the others; where they meet, with transfers of all between."""
    meet = transfers.channels_meet(p) and until == NEVER
    served, reach, status = NEVER, NEVER, s.DONE
    if meet:
        served = transfers.serve_together(p, rings, state, every, 0)
    while not meet or turn_is_left(p, rings):
        if meet:
            reach = transfers.first_ready(p, state)
        status = s.DONE
        for channel in range(p.channels):
            a = by_address(u.channel_of(every, channel))
            stopped = run_channel(p, rings, state, a, final, until, served, reach)
            if stopped >= s.GROW:
                return stopped
            status = max(status, stopped)
        if not meet:
            return status
        before = served
        served = transfers.serve_together(p, rings, state, every, final)
        if served == NEVER:
            return status
        if served == before and turn_is_left(p, rings):
            return s.STUCK if status == s.DONE else status
    return status
