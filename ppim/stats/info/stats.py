"""`ppim info` of a stats CSV: whose it is, and its totals over the channels."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from ppim.errors import InputError
from ppim.stats.info.base import KINDS, InfoKind
from ppim.stats.replay import COLUMNS as REPLAY_COLUMNS
from ppim.stats.simulation import COLUMNS, IDENTITY, NOT_SUMMED

NAME_WIDTH = 24
VALUE_WIDTH = 20
# The same in all channels, or without a sum.
_OF_THE_RUN = ("cycles", "time_ns", "batches")
_WITHOUT_SUM = (*NOT_SUMMED, "unit_accesses_mean", "last_command_cycle", "average_read_latency_cycles")


def _header(target: str) -> list[str]:
    try:
        with Path(target).open(encoding="utf-8", newline="") as stream:
            return next(csv.reader(stream), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []


def _recognises(target: str) -> bool:
    header = _header(target)
    return header[: len(IDENTITY)] == list(IDENTITY) or header[:3] == list(REPLAY_COLUMNS[:3])


def _describe(target: str) -> Iterator[str]:
    lines = _read(target)
    identity = IDENTITY if "run" in lines[0] else ("device",)
    runs: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for line in lines:
        key = tuple(line[name] for name in identity if name != "channel")
        runs.setdefault(key, []).append(line)
    command = "simulate" if "run" in lines[0] else "replay"
    count = _count_runs([channels[0] for channels in runs.values()])
    yield f"stats of ppim {command}: {count} run{'s' if count > 1 else ''}"
    for channels in runs.values():
        yield ""
        for name in identity:
            if name != "channel" and channels[0][name]:
                yield f"{name}: {channels[0][name]}"
        yield f"channels: {len(channels)}"
        yield from _totals(target, channels)


def _count_runs(memories: list[dict[str, str]]) -> int:
    """Runs among memories, of each of which the first line is given: a run's second memory is none of its own."""
    first = {line["run"]: line["memory"] for line in reversed(memories) if "run" in line}
    return sum("run" not in line or line["memory"] == first[line["run"]] for line in memories)


def _read(target: str) -> list[dict[str, str]]:
    """All lines; each must have a value for every column."""
    with Path(target).open(encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        lines = []
        for line in reader:
            if None in line or None in line.values():
                raise InputError(
                    f"{target}:{reader.line_num}: has not as many values as the header; write the file again"
                )
            lines.append(line)
    if not lines:
        raise InputError(f"{target}: has a header and no channel; write the file again")
    return lines


def _totals(target: str, channels: list[dict[str, str]]) -> Iterator[str]:
    """What is the same for the run, then sums over its channels; columns that do not apply are left out."""
    for name in channels[0]:
        values = [line[name] for line in channels if line[name]]
        if not values or name in IDENTITY or (name in _WITHOUT_SUM and name not in _OF_THE_RUN):
            continue
        try:
            value = float(values[0]) if name in _OF_THE_RUN else sum(map(float, values))
        except ValueError as error:
            raise InputError(f"{target}: column {name}: {error}; write the file again") from error
        text = f"{value:,.0f}" if value == int(value) else f"{value:,.12g}"
        yield f"  {name:{NAME_WIDTH}}{text:>{VALUE_WIDTH}}  {COLUMNS.get(name, '')}".rstrip()


KINDS.register("stats")(InfoKind("a stats .csv of ppim simulate or replay", _recognises, _describe))
