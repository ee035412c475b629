"""From a preset's name or a file to a `Device`."""

import os
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ppim import config
from ppim.dram import device, ini
from ppim.errors import InputError, UnknownNameError

PRESET_FOLDER = Path(__file__).parent / "devices"
DEFAULT_DEVICE = "hbm2-4gb"


def warn_on_stderr(line: str) -> None:
    sys.stderr.write(f"ppim: {line}\n")


@cache
def device_names() -> tuple[str, ...]:
    """Names of the built-in presets, sorted."""
    return tuple(sorted(path.stem for path in PRESET_FOLDER.glob("*.toml")))


def is_preset(name: str) -> bool:
    """Whether `name` is that of a built-in preset; case and underscores do not matter."""
    return _preset_name(name) in device_names()


def _preset_name(name: str) -> str:
    return name.lower().replace("_", "-")


def preset_file(name: str) -> Path:
    """The file of a preset."""
    return PRESET_FOLDER / f"{_preset_name(name)}.toml"


def device_file(name_or_path: str) -> Path | None:
    """The file that `load_device` reads for this name; None for a preset."""
    return Path(name_or_path) if Path(name_or_path).suffix.lower() in (".ini", ".toml") else None


def load_device(
    name_or_path: str,
    overrides: Mapping[str, Any] | None = None,
    *,
    warn: Callable[[str], None] = warn_on_stderr,
) -> device.Device:
    """A device by preset name, or from a device TOML or a DRAMsim3 .ini file.

    Parameters
    ----------
    name_or_path : str
        A name of `device_names()`, or a path that ends in .toml or .ini.
    overrides : mapping of str to value, optional
        Parameters to replace, by dotted name (`timing.tRFC`) or by a leaf name (`tRFC`).
    warn : callable
        Receives one line for each oddity of a .ini file that DRAMsim3 passes over in silence.

    Raises
    ------
    InputError
        Unknown name, key or value; the message says which and where.
    """
    suffix = Path(name_or_path).suffix.lower()
    if suffix == ".ini":
        path = Path(name_or_path)
        return make_device(path.stem, ini.read_ini(path, warn), name_or_path, overrides)
    if suffix == ".toml":
        path = Path(name_or_path)
        return make_device(path.stem, config.read_toml(path), name_or_path, overrides)
    name = _preset_name(name_or_path)
    if not is_preset(name):
        if os.sep in name_or_path:
            raise InputError(
                f"{name_or_path}: no name of a device; its file has a name that ends in .toml or .ini"
            )
        raise UnknownNameError("device", name_or_path, device_names())
    table = config.read_toml(preset_file(name))
    return make_device(name, table, f"device {name}", overrides)


def make_device(
    name: str, table: Mapping[str, Any], where: str, overrides: Mapping[str, Any] | None = None
) -> device.Device:
    """The device of a table laid out as a device TOML; `where` begins every message.

    Two values follow from the others and may be left out of the table: `organization.devices_per_rank`
    and `timing.burst_cycles`.
    """
    sections = {key: dict(value) if isinstance(value, Mapping) else value for key, value in table.items()}
    sections.setdefault("interface", {"io_pj_per_bit": None})
    for dotted, value in (overrides or {}).items():
        _override(sections, dotted, value)
    if overrides:
        sections["validated"] = False
    organization, timing = sections.get("organization"), sections.get("timing")
    if isinstance(organization, dict):
        _derive_devices_per_rank(organization)
    if isinstance(timing, dict) and isinstance(organization, dict):
        _derive_burst_cycles(timing, organization, sections.get("protocol"))
    return config.build(device.Device, {"name": name, **sections}, where)


def _derive_devices_per_rank(organization: dict[str, Any]) -> None:
    bus, width = organization.get("bus_width"), organization.get("device_width")
    if isinstance(bus, int) and isinstance(width, int) and width > 0:
        organization.setdefault("devices_per_rank", bus // width)


def _derive_burst_cycles(timing: dict[str, Any], organization: Mapping[str, Any], protocol: Any) -> None:
    burst_length = organization.get("burst_length")
    if isinstance(burst_length, int) and isinstance(protocol, str):
        timing.setdefault("burst_cycles", burst_length // device.beats_per_cycle(protocol))


def _override(sections: dict[str, Any], dotted: str, value: Any) -> None:
    """Replace one parameter, which must exist, so that a misspelt one is noticed."""
    known = {
        f"{section}.{leaf}": (section, leaf)
        for section, content in sections.items()
        if isinstance(content, dict)
        for leaf in content
        if leaf != "source"
    }
    by_leaf = {leaf: (section, leaf) for section, leaf in known.values()}
    place = known.get(dotted) or by_leaf.get(dotted)
    if place is None:
        raise UnknownNameError(
            "device parameter", dotted, known if "." in dotted else by_leaf, "`ppim info DEVICE` lists them"
        )
    section, leaf = place
    sections[section][leaf] = value
    if leaf == "burst_length":
        sections["timing"].pop("burst_cycles", None)
