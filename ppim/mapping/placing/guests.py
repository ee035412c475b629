"""Guests: rows that lie in another unit than their own, in room set aside in every unit.

Vectors are not written in inference, so a row's own place keeps it: a guest goes home by being forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ppim.jit import njit
from ppim.jit.pack import pack
from ppim.mapping.placing import spread
from ppim.mapping.placing.index import make_index, refill_index
from ppim.mapping.placing.locate import locate_row
from ppim.mapping.placing.placement import SPREAD, STRIPED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ppim.mapping.placing.geometry import UnitGeometry
    from ppim.mapping.placing.placement import Footprint, Placement
    from ppim.mapping.placing.spec import PlacementSpec
    from ppim.trace.schema import TraceMeta


@njit
def _find_homes(placement, table, subtable, rows, units, addresses):
    for i in range(rows.size):
        units[i], addresses[i] = locate_row(placement, table, subtable, rows[i])


def place_with_room(
    meta: TraceMeta, geometry: UnitGeometry, spec: PlacementSpec, mapping: str
) -> tuple[Placement, Footprint]:
    """Place rows as `duplicate` does, with room for guests in every unit; none has any yet.

    Raises
    ------
    InputError
        If it does not fit in the memory; the message gives the numbers.
    """
    placement, footprint = spread.place_subtables(
        meta,
        geometry,
        spec,
        duplicate_shared=True,
        mapping=mapping,
        copied_bursts=spec.guest_rows * slot_bursts(meta, geometry),
    )
    nobody = np.zeros(geometry.units * spec.guest_rows, dtype=np.int64)
    homes = make_index(np.arange(len(nobody)), nobody)
    refill_index(homes, nobody[:0], nobody[:0])
    return placement._replace(homes=homes, home_mask=len(homes) - 1), footprint


def slot_bursts(meta: TraceMeta, geometry: UnitGeometry) -> int:
    """Room for one guest: its longest row's, a power of two where that is less than a DRAM row, so as to lie in one."""
    longest = max(
        (part.bytes_per_row for table in meta.tables for part in table.subtables if not part.shared),
        default=1,
    )
    bursts = -(-longest // geometry.burst_bytes)
    return min(1 << (bursts - 1).bit_length(), max(bursts, geometry.bursts_per_row))


def first_slot(geometry: UnitGeometry, footprint: Footprint) -> int:
    """Unit-local address of the first guest's room: all that is set aside in a unit lies at its end, this first."""
    reserved = footprint.duplicated_bytes // (geometry.units * geometry.burst_bytes)
    return geometry.unit_bursts - reserved


@dataclass(frozen=True)
class Rows:
    """The rows that can be guests, by their number among all rows of all subtables.

    Attributes
    ----------
    starts : ndarray of int64, shape (subtables,)
        Number of the first row of each subtable of all tables, ascending.
    tables, subtables : ndarray of int64, of that shape
    bursts : ndarray of int64, of that shape
        Of a row; 0 where rows cannot be guests, since they lie in every unit.
    """

    placement: Placement
    starts: NDArray[np.int64]
    tables: NDArray[np.int64]
    subtables: NDArray[np.int64]
    bursts: NDArray[np.int64]

    @classmethod
    def of(cls, meta: TraceMeta, placement: Placement) -> Rows:
        places = [(t, s) for t, table in enumerate(meta.tables) for s in range(len(table.subtables))]
        tables, subtables = (np.array(column, dtype=np.int64) for column in zip(*places, strict=True))
        moves = np.isin(placement.mode[tables, subtables], (SPREAD, STRIPED))
        return cls(
            placement,
            placement.first_row[tables, subtables],
            tables,
            subtables,
            np.where(moves, placement.row_bursts[tables, subtables], 0),
        )

    def kinds(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Place in `starts` of the subtable that each row belongs to."""
        return np.searchsorted(self.starts, numbers, side="right") - 1

    def homes(self, numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(unit over all channels, unit-local address) of each row's own place; numbers ascend."""
        units, addresses = np.empty_like(numbers), np.empty_like(numbers)
        placement = pack(self.placement._replace(home_mask=0))  # as if there were no guests
        ends = np.searchsorted(numbers, [*self.starts[1:].tolist(), np.iinfo(np.int64).max])
        first = 0
        for kind, end in enumerate(ends.tolist()):
            if end > first:
                part = slice(first, end)
                _find_homes(
                    placement,
                    int(self.tables[kind]),
                    int(self.subtables[kind]),
                    numbers[part] - self.starts[kind],
                    units[part],
                    addresses[part],
                )
            first = end
        return units, addresses


class Guests:
    """Who is a guest where.

    Parameters
    ----------
    placement : Placement
        Its `homes` are filled by `publish`.
    first : int
        Unit-local address of the first guest's room in each unit.
    slot : int
        Bursts of the room for one.
    rows : int
        Guests that a unit can have.
    """

    def __init__(self, placement: Placement, first: int, slot: int, rows: int) -> None:
        self.placement, self.first, self.slot = placement, first, slot
        self.places: dict[int, tuple[int, int]] = {}  # by the row's number: unit, address
        self.free = [list(range(rows - 1, -1, -1)) for _ in range(placement.units)]

    def has_room(self, unit: int) -> bool:
        return bool(self.free[unit])

    def room(self) -> NDArray[np.int64]:
        """Guests that each unit can still take."""
        return np.array([len(free) for free in self.free], dtype=np.int64)

    def send_home(self, number: int) -> None:
        """A row is read in its own place again."""
        unit, address = self.places.pop(number)
        self.free[unit].append((address - self.first) // self.slot)

    def welcome(self, number: int, unit: int) -> int:
        """A row becomes a guest of a unit that has room; its address there."""
        if number in self.places:
            self.send_home(number)
        address = self.first + self.free[unit].pop() * self.slot
        self.places[number] = unit, address
        return address

    def publish(self) -> None:
        """Lookups go where guests are now."""
        numbers = np.array(sorted(self.places), dtype=np.int64)
        where = np.array([self.places[number] for number in numbers.tolist()], dtype=np.int64).reshape(-1, 2)
        refill_index(self.placement.homes, numbers, where[:, 1] * self.placement.units + where[:, 0])
