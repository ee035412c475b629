"""`ppim info` of a system, and `ppim systems show`."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from ppim.dram.device import Device
from ppim.dram.load import load_device
from ppim.stats.info.base import KINDS, InfoKind
from ppim.systems import effect, explain, load, spec
from ppim.tables import Description, Table

HEADINGS = ("section", "parameter", "value", "unit", "meaning", "choices", "origin")
LIST_HEADINGS = ("system", "kind", "PIM level", "device", "mapping", "prefetch", "source")


def describe_system(name_or_path: str) -> Description:
    """Every parameter that acts in a system, explained.

    Raises
    ------
    InputError
        Unknown name, or a file that is no system.
    """
    system = load.load_system(name_or_path)
    parameters = list(explain.explain_system(name_or_path))
    memories = {"memory": system.memory}
    if system.dimm is not None:
        memories["dimm.memory"] = system.dimm.memory
    facts = {"system": system.name, "title": system.title, "kind": system.kind, "source": system.source}
    rows = tuple(_row(parameter) for parameter in parameters)
    return Description(
        tuple(_lines(system, parameters, memories)), (Table("parameters", HEADINGS, rows),), facts
    )


def list_systems() -> Description:
    """The built-in systems, a row each."""
    rows = []
    for system in explain.list_systems():
        of_pim = (system.pim.level, system.placement.mapping, system.prefetch.prefetch)
        level, mapping, prefetch = of_pim if system.kind == "pim" else (None,) * 3
        device = system.memory.device + (f"+{system.dimm.memory.device}" if system.dimm is not None else "")
        rows.append((system.name, system.kind, level, device, mapping, prefetch, system.source))
    table = Table("systems", LIST_HEADINGS, tuple(rows))
    return Description((table,), (table,))


def _row(parameter: explain.Parameter) -> tuple[Any, ...]:
    """For programs."""
    return (
        parameter.section,
        parameter.name,
        _text(parameter.value),
        parameter.unit,
        parameter.meaning,
        "|".join(parameter.choices),
        parameter.origin,
    )


def _lines(
    system: spec.SystemSpec, parameters: list[explain.Parameter], memories: dict[str, spec.MemorySpec]
) -> Iterator[str | Table]:
    """For people."""
    yield f"{system.name}: {system.title}"
    yield f"kind: {system.kind}"
    yield f"source: {system.source}"
    if system.paper_algorithms:
        yield (
            f"the units of its paper can do {', '.join(system.paper_algorithms)}; what other algorithms need, products "
            "of rows or of matrices, is an extension of ours"
        )
    for section, members in groupby(parameters, key=lambda parameter: parameter.section):
        yield ""
        yield f"[{section}]"
        yield Table(section, (), tuple(_explained(parameter) for parameter in members), indent=2)
        if section in memories:
            memory = memories[section]
            yield f"  {_organisation(load_device(memory.device, memory.overrides))}"
    yield ""
    yield f"({explain.DEFAULT}): not in the system's file; its other values show the file's own comments"
    known = dict.fromkeys(name for sections in effect.SECTIONS.values() for name in sections)
    unused = [name for name in known if name not in effect.sections_of(system)]
    if unused:
        yield f"without effect in a {system.kind} system: {', '.join(f'[{name}]' for name in unused)}"


def _explained(parameter: explain.Parameter) -> tuple[str, str, str]:
    """Name, value with unit, and what it means, which choices there are and where the value is from."""
    value = " ".join(filter(None, (_text(parameter.value), parameter.unit)))
    choices = f" [{' | '.join(parameter.choices)}]" if parameter.choices else ""
    origin = f" ({explain.DEFAULT})" if parameter.origin == explain.DEFAULT else ""
    lines = [f"{parameter.meaning}{choices}{origin}"]
    lines += (
        f"  {name}: {meaning}" for name, meaning in zip(parameter.choices, parameter.explained, strict=False)
    )
    if parameter.origin and parameter.origin != explain.DEFAULT:
        lines.append(f"= {parameter.origin}")
    return parameter.name, value, "\n".join(lines)


def _text(value: object) -> str:
    """A value as TOML writes it, but for its quotes."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{key} = {_text(item)}" for key, item in value.items()) or "none"
    return str(value)


def _organisation(device: Device) -> str:
    org = device.organization
    return (
        f"{device.name}: {org.channels} channels x {org.ranks} ranks x {org.bankgroups} bank groups x "
        f"{org.banks_per_group} banks, {org.capacity_bytes / 2**30:g} GiB, "
        f"{device.peak_gb_per_s:.1f} GB/s, tCK {device.timing.tCK:g} ns"
    )


KINDS.register("system")(
    InfoKind("a name of ppim systems, or a .toml", explain.is_system, describe_system, load.system_names)
)
