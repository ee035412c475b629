"""The stats CSV and the units CSV of `ppim simulate`."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TextIO

from ppim.stats import counters

if TYPE_CHECKING:
    import pandas as pd

    from ppim.stats.result import SimulationResult

UNIT_COLUMNS = ("run", "memory", "channel", "unit", "accesses")


def frame(rows: Iterable[Any], columns: Iterable[str]) -> pd.DataFrame:
    """Rows as a frame of these columns; NaN where one does not apply."""
    import pandas

    return pandas.DataFrame(rows, columns=list(columns))


def write_csv(result: SimulationResult, stream: TextIO) -> None:
    """The stats CSV: a line for each memory and channel, and nothing else."""
    writer = csv.DictWriter(
        stream, [*counters.IDENTITY, *counters.COLUMNS, *counters.VERDICT], restval="", lineterminator="\n"
    )
    writer.writeheader()
    for row in result.rows():
        writer.writerow(
            {name: _text(value) if isinstance(value, float) else value for name, value in row.items()}
        )


def _text(value: float) -> str:
    """Shortest text that gives back the number."""
    return f"{value:.12g}"


def write_units_csv(result: SimulationResult, stream: TextIO) -> None:
    """Accesses of every PIM unit."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(UNIT_COLUMNS)
    writer.writerows(result.unit_rows())
