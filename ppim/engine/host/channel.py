"""One channel's events, in the order in which a cycle's work is done: host-controller.md §12.

Nothing changes between events, so the channel jumps from one to the next: the next command that
selection could find, the next possible move, a buffered arrival (registered in the cycle after it was
accepted, before anything else), the next look at a refresh. An event may come too early (it then finds
nothing to do), never too late.
"""

from __future__ import annotations

from numba import int64

from ppim.engine.codes import NEVER, NO_COMMAND
from ppim.engine.host.arrivals import arrival_waits
from ppim.engine.host.commands import carry_out, is_column, select
from ppim.engine.host.events import LOG_FULL, beyond_the_run, is_reached, log_is_full, next_arrival
from ppim.engine.host.moves import move_one, move_possible, register_arrivals
from ppim.engine.host.refresh import SETTLED_ROUNDS, refresh_step, skip_idle_refreshes
from ppim.engine.host.state import (
    ARRIVALS,
    ARRIVALS_END,
    DUAL,
    DUAL_COMMANDS,
    NEXT_COMMAND,
    NEXT_MOVE,
    READY,
    REFRESH_LOOK,
    REFRESHES_ON_TIME,
)
from ppim.engine.refresh import N_TARGETS
from ppim.jit import helper


@helper(forceinline=True)
def next_event(h):
    """First cycle in which anything can happen."""
    clocks = h.clocks
    return min(min(clocks[NEXT_COMMAND], clocks[NEXT_MOVE]), min(clocks[REFRESH_LOOK], next_arrival(h)))


@helper(forceinline=True)
def _issue_commands(h, cycle):
    """Refresh service or normal selection, then with HBM a second command.

    A second command is issued if exactly one of the two is a column command (host-controller.md §8). A column
    command that may not go with the first one stays in its queue (DRAMsim3 loses it).
    """
    command, lane, position = int64(NO_COMMAND), int64(0), int64(0)
    if h.clocks[REFRESH_LOOK] <= cycle:
        command, lane = refresh_step(h, cycle)
    ready = h.clocks[READY] if h.clocks[NEXT_COMMAND] <= cycle else int64(0)
    first = int64(NO_COMMAND)
    while True:
        if command == NO_COMMAND:
            if ready == 0:
                return
            command, lane, position = select(h, ready, cycle)
            if first != NO_COMMAND:
                if is_column(command) == is_column(first):
                    return
                h.counters[DUAL_COMMANDS] += 1
        ready = carry_out(h, command, lane, position, cycle)
        if first != NO_COMMAND or h.rules[DUAL] == 0:
            return
        first, command = command, int64(NO_COMMAND)


@helper(forceinline=True)
def run_event(h, cycle):
    """All that happens in `cycle`."""
    if arrival_waits(h, cycle - 1):
        register_arrivals(h, cycle - 1)
    _issue_commands(h, cycle)
    if move_possible(h):
        move_one(h, cycle)
        h.clocks[NEXT_MOVE] = cycle + 1 if move_possible(h) else NEVER
    else:
        h.clocks[NEXT_MOVE] = NEVER


@helper(forceinline=True)
def advance(h, cycle, goal):
    """Run all events up to `cycle`, and then one by one until the goal holds.

    Returns
    -------
    int
        The cycle at whose end the goal holds (at least `cycle`); NEVER when it does not by the run's last
        cycle; LOG_FULL when the command log must be emptied first (then call again); STALLED when
        nothing comes of it.
    """
    while True:
        if h.clocks[REFRESHES_ON_TIME] >= SETTLED_ROUNDS:
            skip_idle_refreshes(h, min(cycle, next_arrival(h)), h.plan[N_TARGETS])
        at = next_event(h)
        if at > cycle:
            if h.clocks[ARRIVALS_END] > 0:
                register_arrivals(h, cycle)
                h.clocks[ARRIVALS] = h.clocks[ARRIVALS_END] = 0
                if move_possible(h):
                    h.clocks[NEXT_MOVE] = min(h.clocks[NEXT_MOVE], cycle + 1)
            if is_reached(h, goal):
                return cycle
            at = next_event(h)
            beyond = beyond_the_run(h, at)
            if beyond != 0:
                return beyond
            cycle = max(at, cycle)
        if log_is_full(h):
            return int64(LOG_FULL)
        run_event(h, at)
