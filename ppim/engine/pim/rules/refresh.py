"""When a refresh is due, and how long it holds its units (docs/model.md §3, host-controller.md §9).

Refresh k falls due at k intervals. The oldest that is not served is the head: it holds the units of its rank
from the first cycle in which it is head until its REFRESH is issued.
"""

from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.jit import helper

MOST_FRUITLESS = 1 << 16
"""Refreshes after which no READ will come any more.

Between two of these a row was opened and closed again unused. What happens depends on how late a refresh is and
which banks are open; that has come again long before.
"""


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
def note_use(row):
    """Count refreshes since the last READ or WRITE before which a row was opened."""
    columns, activates = row[s.READS] + row[s.WRITES], row[s.ACTIVATES]
    if columns != row[s.COLUMNS_BEFORE]:
        row[s.FRUITLESS] = 0
    else:
        row[s.FRUITLESS] += activates != row[s.ACTIVATES_BEFORE]
    row[s.COLUMNS_BEFORE], row[s.ACTIVATES_BEFORE] = columns, activates


@helper(forceinline=True)
def leaves_no_time(row):
    """Whether refreshes and ACTIVATEs chase each other, so that no row will ever be read."""
    return row[s.FRUITLESS] > MOST_FRUITLESS


@helper(forceinline=True)
def serve(p, row, cycle):
    """REFRESH is issued in `cycle`; its units are let go in the next one."""
    note_use(row)
    row[s.REFRESH_DUE] += p.refresh_interval
    row[s.REFRESH_RELEASED] = cycle + 1
    row[s.REFRESH_LOOK] = NEVER
