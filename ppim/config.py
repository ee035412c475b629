"""TOML -> frozen dataclass, with every unknown key and wrong type named: the only validator of files."""

import dataclasses
import math
import re
import tomllib
import types
import typing
from collections.abc import Hashable, Iterable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from ppim.errors import InputError, UnknownNameError
from ppim.text_files import read_whole

T = TypeVar("T")
# tomllib's own error is a ValueError, as are numbers of too many digits and bytes that are no UTF-8.
_NOT_TOML = (ValueError, RecursionError)
_LIMIT = 1 << 63  # whole numbers become words of 64 bits
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_SIZE = re.compile(r"(\d{1,12}) ?(KiB|MiB|GiB)", re.ASCII)
_SHOWN_CHARACTERS = 80
_MOST_TOML_BYTES = 1 << 20
# A dotted name of more parts: tomllib takes time and memory that grow with their square.
_LONG_NAME = re.compile(r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){32}""", re.ASCII)


class Words(str):
    """Text of the command line that is no TOML value: where a list is needed, commas part its items."""

    __slots__ = ()


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file; a missing or malformed one is an InputError that names it."""
    try:
        return _parse(read_whole(Path(path), "is it TOML?", _MOST_TOML_BYTES).decode())
    except _NOT_TOML as error:
        raise InputError(f"{path}: not valid TOML: {_reason(error)}") from error


def _parse(text: str) -> dict[str, Any]:
    if _LONG_NAME.search(text):
        raise RecursionError
    return tomllib.loads(text)


def _reason(error: BaseException) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@cache
def _hints(cls: Any) -> dict[str, Any]:
    """Types of a record's fields; evaluating them takes longer than all else, and a run builds hundreds of records."""
    return typing.get_type_hints(cls)


@cache
def _fields(cls: Any) -> dict[str, dataclasses.Field[Any]]:
    return {field.name: field for field in dataclasses.fields(cls)}


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
    fields = _fields(typing.cast(Hashable, cls))
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in fields:
            raise InputError(f"{where}: {UnknownNameError('key', key, fields)}")
        if hints[key] is int and isinstance(value, str) and key.endswith("bytes"):
            value = _size(value)
        # An option's own name is enough: `prefetch: prefetch` says it twice.
        at = where if where.endswith(f" {key}") else f"{where}: {key}"
        values[key] = _convert(hints[key], value, at)
        if fields[key].metadata.get("range", (None,))[0] is None:  # a range says itself what is too large
            _check_numbers(values[key], at)
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


def _size(text: str) -> int | str:
    """A number of bytes written with a binary unit (64KiB); other text as it is."""
    match = _SIZE.fullmatch(text.strip())
    return text if match is None else int(match[1]) * _UNITS[match[2]]


def _shown(value: Any) -> str:
    """A value for a message, of bounded length."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, or nested without end
        return f"a {type(value).__name__}"
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."


def _convert(hint: Any, value: Any, where: str) -> Any:
    if type(value) is hint and (hint is int or (hint is str and value.isprintable())):
        return value  # nearly all that a trace of many tables says
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise InputError(f"{where}: a table is needed, not {_shown(value)}")
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
            raise InputError(f"{where}: a table is needed, not {_shown(value)}")
        raise InputError(f"{where}: {_shown(value)} is not {_name(hint)}")
    if origin is typing.Literal:
        if value not in typing.get_args(hint) or isinstance(value, bool):
            choices = ", ".join(repr(choice) for choice in typing.get_args(hint))
            raise InputError(f"{where}: {_shown(value)} is not one of {choices}")
        return value
    if origin is tuple:
        return _convert_list(typing.get_args(hint)[0], value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise InputError(f"{where}: a table is needed, not {_shown(value)}")
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < _LIMIT else math.inf
    if (hint is int and isinstance(value, bool)) or not isinstance(value, hint):
        unit = (
            ", nor one with KiB, MiB or GiB"
            if hint is int and isinstance(value, str) and _is_size(where)
            else ""
        )
        raise InputError(f"{where}: {_shown(value)} is not {_name(hint)}{unit}")
    if isinstance(value, str) and not value.isprintable():
        check_characters(value, where)
    return str(value) if isinstance(value, Words) else value


def _convert_list(item: Any, value: Any, where: str) -> tuple[Any, ...]:
    """A list, or what stands for one on the command line: `user,item`, or one number."""
    if isinstance(value, Words):
        words = [word.strip() for word in value.split(",")]
        value = words if item is str else [_toml_value(word, where) for word in words]
    elif isinstance(value, int | float) and item is not str:
        value = [value]
    if not isinstance(value, list):
        raise InputError(f"{where}: a list is needed, not {_shown(value)}")
    return tuple(_convert(item, each, where) for each in value)


def _check_numbers(value: Any, where: str) -> None:
    """Refuse numbers that no word of 64 bits holds, NaN and infinity."""
    for item in value if isinstance(value, tuple) else (value,):
        if isinstance(item, int) and not -_LIMIT < item < _LIMIT:
            raise InputError(f"{where}: {_shown(item)} does not fit in 64 bits")
        if isinstance(item, float) and not math.isfinite(item):
            raise InputError(f"{where}: {item} is no finite number")


def _is_size(where: str) -> bool:
    return where.endswith("bytes")


def check_characters(text: str, where: str) -> None:
    """Refuse what could not be written out again, or would speak to a terminal."""
    if any(ord(character) < ord(" ") or 0x7F <= ord(character) < 0xA0 for character in text) or any(
        "\ud800" <= character <= "\udfff" for character in text
    ):
        raise InputError(
            f"{where}: {text[:_SHOWN_CHARACTERS]!a} has control characters or broken text; leave them out"
        )


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
        settings[key] = _toml_value(text, f"--set {key}")
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
        pairs[key.replace("-", "_")] = _toml_value(text, f"{option} {key}")
    return pairs


def _toml_value(text: str, where: str) -> Any:
    try:
        return _parse(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return Words(text)
    except _NOT_TOML as error:
        raise InputError(f"{where}: {_reason(error)}") from error
