"""A placement that learns: at the end of every few batches rows move, by what was accessed before.

AIMM (arXiv 2104.13671) remaps pages and computation by the performance that it has seen; here rows are remapped
by the loads that were seen (docs/model.md §15). The host sends every instruction, so it knows both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ppim.mapping.placing.balance import Plan, balance
from ppim.mapping.placing.guests import Guests, Rows, first_slot, slot_bursts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ppim.mapping.placing.geometry import UnitGeometry
    from ppim.mapping.placing.placement import Footprint, Placement
    from ppim.mapping.placing.spec import PlacementSpec
    from ppim.trace.schema import TraceMeta

FORGOTTEN_BELOW = 0.5  # accesses: rows of less weight are not remembered, and are guests no longer


@dataclass(frozen=True)
class MoveCosts:
    """What moves take and save, in memory cycles (docs/model.md §15).

    Attributes
    ----------
    column : int
        From one burst of an open row to the next, in a unit.
    bus_burst : int
        Of a burst on a channel's bus.
    row_read, row_written : float
        From one row that a unit reads (writes) to the next, where its banks take turns.
    latency : int
        Of one read-out and one write that find other rows open, one after the other.
    """

    column: int
    bus_burst: int
    row_read: float
    row_written: float
    latency: int

    def reading(self, bursts: NDArray[np.int64]) -> NDArray[np.float64]:
        """How long rows of so many bursts keep a unit that reads them."""
        return np.maximum(bursts * self.column, self.row_read)

    def writing(self, bursts: NDArray[np.int64]) -> NDArray[np.float64]:
        """The same of one that writes them."""
        return np.maximum(bursts * self.column, self.row_written)


class Move(NamedTuple):
    """A row goes from one unit to another; addresses are unit-local, in bursts."""

    row: int  # number among all rows of all subtables
    from_unit: int  # over all channels
    from_address: int
    to_unit: int
    to_address: int
    bursts: int


class Learner:
    """Counts the accesses of batches, and says which rows move after them.

    Parameters
    ----------
    meta : TraceMeta
    geometry : UnitGeometry
    spec : PlacementSpec
    placement : Placement
        Of a mapping that learns; its guests change.
    footprint : Footprint
    costs : MoveCosts
    """

    def __init__(
        self,
        meta: TraceMeta,
        geometry: UnitGeometry,
        spec: PlacementSpec,
        placement: Placement,
        footprint: Footprint,
        costs: MoveCosts,
    ) -> None:
        self.spec, self.geometry, self.costs = spec, geometry, costs
        self.rows = Rows.of(meta, placement)
        self.guests = Guests(
            placement, first_slot(geometry, footprint), slot_bursts(meta, geometry), spec.guest_rows
        )
        self.numbers = np.empty(0, dtype=np.int64)  # rows that are remembered, ascending
        self.weights = np.empty(0, dtype=np.float64)
        self.looks = 0.0  # weight of all epochs that are remembered
        self._seen: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._first_row = placement.first_row

    def see(
        self, tables: NDArray[np.integer], subtables: NDArray[np.integer], rows: NDArray[np.integer]
    ) -> None:
        """Count accesses, given by columns of a trace."""
        numbers = self._first_row[tables, subtables] + rows.astype(np.int64)
        self._seen.append(np.unique(numbers, return_counts=True))

    def look(self) -> list[Move]:
        """Moves by what has been seen, at the end of an epoch; guests are where they put them."""
        self._remember()
        for number in [number for number in self.guests.places if self._weight(number) < FORGOTTEN_BELOW]:
            self.guests.send_home(number)
        moves = self._moves()
        self.guests.publish()
        return moves

    def _remember(self) -> None:
        """Add the accesses of the last epoch to the older ones, whose weight falls."""
        keep = self.spec.adaptive_memory
        numbers = np.concatenate([self.numbers, *(numbers for numbers, _ in self._seen)])
        weights = np.concatenate([self.weights * keep, *(counts for _, counts in self._seen)])
        self._seen.clear()
        self.numbers, places = np.unique(numbers, return_inverse=True)
        self.weights = np.bincount(places, weights=weights, minlength=len(self.numbers)).astype(np.float64)
        kept = (self.weights >= FORGOTTEN_BELOW) & (self.rows.bursts[self.rows.kinds(self.numbers)] > 0)
        self.numbers, self.weights = self.numbers[kept], self.weights[kept]
        self.looks = self.looks * keep + 1

    def _weight(self, number: int) -> float:
        at = int(np.searchsorted(self.numbers, number))
        return float(self.weights[at]) if at < len(self.numbers) and self.numbers[at] == number else 0.0

    def _moves(self) -> list[Move]:
        if not len(self.numbers):
            return []
        kinds = self.rows.kinds(self.numbers)
        bursts = self.rows.bursts[kinds]
        homes, addresses = self.rows.homes(self.numbers)
        units = homes.copy()
        guests = np.array(sorted(self.guests.places), dtype=np.int64)
        at = np.searchsorted(self.numbers, guests)
        for place, number in zip(at.tolist(), guests.tolist(), strict=True):
            units[place], addresses[place] = self.guests.places[number]
        loads = self.weights * self.costs.reading(bursts)  # cycles of as many epochs as `looks`
        chosen = self._choose(self._plans(self.rows.tables[kinds], loads, units, bursts))
        moves = [(row, unit) for plan in chosen for row, unit in zip(plan.rows, plan.units, strict=True)]
        if not self._pays(chosen, units, bursts, moves):
            return []
        return self._carry_out(moves, homes, units, addresses, bursts)

    def _plans(
        self,
        tables: NDArray[np.int64],
        loads: NDArray[np.float64],
        units: NDArray[np.int64],
        bursts: NDArray[np.int64],
    ) -> list[Plan]:
        """Of each table the moves that save more than they keep the bus."""
        room, plans = self.guests.room(), []
        starts = np.flatnonzero(np.diff(tables, prepend=-1)).tolist()
        for first, stop in zip(starts, [*starts[1:], len(tables)], strict=True):
            part = slice(first, stop)
            plan = balance(loads[part], units[part], room, self.spec.adaptive_moves)
            on_bus = np.cumsum([0, *(2 * bursts[first + row] for row in plan.rows)]) * self.costs.bus_burst
            saved = plan.peaks[0] - np.array(plan.peaks) - on_bus * self.looks
            best = int(saved.argmax())
            if best:
                plan = plan.first(best)
                plans.append(Plan([first + row for row in plan.rows], plan.units, plan.peaks))
        return plans

    def _choose(self, plans: list[Plan]) -> list[Plan]:
        """Those that save most a move, while moves and room last."""
        left, room, chosen = self.spec.adaptive_moves, self.guests.room(), []
        for plan in sorted(plans, key=lambda plan: -plan.gain(len(plan.rows)) / len(plan.rows)):
            taken = 0
            while taken < min(len(plan.rows), left) and room[plan.units[taken]] > 0:
                room[plan.units[taken]] -= 1
                taken += 1
            if taken:
                left -= taken
                chosen.append(plan.first(taken))
        return chosen

    def _pays(
        self,
        chosen: list[Plan],
        units: NDArray[np.int64],
        bursts: NDArray[np.int64],
        moves: list[tuple[int, int]],
    ) -> bool:
        """Whether moves save enough until the next look, if what comes is like what was."""
        if not moves:
            return False
        rows, into = (np.array(column, dtype=np.int64) for column in zip(*moves, strict=True))
        per_channel, costs, size = self.geometry.units_per_channel, self.costs, bursts[rows]
        taken: float = costs.latency
        for unit, work in ((units[rows], costs.reading(size)), (into, costs.writing(size))):
            on_bus = np.bincount(unit // per_channel, weights=size * costs.bus_burst)
            taken += max(np.bincount(unit, weights=work).max(), on_bus.max())
        saved = sum(plan.gain(len(plan.rows)) for plan in chosen)
        return bool(saved > 0 and saved >= self.spec.adaptive_gain * taken * self.looks)

    def _carry_out(
        self,
        moves: list[tuple[int, int]],
        homes: NDArray[np.int64],
        units: NDArray[np.int64],
        addresses: NDArray[np.int64],
        bursts: NDArray[np.int64],
    ) -> list[Move]:
        """Rows become guests, or go home: their own places have them still."""
        done = []
        for row, unit in moves:
            number = int(self.numbers[row])
            if unit == homes[row]:
                self.guests.send_home(number)
                continue
            address = self.guests.welcome(number, unit)
            done.append(Move(number, int(units[row]), int(addresses[row]), unit, address, int(bursts[row])))
        return done
