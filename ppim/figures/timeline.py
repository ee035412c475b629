"""A window of a run: what units, buses and banks do when, one line a track."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppim.errors import InputError
from ppim.figures import base, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MADE_BY = "ppim simulate --timeline"
MOST_TRACKS = 80
MOST_SLICES = 20_000
_TRACK_INCHES, _AROUND_INCHES = 0.125, 0.75
_LABEL_POINTS = 5.5
_CHARACTER_INCHES = 0.045  # mean width of one, at that size
_GZIP = b"\x1f\x8b"

# What slices are, in words of the legend, and the colours of Okabe and Ito.
COLOURS = {
    "demand": "#0072B2",
    "prefetch": "#E69F00",
    "transfer": "#009E73",
    "deliver": "#CC79A7",
    "read-out": "#56B4E9",
    "compute": "#7F3C8D",
    "ACTIVATE": "#D55E00",
    "PRECHARGE": "#000000",
    "barrier": "#BBBBBB",
    "refresh": "#8C510A",
    "open row": "#CFDCE6",
    "busy": "#555555",
    "turn": "#E4E4E4",
}
KINDS = {
    "READ": "demand",
    "HIT": "demand",
    "hit": "demand",
    "data": "demand",
    "read": "demand",
    "write": "transfer",
    "WRITE": "transfer",
    "PREFETCH": "prefetch",
    "prefetched": "prefetch",
    "TRANSFER": "transfer",
    "partial sum": "transfer",
    "collected sum": "transfer",
    "add": "compute",
    "DELIVER": "deliver",
    "READ_OUT": "read-out",
    "row that moves": "transfer",
    "MOVE_OUT": "read-out",
    "MOVE_IN": "transfer",
    "READ_P": "demand",
    "WRITE_P": "transfer",
    "REFRESH": "refresh",
    "REFRESH_BANK": "refresh",
    "refresh of a bank": "refresh",
    "self refresh": "refresh",
    "SELF_REFRESH_ENTER": "refresh",
    "SELF_REFRESH_EXIT": "refresh",
}
WITH_NAMES = ("turn",)  # slices that have their names written in them, where they fit


@dataclass(frozen=True)
class Bar:
    """A slice: its kind, one of `COLOURS`, its name, and when, in ns."""

    kind: str
    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Line:
    """A track: the process and its own name, and its slices."""

    process: str
    name: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Timeline:
    """A window.

    Attributes
    ----------
    title : str
    start, end : float
        ns.
    lines : tuple of Line
    """

    title: str
    start: float
    end: float
    lines: tuple[Line, ...]

    def where(self, chosen: Mapping[str, Any]) -> Timeline:
        """Only the processes of a channel: {"channel": 3}, or {"channel": "dimm 0"} of two memories.

        Raises
        ------
        InputError
            Another axis, or a channel that has nothing in the window.
        """
        if set(chosen) != {"channel"}:
            raise InputError("--where: of a timeline only a channel can be chosen, e.g. channel=3")
        *memory, number = str(chosen["channel"]).split()
        wanted = " ".join([*memory, "channel", number])
        if wanted not in {line.process for line in self.lines}:
            known = sorted({line.process for line in self.lines if "channel" in line.process})
            raise InputError(
                f"--where channel={chosen['channel']}: the window has {', '.join(known) or 'none'}"
            )
        return replace(self, lines=tuple(line for line in self.lines if _is_of(line, wanted)))


def _is_of(line: Line, process: str) -> bool:
    return line.process == process or "channel" not in line.process


_MOST_BYTES = 1 << 26
"""Of a timeline's text: half a million events."""

_LONGEST = float(1 << 63)  # in whatever unit

_NO_TIMELINE = (ValueError, KeyError, TypeError, AttributeError, OverflowError)
"""What JSON of another form raises where parts of a timeline are looked for."""


def looks_like(path: Path) -> bool:
    """Whether a file begins as a timeline does."""
    try:
        with path.open("rb") as stream:
            start = stream.read(32)
            if start.startswith(_GZIP):
                stream.seek(0)
                start = gzip.GzipFile(fileobj=stream).read(32)
    except (OSError, EOFError, zlib.error):
        return False
    return start.startswith(b'{"displayTimeUnit"')


def read_timeline(paths: Sequence[Path]) -> Timeline:
    """The window of one file of `ppim simulate --timeline` or of `ppim replay`.

    Raises
    ------
    InputError
        More than one file, or one that is none of these.
    """
    path = paths[0]
    if len(paths) > 1:
        raise InputError(f"{path}, ...: a figure shows one timeline; give one file")
    try:
        content = _content(path)
        if len(content) > _MOST_BYTES:
            raise InputError(
                f"{path}: more than {_MOST_BYTES >> 20} MiB, which no figure can show; write a shorter window (--from, --to)"
            )
        return _timeline(json.loads(content))
    except (OSError, EOFError, zlib.error, RecursionError, *_NO_TIMELINE) as error:
        raise InputError(
            f"{path}: is no timeline of {MADE_BY} ({error!r:.80}); write the file again"
        ) from error


def _content(path: Path) -> bytes:
    """The file, unpacked; not more than a byte beyond what is taken."""
    with path.open("rb") as stream:
        packed = stream.read(len(_GZIP)) == _GZIP
        stream.seek(0)
        return (gzip.GzipFile(fileobj=stream) if packed else stream).read(_MOST_BYTES + 1)


def _timeline(content: Any) -> Timeline:
    about, events = content["otherData"], content["traceEvents"]
    processes: dict[int, str] = {}
    threads: dict[tuple[int, int], str] = {}
    bars: dict[tuple[int, int], list[Bar]] = {}
    for event in events:
        place = int(event["pid"]), int(event["tid"])
        if event["ph"] == "M":
            if event["name"] == "process_name":
                processes[place[0]] = str(event["args"]["name"])
            elif event["name"] == "thread_name":
                threads[place] = str(event["args"]["name"])
            continue
        start, length = _time(event["ts"]), _time(event.get("dur", 0))
        name = str(event["name"])
        kind = str(event.get("args", {}).get("for", "")) or _kind(name, threads[place])
        bars.setdefault(place, []).append(Bar(kind, name, start, start + length))
    period = _time(about["clock_period_ns"])
    what = [str(about[key]) for key in ("trace", "system", "device") if key in about]
    return Timeline(
        ", ".join(what),
        _time(about["first_cycle"]) * period,
        _time(about["end_cycle"]) * period,
        tuple(
            Line(processes[place[0]], name, tuple(bars.get(place, ())))
            for place, name in sorted(threads.items())
        ),
    )


def _time(value: Any) -> float:
    number = float(value)
    if not 0 <= number < _LONGEST:
        raise ValueError(f"{value} is no time")
    return number


def _kind(name: str, track: str) -> str:
    if track.startswith("turns"):
        return "turn"
    if name.startswith("row "):
        return "open row"
    return KINDS.get(name, name if name in COLOURS else "busy")


def draw(timeline: Timeline, options: base.Options) -> Figure:
    """The tracks of one channel (the one with most slices, if there are several), and of what all have."""
    chosen = _one_channel(timeline)
    lines = [line for line in chosen.lines if line.bars]
    slices = sum(len(line.bars) for line in lines)
    if not lines:
        raise InputError("the window has nothing in it; choose another with --from-cycle or --turn")
    if len(lines) > MOST_TRACKS or slices > MOST_SLICES:
        raise InputError(
            f"{len(lines)} tracks with {slices:,} slices are more than the {MOST_TRACKS} and {MOST_SLICES:,} that fit; "
            "write a shorter window with --cycles"
        )
    height = _AROUND_INCHES + _TRACK_INCHES * len(lines) + 0.14 * (options.width < 6)
    figure, axes = style.new_figure(options.width, height)
    size, unit = style.unit_for(max(timeline.end, 1.0) / 10, style.TIME_UNITS)
    used: dict[str, Any] = {}
    overlap = _draw_overlap(axes, lines, size)
    inches = options.width - 1.3
    for place, line in enumerate(lines):
        _draw_line(axes, place, line, size, used, inches / max(timeline.end - timeline.start, 1e-9))
    axes.set_yticks(range(len(lines)), [line.name for line in lines], fontsize=_LABEL_POINTS)
    axes.tick_params(axis="y", length=0, pad=1)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlim(timeline.start / size, timeline.end / size)
    axes.set_xlabel(f"simulated time ({unit})")
    process = next((line.process for line in lines if "channel" in line.process), "")
    axes.set_title(f"{timeline.title}: {process}", loc="left", fontsize=6)
    order = [kind for kind in COLOURS if kind in used and kind not in WITH_NAMES]
    handles = [used[kind] for kind in order]
    if overlap is not None:
        handles.append(overlap)
        order.append("prefetch during transfers")
    style.legend_above(figure, handles, order)
    return figure


def _one_channel(timeline: Timeline) -> Timeline:
    counts: dict[str, int] = {}
    for line in timeline.lines:
        if "channel" in line.process:
            counts[line.process] = counts.get(line.process, 0) + len(line.bars)
    if len(counts) < 2:
        return timeline
    most = max(counts, key=lambda process: counts[process])
    return replace(timeline, lines=tuple(line for line in timeline.lines if _is_of(line, most)))


def _draw_line(
    axes: Axes, place: int, line: Line, size: float, used: dict[str, Any], inches_per_ns: float
) -> None:
    """One track."""
    for kind in dict.fromkeys(bar.kind for bar in line.bars):
        bars = [bar for bar in line.bars if bar.kind == kind]
        # An instant is drawn as wide as a hair.
        spans = [(bar.start / size, max(bar.end - bar.start, 0.2) / size) for bar in bars]
        edge = "white" if kind != "PRECHARGE" else COLOURS[kind]
        found = axes.broken_barh(
            spans, (place - 0.4, 0.8), facecolors=COLOURS[kind], edgecolors=edge, linewidth=0.1, zorder=2
        )
        used.setdefault(kind, found)
        for bar in bars if kind in WITH_NAMES else ():
            if len(bar.name) * _CHARACTER_INCHES < (bar.end - bar.start) * inches_per_ns:
                middle = (bar.start + bar.end) / 2 / size
                axes.text(
                    middle,
                    place,
                    bar.name,
                    fontsize=_LABEL_POINTS,
                    ha="center",
                    va="center_baseline",
                    zorder=3,
                )


def _draw_overlap(axes: Axes, lines: Sequence[Line], size: float) -> Any:
    """Shade the stretches in which rows are prefetched while results are transferred; None if there are none."""
    fetched = _union([bar for line in lines for bar in line.bars if bar.name == "prefetched"])
    sent = _union(
        [bar for line in lines if line.name == "data bus" for bar in line.bars if bar.kind == "transfer"]
    )
    shown = None
    for first, last in fetched:
        for start, end in sent:
            if max(first, start) < min(last, end):
                shown = axes.axvspan(
                    max(first, start) / size,
                    min(last, end) / size,
                    color="#F0E442",
                    alpha=0.45,
                    lw=0,
                    zorder=0,
                )
    return shown


def _union(bars: Sequence[Bar]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for bar in sorted(bars, key=lambda bar: bar.start):
        if found and bar.start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], bar.end))
        else:
            found.append((bar.start, bar.end))
    return found


base.FIGURES.register("timeline")(base.Kind("timeline", draw))
