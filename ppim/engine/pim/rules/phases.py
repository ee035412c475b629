"""Which entries may issue: prefetches and their users in phases (docs/model.md §5)."""

from ppim.engine.pim import state as s
from ppim.jit import helper
from ppim.program import instruction as ins

BUFFERS = 2  # halves of a scratchpad that turns use in turn (PHASES_BUFFERED)


@helper(forceinline=True)
def phase_of(p, kind, turn):
    """Phase of an entry."""
    if p.phases == s.PHASES_NONE:
        return 0
    is_demand = 0 if kind == ins.PREFETCH else 1
    if p.phases == s.PHASES_BY_TURN:
        return 2 * turn + is_demand
    if p.phases == s.PHASES_BUFFERED:
        return turn
    return is_demand


@helper(forceinline=True)
def may_issue(phase, unfinished):
    """Whether an entry may issue in a unit whose smallest unfinished phase is `unfinished`."""
    return phase == unfinished


@helper(forceinline=True)
def buffer_is_used(fetched, demand):
    """PHASES_BUFFERED: whether the buffer that turn `fetched` fetches into serves demand, unfinished from turn `demand` on."""
    return demand <= fetched - BUFFERS


@helper(forceinline=True)
def demand_waits(fetched, demand):
    """PHASES_BUFFERED: whether demand of turn `demand` waits for fetches, unfinished from turn `fetched` on."""
    return fetched <= demand
