"""Completions: what a turn and the run's length wait for (docs/model.md §7)."""

from ppim.engine.pim import state as s
from ppim.jit import helper
from ppim.program import state as r


@helper(forceinline=True)
def finish_at(state, channel, cycle):
    """Note a completion for the run's length."""
    state.channel[channel, s.FINISH] = max(state.channel[channel, s.FINISH], cycle)


@helper(forceinline=True)
def complete_one(rings, state, channel, turn, cycle):
    """One demand access, deliver, hit or transfer of a turn is complete at `cycle`.

    Who waits for the turn is woken after the event or, by `release_turns`, after the round.
    """
    state.channel[channel, s.OPEN] -= 1
    finish_at(state, channel, cycle)
    row = rings.turns[turn & rings.turn_mask]
    row[r.TURN_DONE] += 1
    row[r.TURN_END] = max(row[r.TURN_END], cycle)
