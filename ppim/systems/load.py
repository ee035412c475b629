"""From a preset's name or a TOML file to a `SystemSpec`, with overrides by dotted or leaf name."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ppim import config
from ppim.errors import UnknownNameError
from ppim.systems.spec import SystemSpec

PRESET_FOLDER = Path(__file__).parent / "presets"
DEFAULT_SYSTEM = "proactivepim"
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
    return config.build(SystemSpec, table, where)


@cache
def _parameters() -> dict[str, tuple[str, str]]:
    """Dotted name -> (section, key) of every parameter of a system."""
    known = {}
    for section, hint in typing.get_type_hints(SystemSpec).items():
        if dataclasses.is_dataclass(hint):
            for field in dataclasses.fields(hint):
                known[f"{section}.{field.name}"] = (section, field.name)
    return known


def _override(table: dict[str, Any], name: str, value: Any) -> None:
    known = _parameters()
    by_leaf = {leaf: (section, leaf) for section, leaf in known.values()}
    place = known.get(name) or by_leaf.get(name)
    if place is not None:
        section, leaf = place
        table.setdefault(section, {})[leaf] = value
        return
    from ppim.dram.load import load_device

    memory = table.setdefault("memory", {})
    device = load_device(memory.get("device", "hbm2-4gb"))
    device_leaves = {
        field.name
        for section in _DEVICE_SECTIONS
        for field in dataclasses.fields(getattr(device, section))
        if field.name != "source"
    }
    section, _, leaf = name.rpartition(".")
    if leaf not in device_leaves or (section and section not in _DEVICE_SECTIONS):
        raise UnknownNameError("parameter", name, set(known if "." in name else by_leaf) | device_leaves)
    memory.setdefault("overrides", {})[name] = value


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
    return load_system(name_or_path, {**chosen, **overrides})
