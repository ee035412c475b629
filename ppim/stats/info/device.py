"""`ppim info` of a device: preset, device TOML or DRAMsim3 .ini."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from ppim import config
from ppim.dram import address, energy, load
from ppim.dram.device import Device
from ppim.errors import InputError
from ppim.stats.info.base import KINDS, InfoKind
from ppim.systems.explain import read_comments
from ppim.tables import Description, Table

SECTIONS = ("organization", "timing", "power", "interface", "controller")
HEADINGS = ("section", "parameter", "value", "meaning")
LIST_HEADINGS = (
    "device",
    "family",
    "channels",
    "ranks",
    "banks",
    "GiB",
    "GB/s",
    "tCK ns",
    "against DRAMsim3",
)


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


def describe_device(name_or_path: str) -> Description:
    """Every parameter of a device, and what follows from them.

    Raises
    ------
    InputError
        Unknown name, or a file that is no device.
    """
    device = load.load_device(name_or_path)
    facts = {
        "device": device.name,
        "protocol": device.protocol,
        "validated": device.validated,
        "source": device.source,
    }
    said = _comments(name_or_path)
    sections: dict[str, tuple[tuple[str, Any, str], ...]] = {
        section: tuple(
            (name, value, said.get((section, name), "")) for name, value in _values(getattr(device, section))
        )
        for section in SECTIONS
    }
    sections["derived"] = tuple((name, value, "") for name, value in _derived(device).items())
    lines: list[str | Table] = [
        f"{device.name}: {device.protocol} memory, {validation(device)}",
        f"source: {device.source}",
    ]
    for name, values in sections.items():
        lines += ["", name if name == "derived" else f"[{name}]", Table(name, (), values, indent=2)]
    rows = tuple((name, *value) for name, values in sections.items() for value in values)
    return Description(tuple(lines), (Table("parameters", HEADINGS, rows),), facts)


def _comments(name_or_path: str) -> dict[tuple[str, str], str]:
    """What a device's TOML file says of its parameters, by (section, key); nothing of a DRAMsim3 .ini."""
    path = load.preset_file(name_or_path) if load.is_preset(name_or_path) else Path(name_or_path)
    return read_comments(path.read_text(encoding="utf-8")) if path.suffix.lower() == ".toml" else {}


def _values(section: Any) -> tuple[tuple[str, Any], ...]:
    """Names and values of a section, as far as there are any."""
    found = ((item.name, getattr(section, item.name)) for item in fields(section))
    return tuple((name, value) for name, value in found if str(value))


def list_devices() -> Description:
    """The built-in devices, a row each."""
    rows = []
    for name in load.device_names():
        device = load.load_device(name)
        org = device.organization
        rows.append(
            (
                name,
                device.protocol,
                f"{org.channels}x{org.bus_width}",
                org.ranks,
                f"{org.bankgroups}x{org.banks_per_group}",
                f"{org.capacity_bytes / 2**30:g}",
                f"{device.peak_gb_per_s:.1f}",
                f"{device.timing.tCK:g}",
                "validated" if device.validated else "not validated",
            )
        )
    table = Table("devices", LIST_HEADINGS, tuple(rows))
    return Description((table,), (table,))


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


KINDS.register("device")(
    InfoKind("hbm2-4gb, FILE.toml, FILE.ini", _recognises, describe_device, load.device_names)
)
