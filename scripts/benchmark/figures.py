"""A figure of the benchmark, its CSV, and the lines that people read."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ppim.files import atomic_path

COLUMNS = ("figure", "of", "value", "unit", "ratio", "to")
RATES = frozenset({"accesses/s", "requests/s"})
"""Units of which more is better."""

Key = tuple[str, str]


class Figure(NamedTuple):
    """A row of the CSV."""

    figure: str
    of: str
    value: float
    unit: str
    ratio: (
        float | None
    )  # of the value to what `to` names, measured in the same run; None if that was not there
    to: str

    @property
    def key(self) -> Key:
        """What it is, without its values."""
        return self.figure, self.of


def write(figures: Iterable[Figure], path: Path) -> None:
    """The CSV, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(COLUMNS)
        for row in figures:
            ratio = "" if row.ratio is None else f"{row.ratio:.4g}"
            rows.writerow([row.figure, row.of, f"{row.value:.4g}", row.unit, ratio, row.to])


def read_ratios(path: Path) -> dict[Key, float]:
    """The ratios of a CSV."""
    with path.open(newline="", encoding="utf-8") as stream:
        return {
            (row["figure"], row["of"]): float(row["ratio"]) for row in csv.DictReader(stream) if row["ratio"]
        }


def report(
    figures: Sequence[Figure], released: Mapping[Key, float], other: Mapping[Key, float] | None = None
) -> list[str]:
    """A line for each figure: its value, its ratio now and in the last release, and how much better than another tree.

    Parameters
    ----------
    released : mapping
        Ratios of the last release.
    other : mapping, optional
        Values of the other tree, measured by turns with these.
    """
    lines = [f"{'figure':14} {'of':32} {'value':>10} {'unit':11} {'ratio':>9} {'released':>9}  to"]
    if other is not None:
        lines[0] += "; last column: times as good as the other tree"
    for row in figures:
        value = f"{row.value:,.0f}" if row.value >= 100 else f"{row.value:.3g}"
        ratio = "-" if row.ratio is None else f"{row.ratio:.3g}"
        before = f"{released[row.key]:.3g}" if row.key in released else "-"
        line = f"{row.figure:14} {row.of:32} {value:>10} {row.unit:11} {ratio:>9} {before:>9}  {row.to}"
        if other is not None and row.key in other:
            line += f"; {times_as_good(row, other[row.key]):.2f}"
        lines.append(line)
    return lines


def times_as_good(row: Figure, other: float) -> float:
    """Above 1 if a figure is better than that of another tree."""
    return row.value / other if row.unit in RATES else other / row.value
