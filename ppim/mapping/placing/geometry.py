"""The memory as PIM units see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ppim.dram.device import Device


def units_of_channel(device: Device, level: str) -> int:
    """PIM units of a channel at a level: channel, rank, bankgroup or bank."""
    organization = device.organization
    return {
        "channel": 1,
        "rank": organization.ranks,
        "bankgroup": organization.ranks * organization.bankgroups,
        "bank": organization.banks,
    }[level]


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
    def of(cls, device: Device, level: str) -> UnitGeometry:
        """Geometry of the units at `level` of a device."""
        organization = device.organization
        units = units_of_channel(device, level)
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
