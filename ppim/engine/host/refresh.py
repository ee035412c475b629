"""Refreshes that were issued, and those of idle stretches, which are only counted: host-controller.md §9."""

from ppim.engine.codes import REFRESH
from ppim.engine.host import columns as s
from ppim.engine.refresh import INTERVAL, N_TARGETS, due_cycle
from ppim.jit import helper

SETTLED_ROUNDS = 3


@helper(forceinline=True)
def next_refresh(h):
    """Number of the refresh to serve next."""
    return h.clocks[s.REFRESHES_SERVED] + 1


@helper(forceinline=True)
def note_refresh(h, number, cycle):
    """Refresh `number` is issued in `cycle`."""
    on_time = cycle == due_cycle(h.plan, number)
    h.clocks[s.REFRESHES_ON_TIME] = h.clocks[s.REFRESHES_ON_TIME] + 1 if on_time else 0
    h.clocks[s.REFRESHES_SERVED] = number


@helper
def skip_idle_refreshes(h, until, per_round):
    """Count the refreshes of an idle stretch instead of issuing them one by one.

    The channel is empty. When the last rounds of refreshes were all issued in the cycle they fell due,
    the next ones will be too, up to `until`. The last rounds are left to be issued, so that the state
    afterwards is what it would have been. `per_round`: refreshes issued while as many fall due as there
    are targets; fewer when ranks are in self refresh.
    """
    clocks, plan = h.clocks, h.plan
    settled = clocks[s.REFRESHES_ON_TIME] >= SETTLED_ROUNDS * plan[N_TARGETS]
    if h.rules[s.LOG_SIZE] != 0 or not settled:
        return
    due = until // plan[INTERVAL] - clocks[s.REFRESHES_SERVED]
    rounds = due // plan[N_TARGETS] - SETTLED_ROUNDS
    if rounds > 0:
        clocks[s.REFRESHES_SERVED] += rounds * plan[N_TARGETS]
        h.counters[REFRESH] += rounds * per_round
        clocks[s.REFRESH_LOOK] = due_cycle(plan, next_refresh(h))
