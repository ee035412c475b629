"""What all figures share: sizes, fonts, units, bars, and a legend that fits. Import it only to draw: matplotlib is an extra."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppim.errors import InputError
from ppim.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("png", "svg", "pdf")
MOST_BARS = 60
"""More bars than that are no figure that anybody reads."""

_POINTS, _SMALL_POINTS = 7.5, 6.5
_BAR_INCHES, _LINE_INCHES = 0.19, 0.12  # height of a bar; of each line of its label after the first
_LABEL_SHARE = 0.36  # of the width, for labels of bars
_CHARACTER_INCHES = 0.056  # mean width of one, at the small size
_DOTS_PER_INCH = 300

TIME_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns"))
BYTE_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))
ENERGY_UNITS = ((1e12, "J"), (1e9, "mJ"), (1e6, "uJ"), (1e3, "nJ"), (1.0, "pJ"))

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that figures are the same on all machines
    "font.size": _POINTS,
    "axes.labelsize": _POINTS,
    "axes.titlesize": _POINTS,
    "xtick.labelsize": _SMALL_POINTS,
    "ytick.labelsize": _SMALL_POINTS,
    "legend.fontsize": _SMALL_POINTS,
    "legend.frameon": False,
    "legend.handlelength": 1.0,
    "legend.handleheight": 0.8,
    "legend.handletextpad": 0.4,
    "legend.columnspacing": 0.9,
    "legend.labelspacing": 0.3,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "grid.linewidth": 0.4,
    "grid.color": "#D8D8D8",
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "pdf.fonttype": 42,  # TrueType: publishers refuse Type 3
    "svg.hashsalt": "ppim",  # names inside are the same each time
    "figure.constrained_layout.use": True,
}


def check_format(path: Path) -> str:
    """The format that a figure's name asks for.

    Raises
    ------
    InputError
        Another one than png, svg and pdf.
    """
    kind = path.suffix.removeprefix(".").lower()
    if kind not in FORMATS:
        raise InputError(f"{path}: write a .png, .svg or .pdf figure")
    return kind


@contextmanager
def drawing() -> Iterator[None]:
    """Within it, figures have this style.

    Raises
    ------
    InputError
        Without matplotlib.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise InputError("figures need matplotlib; install it with pip install 'ppim[plot]'") from error
    with matplotlib.rc_context(_STYLE):
        yield


def save(figure: Figure, path: Path) -> None:
    """Write a figure, whole or not at all; the same figure gives the same bytes."""
    kind = check_format(path)
    undated: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}
    drawn = BytesIO()  # matplotlib's writers hide what a full disk says behind errors of their own
    figure.savefig(drawn, format=kind, dpi=_DOTS_PER_INCH, metadata=undated[kind])
    with atomic_path(path) as temporary:
        temporary.write_bytes(drawn.getbuffer())


def new_figure(width: float, height: float, **subplots: Any) -> tuple[Figure, Any]:
    """A figure of this size in inches, without a window and without pyplot's list of open figures."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    engine: Any = figure.get_layout_engine()
    engine.set(w_pad=0.03, h_pad=0.03)
    return figure, figure.subplots(**subplots)


def unit_for(largest: float, units: Sequence[tuple[float, str]]) -> tuple[float, str]:
    """(size, name) of the unit in which the largest value has one to three digits."""
    return next((each for each in units if largest >= each[0]), units[-1])


def short(value: float) -> str:
    """Three digits, without an exponent; `1.70`, not `1.7`, so that columns of values agree."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".") if value else "0"


def ratio(value: float) -> str:
    """A ratio with two decimals, or three digits where it is large."""
    return short(value) if value >= 10 else f"{value:.2f}"


def wrapped(label: str, width: float) -> str:
    """A bar's label in lines that fit beside a figure of this width; settings break after `;` and at commas."""
    characters = max(12, int(width * _LABEL_SHARE / _CHARACTER_INCHES))
    words = label.replace(";", "; ").replace("+", " +")
    return "\n".join(textwrap.wrap(words, characters, break_long_words=True, break_on_hyphens=False) or [""])


def axis_label(words: str, unit: str, inches: float) -> str:
    """A title of an axis with its unit, in lines that fit along it."""
    characters = max(16, int(0.9 * inches / (_CHARACTER_INCHES * _POINTS / _SMALL_POINTS)))
    text = f"{words} ({unit})" if unit else words
    return "\n".join(textwrap.wrap(text, characters, break_on_hyphens=False))


def bars_height(labels: Sequence[str], legend_rows: int = 0) -> float:
    """Inches of a figure of horizontal bars with these (wrapped) labels."""
    return 0.6 + sum(map(_extent, labels)) * _BAR_INCHES + legend_rows * 0.14


def _extent(label: str) -> float:
    """Room of a bar and its label, in bars."""
    return 1 + label.count("\n") * _LINE_INCHES / _BAR_INCHES


def check_bars(count: int) -> None:
    """Refuse what no reader could tell apart."""
    if count > MOST_BARS:
        raise InputError(
            f"{count} bars are more than the {MOST_BARS} that fit; choose some with --where NAME=VALUE, or make a report"
        )


def positions(labels: Sequence[str]) -> list[float]:
    """Centres of the bars, downwards; labels of more lines get more room. One unit is one bar's height."""
    places, at = [], 0.0
    for label in labels:
        places.append(at + _extent(label) / 2)
        at += _extent(label)
    return places


def label_bars(axes: Axes, labels: Sequence[str], places: Sequence[float]) -> None:
    """Names of the bars on the left; the first is on top."""
    axes.set_yticks(places, labels)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(places[-1] + _extent(labels[-1]) / 2 + 0.2, -0.2)
    axes.grid(axis="x")


def room_for_values(axes: Axes, texts: Sequence[str], largest: float) -> None:
    """Stretch the axis so that values written behind the bars are inside, on a linear scale from zero."""
    longest = max(map(len, texts), default=0)
    figure: Any = axes.figure
    inches = figure.get_figwidth() * (1 - _LABEL_SHARE)
    share = min(0.5, (longest + 1) * _CHARACTER_INCHES / inches)
    axes.set_xlim(0, largest / (1 - share) if largest else 1)


def legend_above(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """A legend over the figure, in as many columns as its width allows."""
    from matplotlib.legend import Legend

    canvas: Any = figure.canvas
    renderer = canvas.get_renderer()
    width = figure.get_figwidth() * figure.dpi
    for columns in range(len(handles), 0, -1):
        legend: Legend = figure.legend(handles, labels, loc="outside upper center", ncols=columns)
        if columns == 1 or legend.get_window_extent(renderer).width <= 0.98 * width:
            return
        legend.remove()
