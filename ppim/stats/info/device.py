"""`ppim info` of a device: preset, device TOML or DRAMsim3 .ini."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

from ppim import config
from ppim.dram import address, energy, load
from ppim.dram.device import Device
from ppim.errors import InputError
from ppim.stats.info.base import KINDS, InfoKind

SECTIONS = ("organization", "timing", "power", "interface", "controller")
NAME_WIDTH = 30


def _recognises(target: str) -> bool:
    suffix = Path(target).suffix.lower()
    if suffix == ".ini":
        return True
    if suffix != ".toml":
        return load.is_preset(target)
    try:
        return "organization" in config.read_toml(Path(target))
    except InputError:
        return False


def _describe(target: str) -> Iterator[str]:
    device = load.load_device(target)
    yield f"{device.name}: {device.protocol} memory, {validation(device)}"
    yield f"source: {device.source}"
    for section in SECTIONS:
        yield ""
        yield f"[{section}]"
        yield from _values(getattr(device, section))
    yield ""
    yield "derived"
    for name, value in _derived(device).items():
        yield f"  {name:{NAME_WIDTH}} {value}"


def _values(section: Any) -> Iterator[str]:
    for item in fields(section):
        if value := str(getattr(section, item.name)):
            yield f"  {item.name:{NAME_WIDTH}} {value}"


def validation(device: Device) -> str:
    """Whether its commands were compared with DRAMsim3's."""
    return "validated against DRAMsim3" if device.validated else "not validated against DRAMsim3"


def _derived(device: Device) -> dict[str, str]:
    org, timing, places = device.organization, device.timing, address.address_map(device)
    bits = {
        name: f"{at}..{at + width - 1}" if width else "none"
        for name, at, width in zip(address.ADDRESS_FIELDS, places.positions, places.widths, strict=True)
    }
    energies = vars(energy.energy_table(device))
    return {
        "capacity": f"{org.capacity_bytes / 2**30:g} GiB",
        "peak bandwidth": f"{device.peak_gb_per_s:.1f} GB/s",
        "burst": f"{org.burst_bytes} bytes in {timing.burst_cycles} cycles",
        "row": f"{org.row_bytes} bytes, {org.bursts_per_row} bursts",
        "read latency": f"{timing.read_delay} cycles from READ to last data",
        "row cycle (tRC)": f"{timing.tRC} cycles",
        "refresh interval": f"{device.refresh_interval_cycles} cycles",
        "address bits": ", ".join(f"{name} {span}" for name, span in bits.items()),
        **{
            f"energy per {name.replace('_', ' ')}": f"{value * timing.tCK:.1f} pJ"
            for name, value in energies.items()
        },
    }


KINDS.register("device")(InfoKind("hbm2-4gb, FILE.toml, FILE.ini", _recognises, _describe))
