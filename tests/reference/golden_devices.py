"""Devices of the golden data as this package's dataclass, from their resolved parameters."""

from __future__ import annotations

from typing import Any

from ppim.dram.device import Controller, Device, Organization, Power, Timing


def golden_device(name: str, entry: dict[str, Any]) -> Device:
    """The device that an entry of the golden `devices.json` describes."""
    structure, times = entry["resolved"]["dram_structure"], entry["resolved"]["timing"]
    currents, system, derived = entry["resolved"]["power"], entry["resolved"]["system"], entry["derived"]
    return Device(
        name=name,
        protocol=structure["protocol"],
        source="golden data",
        organization=Organization(
            channels=system["channels"],
            ranks=derived["ranks"],
            bankgroups=derived["bankgroups"],
            banks_per_group=derived["banks_per_group"],
            rows=structure["rows"],
            columns=derived["columns"],
            device_width=structure["device_width"],
            bus_width=system["bus_width"],
            burst_length=structure["BL"],
            devices_per_rank=derived["devices_per_rank"],
        ),
        timing=Timing(burst_cycles=derived["burst_cycle"], **_named_in(Timing, times)),
        power=Power(**_named_in(Power, currents)),
        controller=Controller(
            hbm_dual_cmd=derived["hbm_dual_cmd"],
            **_named_in(Controller, system),
        ),
    )


def _named_in(part: type, values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key in part.__dataclass_fields__}
