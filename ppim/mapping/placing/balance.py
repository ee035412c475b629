"""Which rows of overloaded units other units take, table by table: turns wait for their most loaded unit."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Plan:
    """Rows of one table that would move, in this order.

    Attributes
    ----------
    rows : list of int
        Places in the arrays that were balanced.
    units : list of int
        Where each would go.
    peaks : list of float
        Load of the most loaded unit before the first move, and after each.
    """

    rows: list[int]
    units: list[int]
    peaks: list[float]

    def gain(self, moves: int) -> float:
        """How much less the most loaded unit has to do after so many moves."""
        return self.peaks[0] - self.peaks[moves]

    def first(self, moves: int) -> Plan:
        """The plan's first moves."""
        return Plan(self.rows[:moves], self.units[:moves], self.peaks[: moves + 1])


def balance(
    loads: NDArray[np.float64],
    units: NDArray[np.int64],
    room: NDArray[np.int64],
    most: int,
) -> Plan:
    """Move rows from the most loaded unit to the least loaded one with room, as long as that lowers the peak.

    Of the rows of the most loaded unit the one is taken that comes nearest to half the difference from below,
    or, where all are larger, the smallest that still lowers the peak.

    Parameters
    ----------
    loads : ndarray of float64, shape (rows,)
        What each row brings to its unit.
    units : ndarray of int64, shape (rows,)
        Where each row is.
    room : ndarray of int64, shape (units,)
        Rows that each unit can take.
    most : int
        Moves.
    """
    room = room.copy()
    total = np.bincount(units, weights=loads, minlength=len(room))
    waiting: dict[int, tuple[list[float], list[int]]] = {}  # rows of a unit by load
    plan = Plan([], [], [float(total.max(initial=0.0))])
    while len(plan.rows) < most:
        source = int(total.argmax())
        target = int(np.where(room > 0, total, np.inf).argmin())
        difference = total[source] - total[target]
        if room[target] == 0 or difference <= 0:
            break
        if source not in waiting:
            rows = np.flatnonzero(units == source)
            rows = rows[np.argsort(loads[rows], kind="stable")]
            waiting[source] = loads[rows].tolist(), rows.tolist()
        sizes, rows_left = waiting[source]
        at = bisect_right(sizes, difference / 2) - 1
        at = max(at, 0)
        if not sizes or sizes[at] >= difference or sizes[at] <= 0:
            break
        size, row = sizes.pop(at), rows_left.pop(at)
        total[source] -= size
        total[target] += size
        room[target] -= 1
        plan.rows.append(row)
        plan.units.append(target)
        plan.peaks.append(float(total.max()))
    return plan
