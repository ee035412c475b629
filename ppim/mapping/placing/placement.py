"""A placement: for every subtable, what tells where its rows lie; and what it takes of the memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ppim.errors import InputError
from ppim.mapping.placing.index import NOT_THERE, make_index
from ppim.units import bytes_to_bursts

if TYPE_CHECKING:
    from ppim.mapping.placing.geometry import UnitGeometry
    from ppim.trace.schema import TraceMeta

# How a subtable is placed (column `mode` of a placement).
SPREAD = 0  # pages of rows hashed over all units, each row once
DUPLICATED = 1  # every unit has a copy at the same unit-local address
STRIPED = 2  # pages of rows in random order, each striped over all units
PACKED = 3  # row behind row in few units
SLICED = (
    4  # row behind row, each split over all units: every unit has a slice of it at one unit-local address
)

NO_COPY = NOT_THERE
NO_HOME = NOT_THERE

# Columns of `segments`: rows of a PACKED subtable that lie in one unit.
SEGMENT_ROW = 0  # first of them; NO_MORE_ROWS behind a subtable's last segment
SEGMENT_UNIT = 1
SEGMENT_ADDRESS = 2
SEGMENT_COLUMNS = 3
NO_MORE_ROWS = 1 << 62


class Placement(NamedTuple):
    """Where rows lie; int64 arrays of shape (tables, largest number of subtables) but for `segments` and below.

    A SPREAD or STRIPED row r is in page first_page + r // page_rows, whose image x is that of a bijection
    of 0..slots-1 (`key`). SPREAD: unit x % units, place x // units behind `base`; subtables with pages of
    equal size share one bijection. STRIPED: pages lie one behind the other in the order of their images,
    and every `stripe_rows` rows are in the next unit; the first unit is that behind the subtables before it.
    A DUPLICATED row, or its slice if it is SLICED, lies at base + r * row_bursts in every unit. A PACKED row
    lies in the last of its subtable's segments (from `first_segment` on) that does not begin behind it.
    Addresses are unit-local, in bursts.

    Of a SPREAD or STRIPED row that is split, each of the `set_units` units of a set has a part, at one address:
    then x % sets is the set, which begins with unit x % sets * set_units. Where each of a row's `pieces` is
    placed by itself, these are the rows: r * pieces + piece.

    Attributes
    ----------
    first_row : ndarray
        Number of the subtable's row 0 among all rows of all subtables.
    segments : ndarray of int64, shape (n, SEGMENT_COLUMNS)
    copies : ndarray of int64, shape (capacity, INDEX_COLUMNS)
        Addresses of rows that lie in every unit beside their own place, by their number among all rows of
        all subtables (`index`).
    copy_mask : int
        Capacity less one, a power of two less one; 0 where there are no copies of single rows.
    homes : ndarray of int64, shape (capacity, INDEX_COLUMNS)
        Where single SPREAD or STRIPED rows lie instead of where their page's image says, by their number among
        all rows of all subtables (`index`): unit-local address times `units`, plus the unit over all channels.
    home_mask : int
        Capacity less one; 0 where no row has a home of its own.
    """

    mode: np.ndarray
    base: np.ndarray
    row_bursts: np.ndarray  # of what one unit holds of a row
    page_rows: np.ndarray
    first_page: np.ndarray
    slots: np.ndarray
    bits: np.ndarray  # of the smallest power of two that is >= slots
    key: np.ndarray
    stripe_rows: np.ndarray
    first_row: np.ndarray
    first_segment: np.ndarray
    sets: np.ndarray  # of units; as many as units where rows are whole
    set_units: np.ndarray
    pieces: np.ndarray
    segments: np.ndarray
    copies: np.ndarray
    copy_mask: int
    homes: np.ndarray
    home_mask: int
    channels: int
    units: int
    unit_first: int  # 1: the next stripe is in the next unit of its channel


@dataclass(frozen=True)
class Footprint:
    """What a placement takes of the memory, in bytes."""

    spread_bytes: int  # rows that lie once, padding of pages and bursts included
    duplicated_bytes: int  # all copies together
    capacity_bytes: int

    @property
    def duplicated_percent(self) -> float:
        """Share of the memory that copies take."""
        return 100.0 * self.duplicated_bytes / self.capacity_bytes


def blank_placement(meta: TraceMeta, geometry: UnitGeometry) -> Placement:
    """A placement of which only the rows' sizes and numbers are filled in."""
    nothing = np.empty(0, dtype=np.int64)
    shape = (len(meta.tables), max(len(table.subtables) for table in meta.tables))
    columns = {name: np.zeros(shape, dtype=np.int64) for name in _PER_SUBTABLE}
    first_row = 0
    for t, table in enumerate(meta.tables):
        for s, subtable in enumerate(table.subtables):
            columns["row_bursts"][t, s] = bytes_to_bursts(subtable.bytes_per_row, geometry.burst_bytes)
            columns["first_row"][t, s] = first_row
            first_row += subtable.rows
    columns["sets"][:] = geometry.units
    columns["set_units"][:] = columns["pieces"][:] = 1
    return Placement(
        **columns,
        segments=np.full((1, SEGMENT_COLUMNS), NO_MORE_ROWS, dtype=np.int64),
        copies=make_index(nothing, nothing),
        copy_mask=0,
        homes=make_index(nothing, nothing),
        home_mask=0,
        channels=geometry.channels,
        units=geometry.units,
        unit_first=0,
    )


_PER_SUBTABLE = (
    "mode",
    "base",
    "row_bursts",
    "page_rows",
    "first_page",
    "slots",
    "bits",
    "key",
    "stripe_rows",
    "first_row",
    "first_segment",
    "sets",
    "set_units",
    "pieces",
)


def check_capacity(geometry: UnitGeometry, spread_bursts: int, copied_bursts: int, mapping: str) -> Footprint:
    """What is taken: `spread_bursts` of the memory and `copied_bursts` of every unit.

    Raises
    ------
    InputError
        If there is less; the message gives the numbers.
    """
    footprint = Footprint(
        spread_bytes=spread_bursts * geometry.burst_bytes,
        duplicated_bytes=copied_bursts * geometry.units * geometry.burst_bytes,
        capacity_bytes=geometry.unit_bursts * geometry.units * geometry.burst_bytes,
    )
    if footprint.spread_bytes + footprint.duplicated_bytes > footprint.capacity_bytes:
        raise InputError(
            f"mapping {mapping}: needs {footprint.spread_bytes:,} bytes for rows that lie once and "
            f"{footprint.duplicated_bytes:,} for copies, but the memory has {footprint.capacity_bytes:,}; "
            "use more channels, a larger device or shorter vectors"
        )
    return footprint
