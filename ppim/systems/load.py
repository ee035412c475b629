"""From a preset's name or a TOML file to a `SystemSpec`, with overrides by dotted or leaf name."""

import dataclasses
import os
import typing
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ppim import config
from ppim.errors import InputError, UnknownNameError
from ppim.systems import effect, spec

PRESET_FOLDER = Path(__file__).parent / "presets"
DEFAULT_SYSTEM = "proactivepim"
# Sections of a device; their parameters are reached through `memory.overrides`.
DEVICE_SECTIONS = ("organization", "timing", "power", "interface", "controller")
REPLACED = {
    "instruction_interval": "an instruction's slot now lasts instruction_bits over command_bits_per_cycle cycles; "
    "for N cycles give instruction_bits=N and command_bits_per_cycle=1",
}
"""Parameters of `[pim]` that older files have, and what to give instead."""


@cache
def system_names() -> tuple[str, ...]:
    """Names of the built-in systems, sorted."""
    return tuple(sorted(path.stem for path in PRESET_FOLDER.glob("*.toml")))


def load_system(name_or_path: str, overrides: Mapping[str, Any] | None = None) -> spec.SystemSpec:
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
        Unknown name, key or value, or one that cannot act in a system of this kind; the message says which
        and where.
    """
    return load_named(name_or_path, overrides or {})[0]


def load_named(name_or_path: str, overrides: Mapping[str, Any]) -> tuple[spec.SystemSpec, list[str]]:
    """The system, and the dotted names of its overrides."""
    if Path(name_or_path).suffix.lower() == ".toml":
        path, where = Path(name_or_path), name_or_path
    else:
        if name_or_path not in system_names():
            if os.sep in name_or_path:
                raise InputError(
                    f"{name_or_path}: no name of a system; its file has a name that ends in .toml"
                )
            raise UnknownNameError("system", name_or_path, system_names())
        path, where = PRESET_FOLDER / f"{name_or_path}.toml", f"system {name_or_path}"
    table = {"name": path.stem, **read_table(path)}
    names = [_override(table, key, value) for key, value in overrides.items()]
    for pim in (table.get("pim"), _part(table.get(effect.DIMM), "pim")):
        for name, instead in REPLACED.items():
            if _part(pim, name) is not None:
                raise InputError(f"{where}: {name}: {instead}")
    system = config.build(spec.SystemSpec, table, where)
    effect.refuse_what_cannot_act(system, table, where)
    return system, names


BASE = "base"
"""Key of a system's file that names the system which it changes."""


def system_files(path: Path) -> list[Path]:
    """A system's file, behind those that it is based on.

    Raises
    ------
    InputError
        A file that cannot be read, an unknown base, or files that are based on each other.
    """
    files = [path]
    while (base := config.read_toml(files[0]).get(BASE)) is not None:
        where = f"{files[0]}: {BASE}"
        if not isinstance(base, str):
            raise InputError(
                f"{where}: {base!r:.80} is not a string; give a name of `ppim systems`, or a .toml"
            )
        if Path(base).suffix.lower() == ".toml":
            below = files[0].parent / base
        elif base in system_names():
            below = PRESET_FOLDER / f"{base}.toml"
        else:
            raise InputError(f"{where}: {UnknownNameError('system', base, system_names())}")
        if below.resolve() in {file.resolve() for file in files}:
            raise InputError(f"{where}: {base} is based on this file itself; name another system")
        files.insert(0, below)
    return files


def read_table(path: Path) -> dict[str, Any]:
    """What a system's file says, on top of what it is based on."""
    files = system_files(path)
    whole: dict[str, Any] = {}
    for file in files:
        table = config.read_toml(file)
        for memory in (table.get("memory"), _part(table.get(effect.DIMM), "memory")):
            _find_beside(file, memory)
        base = table.pop(BASE, None)
        if base is not None:
            table.setdefault("title", f"{base}, changed")
            table.setdefault("source", f"{file.name}, on top of {base}: {whole.get('source', '')}")
        whole.pop("name", None)
        _put_on_top(whole, table)
    return whole


def _put_on_top(whole: dict[str, Any], table: dict[str, Any]) -> None:
    """Replace values, and in tables theirs."""
    for key, value in table.items():
        if isinstance(value, dict) and isinstance(whole.get(key), dict):
            _put_on_top(whole[key], value)
        else:
            whole[key] = value


def _part(table: Any, key: str) -> Any:
    return table.get(key) if isinstance(table, dict) else None


def _find_beside(system: Path, memory: Any) -> None:
    """A device's file that a system's file names lies beside that, wherever the command is called."""
    name = _part(memory, "device")
    if isinstance(name, str) and Path(name).suffix.lower() in (".ini", ".toml"):
        memory["device"] = str(system.parent / name)


def _section(table: dict[str, Any], name: str, where: str) -> dict[str, Any]:
    """A sub-table of a system's file, made where it is missing."""
    section = table.setdefault(name, {})
    if not isinstance(section, dict):
        raise InputError(f"{where}: a table is needed, not {section!r:.80}")
    return section


@cache
def parameters_of(record: type, *, tiers: bool = True) -> dict[str, tuple[str, str]]:
    """Dotted name -> (section, key) of every parameter of a system, or of its second memory.

    Without `tiers` those that only two memories have are left out.
    """
    known = {}
    for section, hint in typing.get_type_hints(record).items():
        if dataclasses.is_dataclass(hint) and (tiers or section != "tiers"):
            for field in dataclasses.fields(hint):
                known[f"{section}.{field.name}"] = (section, field.name)
    return known


def places_by_leaf(known: Mapping[str, tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """Last part of a name -> (section, key) of all parameters with that name."""
    by_leaf: dict[str, list[tuple[str, str]]] = {}
    for section, leaf in known.values():
        by_leaf.setdefault(leaf, []).append((section, leaf))
    return by_leaf


def _override(table: dict[str, Any], name: str, value: Any) -> str:
    """Set a parameter in a system's table and return its dotted name; `dimm.` begins those of its second memory."""
    has_dimm = effect.DIMM in table
    section, _, rest = name.partition(".")
    old = REPLACED.get(name.rpartition(".")[2])
    if old is not None:
        raise InputError(f"{name}: {old}")
    if section in (effect.DIMM, "tiers") and not has_dimm:
        raise InputError(
            f"{name}: the system has one memory; give a file with a [dimm] table, or leave it out"
        )
    if section == effect.DIMM and isinstance(table[effect.DIMM], dict):
        return _override_in(table[effect.DIMM], rest, value, parameters_of(spec.DimmSpec), f"{effect.DIMM}.")
    return _override_in(table, name, value, parameters_of(spec.SystemSpec, tiers=has_dimm))


def _override_in(
    table: dict[str, Any], name: str, value: Any, known: dict[str, tuple[str, str]], prefix: str = ""
) -> str:
    by_leaf = places_by_leaf(known)
    places = [known[name]] if name in known else by_leaf.get(name, [])
    sections = {section for section, _ in known.values()}
    if not places and (name in sections or not name):
        table_name = f"{prefix}{name}".removesuffix(".")
        example = next(dotted for dotted in known if not name or dotted.startswith(f"{name}."))
        raise InputError(
            f"{table_name}: is a table of parameters; set one of them, for example {prefix}{example}"
        )
    if len(places) > 1:
        choices = " or ".join(f"{prefix}{section}.{leaf}" for section, leaf in places)
        raise InputError(f"{prefix}{name}: several parameters have that name; write {choices}")
    if places:
        section, leaf = places[0]
        _section(table, section, f"{prefix}{section}")[leaf] = value
        return f"{prefix}{section}.{leaf}"
    from ppim.dram.load import load_device

    memory = _section(table, "memory", f"{prefix}memory")
    default = spec.DimmSpec().memory if prefix else spec.MemorySpec()
    chosen = memory.get("device", default.device)
    if not isinstance(chosen, str):
        raise InputError(f"{prefix}memory.device: {chosen!r:.80} is not a string")
    device = load_device(chosen)
    device_leaves = {
        field.name
        for section in DEVICE_SECTIONS
        for field in dataclasses.fields(getattr(device, section))
        if field.name != "source"
    }
    section, _, leaf = name.rpartition(".")
    if leaf not in device_leaves or (section and section not in DEVICE_SECTIONS):
        raise UnknownNameError(
            "parameter",
            prefix + name,
            set(known if "." in name else by_leaf) | device_leaves,
            "`ppim systems show NAME` lists a system's, `ppim info DEVICE` a device's",
        )
    _section(memory, "overrides", f"{prefix}memory.overrides")[name] = value
    return f"{prefix}memory.overrides"
