"""The header of a `ppim-program`: read, held against a system, and written."""

from collections.abc import Iterator
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, TypeVar

from ppim.dram.device import Device
from ppim.errors import InputError
from ppim.mapping.base import MAPPINGS
from ppim.prefetch.base import PREFETCHES
from ppim.program.listing import form as f
from ppim.requests.text import BLOCK_BYTES, open_text
from ppim.systems.spec import SystemSpec

LONGEST_QUOTE = 60
LARGEST = 1 << 31  # of the header's numbers
COMMENT = "#"

Part = TypeVar("Part", f.Memory, f.Units)


def quote(text: str) -> str:
    """The beginning of a line, for messages."""
    return repr(text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}...")


def read_header(path: Path) -> f.Header:
    """The header of a program file, plain or gzip.

    Raises
    ------
    InputError
        With file and line: something else than a header, or one that lacks something.
    """
    found: dict[str, Any] = {}
    settings: list[str] = []
    number = 0
    for number, line in _lines(path):
        where = f"{path}:{number}"
        text = line.strip()
        word, rest = (*text.split(None, 1), "", "")[:2]
        if not word or word.startswith(COMMENT):
            continue
        if f.FORMAT not in found and word != f.FORMAT:
            raise InputError(f"{where}: {quote(text)}; a program begins with `{f.FORMAT} {f.VERSION}`")
        if word not in f.HEADER_WORDS:
            number -= 1
            break
        if word == f.SET_WORD:
            settings.append(rest.strip())
            continue
        if word in found:
            raise InputError(f"{where}: a second line of {word}; leave one out")
        rest = rest.partition(COMMENT)[0].strip()
        if word == f.FORMAT:
            if rest != str(f.VERSION):
                raise InputError(f"{where}: version {rest!r:.40} of {f.FORMAT}; this ppim reads {f.VERSION}")
            found[word] = rest
        elif word == f.SYSTEM_WORD:
            found[word] = rest
        elif word == f.MEMORY_WORD:
            found[word] = _part(where, word, rest, f.Memory)
        else:
            found[word] = _part(where, word, rest, f.Units)
    for word in (f.FORMAT, f.MEMORY_WORD, f.UNITS_WORD):
        if word not in found:
            raise InputError(f"{path}: the header has no line of `{word}`; see docs/formats.md")
    return f.Header(
        memory=found[f.MEMORY_WORD],
        units=found[f.UNITS_WORD],
        system=found.get(f.SYSTEM_WORD, ""),
        settings=tuple(settings),
        lines=number,
    )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines of a file with their numbers, as far as they are asked for."""
    with open_text(path) as stream:
        number = 0
        while line := stream.readline(BLOCK_BYTES):
            number += 1
            yield number, line.decode("utf-8", "replace")


def _part(where: str, word: str, text: str, kind: type[Part]) -> Part:
    """The `key=value` pairs of a header line."""
    known = {field.name: field for field in fields(kind)}
    given: dict[str, Any] = {}
    for pair in text.split():
        key, separator, value = pair.partition("=")
        if not separator or key not in known:
            raise InputError(
                f"{where}: {quote(pair)}; a line of {word} has {' '.join(f'{one}=' for one in known)}"
            )
        if key in given:
            raise InputError(f"{where}: {key} is given twice")
        is_number = known[key].type is int or known[key].type == "int"
        if is_number and not (value.isascii() and value.isdigit() and len(value) <= len(str(LARGEST))):
            raise InputError(f"{where}: {key}={value!r:.40} is no whole number")
        given[key] = int(value) if is_number else value
    for key, field in known.items():
        if key not in given and field.default is MISSING:
            raise InputError(f"{where}: the line of {word} lacks {key}=")
    return kind(**given)


def memory_of(device: Device) -> f.Memory:
    """The geometry of a device, as a header has it."""
    org = device.organization
    return f.Memory(
        org.channels,
        org.ranks,
        org.bankgroups,
        org.banks_per_group,
        org.rows,
        org.bursts_per_row,
        org.burst_bytes,
    )


def header_lines(header: f.Header) -> str:
    """A header's text."""
    lines = [f"{f.FORMAT} {f.VERSION}"]
    if header.system:
        lines.append(f"{f.SYSTEM_WORD} {header.system}")
    lines += [f"{f.SET_WORD} {setting}" for setting in header.settings]
    for word, part in ((f.MEMORY_WORD, header.memory), (f.UNITS_WORD, header.units)):
        pairs = (f"{key}={value}" for key, value in asdict(part).items() if value != "")
        lines.append(f"{word} {' '.join(pairs)}")
    return "".join(f"{line}\n" for line in lines)


def check_header(path: Path, header: f.Header, device: Device, system: SystemSpec) -> None:
    """Refuse a system whose units could not execute a program.

    Raises
    ------
    InputError
        What of them differs, and the mend.
    """
    if header.memory != memory_of(device):
        own, given = asdict(memory_of(device)), asdict(header.memory)
        different = ", ".join(
            f"{key}={given[key]} (here {own[key]})" for key in own if own[key] != given[key]
        )
        raise InputError(
            f"{path}: the program is for a memory of {different}; system {system.name} has {device.name}: give "
            "another --device or --system"
        )
    units = header.units
    try:
        mapping = MAPPINGS.get(units.mapping) if units.mapping else None
        PREFETCHES.get(units.prefetch)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    if mapping is not None and mapping.learns:
        raise InputError(f"{path}: mapping {units.mapping} moves rows, which a program file cannot say")
    if not 1 <= units.vector_bursts <= f.MOST_BURSTS:
        raise InputError(f"{path}: vector_bursts={units.vector_bursts} is not from 1 to {f.MOST_BURSTS:,}")
    given = {
        "level": system.pim.level,
        "frontend": system.pim.frontend,
        "consumer": system.pim.consumer,
        "deliver": system.pim.deliver,
        "unit_accumulators": system.compute.unit_accumulators,
    }
    for name, value in given.items():
        made = getattr(units, name)
        if made != value and (name, value) != ("unit_accumulators", 0):
            raise InputError(
                f"{path}: the program is for {name}={made}, system {system.name} has {value}; use "
                f"--set {name}={made}"
            )
    if mapping is not None and mapping.splits_rows and system.pim.collect != "host":
        raise InputError(
            f"{path}: with mapping {units.mapping} units have slices of a sum, which no collector adds up; use "
            "--set collect=host"
        )
