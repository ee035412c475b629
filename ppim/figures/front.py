"""What a search has found: time or energy over SRAM, the front coloured by what its copies take."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppim.errors import InputError
from ppim.figures import base, style
from ppim.numbers import real_number
from ppim.report.parts import DARK, GREY, RED
from ppim.text_files import csv_header, csv_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TABLE = "designs.csv"
"""By which the folder of a search is told from that of a sweep."""

OBJECTIVES = {
    "ns_per_lookup": ("time of a lookup", style.TIME_UNITS),
    "pj_per_lookup": ("energy of a lookup", style.ENERGY_UNITS),
}
"""Column of the table -> title and units."""

_COLUMNS = ("id", "status", "is_start", "is_on_front", "sram_bytes", "copied_bytes")
_COLOURS = "cividis"  # made for colour-blind readers (Nuñez et al., PLOS ONE 2018)
_PREFIXES = ((1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki"), (1, ""))


@dataclass(frozen=True)
class Point:
    """A design that ran on the whole trace.

    Attributes
    ----------
    objective : float
        Nanoseconds or picojoules of a lookup.
    sram_bytes, copied_bytes : float
    is_start, is_on_front : bool
    """

    objective: float
    sram_bytes: float
    copied_bytes: float
    is_start: bool
    is_on_front: bool


@dataclass(frozen=True)
class Front:
    """Designs of a search.

    Attributes
    ----------
    column : str
        A key of `OBJECTIVES`.
    points : sequence of Point
    """

    column: str
    points: Sequence[Point]


def looks_like(path: Path) -> bool:
    """Whether it is the folder of a search, or its table of designs."""
    table = path / TABLE if path.is_dir() else path
    header = csv_header(table)
    return all(name in header for name in _COLUMNS)


def read_front(paths: Sequence[Path]) -> Front:
    """The designs of one search.

    Raises
    ------
    InputError
        Several searches, or a table that is damaged.
    """
    if len(paths) > 1:
        raise InputError(f"{paths[1]}: a figure shows the front of one search; give one")
    path = paths[0] / TABLE if paths[0].is_dir() else paths[0]
    names, lines = csv_lines(path, "give the folder of a search")
    columns = [name for name in OBJECTIVES if name in names]
    if not lines or not columns or any(name not in names for name in _COLUMNS):
        raise InputError(f"{path}: has no design; run the search again")
    points = []
    for number, line in enumerate(lines, 2):
        if line["status"] != "done":
            continue
        try:
            objective, sram, copied = (
                real_number(line[name]) for name in (columns[0], "sram_bytes", "copied_bytes")
            )
        except (TypeError, ValueError) as error:
            raise InputError(f"{path}:{number}: {error}; run the search again") from error
        for figure in (objective, sram, copied):
            if not 0 <= figure < math.inf:
                raise InputError(f"{path}:{number}: {figure} is no cost; run the search again")
        points.append(
            Point(objective, sram, copied, line["is_start"] == "True", line["is_on_front"] == "True")
        )
    if not points:
        raise InputError(f"{path}: no design ran on the whole trace; run the search again")
    return Front(columns[0], points)


def draw(front: Front, options: base.Options) -> Figure:
    """Grey dots for all designs, coloured ones for the front, a star for the start."""
    height = 0.7 * options.width
    figure, axes = style.new_figure(options.width, height + 0.15)
    title, units = OBJECTIVES[front.column]
    size, unit = style.unit_for(max(point.objective for point in front.points), units)
    groups = {
        "tried": [point for point in front.points if not point.is_on_front and not point.is_start],
        "front": [point for point in front.points if point.is_on_front],
        "start": [point for point in front.points if point.is_start],
    }
    copies_size, copies_unit = _unit([point.copied_bytes for point in front.points])
    looks: dict[str, dict[str, Any]] = {
        "tried": {"s": 7, "color": GREY, "linewidths": 0},
        "front": {
            "s": 18,
            "c": [point.copied_bytes / copies_size for point in groups["front"]],
            "cmap": _COLOURS,
            "edgecolors": DARK,
            "linewidths": 0.5,
        },
        "start": {"s": 42, "marker": "*", "color": RED, "linewidths": 0},
    }
    handles: list[Any] = []
    labels: list[str] = []
    for name, points in groups.items():
        if points:
            place = [point.sram_bytes for point in points], [point.objective / size for point in points]
            handles.append(axes.scatter(*place, **looks[name], zorder=len(handles) + 2))
            labels.append(name)
    _set_sram(axes, [point.sram_bytes for point in front.points])
    axes.set_ylim(bottom=0)
    axes.set_ylabel(style.axis_label(title, unit, 0.75 * height))
    axes.grid()
    bar = figure.colorbar(handles[labels.index("front")], ax=axes, pad=0.02)
    bar.set_label(f"copies ({copies_unit})")
    bar.outline.set_linewidth(0.4)
    style.legend_above(figure, handles, labels)
    return figure


def _unit(sizes: Sequence[float]) -> tuple[int, str]:
    """Unit in which the largest size has few digits."""
    return next((size, f"{prefix}B") for size, prefix in _PREFIXES if max(sizes) >= size or size == 1)


def _set_sram(axes: Axes, sizes: Sequence[float]) -> None:
    """A logarithmic scale which has room for none, at its left end."""
    axes.set_xlabel("SRAM of all units (B)")
    positive = sorted({size for size in sizes if size > 0})
    if not positive:
        axes.set_xticks([0], ["0"])
        return
    least, most = math.floor(math.log2(positive[0])), math.ceil(math.log2(positive[-1]))
    has_none = min(sizes) == 0
    if has_none:
        axes.set_xscale("symlog", base=2, linthresh=2.0**least, linscale=0.8)
    else:
        axes.set_xscale("log", base=2)
    step = max(1, math.ceil((most - least + 1) / 5))
    ticks = [2**power for power in range(least, most + 1, step)]
    axes.set_xticks([0, *ticks] if has_none else ticks, [*(["0"] if has_none else []), *map(_tick, ticks)])
    axes.minorticks_off()
    axes.set_xlim(-0.25 * 2.0**least if has_none else 2.0 ** (least - 0.5), 2.0 ** (most + 0.5))


def _tick(size: int) -> str:
    return next(f"{size // unit} {prefix}".strip() for unit, prefix in _PREFIXES if size >= unit)


base.FIGURES.register("front")(base.Kind("front", draw))
