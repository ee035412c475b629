"""How fast runs are, as bars beside a baseline's."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from ppim.errors import InputError
from ppim.figures import base, style
from ppim.report import parts, results

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDE_RANGE = 20
"""Largest over smallest value from which a linear scale would hide the small ones."""


def draw(study: results.Study, options: base.Options) -> Figure:
    """A bar a run; with seeds, their mean, and a line over their range."""
    name, base_ns = study.baselines(options.baseline)
    labels, speed_ups = [], []
    for group in study.groups():
        own = [
            base_ns[each.run.name] / each.run.time_ns
            for each in group.results
            if each.run.name in base_ns and each.run.time_ns
        ]
        if own:
            labels.append(style.wrapped(group.label, options.width))
            speed_ups.append(own)
    if not labels:
        raise InputError(f"no run can be compared with {name}; give runs on its trace, or another --baseline")
    style.check_bars(len(labels))
    figure, axes = style.new_figure(options.width, style.bars_height(labels))
    places = style.positions(labels)
    means = [statistics.fmean(own) for own in speed_ups]
    is_wide = max(means) / min(means) > WIDE_RANGE
    start = 1.0 if is_wide else 0.0  # a ratio grows from one on a logarithmic scale
    axes.barh(places, [mean - start for mean in means], 0.72, left=start, color=parts.BLUE)
    for place, own in zip(places, speed_ups, strict=True):
        if len(own) > 1:
            axes.plot([min(own), max(own)], [place, place], color="black", linewidth=0.9)
    axes.axvline(1, color=parts.DARK, linewidth=0.8, linestyle=(0, (3, 2)))
    _write_values(axes, places, means, [max(own) for own in speed_ups], is_wide=is_wide)
    style.label_bars(axes, labels, places)
    axes.set_xlabel(style.axis_label(f"speed-up over {name}", "times", 0.6 * options.width))
    return figure


def _write_values(
    axes: Axes, places: list[float], means: list[float], ends: list[float], *, is_wide: bool
) -> None:
    """The value behind each bar, and an axis that has room for it."""
    from matplotlib.ticker import FuncFormatter

    if is_wide:
        low, high = min(1.0, *means), max(1.0, *ends)
        axes.set_xscale("log")
        axes.set_xlim(low / (high / low) ** 0.25, high * (high / low) ** 0.25)
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axes.set_xlim(0, 1.22 * max(*ends, 1.0))
    for place, mean, end in zip(places, means, ends, strict=True):
        is_left = is_wide and mean < 1
        axes.annotate(
            style.ratio(mean),
            (mean if is_left else max(end, mean), place),
            xytext=(-2 if is_left else 2, 0),
            textcoords="offset points",
            va="center_baseline",
            ha="right" if is_left else "left",
            fontsize=6.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},  # the line at 1 does not cross it
        )


base.FIGURES.register("speed-up")(base.Kind("study", draw))
