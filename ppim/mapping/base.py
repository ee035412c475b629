"""What every mapping answers: in which PIM unit, at which unit-local address, a subtable's row lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ppim.errors import InputError
from ppim.jit import helper
from ppim.registry import Registry
from ppim.tables import bare
from ppim.units import bytes_to_bursts, ceil_div

if TYPE_CHECKING:
    from ppim.dram.device import Device
    from ppim.systems.spec import Level, PlacementSpec
    from ppim.trace.schema import TraceMeta

# How a subtable is placed (column `mode` of a placement).
SPREAD = 0  # pages of rows over all units, each row once
DUPLICATED = 1  # every unit has a copy at the same unit-local address


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
    """Where rows lie; int64 arrays of shape (tables, largest number of subtables).

    A SPREAD row r is in page r // page_rows; the page's image x under the bijection of 0..slots-1
    (`key`) gives unit x % units and place x // units behind `base`. A DUPLICATED row lies at
    base + r * row_bursts in every unit. Addresses are unit-local, in bursts.
    """

    mode: np.ndarray
    base: np.ndarray
    row_bursts: np.ndarray
    page_rows: np.ndarray
    slots: np.ndarray
    bits: np.ndarray  # of the smallest power of two that is >= slots
    key: np.ndarray
    units: int


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


PlaceFunction = Callable[["TraceMeta", UnitGeometry, "PlacementSpec"], tuple[Placement, Footprint]]
MAPPINGS: Registry[PlaceFunction] = Registry("mapping", "ppim.mapping")

_GOLDEN_RATIO_64 = 0x9E3779B97F4A7C15
_MASK_64 = (1 << 64) - 1


def _mix(value: int) -> int:
    """splitmix64's finaliser (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014)."""
    value = (value + _GOLDEN_RATIO_64) & _MASK_64
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK_64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK_64
    return value ^ (value >> 31)


def place_subtables(
    meta: TraceMeta, geometry: UnitGeometry, spec: PlacementSpec, *, duplicate_shared: bool, mapping: str
) -> tuple[Placement, Footprint]:
    """Spread subtables over all units; put the shared ones into every unit if `duplicate_shared`.

    Raises
    ------
    InputError
        If it does not fit in the memory; the message gives the numbers.
    """
    if spec.placement_page < 1:
        raise InputError(f"placement_page: {spec.placement_page} is not a number of rows; give 1 or more")
    shape = (len(meta.tables), max(len(table.subtables) for table in meta.tables))
    mode, base, row_bursts, slots, key = (np.zeros(shape, dtype=np.int64) for _ in range(5))
    page_rows = np.full(shape, spec.placement_page, dtype=np.int64)
    next_spread, duplicated = 0, 0
    for t, table in enumerate(meta.tables):
        for s, subtable in enumerate(table.subtables):
            row_bursts[t, s] = bytes_to_bursts(subtable.bytes_per_row, geometry.burst_bytes)
            if subtable.shared and duplicate_shared:
                mode[t, s] = DUPLICATED
                base[t, s] = duplicated
                duplicated += subtable.rows * int(row_bursts[t, s])
                continue
            mode[t, s] = SPREAD
            pages_per_unit = ceil_div(ceil_div(subtable.rows, spec.placement_page), geometry.units)
            slots[t, s] = pages_per_unit * geometry.units
            key[t, s] = _mix(_mix(_mix(spec.placement_seed) ^ t) ^ s) >> 1
            base[t, s] = next_spread
            next_spread += pages_per_unit * spec.placement_page * int(row_bursts[t, s])
    # Copies fill the last DRAM rows of the unit's space (row by row, so that no small row straddles two).
    reserved = ceil_div(duplicated, geometry.bursts_per_row) * geometry.bursts_per_row
    base[mode == DUPLICATED] += geometry.unit_bursts - reserved
    footprint = Footprint(
        spread_bytes=next_spread * geometry.units * geometry.burst_bytes,
        duplicated_bytes=reserved * geometry.units * geometry.burst_bytes,
        capacity_bytes=geometry.unit_bursts * geometry.units * geometry.burst_bytes,
    )
    if next_spread + reserved > geometry.unit_bursts:
        raise InputError(
            f"mapping {mapping}: needs {footprint.spread_bytes:,} bytes for rows that lie once and "
            f"{footprint.duplicated_bytes:,} for copies, but the memory has {footprint.capacity_bytes:,}; "
            "use more channels, a larger device or shorter vectors"
        )
    bits = np.array([[(int(n) - 1).bit_length() if n else 0 for n in row] for row in slots], dtype=np.int64)
    return Placement(mode, base, row_bursts, page_rows, slots, bits, key, geometry.units), footprint


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
        bare(placement.slots),
        bare(placement.bits),
        bare(placement.key),
        placement.units,
    )


@helper(forceinline=True)
def permute(value, slots, bits, key):
    """A seeded bijection of 0..slots-1 that looks random.

    Multiplications by odd numbers, additions and shifted exclusive-ors are bijections of `bits`-bit
    numbers; images outside 0..slots-1 are sent through again (cycle walking: Black and Rogaway,
    Ciphers with arbitrary finite domains, 2002).
    """
    mask = (1 << bits) - 1
    shift = (bits + 1) >> 1
    while True:
        value = (value + key) & mask
        value = (value * _MULTIPLIER_1) & mask
        value ^= value >> shift
        value = (value + (key >> 21)) & mask
        value = (value * _MULTIPLIER_2) & mask
        value ^= value >> shift
        value = (value + (key >> 42)) & mask
        value = (value * _MULTIPLIER_3) & mask
        value ^= value >> shift
        if value < slots:
            return value


@helper(forceinline=True)
def locate_spread(placement, table, subtable, row):
    """(unit over all channels, unit-local address in bursts) of a SPREAD row."""
    page_rows = placement.page_rows[table, subtable]
    page = row if page_rows == 1 else row // page_rows
    image = permute(
        page,
        placement.slots[table, subtable],
        placement.bits[table, subtable],
        placement.key[table, subtable],
    )
    unit = image % placement.units
    place = image // placement.units
    address = (
        placement.base[table, subtable]
        + (place * page_rows + (row - page * page_rows)) * placement.row_bursts[table, subtable]
    )
    return unit, address
