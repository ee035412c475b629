"""Stacked bars: where time, bytes and energy go."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ppim.errors import InputError
from ppim.figures import style
from ppim.figures.base import FIGURES, Kind, Options
from ppim.report import parts, read, results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MISSING = "no total"


@dataclass(frozen=True)
class Panel:
    """One axis of stacked bars.

    Attributes
    ----------
    title : str
        Of its axis, with `{unit}`.
    parts : sequence of Part
    units : sequence of (size, name)
    """

    title: str
    parts: Sequence[parts.Part]
    units: Sequence[tuple[float, str]]


def draw_time(study: results.Study, options: Options) -> Figure:
    """Time by cause."""
    return _draw(
        study,
        options,
        (Panel("time ({unit})", (*parts.TIME, parts.WHOLE), style.TIME_UNITS),),
        parts.time_parts,
    )


def draw_traffic(study: results.Study, options: Options) -> Figure:
    """Bytes from DRAM banks, and over the external bus."""
    panels = (
        Panel("DRAM banks ({unit})", parts.DRAM_TRAFFIC, style.BYTE_UNITS),
        Panel("external bus ({unit})", parts.OUTSIDE_TRAFFIC, style.BYTE_UNITS),
    )
    return _draw(study, options, panels, parts.traffic_parts)


def draw_energy(study: results.Study, options: Options) -> Figure:
    """Energy of a lookup, by what uses it."""
    if not any(parts.energy_parts(each.run) for each in study.results):
        raise InputError(
            "no run has energy_total_pj: its system has no figure for something that it does, or the file is older"
        )
    return _draw(
        study,
        options,
        (Panel("energy of a lookup ({unit})", parts.ENERGY, style.ENERGY_UNITS),),
        _energy_of_a_lookup,
    )


def _energy_of_a_lookup(run: read.Run) -> dict[str, float]:
    lookups = run.totals.get("lookups", 0)
    return {name: value / lookups for name, value in parts.energy_parts(run).items()} if lookups else {}


def _draw(
    study: results.Study,
    options: Options,
    panels: Sequence[Panel],
    parts_of: Callable[[read.Run], Mapping[str, float]],
) -> Figure:
    groups = study.groups()
    style.check_bars(len(groups))
    labels = [style.wrapped(group.label, options.width) for group in groups]
    values = [_mean([parts_of(each.run) for each in group.results]) for group in groups]
    shown = [part for panel in panels for part in parts.used(panel.parts, values)]
    figure, all_axes = style.new_figure(
        options.width,
        style.bars_height(labels, legend_rows=1 + len(shown) // 5),
        ncols=len(panels),
        squeeze=False,
        sharey=True,
    )
    places = style.positions(labels)
    for axes, panel in zip(all_axes[0], panels, strict=True):
        _stack(axes, panel, values, places, len(panels))
    style.label_bars(all_axes[0][0], labels, places)
    for axes in all_axes[0][1:]:
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
    handles = [_patch(part) for part in shown]
    style.legend_above(figure, handles, [part.label for part in shown])
    return figure


def _mean(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each part; empty if one has no parts."""
    if not all(values):
        return {}
    return {name: statistics.fmean(each.get(name, 0) for each in values) for name in values[0]}


def _patch(part: parts.Part) -> object:
    from matplotlib.patches import Patch

    return Patch(facecolor=part.colour)


def _stack(
    axes: Axes, panel: Panel, values: Sequence[Mapping[str, float]], places: Sequence[float], n_panels: int
) -> None:
    totals = [sum(each.get(part.name, 0) for part in panel.parts) for each in values]
    size, unit = style.unit_for(max(totals), panel.units)
    left = [0.0] * len(values)
    for part in parts.used(panel.parts, values):
        widths = [each.get(part.name, 0) / size for each in values]
        axes.barh(places, widths, 0.72, left=left, color=part.colour, edgecolor="white", linewidth=0.25)
        left = [start + width for start, width in zip(left, widths, strict=True)]
    texts = [
        style.short(total / size) if each else MISSING for each, total in zip(values, totals, strict=True)
    ]
    for place, total, text in zip(places, totals, texts, strict=True):
        axes.annotate(
            text,
            (total / size, place),
            xytext=(2, 0),
            textcoords="offset points",
            va="center_baseline",
            fontsize=6.5,
        )
    style.room_for_values(axes, texts * n_panels, max(totals) / size)
    axes.locator_params(axis="x", nbins=5 if n_panels == 1 else 3)
    axes.set_xlabel(panel.title.format(unit=unit))


FIGURES.register("time")(Kind("study", draw_time))
FIGURES.register("traffic")(Kind("study", draw_traffic))
FIGURES.register("energy")(Kind("study", draw_energy))
