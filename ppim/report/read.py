"""Stats CSVs, summaries and results of `ppim simulate` -> runs that can be compared."""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ppim.errors import InputError
from ppim.numbers import real_number
from ppim.stats.counters import COLUMNS, CYCLE_CLASSES, IDENTITY
from ppim.stats.result import SimulationResult
from ppim.text_files import lines_of_csv, read_text

NEEDED = ("run", "system", "memory", "channel", "cycles", "time_ns", "accesses", "reads")
"""Columns without which a line is no run's."""


@dataclass(frozen=True)
class Run:
    """One run, summed over its memories and channels.

    Attributes
    ----------
    name : str
        Of the run: trace, system and settings.
    identity : dict of str to str
        The columns of the stats CSV that say what the run is of, of its first memory.
    time_ns : float
        Length of the run in nanoseconds of simulated time.
    totals : dict of str to int or float
        Sums of the columns that have one; those that do not apply to the system are absent.
    class_ns : dict of str to float
        Column of a class of cycles -> its nanoseconds, mean of all channels; they add up to `time_ns`. Empty for a host.
    unit_imbalance : float or None
        Accesses of the busiest PIM unit over the mean of all.
    limit_share : float or None
        Greatest lower bound of a memory's cycles over its cycles.
    binding_limit : str
        What sets it; "" where the file does not say (a stats CSV).
    """

    name: str
    identity: dict[str, str]
    time_ns: float
    totals: dict[str, float]
    class_ns: dict[str, float] = field(default_factory=dict)
    unit_imbalance: float | None = None
    limit_share: float | None = None
    binding_limit: str = ""

    @property
    def label(self) -> str:
        """System, mapping and prefetch where settings changed them, and settings."""
        settings = self.identity["settings"]
        return f"{self.identity['system']}+{settings}" if settings else self.identity["system"]

    def total(self, column: str) -> float | None:
        """A sum, or None where the column does not apply."""
        return self.totals.get(column)


def read_runs(paths: Iterable[Path]) -> list[Run]:
    """Runs of stats CSVs and summaries, in their order.

    Raises
    ------
    InputError
        A file that is neither, or a run that is there twice.
    """
    runs: list[Run] = []
    where: dict[str, Path] = {}
    for path in paths:
        for run in _runs_of_file(path):
            if run.name in where:
                raise InputError(
                    f"{path}: run {run.name} is in {where[run.name]} too; leave one of the files out"
                )
            where[run.name] = path
            runs.append(run)
    return runs


def runs_of_results(results: Iterable[SimulationResult]) -> list[Run]:
    """Results of this process as runs."""
    return [run_of_rows(list(result.rows()), result.run) for result in results]


def _runs_of_file(path: Path) -> Iterator[Run]:
    text = read_text(path, "give the CSV or the summary of a run")
    if text.lstrip().startswith("{"):
        yield _run_of_summary(path, text)
    else:
        yield from _runs_of_csv(path, text)


def _runs_of_csv(path: Path, text: str) -> Iterator[Run]:
    names, found = lines_of_csv(path, text, "give the CSV of a run, or its summary")
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise InputError(
            f"{path}: no stats CSV of ppim simulate, it has no column {missing[0]}; give one, or a summary"
        )
    lines: dict[str, list[dict[str, Any]]] = {}
    for number, line in enumerate(found, 2):
        lines.setdefault(line["run"], []).append(
            {name: _value(path, number, name, text) for name, text in line.items() if text != ""}
        )
    if not lines:
        raise InputError(f"{path}: has a header and no channel; write the file again")
    for name, rows in lines.items():
        yield _checked(path, rows, name)


def _value(path: Path, line: int, name: str, text: str) -> str | float:
    """A name as it is, a figure as a number >= 0."""
    return figure(path, line, name, text) if name in COLUMNS or name == "channel" else text


def figure(path: Path, line: int, name: str, text: str) -> float:
    """A figure of a table as a number >= 0.

    Raises
    ------
    InputError
        It is none; with file, line and column.
    """
    try:
        value = real_number(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise InputError(
            f"{path}:{line}: column {name}: {text!r} is no number from 0 on; write the file again"
        )
    return int(value) if value.is_integer() else value


def _checked(path: Path, rows: list[dict[str, Any]], name: str) -> Run:
    try:
        return run_of_rows(rows, name)
    except KeyError as error:
        raise InputError(
            f"{path}: run {name}: a line has no {error.args[0]}; write the file again"
        ) from error


def run_of_rows(rows: list[Mapping[str, Any]] | list[dict[str, Any]], name: str) -> Run:
    """A run from its lines, one a memory and channel, by the names of the stats CSV."""
    memories: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        memories.setdefault(row["memory"], []).append(row)
    first = rows[0]
    totals = {
        column: sum(row[column] for row in rows if column in row)
        for column, counter in COLUMNS.items()
        if counter.over == "sum" and any(column in row for row in rows)
    }
    loaded = [row for row in rows if "unit_accesses_max" in row]
    share, limit = _limit(list(memories.values()))
    mean = sum(row["unit_accesses_mean"] for row in loaded) / len(loaded) if loaded else 0
    return Run(
        name=name,
        identity={column: str(first.get(column, "")) for column in IDENTITY if column != "channel"},
        time_ns=max(channels[0]["time_ns"] for channels in memories.values()),
        totals=totals,
        class_ns=_class_ns(list(memories.values())),
        unit_imbalance=max(row["unit_accesses_max"] for row in loaded) / mean if mean else None,
        limit_share=share,
        binding_limit=limit,
    )


def _class_ns(memories: list[list[Mapping[str, Any]]]) -> dict[str, float]:
    """Nanoseconds of each class of cycles, mean of the channels of all memories."""
    found = dict.fromkeys(CYCLE_CLASSES, 0.0)
    n_channels = sum(map(len, memories))
    for channels in memories:
        if any(column not in channels[0] for column in CYCLE_CLASSES):
            return {}
        cycles = channels[0]["cycles"]
        cycle_ns = channels[0]["time_ns"] / cycles if cycles else 0.0
        for row in channels:
            for column in CYCLE_CLASSES:
                found[column] += row[column] * cycle_ns / n_channels
    return found


def _limit(memories: list[list[Mapping[str, Any]]]) -> tuple[float | None, str]:
    """The greatest share that a limit of a memory has of the time, and the limit's name."""
    limits = [
        (first["limit_cycles"] / first["cycles"], str(first.get("binding_limit", "")))
        for first, *_ in memories
        if "limit_cycles" in first and first["cycles"]
    ]
    return max(limits, key=lambda limit: limit[0], default=(None, ""))


def _run_of_summary(path: Path, text: str) -> Run:
    """A run from its summary, which has sums and not the channels."""
    try:
        summary = json.loads(text)
        totals = {name: float(value) for name, value in summary["totals"].items()}
        cycles, time_ns = float(summary["cycles"]), float(summary["time_ns"])
        system = summary["system"]
        identity = {
            "run": str(summary["run"]),
            "trace": Path(summary["trace"]).name,
            "algorithm": str(summary.get("algorithm", "")),
            "system": str(system["name"]),
            "settings": str(summary["run"]).partition("+")[2],
            "device": str(summary["device"]),
            "mapping": str(summary.get("placement", {}).get("mapping", "")),
            "prefetch": str(system.get("prefetch", {}).get("prefetch", "")),
            "memory": "",
        }
        limits = {name: float(value) for name, value in summary["limit_cycles"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(
            f"{path}: no summary of ppim simulate ({type(error).__name__}: {error}); give one, or a stats CSV"
        ) from error
    share = {"limit_share": max(limits.values()) / cycles} if limits and cycles else {}
    limit = str(summary.get("binding_limit", ""))
    return run_of_totals(identity["run"], identity, {**totals, "time_ns": time_ns, **share}, limit)


def run_of_totals(
    name: str, identity: dict[str, str], figures: Mapping[str, float], binding_limit: str = ""
) -> Run:
    """A run of which only `time_ns`, sums over channels and perhaps its limit are known."""
    classes = {name: figures[name] for name in CYCLE_CLASSES if name in figures}
    whole, time_ns = sum(classes.values()), figures["time_ns"]
    return Run(
        name=name,
        identity=identity,
        time_ns=time_ns,
        totals={name: value for name, value in figures.items() if name not in ("time_ns", "limit_share")},
        class_ns={name: value / whole * time_ns for name, value in classes.items()} if whole else {},
        limit_share=figures.get("limit_share"),
        binding_limit=binding_limit,
    )
