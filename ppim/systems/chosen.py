"""A system as a user chose it: a file's, with settings on top, and how to say in one line what these are."""

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any

from ppim.dram.load import load_device
from ppim.errors import InputError
from ppim.mapping.base import MAPPINGS
from ppim.systems import effect, load
from ppim.systems.spec import DimmSpec, MemorySpec, SystemSpec


@dataclass(frozen=True)
class ChosenSystem:
    """A system with settings on top of its file.

    Attributes
    ----------
    base : str
        Name of the preset, or path of the file.
    spec : SystemSpec
        All parameters.
    settings : dict of str to value
        What differs from the file, by the shortest name that `--set` takes, sorted: with `base` it is `spec` again.
    warnings : tuple of str
        Sentences on what was set and has no effect.
    """

    base: str
    spec: SystemSpec
    settings: Mapping[str, Any]
    warnings: tuple[str, ...] = ()


def choose_system(
    name_or_path: str,
    settings: Mapping[str, Any] | None = None,
    *,
    mapping: str | None = None,
    prefetch: str | None = None,
    device: str | None = None,
    for_program: bool = False,
) -> ChosenSystem:
    """A system by preset name or file, with settings and options on top.

    Parameters
    ----------
    name_or_path : str
    settings : mapping of str to value, optional
        By dotted or leaf name, as `--set` takes them.
    mapping, prefetch, device : str, optional
    for_program : bool
        It is to replay a program.

    Raises
    ------
    InputError
        As `load_system`; or mapping and prefetch of a host.
    """
    for option, value in (("mapping", mapping), ("prefetch", prefetch)):
        if value is not None and (host := load.load_system(name_or_path)).kind == "host":
            raise InputError(
                f"system {host.name}: a host has no PIM units, so --{option} {value} has no meaning; leave it out"
            )
    named = {"placement.mapping": mapping, "prefetch.prefetch": prefetch, "memory.device": device}
    # The device comes first: a setting may name one of its parameters.
    chosen = {key: value for key, value in named.items() if value is not None}
    spec, names = load.load_named(name_or_path, {**chosen, **(settings or {})})
    decided: list[str] = []
    if for_program:
        decided = effect.settings_that_a_program_decides(names)
        names = [name for name in names if name.partition(".")[0] in effect.ACT_ON_PROGRAMS]
    warnings = (*decided, *effect.settings_without_effect(spec, names))
    differences = sorted(_differences(spec, load.load_system(name_or_path))) if chosen or settings else []
    return ChosenSystem(name_or_path, spec, dict(differences), warnings)


def check_names(system: SystemSpec) -> None:
    """Look up what a system names and a run would load: mappings and devices of its memories.

    Raises
    ------
    InputError
        An unknown one, or a device with a wrong parameter.
    """
    parts = [system] if system.dimm is None else [system, system.second]
    for part in parts:
        if system.kind == "pim":
            MAPPINGS.get(part.placement.mapping)
        load_device(part.memory.device, part.memory.overrides, warn=lambda _: None)


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings in one line, `key=value` by key, joined by `;`; each part is one that `--set` takes."""
    return ";".join(f"{name}={text}" for name, text in setting_texts(settings).items())


def setting_texts(settings: Mapping[str, Any]) -> dict[str, str]:
    """Each setting's value as `--set` takes it, by key."""
    return {name: _value_text(settings[name]) for name in sorted(settings)}


def _value_text(value: Any) -> str:
    """A value as `--set` takes it: a name without quotes where it is none of TOML's own words."""
    if isinstance(value, str):
        try:
            tomllib.loads(f"value = {value}")
        except tomllib.TOMLDecodeError:
            return value
        return json.dumps(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(json.dumps(item) for item in value)}]"
    return json.dumps(value)


def _differences(spec: SystemSpec, base: SystemSpec) -> Iterator[tuple[str, Any]]:
    """(name, value) of the parameters in which a system is not as its file says."""
    known = load.parameters_of(SystemSpec, tiers=spec.dimm is not None)
    yield from _differences_of(spec, base, known, "")
    if spec.dimm is not None:
        yield from _differences_of(spec.dimm, base.dimm, load.parameters_of(DimmSpec), f"{effect.DIMM}.")


def _differences_of(
    spec: Any, base: Any, known: Mapping[str, tuple[str, str]], prefix: str
) -> Iterator[tuple[str, Any]]:
    by_leaf = load.places_by_leaf(known)
    for dotted, (_, leaf) in known.items():
        value = attrgetter(dotted)(spec)
        if dotted != "memory.overrides" and value != attrgetter(dotted)(base):
            yield prefix + (leaf if len(by_leaf[leaf]) == 1 else dotted), value
    for dotted, value in _device_differences(spec.memory, base.memory):
        leaf = dotted.rpartition(".")[2]
        yield prefix + (dotted if leaf in by_leaf else leaf), value


def _device_differences(memory: MemorySpec, base: MemorySpec) -> Iterator[tuple[str, Any]]:
    """(dotted name, value) of the parameters of the memory's device that its overrides change."""
    if memory.overrides == base.overrides:
        return
    usual = load_device(memory.device, base.overrides, warn=lambda _: None)
    for name, value in memory.overrides.items():
        section, _, leaf = name.rpartition(".")
        sections = [section] if section else load.DEVICE_SECTIONS
        for section in sections:
            part = getattr(usual, section)
            if any(field.name == leaf for field in fields(part)) and getattr(part, leaf) != value:
                yield f"{section}.{leaf}", value
