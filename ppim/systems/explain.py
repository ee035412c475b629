"""What a system's file says, parameter by parameter: value, unit, meaning, and where the value is from."""

import dataclasses
import re
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Any

from ppim import config
from ppim.errors import InputError
from ppim.systems import effect, load, spec

DEFAULT = "default"
_KEY = re.compile(r'\s*"?([\w.]+)"?\s*=')
_QUOTED = re.compile(r'"[^"]*"')


@dataclass(frozen=True)
class Parameter:
    """One parameter of one system."""

    section: str
    name: str
    value: Any
    unit: str
    meaning: str
    origin: str  # the file's comment on it, or nothing; DEFAULT where the file does not set it
    choices: tuple[str, ...]  # all values, where they are names
    explained: tuple[str, ...]  # what each of them means, where they are variants with a meaning


def system_path(name_or_path: str) -> Path:
    """File of a preset or of a user's system."""
    if name_or_path in load.system_names():
        return load.PRESET_FOLDER / f"{name_or_path}.toml"
    return Path(name_or_path)


def is_system(target: str) -> bool:
    """Whether it is the name of a built-in system, or a TOML file that says what kind of system it is."""
    if Path(target).suffix.lower() != ".toml":
        return target in load.system_names()
    try:
        table = config.read_toml(Path(target))
        return load.BASE in table or table.get("kind") in effect.SECTIONS
    except InputError:
        return False


def explain_system(name_or_path: str) -> Iterator[Parameter]:
    """Every parameter that acts in a system.

    Raises
    ------
    InputError
        Unknown name, or a file with an unknown key or a wrong value.
    """
    system = load.load_system(name_or_path)
    path = system_path(name_or_path)
    given, comments = load.read_table(path), _comments(load.system_files(path))
    for section in effect.sections_of(system):
        record = attrgetter(section)(system)
        hints = typing.get_type_hints(type(record))
        table = given
        for part in section.split("."):
            table = table.get(part, {})
        for field in dataclasses.fields(record):
            if not effect.acts(system, section, field.name):
                continue
            is_given = field.name in table
            yield Parameter(
                section=section,
                name=field.name,
                value=getattr(record, field.name),
                unit=field.metadata["unit"],
                meaning=field.metadata["meaning"],
                origin=comments.get((section, field.name), "") if is_given else DEFAULT,
                choices=_choices(field, hints[field.name]),
                explained=_explained(field),
            )


def _choices(field: dataclasses.Field[Any], hint: object) -> tuple[str, ...]:
    """All values of a parameter, where they are names."""
    registry = field.metadata.get("registry")
    if registry is not None:
        return tuple(registry.names())
    return typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()


def _explained(field: dataclasses.Field[Any]) -> tuple[str, ...]:
    """What each variant means that a parameter can name."""
    registry = field.metadata.get("registry")
    return () if registry is None else tuple(registry.get(name).meaning for name in registry.names())


def _comments(files: Iterable[Path]) -> dict[tuple[str, str], str]:
    """Comments of files that stand on each other: what one says of a key, none below it says."""
    comments: dict[tuple[str, str], str] = {}
    for file in files:
        comments |= read_comments(file.read_text(encoding="utf-8"))
    return comments


def read_comments(text: str) -> dict[tuple[str, str], str]:
    """Comments of a system's file by (section, key): the lines right above the key and the end of its line."""
    comments: dict[tuple[str, str], str] = {}
    section = ""
    above: list[str] = []
    for line in text.splitlines():
        code, comment = _split_comment(line)
        if not code:
            above = [*above, comment] if comment else []
            continue
        if code.startswith("["):
            section = code.strip("[]")
        elif key := _KEY.match(code):
            comments[section, key[1]] = " ".join([*above, *([comment] if comment else [])])
        above = []
    return comments


def _split_comment(line: str) -> tuple[str, str]:
    """(code, comment) of a line; a # inside a string is no comment."""
    bare = _QUOTED.sub(lambda quoted: "_" * len(quoted[0]), line)
    at = bare.find("#")
    if at < 0:
        return line.strip(), ""
    return line[:at].strip(), line[at + 1 :].strip()


def list_systems() -> Iterator[spec.SystemSpec]:
    """All built-in systems."""
    return (load.load_system(name) for name in load.system_names())
