"""The pages of docs/reference/, from what the program declares: commands, parameters, columns, systems, devices.

`python scripts/document_reference.py` writes them; a test compares them.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import textwrap
import typing
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import click

from ppim.cli import cli
from ppim.dram.load import device_names, load_device, preset_file
from ppim.stats.counters import IDENTITY, ON_REPLAY_LINES, REPLAY, SIMULATION, VERDICT, Counter
from ppim.systems import effect
from ppim.systems.explain import DEFAULT, explain_system, list_systems, read_comments
from ppim.systems.spec import SystemSpec
from ppim.tables import Table, markdown_table

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
WIDTH = 110
"""Characters of a line of these pages."""

HELP_WIDTH = 84
SECTIONS = ("memory", "pim", "placement", "cache", "prefetch", "compute", "host", "energy", "tiers")
DEVICE_SECTIONS = ("organization", "timing", "power", "interface", "controller")
EXAMPLE_DEVICE = "hbm2-4gb"
SOURCES = {
    "engine": "PIM engine",
    "classes": "its account of cycles",
    "built": "program builder",
    "commands": "host engine",
    "requests": "host engine",
    "llc": "last-level cache",
    "kept": "vectors that are kept",
    "units": "loads of units",
    "run": "the run",
    "result": "its result",
    "energy": "energy tables",
}


def item(head: str, *texts: str) -> Iterator[str]:
    """An entry of a list, in lines that are not too long."""
    yield from textwrap.wrap(
        " ".join([head, *filter(None, texts)]),
        WIDTH,
        initial_indent="* ",
        subsequent_indent="  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def paragraph(text: str) -> Iterator[str]:
    """Text in lines that are not too long, and a blank line."""
    yield from textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)
    yield ""


# Commands.


def command_line() -> Iterator[str]:
    """The help of every command."""
    yield "# Command line"
    yield ""
    yield from paragraph(
        "What `ppim COMMAND --help` says. `-h` is the same. Results go to stdout, progress, notes and warnings to stderr. "
        "Exit status: 0 done, 2 wrong usage or bad input, 1 a fault (or what a command says), 130 on Ctrl-C."
    )
    root = click.Context(cli, info_name="ppim", **cli.context_settings)
    for name in cli.list_commands(root):
        command = cli.get_command(root, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=root)
        yield from _help(command, context)
        if isinstance(command, click.Group):
            for below in command.list_commands(context):
                member = command.get_command(context, below)
                assert member is not None
                yield from _help(member, click.Context(member, info_name=below, parent=context))


def _help(command: click.Command, context: click.Context) -> Iterator[str]:
    context.max_content_width = context.terminal_width = HELP_WIDTH
    yield f"## {context.command_path}"
    yield ""
    yield "```text"
    yield from command.get_help(context).splitlines()
    yield "```"
    yield ""


# Parameters.


def parameters() -> Iterator[str]:
    """Every parameter of systems, and of devices."""
    yield "# Parameters"
    yield ""
    yield from paragraph(
        "All that a system's TOML file can say, and `--set NAME=VALUE`: name, default, unit, range or choices, meaning. A name "
        "that only one parameter has needs no section (`--set barrier=none`); sizes may have units (`cache_bytes=64KiB`). "
        "Where the values of the built-in systems are from stands with [each system](systems.md); `ppim systems show NAME` says "
        "the same of one system."
    )
    for section in SECTIONS:
        record = type(attrgetter(section)(_blank()))
        yield f"## `[{section}]`"
        yield ""
        yield from paragraph((record.__doc__ or "").split(";")[0].rstrip(".") + ".")
        for field in dataclasses.fields(record):
            yield from _parameter(section, field, typing.get_type_hints(record)[field.name])
        yield ""
    yield "## `[dimm]`"
    yield ""
    yield from paragraph(
        "A second memory has the sections `[dimm.memory]`, `[dimm.pim]`, `[dimm.placement]`, `[dimm.cache]` and "
        "`[dimm.compute]` with the same parameters; `dimm.memory.device` is `ddr4-8gb-x8-3200` where nothing is said. "
        + " ".join(
            f"`{name.removeprefix('dimm.')}` is not among them: {why}."
            for name, why in effect.GIVEN_ELSEWHERE.items()
        )
    )
    yield "## Devices"
    yield ""
    yield from paragraph(
        f"The sections of a device's TOML file, which `--set` reaches as well (`--set tFAW=16`). Values and words are those of "
        f"`{EXAMPLE_DEVICE}`; every device's file says where its numbers are from ([devices](devices.md))."
    )
    yield from _device_parameters()


def _blank() -> SystemSpec:
    return SystemSpec(name="", title="", source="", kind="pim")


def _parameter(section: str, field: dataclasses.Field[Any], hint: Any) -> Iterator[str]:
    metadata = field.metadata
    default = field.default_factory() if field.default is dataclasses.MISSING else field.default  # type: ignore[misc]
    words = [f"**`{field.name}`** = {_value(default)}", metadata["unit"]]
    least, most = metadata.get("range", (None, None))
    registry = metadata.get("registry")
    choices = registry.names() if registry else typing.get_args(hint) if _is_choice(hint) else ()
    if least is not None:
        words.append(f"({least:,} to {most:,})")
    if choices:
        words.append(f"({', '.join(f'`{choice}`' for choice in choices)})")
    yield from item(" ".join(filter(None, words)) + ":", f"{metadata['meaning']}.")
    needs = effect.ONLY_WITH.get(f"{section}.{field.name}")
    if needs:
        yield from _continued(f"Acts only with {_conditions(needs)}.")
    if registry:
        for name in registry.names():
            yield from _continued(f"`{name}`: {registry.get(name).meaning}.")


def _conditions(needs: Iterable[dict[str, tuple[str, ...]]]) -> str:
    return ", or ".join(
        " and ".join(
            f"`{name}` = {' or '.join(f'`{value}`' for value in values)}" for name, values in each.items()
        )
        for each in needs
    )


def _continued(text: str) -> Iterator[str]:
    """A further line of an entry."""
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent="    * ",
        subsequent_indent="      ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _is_choice(hint: Any) -> bool:
    return typing.get_origin(hint) is typing.Literal


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple | list):
        return f"`[{', '.join(map(str, value))}]`"
    if isinstance(value, dict):
        return "`{}`" if not value else f"`{', '.join(f'{key} = {each}' for key, each in value.items())}`"
    if isinstance(value, int):
        return f"`{value:_}`" if value >= 10_000 else f"`{value}`"
    return f"`{value}`"


def _device_parameters() -> Iterator[str]:
    device = load_device(EXAMPLE_DEVICE)
    said = read_comments(preset_file(EXAMPLE_DEVICE).read_text(encoding="utf-8"))
    for section in DEVICE_SECTIONS:
        part = getattr(device, section)
        yield f"### `[{section}]`"
        yield ""
        yield from paragraph((type(part).__doc__ or "").split("\n")[0])
        for field in dataclasses.fields(part):
            if field.name != "source":
                meaning = said.get((section, field.name), "")
                yield from item(f"**`{field.name}`** = {_value(getattr(part, field.name))}:", meaning + ".")
        yield ""


# Columns.


def columns() -> Iterator[str]:
    """The columns of stats CSVs."""
    yield "# Columns"
    yield ""
    yield from paragraph(
        "The CSV of `ppim simulate -o` has a line for each memory and channel, that of `ppim replay -o` a line for each "
        "channel; totals are sums over the lines. A column that does not apply to the system is empty. What happens in these "
        "cycles, [the model](../model.md) says."
    )
    yield "## `ppim simulate`"
    yield ""
    yield from paragraph(
        "Behind a meaning stands what the number is made of, in runs of PIM units and of hosts: "
        + ", ".join(f"`{name}` ({what})" for name, what in SOURCES.items())
        + "."
    )
    yield from _columns(IDENTITY, SIMULATION, VERDICT, sources=True)
    yield "## `ppim replay`"
    yield ""
    yield from _columns(ON_REPLAY_LINES, REPLAY, {}, sources=False)


def _columns(
    identity: dict[str, str], counters: Iterable[Counter], verdict: dict[str, str], *, sources: bool
) -> Iterator[str]:
    for name, meaning in identity.items():
        yield from item(f"**`{name}`**:", f"{meaning}.")
    for each in counters:
        unit = f" ({each.unit})" if each.unit else ""
        origins = [
            f"{who}: `{source}`." for who, source in (("PIM", each.pim), ("host", each.host)) if source
        ]
        if each.pim == each.host and each.pim:
            origins = [f"Both: `{each.pim}`."]
        yield from item(f"**`{each.name}`**{unit}:", f"{each.meaning}.", *(origins if sources else []))
    for name, meaning in verdict.items():
        yield from item(f"**`{name}`**:", f"{meaning}.")
    yield ""


# Systems and devices.


def systems() -> Iterator[str]:
    """The built-in systems, and where their values are from."""
    yield "# Built-in systems"
    yield ""
    yield from paragraph(
        "What each file of `ppim/systems/presets/` says: values, and where they are from. What a file does not say has the "
        "default of [its parameter](parameters.md). How the systems work, and how their papers differ from each other, "
        "[systems](../systems.md) tells."
    )
    rows = []
    for system in list_systems():
        is_pim = system.kind == "pim"
        device = system.memory.device + (f" and {system.dimm.memory.device}" if system.dimm else "")
        level = system.pim.level if is_pim else None
        rows.append(
            (f"[{system.name}](#{system.name})", level, device, system.placement.mapping if is_pim else None)
        )
    yield from markdown_table(Table("systems", ("system", "units at", "memory", "mapping"), tuple(rows)))
    yield ""
    for system in list_systems():
        yield from _system(system)


def _system(system: SystemSpec) -> Iterator[str]:
    yield f"## {system.name}"
    yield ""
    yield from paragraph(f"{system.title}. Source: {system.source}.")
    if system.paper_algorithms:
        yield from paragraph(
            f"The units of its paper can do {', '.join(system.paper_algorithms)}; other algorithms in them are an "
            "extension of ours."
        )
    for parameter in explain_system(system.name):
        if parameter.origin != DEFAULT:
            yield from item(
                f"`{parameter.section}.{parameter.name}` = {_value(parameter.value)}{' ' if parameter.unit else ''}"
                f"{parameter.unit}{':' if parameter.origin else ''}",
                parameter.origin,
            )
    yield ""


def devices() -> Iterator[str]:
    """The built-in devices."""
    yield "# Built-in devices"
    yield ""
    yield from paragraph(
        "`ppim devices show NAME` shows every parameter of one. Channels are their number and the bits of one's data bus, "
        "banks are bank groups x banks of a rank. Of a validated device every command was compared with DRAMsim3's, cycle by "
        "cycle."
    )
    rows = []
    for name in device_names():
        device = load_device(name)
        org = device.organization
        rows.append(
            (
                f"`{name}`",
                device.protocol,
                f"{org.channels} x {org.bus_width}",
                org.ranks,
                f"{org.bankgroups} x {org.banks_per_group}",
                f"{org.capacity_bytes / 2**30:g}",
                f"{device.peak_gb_per_s:.1f}",
                f"{device.timing.tCK:g}",
                "validated" if device.validated else None,
            )
        )
    heads = ("device", "family", "channels", "ranks", "banks", "GiB", "GB/s", "tCK ns", "validated")
    yield from markdown_table(Table("devices", heads, tuple(rows)))
    yield ""
    yield "## Sources"
    yield ""
    for name in device_names():
        yield from item(f"`{name}`:", f"{load_device(name).source}.")


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "command-line.md": command_line,
    "parameters.md": parameters,
    "columns.md": columns,
    "systems.md": systems,
    "devices.md": devices,
}
"""File -> its lines."""


def page(name: str) -> str:
    """The text of a page."""
    note = "<!-- made by scripts/document_reference.py; do not edit -->"
    return "\n".join([*PAGES[name](), "", note]).replace("\n\n\n", "\n\n") + "\n"


def main() -> None:
    """Write all pages."""
    os.environ.pop("COLUMNS", None)
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in PAGES:
        (FOLDER / name).write_text(page(name), encoding="utf-8")
        sys.stdout.write(f"{FOLDER / name}\n")


if __name__ == "__main__":
    main()
