"""A sweep's TOML file -> its runs: constants, axes, exceptions and baselines (docs/sweeps.md)."""

import inspect
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ppim.config import read_toml
from ppim.errors import InputError, UnknownNameError

TRACE, RUN, SETTING = "trace", "run", "set"
SECTIONS = ("constants", "grid", "zip", "point", "exclude", "baselines", "seeds", "alternatives")
MOST_RUNS = 1_000_000
"""Runs of one sweep: more than that is a slip in an axis, and its plan would not fit in memory."""

_NOT_FOR_SWEEPS = {
    "output",
    "units",
    "summary",
    "program",
    "command_trace",
    "progress",
    "settings",
    "threads",
}
_DICTIONARIES = ("dataset_options", "algorithm_options")
SCALARS = (str, int, float, bool)

Point = dict[str, Any]
"""Name -> value: a scalar or a list of scalars, as TOML has it."""


@dataclass(frozen=True)
class PlannedRun:
    """One run of a sweep.

    Attributes
    ----------
    axes : dict of str to value
        What the file varies, by the names that it uses.
    trace : dict of str to value
        Arguments of `ppim.generate_trace`, without the output; empty where `run` has a trace of its own.
    run : dict of str to value
        Arguments of `ppim.simulate`, without settings and outputs.
    settings : dict of str to value
    """

    axes: Point
    trace: Point
    run: Point
    settings: Point


@dataclass(frozen=True)
class Plan:
    """All runs of a sweep.

    Attributes
    ----------
    path : Path
        Of the TOML file; other paths in it are relative to its folder.
    axes : sequence of str
        Names of what varies, in the order of the file.
    runs : sequence of PlannedRun
    baselines : dict of str to dict
        Name -> values of the axes that a run's baseline has in place of the run's.
    seeds : sequence of str
        Axes that results are averaged over.
    alternatives : mapping of str to str
        Option of a trace -> what it is called among the own options of the datasets that have one.
    """

    path: Path
    axes: Sequence[str]
    runs: Sequence[PlannedRun]
    baselines: Mapping[str, Point]
    seeds: Sequence[str]
    alternatives: Mapping[str, str]

    def baseline_of(self, run: PlannedRun, name: str) -> PlannedRun | None:
        """The run that another is compared with; None if the plan has none."""
        return self._by_axes.get(_key({**run.axes, **self.baselines[name]}))

    @cached_property
    def _by_axes(self) -> dict[str, PlannedRun]:
        return {_key(run.axes): run for run in self.runs}


def read_plan(path: Path, overrides: Mapping[str, Any] | None = None) -> Plan:
    """Read a sweep file.

    Parameters
    ----------
    path : Path
    overrides : mapping of str to value, optional
        Constants in place of the file's, or besides them.

    Raises
    ------
    InputError
        What is no such file: unknown keys, axes of different lengths or without values, no run, a baseline that no
        run is.
    """
    table = read_toml(path)
    for section in table:
        if section not in SECTIONS:
            raise InputError(f"{path}: {UnknownNameError('table', section, SECTIONS)}")
    constants = _overridden(path, _points(path, table, "constants"), overrides or {})
    grid = {
        name: _values(path, f"grid.{name}", value) for name, value in _points(path, table, "grid").items()
    }
    zips = [_zip(path, number, each) for number, each in enumerate(_tables(path, table, "zip"), 1)]
    points = _tables(path, table, "point")
    excluded = _tables(path, table, "exclude")
    axes = list(
        dict.fromkeys([*grid, *(name for each in zips for name in each[0]), *(n for p in points for n in p)])
    )
    for name in (*constants, *axes):
        _place(path, name)
    _check_once(path, constants, grid, zips)
    combined = _combined(path, grid, zips, has_points=bool(points))
    runs: list[PlannedRun] = []
    known: set[str] = set()
    for point in itertools.chain(combined, points):
        values = {name: point[name] for name in axes if name in point}
        if any(_matches(path, values | constants, rule, axes, constants) for rule in excluded):
            continue
        key = _key(values)
        if key not in known:
            known.add(key)
            runs.append(_planned(path, values, constants))
    if not runs:
        raise InputError(f"{path}: no run is left; give [grid] an axis with values, or exclude less")
    baselines = _baselines(path, table, axes)
    plan = Plan(path, axes, runs, baselines, _seeds(path, table, axes), _alternatives(path, table))
    for name in baselines:
        if all(plan.baseline_of(run, name) is None for run in runs):
            raise InputError(f"{path}: baselines.{name}: no run has these values; give values of the axes")
    return plan


def _overridden(path: Path, constants: Point, overrides: Mapping[str, Any]) -> Point:
    """Constants with others on top, under whatever of their spellings."""
    new = {_place(path, name) for name in overrides}
    return {name: value for name, value in constants.items() if _place(path, name) not in new} | dict(
        overrides
    )


def _tables(path: Path, table: Mapping[str, Any], section: str) -> list[Point]:
    """An array of tables."""
    found = table.get(section, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise InputError(f"{path}: {section}: takes tables, each written as [[{section}]]")
    return [_flat(path, section, each) for each in found]


def _points(path: Path, table: Mapping[str, Any], section: str) -> Point:
    found = table.get(section, {})
    if not isinstance(found, dict):
        raise InputError(f"{path}: {section}: is a table, written as [{section}]")
    return _flat(path, section, found)


def _flat(path: Path, section: str, table: Mapping[str, Any], prefix: str = "") -> Point:
    """Names with dots in place of tables in tables: TOML reads `set.barrier = 1` as such."""
    flat: Point = {}
    for key, value in table.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat |= _flat(path, section, value, f"{name}.")
        elif isinstance(value, SCALARS) or _is_list(value):
            flat[name] = value
        else:
            raise InputError(f"{path}: {section}.{name}: {value!r} is no number, text, or list of them")
    return flat


def _is_list(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, SCALARS) or (isinstance(each, list) and all(isinstance(x, SCALARS) for x in each))
        for each in value
    )


def _values(path: Path, where: str, value: Any) -> list[Any]:
    """Values of an axis."""
    values = value if isinstance(value, list) else [value]
    if not values:
        raise InputError(f"{path}: {where}: has no value; give some, or leave the axis out")
    if len({_key({"": each}) for each in values}) < len(values):
        raise InputError(f"{path}: {where}: has a value twice; give each once")
    return values


def _zip(path: Path, number: int, table: Point) -> list[Point]:
    """Points of axes that go along with each other."""
    where = f"zip {number}"
    if not table:
        raise InputError(f"{path}: {where}: has no axis; give some, or leave it out")
    columns = {name: value if isinstance(value, list) else [value] for name, value in table.items()}
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1 or 0 in lengths.values():
        text = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InputError(
            f"{path}: {where}: axes of different or no length ({text}); give each as many values"
        )
    return [dict(zip(columns, line, strict=True)) for line in zip(*columns.values(), strict=True)]


def _check_once(path: Path, constants: Point, grid: Point, zips: list[list[Point]]) -> None:
    """A name has one place, under whatever of its spellings."""
    taken: dict[tuple[str, str], str] = {}
    for where, names in [
        ("constants", constants),
        ("grid", grid),
        *((f"zip {n}", z[0]) for n, z in enumerate(zips, 1)),
    ]:
        for name in names:
            place = _place(path, name)
            if place in taken:
                raise InputError(f"{path}: {where}: {name} is in {taken[place]} too; leave one out")
            taken[place] = where


def _combined(
    path: Path, grid: dict[str, list[Any]], zips: list[list[Point]], *, has_points: bool
) -> Iterator[Point]:
    """Every value of each axis with every one of the others."""
    if not grid and not zips:
        if not has_points:
            raise InputError(f"{path}: nothing varies; give a [grid], a [[zip]] or a [[point]]")
        return
    factors: list[list[Point]] = [[{name: value} for value in values] for name, values in grid.items()]
    factors += zips
    count = 1
    for factor in factors:
        count *= len(factor)
    if count > MOST_RUNS:
        raise InputError(f"{path}: {count:,} runs, more than {MOST_RUNS:,}; give fewer values")
    for parts in itertools.product(*factors):
        yield {name: value for part in parts for name, value in part.items()}


def _matches(path: Path, point: Point, rule: Point, axes: Sequence[str], constants: Point) -> bool:
    """Whether a point has, for each name of a rule, its value or one of its values."""
    for name, wanted in rule.items():
        if name not in axes and name not in constants:
            raise InputError(f"{path}: exclude: {UnknownNameError('axis', name, [*axes, *constants])}")
        values = wanted if isinstance(wanted, list) else [wanted]
        if name not in point or point[name] not in values:
            return False
    return bool(rule)


def _baselines(path: Path, table: Mapping[str, Any], axes: Sequence[str]) -> dict[str, Point]:
    found = table.get("baselines", {})
    if not isinstance(found, dict) or not all(isinstance(each, dict) for each in found.values()):
        raise InputError(
            f"{path}: baselines: takes tables of axis = value, as in base = {{system = 'pim-base'}}"
        )
    baselines = {name: _flat(path, f"baselines.{name}", each) for name, each in found.items()}
    for name, values in baselines.items():
        for axis in values:
            if axis not in axes:
                raise InputError(f"{path}: baselines.{name}: {UnknownNameError('axis', axis, axes)}")
    return baselines


def _seeds(path: Path, table: Mapping[str, Any], axes: Sequence[str]) -> list[str]:
    found = table.get("seeds", [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise InputError(f"{path}: seeds: takes a list of axes that results are averaged over")
    for axis in found:
        if axis not in axes:
            raise InputError(f"{path}: seeds: {UnknownNameError('axis', axis, axes)}")
    return found


def _alternatives(path: Path, table: Mapping[str, Any]) -> Point:
    found = _points(path, table, "alternatives")
    known = sorted(_parameters()[TRACE])
    for name, other in found.items():
        if name not in known:
            raise InputError(f"{path}: alternatives: {UnknownNameError('parameter of trace', name, known)}")
        if not isinstance(other, str):
            raise InputError(f"{path}: alternatives.{name}: is the name of a dataset's own option")
    return found


def _parameters() -> dict[str, set[str]]:
    """Section -> names that `ppim.generate_trace` and `ppim.simulate` take."""
    from ppim import api

    trace = set(inspect.signature(api.generate_trace).parameters) - _NOT_FOR_SWEEPS - set(_DICTIONARIES)
    return {TRACE: trace, RUN: set(inspect.signature(api.simulate).parameters) - _NOT_FOR_SWEEPS}


def _place(path: Path, name: str) -> tuple[str, str]:
    """(section, name) that a name of the file stands for: `trace.`, `run.` or `set.` before it may be left out."""
    known = _parameters()
    section, dot, rest = name.partition(".")
    if section in _DICTIONARIES and dot:
        return TRACE, name
    if dot and section in known:
        if rest not in known[section]:
            raise InputError(
                f"{path}: {UnknownNameError(f'parameter of {section}', rest, sorted(known[section]))}"
            )
        return section, rest
    if dot and section == SETTING:
        return SETTING, rest
    for each, names in known.items():
        if name in names:
            return each, name
    return SETTING, name


def _planned(path: Path, values: Point, constants: Point) -> PlannedRun:
    parts: dict[str, Point] = {TRACE: {}, RUN: {}, SETTING: {}}
    for name, value in {**constants, **values}.items():
        section, own = _place(path, name)
        table, dot, option = own.partition(".")
        if section == TRACE and dot:
            parts[TRACE].setdefault(table, {})[option] = value
        else:
            parts[section][own] = value
    if ("trace" in parts[RUN]) == bool(parts[TRACE]):
        raise InputError(
            f"{path}: a run takes either trace = FILE or what makes one (dataset and its options); give one of them"
        )
    if parts[TRACE] and "dataset" not in parts[TRACE]:
        raise InputError(f"{path}: no dataset; give one, dataset = 'synthetic' or paths, or trace = FILE")
    return PlannedRun(values, parts[TRACE], parts[RUN], parts[SETTING])


def _key(values: Point) -> str:
    """Equal for equal values: true is not 1, but 1.0 is."""
    return json.dumps({name: values[name] for name in sorted(values)}, sort_keys=True)
