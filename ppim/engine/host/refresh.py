"""Rank refresh in the fast kernel: host-controller.md §9."""

from __future__ import annotations

from ppim.engine.banks import refresh_rank_step, scan
from ppim.engine.codes import NO_COMMAND, REFRESH
from ppim.engine.host.state import (
    BLOCKED,
    LOG_SIZE,
    N_READS,
    N_WRITES,
    NEXT_COMMAND,
    QUEUED,
    READY,
    REFRESH_LOOK,
    REFRESHES_ON_TIME,
    REFRESHES_SERVED,
)
from ppim.engine.refresh import INTERVAL, N_TARGETS, target_rank
from ppim.jit import helper

SETTLED_ROUNDS = 3


@helper(forceinline=True)
def _hold_rank(h, rank, cycle):
    """Keep the rank's queues from normal selection until its refresh has been issued."""
    lanes = h.banks.rank_lanes[rank]
    if h.clocks[BLOCKED] != lanes:
        h.clocks[BLOCKED] = lanes
        h.clocks[NEXT_COMMAND], h.clocks[READY] = scan(h.banks, cycle, ~lanes)


@helper
def refresh_step(h, cycle):
    """The refresh command due in `cycle`, or NO_COMMAND; notes when to look again."""
    clocks = h.clocks
    number = clocks[REFRESHES_SERVED] + 1
    rank = target_rank(h.plan, number)
    _hold_rank(h, rank, cycle)
    command, lane, next_look = refresh_rank_step(h.banks, rank, cycle)
    if command == NO_COMMAND:
        clocks[REFRESH_LOOK] = next_look
    elif command == REFRESH:
        on_time = cycle == number * h.plan[INTERVAL]
        clocks[REFRESHES_ON_TIME] = clocks[REFRESHES_ON_TIME] + 1 if on_time else 0
        clocks[REFRESHES_SERVED] = number
        clocks[BLOCKED] = 0
        clocks[REFRESH_LOOK] = max(cycle + 1, (number + 1) * h.plan[INTERVAL])
    else:
        clocks[REFRESH_LOOK] = cycle + 1
    return command, lane


@helper
def skip_idle_refreshes(h, until, per_round):
    """Count the refreshes of an idle stretch instead of issuing them one by one.

    When the channel is empty and the last rounds of refreshes were all issued in the cycle they fell due,
    the next ones will be too, up to `until`. The last rounds are left to be issued, so that the state
    afterwards is what it would have been. `per_round`: refreshes issued while as many fall due as there
    are targets; fewer when ranks are in self refresh.
    """
    clocks, plan = h.clocks, h.plan
    idle = clocks[QUEUED] + clocks[N_READS] + clocks[N_WRITES] == 0
    settled = clocks[REFRESHES_ON_TIME] >= SETTLED_ROUNDS * plan[N_TARGETS]
    if h.rules[LOG_SIZE] != 0 or not idle or not settled:
        return
    due = until // plan[INTERVAL] - clocks[REFRESHES_SERVED]
    rounds = due // plan[N_TARGETS] - SETTLED_ROUNDS
    if rounds > 0:
        clocks[REFRESHES_SERVED] += rounds * plan[N_TARGETS]
        h.counters[REFRESH] += rounds * per_round
        clocks[REFRESH_LOOK] = (clocks[REFRESHES_SERVED] + 1) * plan[INTERVAL]
