"""`ppim info` of a stats CSV: whose it is, and its totals over the channels."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ppim.errors import InputError
from ppim.stats.counters import COLUMNS, IDENTITY, ON_REPLAY_LINES, REPLAY_COLUMNS, VERDICT, Counter, Over
from ppim.stats.info.base import KINDS, InfoKind
from ppim.tables import Description, Table
from ppim.text_files import csv_header, csv_lines

HEADINGS = ("run", "memory", "column", "total", "unit", "share", "of", "meaning")


def _recognises(target: str) -> bool:
    header = csv_header(Path(target))
    return header[: len(IDENTITY)] == list(IDENTITY) or header[:3] == [*ON_REPLAY_LINES, *REPLAY_COLUMNS][:3]


def _describe(target: str) -> Description:
    lines = _read(target)
    identity = tuple(IDENTITY) if "run" in lines[0] else ("device",)
    runs: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for line in lines:
        key = tuple(line[name] for name in identity if name != "channel")
        runs.setdefault(key, []).append(line)
    command = "simulate" if "run" in lines[0] else "replay"
    count = _count_runs([channels[0] for channels in runs.values()])
    text: list[str | Table] = [f"stats of ppim {command}: {count} run{'s' if count > 1 else ''}"]
    rows: list[tuple[Any, ...]] = []
    for channels in runs.values():
        first = channels[0]
        text.append("")
        text += (f"{name}: {first[name]}" for name in identity if name != "channel" and first[name])
        text.append(f"channels: {len(channels)}")
        totals = tuple(_totals(target, channels))
        text += (f"{name}: {first[name]}" for name in VERDICT if first.get(name))
        shown = tuple(
            (
                name,
                _shown(value),
                unit,
                "" if share is None else f"{100 * share:.0f} %",
                f"{meaning} (share: of {of})" if share is not None else meaning,
            )
            for name, value, unit, share, of, meaning in totals
        )
        text.append(Table("totals", (), shown, indent=2))
        run = first.get("run", first.get("device", ""))
        rows += ((run, first.get("memory", ""), *total) for total in totals)
    return Description(
        tuple(text), (Table("totals", HEADINGS, tuple(rows)),), {"command": f"ppim {command}", "runs": count}
    )


def _count_runs(memories: list[dict[str, str]]) -> int:
    """Runs among memories, of each of which the first line is given: a run's second memory is none of its own."""
    first = {line["run"]: line["memory"] for line in reversed(memories) if "run" in line}
    return sum("run" not in line or line["memory"] == first[line["run"]] for line in memories)


def _read(target: str) -> list[dict[str, str]]:
    """All lines; each must have a value for every column."""
    _, lines = csv_lines(Path(target), "give the CSV of a run")
    if not lines:
        raise InputError(f"{target}: has a header and no channel; write the file again")
    return lines


def _totals(
    target: str, channels: list[dict[str, str]]
) -> Iterator[tuple[str, int | float, str, float | None, str, str]]:
    """Column, total, unit, share and what it is of, meaning; columns that do not apply are left out."""
    known = COLUMNS if "run" in channels[0] else REPLAY_COLUMNS
    figures = {name: _figures(target, name, channels) for name in known}
    for name, counter in known.items():
        values = figures[name]
        if not values or counter.over == "none":
            continue
        value = _together(values, counter.over)
        yield (
            name,
            int(value) if value == int(value) else value,
            counter.unit,
            _share(value, counter, figures),
            counter.of,
            counter.meaning,
        )


def _figures(target: str, name: str, channels: list[dict[str, str]]) -> list[float]:
    """A column's values, of channels that have one."""
    try:
        values = [float(line[name]) for line in channels if line.get(name)]
    except ValueError as error:
        raise InputError(f"{target}: column {name}: {error}; write the file again") from error
    for value in values:
        if not math.isfinite(value):
            raise InputError(f"{target}: column {name}: {value} is no finite number; write the file again")
    return values


def _together(values: list[float], over: Over) -> float:
    if over == "sum":
        return sum(values)
    return max(values) if over == "most" else values[0]


def _share(value: float, counter: Counter, figures: dict[str, list[float]]) -> float | None:
    """Of a sum: of the sum of its whole, so of the cycles of all channels; else of its whole in a channel."""
    if not counter.of:
        return None
    whole = sum(sum(figures.get(part, ())) for part in counter.of.split(" + "))
    if counter.over != "sum":
        whole /= len(figures[counter.name])
    return value / whole if whole else None


def _shown(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.12g}"


KINDS.register("stats")(InfoKind("a stats .csv of ppim simulate or replay", _recognises, _describe))
