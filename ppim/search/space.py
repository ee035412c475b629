"""A search's TOML file -> the parameters that may vary, and the values that each may have (docs/explore.md)."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppim.config import read_toml
from ppim.errors import InputError, UnknownNameError

OBJECTIVES = {"time": "time_ns", "energy": "energy_total_pj"}
"""Name -> figure of a run that is to be small."""

KEYS = ("objective", "constants", "space")
RANGE_KEYS = ("from", "to", "points", "scale")
SCALES = ("linear", "log")
MOST_VALUES = 1000
"""Of one parameter: more are no search, but a slip."""

DIGITS = 4
"""Of a value between the ends of a range: as many as one reads in a table."""

Value = str | int | float | bool


@dataclass(frozen=True)
class Parameter:
    """What may vary.

    Attributes
    ----------
    name : str
        As `ppim.simulate` or `--set` takes it.
    values : tuple
        At least one. Numbers are in rising order, so that neighbours are near.
    """

    name: str
    values: tuple[Value, ...]

    @property
    def is_ordered(self) -> bool:
        """Whether neighbours among the values are near each other: numbers are, names are not."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


@dataclass(frozen=True)
class Space:
    """What is searched.

    Attributes
    ----------
    path : Path
        Of the file; other files in it are relative to its folder.
    objective : str
        One of `OBJECTIVES`.
    constants : mapping of str to value
        The same in all designs.
    parameters : sequence of Parameter
    """

    path: Path
    objective: str
    constants: Mapping[str, Any]
    parameters: Sequence[Parameter]

    @property
    def size(self) -> int:
        """Combinations of values; some of them are one design, where a value puts another parameter out of action."""
        return math.prod(len(parameter.values) for parameter in self.parameters)


def read_space(path: Path, objective: str | None = None) -> Space:
    """Read a search file.

    Parameters
    ----------
    path : Path
    objective : str, optional
        In place of the file's.

    Raises
    ------
    InputError
        What is no such file: unknown keys, no parameter, one without values, a range that is none.
    """
    table = read_toml(path)
    for key in table:
        if key not in KEYS:
            raise InputError(f"{path}: {UnknownNameError('key', key, KEYS)}")
    chosen = objective if objective is not None else table.get("objective", "time")
    if not isinstance(chosen, str) or chosen not in OBJECTIVES:
        where = "--objective" if objective is not None else f"{path}: objective"
        raise InputError(f"{where}: {UnknownNameError('objective', str(chosen), OBJECTIVES)}")
    constants = {
        name: _constant(path, name, value)
        for name, value in _flat(path, "constants", table.get("constants", {})).items()
    }
    found = _flat(path, "space", table.get("space", {}))
    parameters = [Parameter(name, _values(path, name, value)) for name, value in found.items()]
    if not any(len(parameter.values) > 1 for parameter in parameters):
        raise InputError(f"{path}: nothing varies; give [space] parameters with values")
    for name in found:
        if name in constants:
            raise InputError(f"{path}: space.{name}: is in constants too; leave one out")
    return Space(path, chosen, constants, parameters)


def _flat(path: Path, section: str, table: Any, prefix: str = "") -> dict[str, Any]:
    """Names with dots in place of tables in tables; a table of a range's keys is a range."""
    if not isinstance(table, dict):
        raise InputError(f"{path}: {section}: is a table, written as [{section}]")
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict) and not _is_range(value):
            flat |= _flat(path, section, value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _is_range(value: dict[str, Any]) -> bool:
    return "from" in value or "to" in value or not value


def _constant(path: Path, name: str, value: Any) -> Any:
    if isinstance(value, dict):
        raise InputError(f"{path}: constants.{name}: has one value; ranges stand in [space]")
    return value


def _values(path: Path, name: str, value: Any) -> tuple[Value, ...]:
    where = f"{path}: space.{name}"
    values = _of_range(where, value) if isinstance(value, dict) else value
    if not isinstance(values, list):
        raise InputError(f"{where}: takes a list of values, or a range {{from = 1, to = 64, points = 7}}")
    if not values:
        raise InputError(f"{where}: has no value; give some, or leave the parameter out")
    if len(values) > MOST_VALUES:
        raise InputError(f"{where}: {len(values):,} values, more than {MOST_VALUES:,}; give fewer")
    for each in values:
        if not isinstance(each, str | int | float) or (isinstance(each, float) and not math.isfinite(each)):
            raise InputError(f"{where}: {each!r:.80} is no number, text or switch")
    if len({json.dumps(each) for each in values}) < len(values):
        raise InputError(f"{where}: has a value twice; give each once")
    parameter = Parameter(name, tuple(values))
    return tuple(sorted(values)) if parameter.is_ordered else parameter.values


def _of_range(where: str, table: dict[str, Any]) -> list[float]:
    """Values from one end to the other, equally far from each other or, with scale log, with equal quotients."""
    for key in table:
        if key not in RANGE_KEYS:
            raise InputError(f"{where}: {UnknownNameError('key', key, RANGE_KEYS)}")
    ends = [table.get(key) for key in ("from", "to")]
    points, scale = table.get("points"), table.get("scale", SCALES[0])
    for key, end in zip(("from", "to"), ends, strict=True):
        if not isinstance(end, int | float) or isinstance(end, bool) or not math.isfinite(end):
            raise InputError(f"{where}: {key}: {end!r:.80} is no number; a range has from, to and points")
    if not isinstance(points, int) or isinstance(points, bool) or not 2 <= points <= MOST_VALUES:
        raise InputError(f"{where}: points: {points!r:.80} is no whole number from 2 to {MOST_VALUES:,}")
    if scale not in SCALES:
        raise InputError(f"{where}: scale: {UnknownNameError('scale', str(scale), SCALES)}")
    low, high = float(ends[0]), float(ends[1])  # type: ignore[arg-type]
    if low >= high:
        raise InputError(f"{where}: from {ends[0]} is not below to {ends[1]}; give the smaller one first")
    if scale == "log" and low <= 0:
        raise InputError(f"{where}: from {ends[0]}: a logarithmic range begins above 0")
    whole = all(isinstance(end, int) for end in ends)
    values = []
    for place in range(points):
        share = place / (points - 1)
        value = low * (high / low) ** share if scale == "log" else low + (high - low) * share
        values.append(round(value) if whole else float(f"{value:.{DIGITS}g}"))
    return sorted(set(values))
