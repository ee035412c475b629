"""From a preset's name or a TOML file to a `SystemSpec`, with overrides by dotted or leaf name."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ppim import config
from ppim.errors import InputError, UnknownNameError
from ppim.systems.spec import DimmSpec, MemorySpec, SystemSpec

PRESET_FOLDER = Path(__file__).parent / "presets"
DEFAULT_SYSTEM = "proactivepim"
DIMM = "dimm"  # table of the second memory
# Sections of a device; their parameters are reached through `memory.overrides`.
_DEVICE_SECTIONS = ("organization", "timing", "power", "controller")


@cache
def system_names() -> tuple[str, ...]:
    """Names of the built-in systems, sorted."""
    return tuple(sorted(path.stem for path in PRESET_FOLDER.glob("*.toml")))


def load_system(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> SystemSpec:
    """A system by preset name or from a TOML file.

    Parameters
    ----------
    name_or_path : str
        A name of `system_names()`, or a path that ends in .toml.
    overrides : mapping of str to value, optional
        Parameters to replace, by dotted name (`pim.barrier`, `timing.tFAW`) or by leaf name.

    Raises
    ------
    InputError
        Unknown name, key or value; the message says which and where.
    """
    if Path(name_or_path).suffix.lower() == ".toml":
        path, where = Path(name_or_path), name_or_path
    else:
        if name_or_path not in system_names():
            raise UnknownNameError("system", name_or_path, system_names())
        path, where = PRESET_FOLDER / f"{name_or_path}.toml", f"system {name_or_path}"
    table = {"name": path.stem, **config.read_toml(path)}
    for key, value in (overrides or {}).items():
        _override(table, key, value)
    if "tiers" in table and DIMM not in table:
        raise InputError(
            f"{where}: tiers: divides rows between two memories; add a [dimm] table, or leave it out"
        )
    _check_barriers(table, where)
    return config.build(SystemSpec, table, where)


@cache
def _parameters(record: type) -> dict[str, tuple[str, str]]:
    """Dotted name -> (section, key) of every parameter of a system, or of its second memory."""
    known = {}
    for section, hint in typing.get_type_hints(record).items():
        if dataclasses.is_dataclass(hint):
            for field in dataclasses.fields(hint):
                known[f"{section}.{field.name}"] = (section, field.name)
    return known


def _override(table: dict[str, Any], name: str, value: Any) -> None:
    """Set a parameter in a system's table; names that begin with `dimm.` are those of its second memory."""
    has_dimm = "dimm" in table
    section, _, rest = name.partition(".")
    if section in (DIMM, "tiers") and rest and not has_dimm:
        raise InputError(
            f"{name}: the system has one memory; give a file with a [dimm] table, or leave it out"
        )
    if section == DIMM and isinstance(table[DIMM], dict):
        _override_in(table[DIMM], rest, value, _parameters(DimmSpec), f"{DIMM}.")
        return
    known = _parameters(SystemSpec)
    if not has_dimm:
        known = {dotted: place for dotted, place in known.items() if place[0] != "tiers"}
    _override_in(table, name, value, known)


def _override_in(
    table: dict[str, Any], name: str, value: Any, known: dict[str, tuple[str, str]], prefix: str = ""
) -> None:
    by_leaf: dict[str, list[tuple[str, str]]] = {}
    for section, leaf in known.values():
        by_leaf.setdefault(leaf, []).append((section, leaf))
    places = [known[name]] if name in known else by_leaf.get(name, [])
    if len(places) > 1:
        choices = " or ".join(f"{prefix}{section}.{leaf}" for section, leaf in places)
        raise InputError(f"{prefix}{name}: several parameters have that name; write {choices}")
    if places:
        section, leaf = places[0]
        table.setdefault(section, {})[leaf] = value
        return
    from ppim.dram.load import load_device

    memory = table.setdefault("memory", {})
    default = DimmSpec().memory if prefix else MemorySpec()
    device = load_device(memory.get("device", default.device))
    device_leaves = {
        field.name
        for section in _DEVICE_SECTIONS
        for field in dataclasses.fields(getattr(device, section))
        if field.name != "source"
    }
    section, _, leaf = name.rpartition(".")
    if leaf not in device_leaves or (section and section not in _DEVICE_SECTIONS):
        raise UnknownNameError(
            "parameter", prefix + name, set(known if "." in name else by_leaf) | device_leaves
        )
    memory.setdefault("overrides", {})[name] = value


def _check_barriers(table: dict[str, Any], where: str) -> None:
    """The memories of a system have one barrier."""
    dimm = table.get(DIMM)
    pim = dimm.get("pim") if isinstance(dimm, dict) else None
    if isinstance(pim, dict) and "barrier" in pim:
        raise InputError(f"{where}: {DIMM}: pim: barrier: both memories wait at one; set it in [pim]")


def load_overridden(
    name_or_path: str,
    settings: Iterable[str],
    *,
    mapping: str | None = None,
    prefetch: str | None = None,
    device: str | None = None,
) -> SystemSpec:
    """A system with the command line's options on top: named ones and `--set` items."""
    overrides = config.parse_settings(settings)
    named = {"placement.mapping": mapping, "prefetch.prefetch": prefetch, "memory.device": device}
    # The device comes first: a setting may name one of its parameters.
    chosen = {key: value for key, value in named.items() if value is not None}
    system = load_system(name_or_path, {**chosen, **overrides})
    for option, value in (("mapping", mapping), ("prefetch", prefetch)):
        if value is not None and system.kind == "host":
            raise InputError(
                f"system {system.name}: a host has no PIM units, so --{option} {value} has no meaning; leave it out"
            )
    return system
