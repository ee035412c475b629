"""How skewed the accesses of a trace are: which share of them the most accessed rows have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ppim.figures import base, source, style
from ppim.report.parts import SERIES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE_STYLES = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)))


def draw(curves: Sequence[source.Curve], options: base.Options) -> Figure:
    """A thin line a table's subtable, one colour for subtables of one name."""
    from matplotlib.ticker import PercentFormatter

    figure, axes = style.new_figure(options.width, 0.68 * options.width)
    names = list(dict.fromkeys(curve.subtable for curve in curves))
    lines: dict[str, Any] = {}
    for curve in curves:
        place = names.index(curve.subtable)
        (lines[curve.subtable],) = axes.plot(
            curve.rows,
            curve.share,
            color=SERIES[place % len(SERIES)],
            linestyle=LINE_STYLES[place % len(LINE_STYLES)],
            linewidth=0.8,
            alpha=0.75,
            marker="." if len(curve.rows) == 1 else None,
        )
    axes.set_xscale("log")
    axes.set_xlim(left=1)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=""))
    axes.set_xlabel("rows of the subtable, most accessed first")
    axes.set_ylabel("accesses that they have (%)")
    axes.grid()
    tables = {name: sum(curve.subtable == name for curve in curves) for name in names}
    style.legend_above(figure, list(lines.values()), [f"{name} ({tables[name]} tables)" for name in lines])
    return figure


base.FIGURES.register("skew")(base.Kind("skew", draw))
