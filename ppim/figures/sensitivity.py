"""How a figure changes with one axis of a sweep: a curve for each combination of the others."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ppim.errors import InputError, UnknownNameError
from ppim.figures import style
from ppim.figures.base import FIGURES, Kind, Options
from ppim.report.parts import SERIES
from ppim.report.results import Result, Study, Value, axis_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^vPX*"
SPEED_UP = "speed-up"
AXIS_UNITS = {"_bytes": "B", "bytes_": "B", "_ns": "ns", "_cycles": "cycles", "_ghz": "GHz", "_mhz": "MHz"}
"""Beginnings and ends of names that say a parameter's unit."""

_KNOWN_UNITS = {
    "pooling": "lookups a bag",
    "collisions": "rows a shared row",
    "batch_size": "samples",
    "macs": "units",
    "max_samples": "samples",
    "collect_cycles": "cycles",
    "instruction_bits": "bits",
}


@dataclass(frozen=True)
class Quantity:
    """What a curve shows.

    Attributes
    ----------
    title : str
    unit : str
        Where there are no `units` to choose from.
    of : callable
        Result -> value, or None.
    units : sequence of (size, name)
    """

    title: str
    of: Callable[[Result], float | None]
    units: Sequence[tuple[float, str]] = ()
    unit: str = ""


def _total(column: str) -> Callable[[Result], float | None]:
    return lambda result: result.run.total(column)


def _per_lookup(column: str) -> Callable[[Result], float | None]:
    def value(result: Result) -> float | None:
        figure, lookups = result.run.total(column), result.run.total("lookups")
        return figure / lookups if figure is not None and lookups else None

    return value


def _hit_percent(result: Result) -> float | None:
    hits, accesses = result.run.total("cache_hits"), result.run.total("accesses")
    return 100 * hits / accesses if hits is not None and accesses else None


QUANTITIES = {
    "time": Quantity("time", lambda result: result.run.time_ns, style.TIME_UNITS),
    "energy": Quantity("energy of a lookup", _per_lookup("energy_total_pj"), style.ENERGY_UNITS),
    "bytes-dram": Quantity("bytes from DRAM", _total("bytes_dram"), style.BYTE_UNITS),
    "bytes-external": Quantity("bytes outside", _total("bytes_external"), style.BYTE_UNITS),
    "hits": Quantity("cache hits", _hit_percent, unit="% of accesses"),
}
"""Name -> what `--y` can show, besides the speed-up."""


def axes_for_curves(study: Study) -> list[str]:
    """Axes with more than one number, in order."""
    return [
        name
        for name in study.varying()
        if len(values := study.values(name)) > 1 and all(_is_number(value) for value in values)
    ]


def draw(study: Study, options: Options) -> Figure:
    """Curves over `--x`, else the first axis of numbers; seeds are averaged, with a bar of one standard deviation."""
    x = _x_axis(study, options.x)
    quantity = _quantity(study, options)
    curves = _curves(study, x, quantity)
    if len(curves) > len(MARKERS):
        raise InputError(
            f"{len(curves)} curves are more than the {len(MARKERS)} that can be told apart; "
            f"choose some with --where NAME=VALUE"
        )
    values = study.values(x)
    is_numeric = all(_is_number(value) for value in values)
    labels = [style.wrapped(label or quantity.title, 2 * options.width) for label in curves]
    legend_lines = sum(label.count("\n") + 1 for label in labels) if len(curves) > 1 else 0
    height = max(1.6, 0.58 * options.width)
    figure, axes = style.new_figure(options.width, height + 0.13 * legend_lines)
    largest = max(y for points in curves.values() for own in points.values() for y in own)
    size, unit = style.unit_for(largest, quantity.units) if quantity.units else (1.0, quantity.unit)
    lines: list[Any] = []
    for points, colour, marker in zip(curves.values(), SERIES, MARKERS, strict=False):
        xs = [float(value) if is_numeric else values.index(value) for value in points]
        ys = [statistics.fmean(own) / size for own in points.values()]
        spread = [statistics.stdev(own) / size if len(own) > 1 else 0 for own in points.values()]
        lines.append(
            axes.errorbar(
                xs,
                ys,
                spread if any(spread) else None,
                color=colour,
                marker=marker,
                capsize=1.8,
                elinewidth=0.8,
                markeredgecolor="white",
                markeredgewidth=0.4,
            )
        )
    _set_x(axes, x, values, is_numeric=is_numeric)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(style.axis_label(quantity.title, unit, 0.75 * height))
    axes.grid()
    if len(curves) > 1:
        style.legend_above(figure, lines, labels)
    return figure


def _x_axis(study: Study, wanted: str | None) -> str:
    varying = study.varying()
    if wanted is not None:
        if wanted not in varying:
            raise InputError(f"--x: {UnknownNameError('axis', wanted, varying)}")
        return wanted
    numeric = axes_for_curves(study)
    if not numeric:
        known = ", ".join(varying) or "none"
        raise InputError(f"no axis has several numbers to draw a curve over; name one with --x, of: {known}")
    return numeric[0]


def _quantity(study: Study, options: Options) -> Quantity:
    wanted = options.y or SPEED_UP
    if wanted != SPEED_UP:
        if wanted not in QUANTITIES:
            raise InputError(f"--y: {UnknownNameError('figure', wanted, [SPEED_UP, *QUANTITIES])}")
        return QUANTITIES[wanted]
    name, base_ns = study.baselines(options.baseline)

    def speed_up(result: Result) -> float | None:
        base = base_ns.get(result.run.name)
        return base / result.run.time_ns if base and result.run.time_ns else None

    return Quantity(f"speed-up over {name}", speed_up, unit="times")


def _curves(study: Study, x: str, quantity: Quantity) -> dict[str, dict[Value, list[float]]]:
    """Label of a curve -> value of the axis -> figures of the runs (seeds)."""
    others = [name for name in study.varying() if name != x and not _follows(study, x, name)]
    curves: dict[str, dict[Value, list[float]]] = {}
    for result in study.results:
        y = quantity.of(result)
        if x not in result.axes or y is None:
            continue
        label = ", ".join(axis_text(name, result.axes[name]) for name in others if name in result.axes)
        curves.setdefault(label, {}).setdefault(result.axes[x], []).append(y)
    if not curves:
        raise InputError(f"no run has both {x} and what --y asks for")
    order = {value: place for place, value in enumerate(study.values(x))}
    key = (lambda value: value) if all(_is_number(value) for value in order) else order.__getitem__
    return {
        label: {value: points[value] for value in sorted(points, key=key)} for label, points in curves.items()
    }


def _follows(study: Study, x: str, other: str) -> bool:
    """Whether an axis is told by another one, as a system's mapping by the system: it tells no curves apart."""
    pairs = {(result.axes.get(x), result.axes.get(other)) for result in study.results}
    return len(pairs) == len({value for value, _ in pairs})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _set_x(axes: Axes, name: str, values: Sequence[Value], *, is_numeric: bool) -> None:
    """Scale, ticks at the values that were tried, and a title with the unit."""
    from matplotlib.ticker import FixedLocator, NullLocator

    axes.set_xlabel(axis_title(name))
    if not is_numeric:
        axes.set_xticks(range(len(values)), [style.wrapped(str(value), 2.2) for value in values])
        axes.set_xlim(-0.3, len(values) - 0.7)
        return
    numbers = sorted(float(value) for value in values if _is_number(value))
    if numbers[0] > 0 and numbers[-1] / numbers[0] >= 8:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_minor_locator(NullLocator())
    ticks = _apart(numbers, is_log=axes.get_xscale() == "log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.set_xticklabels([_tick(value, is_bytes=axis_unit(name) == "B") for value in ticks])


def _apart(numbers: Sequence[float], *, is_log: bool) -> list[float]:
    """Those of the numbers whose labels have room beside each other."""
    place = math.log if is_log else float
    room = (place(numbers[-1]) - place(numbers[0])) / 9
    ticks = [numbers[0]]
    for number in numbers[1:]:
        if place(number) - place(ticks[-1]) >= room:
            ticks.append(number)
    return ticks


def _tick(value: float, *, is_bytes: bool) -> str:
    for size, prefix in ((1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")) if is_bytes else ():
        if value >= size and value % size == 0:
            return f"{value / size:g} {prefix}"
    return f"{value:,g}" if abs(value) < 1e6 else f"{value:.3g}"


def axis_unit(name: str) -> str:
    """Unit of a parameter, by its name; "" where it has none."""
    leaf = name.rpartition(".")[2]
    if leaf in _KNOWN_UNITS:
        return _KNOWN_UNITS[leaf]
    return next(
        (unit for word, unit in AXIS_UNITS.items() if leaf.endswith(word) or leaf.startswith(word)), ""
    )


def axis_title(name: str) -> str:
    """A parameter for people: `cache bytes (B)`."""
    unit = axis_unit(name)
    words = name.replace("_", " ")
    return f"{words} ({unit})" if unit else words


FIGURES.register("sensitivity")(Kind("study", draw))
