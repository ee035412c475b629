"""How evenly PIM units are loaded: a heat map of units by channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ppim.errors import InputError
from ppim.figures import base, source, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PANELS = 8


def draw(loads: Sequence[source.Loads], options: base.Options) -> Figure:
    """A panel a run; colours are shares of the mean of all its units, the same for all panels."""
    from matplotlib.ticker import MaxNLocator

    if len(loads) > MOST_PANELS:
        raise InputError(f"{len(loads)} runs are more than the {MOST_PANELS} that fit; give fewer")
    two = len({each.memory for each in loads}) > 1
    shares = [each.accesses / max(each.accesses.mean(), 1e-12) for each in loads]
    most = max(share.max() for share in shares)
    titles = [
        style.wrapped(each.run + (f", {each.memory}" if two else ""), 2.4 * options.width)
        + f"\nbusiest unit: {share.max():.2f} times the mean"
        for each, share in zip(loads, shares, strict=True)
    ]
    heights = [
        max(0.6, min(1.6, options.width * 0.8 * each.accesses.shape[0] / each.accesses.shape[1]))
        for each in loads
    ]
    height = sum(heights) + sum(0.35 + 0.13 * title.count("\n") for title in titles) + 0.35
    figure, all_axes = style.new_figure(
        options.width, height, nrows=len(loads), squeeze=False, height_ratios=heights
    )
    for axes, share, title in zip(all_axes[:, 0], shares, titles, strict=True):
        image = axes.pcolormesh(share, cmap="cividis", vmin=0, vmax=most, edgecolors="white", linewidth=0.3)
        axes.invert_yaxis()
        axes.set_title(title, loc="left", fontsize=6.5)
        axes.set_ylabel("channel")
        for axis, count in ((axes.xaxis, share.shape[1]), (axes.yaxis, share.shape[0])):
            found = MaxNLocator(8, integer=True).tick_values(0, max(count - 1, 1))
            ticks = sorted({int(tick) for tick in found if 0 <= tick < count})
            axis.set_ticks([tick + 0.5 for tick in ticks], [str(tick) for tick in ticks])
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
    all_axes[-1, 0].set_xlabel("PIM unit of the channel")
    figure.colorbar(
        image, ax=all_axes[:, 0].tolist(), label="accesses over the mean", shrink=0.9, aspect=24, pad=0.02
    )
    return figure


base.FIGURES.register("units")(base.Kind("loads", draw))
