"""TOML -> frozen dataclass, with every unknown key and wrong type named: the only validator of files."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from collections.abc import Hashable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ppim.errors import InputError, UnknownNameError

T = TypeVar("T")


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; a missing or malformed one is an InputError that names it."""
    try:
        with Path(path).open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid TOML: {error}") from error


@cache
def _hints(cls: Any) -> dict[str, Any]:
    """Types of a record's fields; evaluating them takes longer than all else, and a run builds hundreds of records."""
    return typing.get_type_hints(cls)


def build(cls: type[T], table: dict[str, Any], where: str) -> T:
    """Make the frozen dataclass `cls` from a TOML table.

    Nested dataclasses come from sub-tables. An integer is accepted where a float is declared; nothing
    else is converted. `where` begins every message (a file and key).

    Raises
    ------
    InputError
        Unknown key (with near matches), missing key, wrong type, or what `__post_init__` refuses.
    """
    hints = _hints(typing.cast(Hashable, cls))
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in fields:
            raise InputError(f"{where}: {UnknownNameError('key', key, fields)}")
        values[key] = _convert(hints[key], value, f"{where}: {key}")
    for name, field in fields.items():
        if (
            name not in values
            and field.default is dataclasses.MISSING
            and field.default_factory is dataclasses.MISSING
        ):
            raise InputError(f"{where}: missing key {name!r}")
    try:
        return cls(**values)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise InputError(f"{where}: a table is needed, not {value!r}")
        return build(typing.cast(type, hint), value, where)
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        tables = [option for option in typing.get_args(hint) if dataclasses.is_dataclass(option)]
        if tables and isinstance(value, dict):
            return build(typing.cast(type, tables[0]), value, where)
        for option in typing.get_args(hint):
            try:
                return _convert(option, value, where)
            except InputError:
                continue
        if tables:
            raise InputError(f"{where}: a table is needed, not {value!r}")
        raise InputError(f"{where}: {value!r} is not {_name(hint)}")
    if origin is typing.Literal:
        if value not in typing.get_args(hint) or isinstance(value, bool):
            choices = ", ".join(repr(choice) for choice in typing.get_args(hint))
            raise InputError(f"{where}: {value!r} is not one of {choices}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise InputError(f"{where}: a list is needed, not {value!r}")
        return tuple(_convert(typing.get_args(hint)[0], item, where) for item in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise InputError(f"{where}: a table is needed, not {value!r}")
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if (hint is int and isinstance(value, bool)) or not isinstance(value, hint):
        raise InputError(f"{where}: {value!r} is not {_name(hint)}")
    return value


def _name(hint: Any) -> str:
    return {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}.get(
        hint, str(hint)
    )


def parse_settings(items: Iterable[str]) -> dict[str, Any]:
    """Values of `--set key=value` options, each written as in TOML; what is no TOML value is a string.

    Raises
    ------
    InputError
        An item without `=`, or a key that is empty or given twice.
    """
    settings: dict[str, Any] = {}
    for item in items:
        key, separator, text = (part.strip() for part in item.partition("="))
        if not separator or not key:
            raise InputError(f"--set {item}: write it as key=value, for example tRFC=350")
        if key in settings:
            raise InputError(f"--set {item}: {key} is given twice")
        settings[key] = _toml_value(text)
    return settings


def parse_pairs(items: Iterable[str], option: str) -> dict[str, Any]:
    """KEY=VALUE words with values read as TOML would, and as plain text where they are not TOML.

    Raises
    ------
    InputError
        A word without `=`.
    """
    pairs: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not equals:
            raise InputError(f"{option} {item}: write KEY=VALUE")
        pairs[key.replace("-", "_")] = _toml_value(text)
    return pairs


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
