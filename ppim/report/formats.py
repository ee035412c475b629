"""Ways to show a comparison: one function each, found by its name in `FORMATS`."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ppim.report.compare import SHORT_CLASSES, Comparison
from ppim.tables import Table, as_lines

_ENERGIES = ((1e12, "J"), (1e9, "mJ"), (1e6, "uJ"), (1e3, "nJ"))
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True)
class Column:
    """A column for people: heading, and how a row's figure is written."""

    heading: str
    text: Callable[[dict[str, Any]], str]


def scaled(value: float | None, unit: str) -> str:
    """Three digits with a decimal prefix: `3.51 MB`."""
    if value is None:
        return "-"
    for size, prefix in _PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def _energy(picojoules: float | None) -> str:
    """Three digits in the unit that fits, from pJ to J."""
    if picojoules is None:
        return "-"
    size, unit = next((each for each in _ENERGIES if picojoules >= each[0]), (1.0, "pJ"))
    return f"{picojoules / size:.3g} {unit}"


def _number(name: str, form: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: "-" if row[name] is None else form.format(row[name])


def _percent(name: str) -> Callable[[dict[str, Any]], str]:
    return lambda row: "-" if row[name] is None else f"{100 * row[name]:.0f} %"


def _limits(rows: Sequence[dict[str, Any]]) -> str:
    """Which limit the shares in the table are of: runs by limit, in one line; the table stays narrow."""
    systems: dict[str, list[str]] = {}
    for row in rows:
        if row["binding_limit"]:
            systems.setdefault(row["binding_limit"], []).append(row["system"])
    return "limits: " + ", ".join(f"{limit} ({', '.join(names)})" for limit, names in systems.items())


FIGURES = (
    Column("time us", lambda row: f"{row['time_ns'] / 1000:,.1f}"),
    Column("speed-up", _number("speed_up", "{:.2f}")),
    Column("hits", _percent("hit_share")),
    Column("from DRAM", lambda row: scaled(row["bytes_dram"], "B")),
    Column("outside", lambda row: scaled(row["bytes_external"], "B")),
    Column("energy", lambda row: _energy(row["energy_total_pj"])),
    Column("max / mean", _number("unit_imbalance", "{:.2f}")),
    Column("of limit", _percent("limit_share")),
)
CYCLES = tuple(Column(short, _percent(f"{short}_share")) for short in SHORT_CLASSES.values())


def _cells(rows: Sequence[dict[str, Any]], columns: Sequence[Column]) -> list[list[str]]:
    """Heading and rows, without columns in which no row has a figure."""
    table = [[column.heading, *(column.text(row) for row in rows)] for column in columns]
    return [list(line) for line in zip(*(cells for cells in table if set(cells[1:]) != {"-"}), strict=True)]


def as_table(comparison: Comparison, width: int | None = None) -> str:
    """For people: figures, where the cycles went, and what makes the difference.

    Parameters
    ----------
    comparison : Comparison
    width : int, optional
        Characters of a line; a line a row without it.
    """
    rows = comparison.rows()
    parts: list[str | Table] = []
    for trace in dict.fromkeys(row["trace"] for row in rows):
        own = [row for row in rows if row["trace"] == trace]
        parts += [_beside_labels(trace, own, FIGURES), ""]
        if any(row["binding_limit"] for row in own):
            parts += [_limits(own), ""]
        with_classes = [row for row in own if row["busy_share"] is not None]
        if with_classes:
            parts += [_beside_labels("where the cycles went", with_classes, CYCLES), ""]
    parts += comparison.sentences()
    while parts and parts[-1] == "":
        parts.pop()
    return "".join(f"{line}\n" for line in as_lines(parts, width))


def _beside_labels(heading: str, rows: Sequence[dict[str, Any]], columns: Sequence[Column]) -> Table:
    """Systems on the left, their figures in columns."""
    first, *cells = _cells(rows, columns)
    labels = (row["system"] for row in rows)
    return Table(
        "runs",
        (heading, *first),
        tuple((label, *line) for label, line in zip(labels, cells, strict=True)),
    )


def as_markdown(comparison: Comparison) -> str:
    """A pipe table and a list of sentences."""
    rows = comparison.rows()
    cells = _cells(
        rows,
        (
            Column("trace", lambda row: row["trace"]),
            Column("system", lambda row: row["system"]),
            *FIGURES,
            Column("limit", lambda row: row["binding_limit"] or "-"),
            *CYCLES,
        ),
    )
    heading, *body = cells
    lines = ["| " + " | ".join(line) + " |" for line in ([heading, ["---"] * len(heading), *body])]
    return "\n".join([*lines, "", *(f"* {text}" for text in comparison.sentences())]).rstrip() + "\n"


def as_csv(comparison: Comparison) -> str:
    """A line a run, in plain units; empty where a figure does not apply."""
    rows = comparison.rows()
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _plain(value) for name, value in row.items()} for row in rows)
    return stream.getvalue()


def _plain(value: Any) -> Any:
    return f"{value:.12g}" if isinstance(value, float) else value


def as_json(comparison: Comparison) -> str:
    """Rows, baseline and sentences."""
    content = {
        "baseline": comparison.baseline.name,
        "runs": comparison.rows(),
        "differences": comparison.sentences(),
    }
    return json.dumps(content, indent=2) + "\n"


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "table": as_table,
    "md": as_markdown,
    "csv": as_csv,
    "json": as_json,
}
"""Name -> comparison as text."""
