"""One channel: its stream and its units take turns (docs/performance.md)."""

from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.engine.pim.by_unit import cycles, state as u, transfers
from ppim.engine.pim.by_unit.stream import act_stream
from ppim.engine.pim.by_unit.units import advance
from ppim.engine.pim.rules import commands
from ppim.jit import helper


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
def run_channel(p, rings, state, a, final, until):
    """Run a channel until its stream waits at a barrier or for more program; DONE, REFILL or LOG_FULL.

    Without a stream to look at, up to the cycle before `until`.
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
                cycles.settle(p, state, a, end - 1)
        if until < NEVER:
            cycles.settle(p, state, a, until)
            return s.DONE
        status, goal = act_stream(p, rings, state, a, final)
        if status >= 0:
            return status
