"""What every mapping answers: in which PIM unit, at which unit-local address, a subtable's row lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ppim.errors import InputError
from ppim.jit import helper
from ppim.jit.tables import bare
from ppim.mapping.index import NOT_THERE, find, make_index
from ppim.registry import Registry
from ppim.units import bytes_to_bursts, ceil_div

if TYPE_CHECKING:
    from ppim.dram.device import Device
    from ppim.systems.spec import Level, PlacementSpec
    from ppim.trace.profile import AccessProfile
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

# Columns of `segments`: rows of a PACKED subtable that lie in one unit.
SEGMENT_ROW = 0  # first of them; NO_MORE_ROWS behind a subtable's last segment
SEGMENT_UNIT = 1
SEGMENT_ADDRESS = 2
SEGMENT_COLUMNS = 3
NO_MORE_ROWS = 1 << 62


@dataclass(frozen=True)
class UnitGeometry:
    """The memory as PIM units see it; sizes in bursts."""

    channels: int
    units_per_channel: int
    banks_per_unit: int
    rows: int
    bursts_per_row: int
    burst_bytes: int

    @classmethod
    def of(cls, device: Device, level: Level) -> UnitGeometry:
        """Geometry of the units at `level` of a device."""
        organization = device.organization
        units = {
            "channel": 1,
            "rank": organization.ranks,
            "bankgroup": organization.ranks * organization.bankgroups,
            "bank": organization.banks,
        }[level]
        return cls(
            channels=organization.channels,
            units_per_channel=units,
            banks_per_unit=organization.banks // units,
            rows=organization.rows,
            bursts_per_row=organization.bursts_per_row,
            burst_bytes=organization.burst_bytes,
        )

    @property
    def units(self) -> int:
        return self.channels * self.units_per_channel

    @property
    def unit_bursts(self) -> int:
        """Capacity of one unit."""
        return self.banks_per_unit * self.rows * self.bursts_per_row


class Placement(NamedTuple):
    """Where rows lie; int64 arrays of shape (tables, largest number of subtables) but for the last two.

    A SPREAD or STRIPED row r is in page first_page + r // page_rows, whose image x is that of a bijection
    of 0..slots-1 (`key`). SPREAD: unit x % units, place x // units behind `base`; subtables with pages of
    equal size share one bijection. STRIPED: pages lie one behind the other in the order of their images,
    and every `stripe_rows` rows are in the next unit; the first unit is that behind the subtables before it.
    A DUPLICATED row, or its slice if it is SLICED, lies at base + r * row_bursts in every unit. A PACKED row lies in the last of its
    subtable's segments (from `first_segment` on) that does not begin behind it. Addresses are
    unit-local, in bursts.

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
    segments: np.ndarray
    copies: np.ndarray
    copy_mask: int
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


CountAccesses = Callable[[], "AccessProfile"]
"""Counts the accesses of the trace to each row; called by mappings that need it, since it reads the trace."""
PlaceFunction = Callable[
    ["TraceMeta", UnitGeometry, "PlacementSpec", CountAccesses], tuple[Placement, Footprint]
]
MAPPINGS: Registry[PlaceFunction] = Registry("mapping", "ppim.mapping")

_GOLDEN_RATIO_64 = 0x9E3779B97F4A7C15
_MASK_64 = (1 << 64) - 1


def _mix(value: int) -> int:
    """splitmix64's finaliser (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)."""
    value = (value + _GOLDEN_RATIO_64) & _MASK_64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK_64
    return value ^ (value >> 31)


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
    return Placement(
        **columns,
        segments=np.full((1, SEGMENT_COLUMNS), NO_MORE_ROWS, dtype=np.int64),
        copies=make_index(nothing, nothing),
        copy_mask=0,
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
)


def place_subtables(
    meta: TraceMeta,
    geometry: UnitGeometry,
    spec: PlacementSpec,
    *,
    duplicate_shared: bool,
    mapping: str,
    copied_bursts: int = 0,
) -> tuple[Placement, Footprint]:
    """Spread subtables over all units; put the shared ones into every unit if `duplicate_shared`.

    `copied_bursts` are set aside in every unit, behind everything else, for copies of single rows.

    Raises
    ------
    InputError
        If it does not fit in the memory; the message gives the numbers.
    """
    placement = blank_placement(meta, geometry)
    placement = placement._replace(unit_first=int(spec.stripe_order == "unit-channel"))
    duplicated = copied_bursts
    spread: Rows = {}
    for t, table in enumerate(meta.tables):
        for s, subtable in enumerate(table.subtables):
            if subtable.shared and duplicate_shared:
                placement.mode[t, s] = DUPLICATED
                placement.base[t, s] = duplicated
                duplicated += subtable.rows * int(placement.row_bursts[t, s])
            else:
                spread[t, s] = subtable.rows
    place = _stripe if spec.placement == "page" else _hash
    unit_bursts = place(placement, spread, geometry, spec)
    # Copies fill the last DRAM rows of the unit's space (row by row, so that no small row straddles two).
    reserved = ceil_div(duplicated, geometry.bursts_per_row) * geometry.bursts_per_row
    placement.base[placement.mode == DUPLICATED] += geometry.unit_bursts - reserved
    return placement, check_capacity(geometry, unit_bursts * geometry.units, reserved, mapping)


Rows = dict[tuple[int, int], int]
"""Rows of subtables by table and subtable."""


def _hash(placement: Placement, spread: Rows, geometry: UnitGeometry, spec: PlacementSpec) -> int:
    """Hash the pages of subtables over all units; bursts taken in each.

    Pages of equal size share one bijection: with one for each subtable, tables of few rows would be spread
    more evenly than any hash does it.
    """
    pools: dict[int, Rows] = {}
    for place, rows in spread.items():
        page_bursts = spec.placement_page * int(placement.row_bursts[place])
        pools.setdefault(page_bursts, {})[place] = rows
    base = 0
    for page_bursts, pool in pools.items():
        pages = 0
        for place, rows in pool.items():
            placement.first_page[place] = pages
            pages += ceil_div(rows, spec.placement_page)
        unit_pages = ceil_div(pages, geometry.units)
        for place in pool:
            placement.mode[place] = SPREAD
            placement.base[place] = base
            placement.page_rows[place] = spec.placement_page
            _set_bijection(placement, place, unit_pages * geometry.units, spec.placement_seed, page_bursts, 0)
        base += unit_pages * page_bursts
    return base


def _stripe(placement: Placement, spread: Rows, geometry: UnitGeometry, spec: PlacementSpec) -> int:
    """Stripe the pages of subtables over all units; bursts taken in each."""
    base = 0
    for place, rows in spread.items():
        row_bursts = int(placement.row_bursts[place])
        row_bytes = row_bursts * geometry.burst_bytes
        page_rows = max(1, spec.page_bytes // row_bytes)
        stripe_rows = max(1, spec.stripe_bytes // row_bytes)
        pages = ceil_div(rows, page_rows)
        placement.mode[place] = STRIPED
        placement.base[place] = base
        placement.page_rows[place] = page_rows
        placement.stripe_rows[place] = stripe_rows
        _set_bijection(placement, place, pages, spec.placement_seed, *place)
        stripes = ceil_div(pages * page_rows, stripe_rows)
        base += ceil_div(stripes, geometry.units) * stripe_rows * row_bursts
    return base


def _set_bijection(
    placement: Placement, place: tuple[int, int], slots: int, seed: int, first: int, second: int
) -> None:
    """Send the pages of a subtable through the bijection of 0..slots-1 that these three numbers name."""
    placement.slots[place] = slots
    placement.bits[place] = (slots - 1).bit_length()
    placement.key[place] = _mix(_mix(_mix(seed) ^ first) ^ second) >> 1


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


# Odd multipliers of the bijection: any odd number is one, these spread bits well (splitmix64's).
_MULTIPLIER_1 = 0x3F58476D1CE4E5B9
_MULTIPLIER_2 = 0x14D049BB133111EB
_MULTIPLIER_3 = 0x1E3779B97F4A7C15


@helper(forceinline=True)
def bare_placement(placement):
    """The same placement as bare tables, for use inside a kernel."""
    return Placement(
        bare(placement.mode),
        bare(placement.base),
        bare(placement.row_bursts),
        bare(placement.page_rows),
        bare(placement.first_page),
        bare(placement.slots),
        bare(placement.bits),
        bare(placement.key),
        bare(placement.stripe_rows),
        bare(placement.first_row),
        bare(placement.first_segment),
        bare(placement.segments),
        bare(placement.copies),
        placement.copy_mask,
        placement.channels,
        placement.units,
        placement.unit_first,
    )


@helper(forceinline=True)
def permute_once(value, bits, key):
    """A seeded bijection of `bits`-bit numbers that looks random.

    Multiplications by odd numbers, additions and shifted exclusive-ors are bijections.
    """
    mask = (1 << bits) - 1
    shift = (bits + 1) >> 1
    value = (value + key) & mask
    value = (value * _MULTIPLIER_1) & mask
    value ^= value >> shift
    value = (value + (key >> 21)) & mask
    value = (value * _MULTIPLIER_2) & mask
    value ^= value >> shift
    value = (value + (key >> 42)) & mask
    value = (value * _MULTIPLIER_3) & mask
    value ^= value >> shift
    return value


@helper(forceinline=True)
def permute(value, slots, bits, key):
    """A seeded bijection of 0..slots-1 that looks random.

    Images outside 0..slots-1 are sent through again (cycle walking: Black and Rogaway, Ciphers with arbitrary
    finite domains, 2002).
    """
    while True:
        value = permute_once(value, bits, key)
        if value < slots:
            return value


@helper(forceinline=True)
def is_permuted(placement, table, subtable):
    """Whether a subtable's rows lie where the image of their page says."""
    mode = placement.mode[table, subtable]
    return mode in (SPREAD, STRIPED)


@helper(forceinline=True)
def page_of_row(placement, table, subtable, row):
    """Page of a row, to be permuted."""
    page_rows = placement.page_rows[table, subtable]
    return placement.first_page[table, subtable] + (row if page_rows == 1 else row // page_rows)


@helper(forceinline=True)
def locate_on_page(placement, table, subtable, row, image):
    """(unit over all channels, unit-local address in bursts) of a row whose page has an image."""
    page_rows = placement.page_rows[table, subtable]
    offset = 0 if page_rows == 1 else row % page_rows
    if placement.mode[table, subtable] == STRIPED:
        return _locate_striped(placement, table, subtable, image * page_rows + offset)
    place = image // placement.units
    address = (place * page_rows + offset) * placement.row_bursts[table, subtable]
    return image % placement.units, placement.base[table, subtable] + address


@helper(forceinline=True)
def locate_row(placement, table, subtable, row):
    """(unit over all channels, unit-local address in bursts) of a row's own place; not DUPLICATED."""
    if placement.mode[table, subtable] == PACKED:
        return locate_packed(placement, table, subtable, row)
    image = permute(
        page_of_row(placement, table, subtable, row),
        placement.slots[table, subtable],
        placement.bits[table, subtable],
        placement.key[table, subtable],
    )
    return locate_on_page(placement, table, subtable, row, image)


@helper
def _locate_striped(placement, table, subtable, position):
    """Place of the row at a position of the striped space."""
    stripe_rows = placement.stripe_rows[table, subtable]
    stripe = position // stripe_rows
    # Subtables follow each other, so that not all of them begin in the first unit.
    column = (stripe + placement.first_row[table, subtable] // stripe_rows) % placement.units
    unit = column
    if not placement.unit_first:
        channel = column % placement.channels
        unit = channel * (placement.units // placement.channels) + column // placement.channels
    place = stripe // placement.units * stripe_rows + position % stripe_rows
    return unit, placement.base[table, subtable] + place * placement.row_bursts[table, subtable]


@helper
def locate_packed(placement, table, subtable, row):
    """Place of a row in its subtable's segments."""
    segment = placement.first_segment[table, subtable]
    while placement.segments[segment + 1, SEGMENT_ROW] <= row:
        segment += 1
    offset = (row - placement.segments[segment, SEGMENT_ROW]) * placement.row_bursts[table, subtable]
    return placement.segments[segment, SEGMENT_UNIT], placement.segments[segment, SEGMENT_ADDRESS] + offset


@helper(forceinline=True)
def find_copy(placement, table, subtable, row):
    """Unit-local address of the copy that every unit has of a row, or NO_COPY."""
    if placement.mode[table, subtable] == DUPLICATED:
        return placement.base[table, subtable] + row * placement.row_bursts[table, subtable]
    if placement.copy_mask == 0:
        return NO_COPY
    return find(placement.copies, placement.copy_mask, placement.first_row[table, subtable] + row)
