"""Results of any kind -> a study: runs with their axes, baselines, settings and commands (figures, reports).

A result is a stats CSV or a summary of `ppim simulate`, or the folder or the table of runs of `ppim sweep`.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ppim.errors import InputError, UnknownNameError
from ppim.report.compare import compare
from ppim.report.read import Run, figure, read_runs, run_of_rows, run_of_totals
from ppim.stats.counters import COLUMNS, IDENTITY
from ppim.text_files import csv_header, csv_lines, read_text

TABLE = "runs.csv"
SWEEP_COLUMNS = ("id", "status", "error")
"""What a sweep's table of runs has, and a stats CSV has not."""

_OWN_AXES = ("trace", "algorithm", "system", "mapping", "prefetch", "device")
"""What runs that are of no sweep differ in, besides their settings."""

Value = str | int | float | bool


@dataclass(frozen=True)
class Result:
    """One run and what is known of it.

    Attributes
    ----------
    run : Run
    axes : mapping of str to value
        What it differs in from others: axes of its sweep; else names of its system and trace, and settings.
    baseline_ns : mapping of str to float
        Name of a baseline of its sweep -> that run's time.
    configuration : mapping of str to value
        All parameters, as the summary has them; empty if only a stats CSV is known.
    commands : sequence of str
        What makes it again, in order.
    is_of_sweep : bool
    """

    run: Run
    axes: Mapping[str, Value]
    baseline_ns: Mapping[str, float] = field(default_factory=dict)
    configuration: Mapping[str, Any] = field(default_factory=dict)
    commands: Sequence[str] = ()
    is_of_sweep: bool = False


@dataclass(frozen=True)
class Failure:
    """A run of a sweep that failed."""

    axes: Mapping[str, Value]
    error: str


@dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but seeds.

    Attributes
    ----------
    label : str
    axes : mapping of str to value
        Without seeds.
    results : sequence of Result
    """

    label: str
    axes: Mapping[str, Value]
    results: Sequence[Result]


@dataclass(frozen=True)
class Study:
    """Runs to be looked at together.

    Attributes
    ----------
    results : sequence of Result
        At least one.
    failures : sequence of Failure
    seeds : frozenset of str
        Axes that figures are averaged over.
    """

    results: Sequence[Result]
    failures: Sequence[Failure] = ()
    seeds: frozenset[str] = frozenset()

    @property
    def axes(self) -> list[str]:
        """Names of all axes, in the order in which they come."""
        return list(dict.fromkeys(name for result in self.results for name in result.axes))

    def values(self, axis: str) -> list[Value]:
        """Values of an axis, in the order in which they come."""
        return list(dict.fromkeys(each.axes[axis] for each in self.results if axis in each.axes))

    def varying(self) -> list[str]:
        """Axes, seeds left out, in which runs differ."""
        return [name for name in self.axes if name not in self.seeds and self._differs(name)]

    def _differs(self, name: str) -> bool:
        return len({each.axes.get(name) for each in self.results}) > 1

    def groups(self) -> list[Group]:
        """Runs by all axes but seeds, in the order in which they come."""
        members: dict[tuple[tuple[str, Value], ...], list[Result]] = {}
        for result in self.results:
            key = tuple((name, value) for name, value in result.axes.items() if name not in self.seeds)
            members.setdefault(key, []).append(result)
        return [Group(self.label(own[0]), dict(key), own) for key, own in members.items()]

    def label(self, result: Result) -> str:
        """What tells a run from the others: in a sweep the axes that vary, else system, settings and trace."""
        if result.is_of_sweep:
            words = [axis_text(name, result.axes[name]) for name in self.varying() if name in result.axes]
            return ", ".join(words) or result.run.label
        traces = {each.run.identity["trace"] for each in self.results}
        return result.run.label + (f", {result.run.identity['trace']}" if len(traces) > 1 else "")

    def baselines(self, name: str | None = None) -> tuple[str, dict[str, float]]:
        """A baseline and its time for each run that has one.

        Parameters
        ----------
        name : str, optional
            A baseline of the sweep, or a run or system as `ppim compare` takes it. Without it the first of the sweep, else
            the first run.

        Returns
        -------
        str
            Name, for people.
        dict of str to float
            Name of a run -> nanoseconds of its baseline.

        Raises
        ------
        InputError
            No such baseline.
        """
        known = list(dict.fromkeys(each for result in self.results for each in result.baseline_ns))
        if name in known or (name is None and known):
            chosen = known[0] if name is None else name
            return self._baseline_label(chosen), {
                result.run.name: result.baseline_ns[chosen]
                for result in self.results
                if chosen in result.baseline_ns
            }
        comparison = compare([result.run for result in self.results], name)
        times = {
            result.run.name: base.time_ns
            for result in self.results
            if (base := comparison.base_of(result.run)) is not None
        }
        first = next(result for result in self.results if result.run is comparison.baseline)
        return (name or self.label(first)), times

    def _baseline_label(self, name: str) -> str:
        """A sweep's name for a baseline, and what it stands for where all runs of one value are their own baseline."""
        own = [each for each in self.results if each.baseline_ns.get(name) == each.run.time_ns]
        same = [
            axis
            for axis in self.varying()
            if own and len({each.axes.get(axis) for each in own}) == 1 and axis in own[0].axes
        ]
        words = ", ".join(axis_text(axis, own[0].axes[axis]) for axis in same)
        return name if not words or words == name else f"{name} ({words})"

    def where(self, wanted: Mapping[str, Any]) -> Study:
        """The runs whose axes have these values; a list means any of them.

        Raises
        ------
        InputError
            An axis that there is not, or no run that is left.
        """
        for name in wanted:
            if name not in self.axes:
                raise InputError(f"--where: {UnknownNameError('axis', name, self.axes)}")
        left = [
            result
            for result in self.results
            if all(str(result.axes.get(name)) in _texts(value) for name, value in wanted.items())
        ]
        if not left:
            text = ", ".join(f"{name}={value}" for name, value in wanted.items())
            known = "; ".join(f"{name}: {', '.join(map(str, self.values(name)))}" for name in wanted)
            raise InputError(f"--where: no run has {text}; there are {known}")
        return replace(self, results=left)


def _texts(wanted: Any) -> list[str]:
    return [str(value) for value in (wanted if isinstance(wanted, list) else [wanted])]


def axis_text(name: str, value: Value) -> str:
    """An axis and its value: names alone say what they are of, numbers and switches do not."""
    is_word = isinstance(value, str) and not value.replace(",", "").replace(".", "").isdigit()
    return str(value) if is_word and value not in ("none", "all") else f"{name} {value}"


def read_study(paths: Iterable[Path]) -> Study:
    """Runs of all files and folders, in their order.

    A stats CSV and a summary of the same run are put together: channels from the one, settings from the other.

    Raises
    ------
    InputError
        A file that is no result, a run that is there twice, or no run at all.
    """
    results: dict[str, Result] = {}
    failures: list[Failure] = []
    seeds: frozenset[str] = frozenset()
    for path in paths:
        table = path / TABLE if path.is_dir() else path
        if path.is_dir() or _is_table_of_sweep(table):
            study = _read_sweep(table)
            failures += study.failures
            seeds |= study.seeds
            found = list(study.results)
        else:
            found = _read_runs(path)
        for result in found:
            name = result.run.name
            results[name] = _both(results[name], result, path) if name in results else result
    if not results:
        wrong = f"; the first of {len(failures)} failed runs says: {failures[0].error}" if failures else ""
        raise InputError(f"no run to show{wrong}")
    return Study(list(results.values()), failures, seeds)


def _both(one: Result, other: Result, path: Path) -> Result:
    """What two files say of one run."""
    if bool(one.configuration) == bool(other.configuration):
        raise InputError(f"{path}: run {other.run.name} is there twice; leave one of the files out")
    rows, summary = (other, one) if one.configuration else (one, other)
    limit = rows.run.binding_limit or summary.run.binding_limit
    return replace(summary, run=replace(rows.run, binding_limit=limit))


def _read_runs(path: Path) -> list[Result]:
    """Runs of a stats CSV or a summary."""
    runs = read_runs([path])
    configuration: Mapping[str, Any] = {}
    if len(runs) == 1 and (text := read_text(path, "give the summary of a run").lstrip()).startswith("{"):
        configuration = json.loads(text)
    return [
        Result(run, _own_axes(run), {}, _settings_of(configuration), _commands(run, configuration))
        for run in runs
    ]


def _own_axes(run: Run) -> dict[str, Value]:
    pairs = (text.partition("=") for text in run.identity["settings"].split(";") if text)
    settings = {name: _plain(value) for name, _, value in pairs}
    names = {name: run.identity[name] for name in _OWN_AXES if run.identity.get(name)}
    return {**names, **settings}


def _settings_of(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What a summary says of a run's configuration."""
    names = ("ppim_version", "trace", "system_file", "settings", "system", "devices")
    return {name: summary[name] for name in names if name in summary}


def _commands(run: Run, summary: Mapping[str, Any]) -> list[str]:
    """What makes the trace, where that is known, and the run."""
    if summary.get("command"):
        made_by = summary.get("trace_made_by")
        first = [f"{made_by} -o {shlex.quote(str(summary.get('trace', 'TRACE')))}"] if made_by else []
        return [*first, str(summary["command"])]
    words = ["ppim", "simulate", run.identity["trace"], "--system", run.identity["system"]]
    for setting in filter(None, run.identity["settings"].split(";")):
        words += ["--set", setting]
    return [shlex.join(words)]


def _is_table_of_sweep(path: Path) -> bool:
    header = csv_header(path)
    return all(name in header for name in SWEEP_COLUMNS)


def _read_sweep(path: Path) -> Study:
    """The table of runs of a sweep, with what lies beside it: records of the runs, and means over seeds."""
    _, lines = csv_lines(path, "give a stats CSV, a summary, or the folder of a sweep")
    if not lines or any(name not in lines[0] for name in (*SWEEP_COLUMNS, "time_ns", "trace", "system")):
        raise InputError(f"{path}: no table of a sweep's runs; give runs.csv or the folder of ppim sweep")
    header = list(lines[0])
    axes = header[1 : header.index("status")]
    baselines = [name.removeprefix("speed_up_") for name in header if name.startswith("speed_up_")]
    results, failures = [], []
    seen: Counter[str] = Counter()
    for number, line in enumerate(lines, 2):
        values = {name: _plain(line[name]) for name in axes if line[name] != ""}
        if line["status"] == "failed":
            failures.append(Failure(values, line["error"]))
        else:
            result = _sweep_result(path, number, line, values, baselines)
            seen[line["id"]] += 1
            if seen[line["id"]] > 1:  # two points of the sweep can be one run
                result = replace(result, run=replace(result.run, name=f"{line['id']}-{seen[line['id']]}"))
            results.append(result)
    return Study(results, failures, _seeds(path.parent / "means.csv", axes))


def _sweep_result(
    path: Path, number: int, line: dict[str, str], axes: dict[str, Value], baselines: list[str]
) -> Result:
    """A run of the table; its record has its channels and all of its settings."""
    name = line["id"]

    def figure_of(column: str) -> float | None:
        text = line.get(column, "")
        return None if text == "" else figure(path, number, column, text)

    columns = ("time_ns", "limit_share", *COLUMNS)
    figures = {column: value for column in columns if (value := figure_of(column)) is not None}
    speed_ups = {base: value for base in baselines if (value := figure_of(f"speed_up_{base}")) is not None}
    if "time_ns" not in figures:
        raise InputError(f"{path}:{number}: run {name} has no time_ns; do the sweep again")
    identity = {column: line.get(column, "") for column in IDENTITY if column != "channel"}
    record = _record(path.parent / "runs" / f"{name}.json")
    summary = record.get("summary", {})
    if record:
        run = replace(run_of_rows(record["rows"], name), identity=identity)
    else:
        run = run_of_totals(name, identity, figures, line.get("binding_limit", ""))
    # The table has the quotient only: the baseline's own time is found from it to the last digit that matters.
    baseline_ns = {base: speed_up * run.time_ns for base, speed_up in speed_ups.items()}
    baseline_ns = {base: run.time_ns if speed_ups[base] == 1 else ns for base, ns in baseline_ns.items()}
    return Result(run, axes, baseline_ns, _settings_of(summary), _commands(run, summary), is_of_sweep=True)


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(read_text(path, "do the sweep again"))
        return record if isinstance(record, dict) and record["rows"] and record["summary"] else {}
    except (InputError, ValueError, KeyError, RecursionError):
        return {}


def _seeds(path: Path, axes: Sequence[str]) -> frozenset[str]:
    """Axes that the table of means does not have."""
    if not path.is_file():
        return frozenset()
    header = csv_header(path)
    return frozenset(name for name in axes if name not in header) if "seeds" in header else frozenset()


def _plain(text: str) -> Value:
    """A number or switch that was written as text."""
    if text in ("True", "False", "true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
