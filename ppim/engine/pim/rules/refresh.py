"""When a refresh is due, and how long it holds its units (docs/model.md §3, host-controller.md §9).

Refresh k falls due at k intervals. The oldest that is not served is the head: it holds the units of its rank
from the first cycle in which it is head until its REFRESH is issued.
"""

from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.jit import helper


@helper(forceinline=True)
def head_rank(p, row):
    """Rank of the oldest refresh that is not served; `row` is the channel's."""
    if p.refresh_rotates:
        return row[s.REFRESHES] & (p.ranks - 1)
    return 0


@helper(forceinline=True)
def holds_from(row):
    """Cycle from which the next refresh holds its units: due, and those of the last one let go."""
    return max(row[s.REFRESH_DUE], row[s.REFRESH_RELEASED])


@helper(forceinline=True)
def is_holding(row):
    """Whether a refresh holds its units, which has not been issued."""
    return row[s.REFRESH_LOOK] < NEVER


@helper(forceinline=True)
def hold(row, cycle):
    """The next refresh becomes head in `cycle`; it can need a command from then on."""
    row[s.REFRESH_LOOK] = cycle


@helper(forceinline=True)
def serve(p, row, cycle):
    """REFRESH is issued in `cycle`; its units are let go in the next one."""
    row[s.REFRESH_DUE] += p.refresh_interval
    row[s.REFRESH_RELEASED] = cycle + 1
    row[s.REFRESH_LOOK] = NEVER
