"""A channel's course from event to event, until what it is advanced for holds."""

from numba import int64

from ppim.engine.codes import NEVER
from ppim.engine.host import columns as s
from ppim.jit import helper

# Until when a channel is advanced.
TO_CYCLE = 0
TO_EMPTY = 1
TO_ROOM = 2  # in the read queue; TO_ROOM + 1: in the write buffer

# Why it was not.
FULL_LOG = -1
MORE_SLOTS = -2
STALLED = -3

LOG_ENTRIES_PER_EVENT = 4

# Cycles without an arrival or a column command after which a run that should drain is given up.
PATIENCE = 1 << 26


@helper(forceinline=True)
def _is_idle(h):
    """Whether no request is in a queue."""
    return h.clocks[s.N_READS] + h.clocks[s.N_WRITES] + h.clocks[s.QUEUED] == 0


@helper(forceinline=True)
def _is_reached(h, goal):
    """Whether the goal holds now."""
    clocks = h.clocks
    if goal == TO_CYCLE:
        return True
    if goal == TO_EMPTY:
        return _is_idle(h)
    return clocks[s.N_READS + (goal - TO_ROOM) * h.rules[s.SEPARATE]] < h.rules[s.TRANS_SIZE]


@helper(forceinline=True)
def _log_is_full(h):
    """Whether the next event might not find room for commands, or for requests that are kept."""
    if h.clocks[s.KEPT_USED] > h.rules[s.KEPT_LIMIT]:
        return True
    return h.rules[s.LOG_SIZE] != 0 and h.clocks[s.LOG_USED] > h.rules[s.LOG_SIZE] - LOG_ENTRIES_PER_EVENT


@helper(forceinline=True)
def _beyond_the_run(h, cycle):
    """NEVER or STALLED when a goal cannot be waited for until `cycle`, else 0."""
    if cycle > h.rules[s.LAST_CYCLE]:
        return int64(NEVER)
    progress = max(
        h.counters[s.LAST_STAMP], max(h.counters[s.LAST_READ_CYCLE], h.counters[s.LAST_WRITE_CYCLE])
    )
    if h.rules[s.DRAINED] != 0 and cycle - progress > PATIENCE:
        return int64(STALLED)
    return int64(0)


@helper(forceinline=True)
def advance(h, cycle, goal, skip, next_event, register, is_short, run_event):
    """Run all events up to `cycle`, and then one by one until the goal holds.

    Parameters
    ----------
    h : HostChannel or GeneralChannel
    cycle, goal : int
    skip, next_event, register, is_short, run_event : callable
        The kernel's own. `skip(h, until)` counts the refreshes of an idle stretch; `next_event(h)` is the
        first cycle in which anything can happen; `register(h, cycle)` takes the arrivals accepted in
        `cycle` or before; `is_short(h)` says whether the slots might not do for the next event;
        `run_event(h, cycle)` does all that happens in a cycle.

    Returns
    -------
    int
        The cycle at whose end the goal holds (at least `cycle`); NEVER when it does not by the run's last
        cycle; FULL_LOG or MORE_SLOTS when the command log must be emptied or slots added first (then call
        again); STALLED when nothing comes of it.
    """
    while True:
        if _is_idle(h):
            skip(h, min(cycle, h.clocks[s.NEXT_ARRIVAL]))
        at = next_event(h)
        if at > cycle:
            if h.clocks[s.ARRIVALS_END] > 0:
                if _log_is_full(h):
                    return int64(FULL_LOG)
                register(h, cycle)
                h.clocks[s.ARRIVALS] = h.clocks[s.ARRIVALS_END] = 0
            if _is_reached(h, goal):
                return cycle
            at = next_event(h)
            beyond = _beyond_the_run(h, at)
            if beyond != 0:
                return beyond
            cycle = max(at, cycle)
        if _log_is_full(h):
            return int64(FULL_LOG)
        if is_short(h):
            return int64(MORE_SLOTS)
        run_event(h, at)
