"""`ppim info` of a system, and `ppim systems show`."""

from collections.abc import Iterator
from itertools import groupby

from ppim.dram.device import Device
from ppim.dram.load import load_device
from ppim.stats.info.base import KINDS, InfoKind
from ppim.systems import effect, explain, load

NAME_WIDTH = 24
VALUE_WIDTH = 22


def describe_system(name_or_path: str) -> Iterator[str]:
    """Lines that explain every parameter that acts in a system.

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
    yield f"{system.name}: {system.title}"
    yield f"kind: {system.kind}"
    yield f"source: {system.source}"
    if system.paper_algorithms:
        yield (
            f"the units of its paper add up rows ({', '.join(system.paper_algorithms)}); products of rows "
            "and of matrices, as other algorithms need, are an extension of ours"
        )
    for section, members in groupby(parameters, key=lambda parameter: parameter.section):
        yield ""
        yield f"[{section}]"
        for parameter in members:
            yield from _lines(parameter)
        if section in memories:
            memory = memories[section]
            yield f"  {_organisation(load_device(memory.device, memory.overrides))}"
    yield ""
    yield f"({explain.DEFAULT}): not in the system's file; its other values show the file's own comments"
    known = dict.fromkeys(name for sections in effect.SECTIONS.values() for name in sections)
    unused = [name for name in known if name not in effect.sections_of(system)]
    if unused:
        yield f"without effect in a {system.kind} system: {', '.join(f'[{name}]' for name in unused)}"


def _lines(parameter: explain.Parameter) -> Iterator[str]:
    value = " ".join(filter(None, (_text(parameter.value), parameter.unit)))
    choices = f" [{' | '.join(parameter.choices)}]" if parameter.choices else ""
    origin = f" ({explain.DEFAULT})" if parameter.origin == explain.DEFAULT else ""
    yield f"  {parameter.name:{NAME_WIDTH}}{value:{VALUE_WIDTH}}  {parameter.meaning}{choices}{origin}"
    for name, meaning in zip(parameter.choices, parameter.explained, strict=False):
        yield f"  {'':{NAME_WIDTH}}{'':{VALUE_WIDTH}}    {name}: {meaning}"
    if parameter.origin and parameter.origin != explain.DEFAULT:
        yield f"  {'':{NAME_WIDTH}}{'':{VALUE_WIDTH}}  = {parameter.origin}"


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


KINDS.register("system")(InfoKind("a name of ppim systems, or a .toml", explain.is_system, describe_system))
