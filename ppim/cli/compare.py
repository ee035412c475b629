"""`ppim compare`: runs beside each other, and why one takes longer than another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppim.cli.options import InputPath, table_options, width
from ppim.errors import InputError

if TYPE_CHECKING:
    from ppim.stats.result import SimulationResult


@click.command(short_help="Compare runs: time, traffic, load, limits, and what makes the difference.")
@click.argument("runs", type=InputPath(), nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--baseline", metavar="NAME", help="Run or system that speed-ups refer to; the first without it."
)
@click.option(
    "--systems",
    metavar="A,B,...",
    help="Simulate these systems first; RUN... are then traces. NAME+KEY=VALUE;... changes a parameter.",
)
@table_options
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    default=Path("-"),
    metavar="FILE",
    help="Where to; stdout without it.",
)
def command(
    runs: tuple[Path, ...],
    baseline: str | None,
    systems: str | None,
    form: str,
    wide: bool,
    output: Path,
) -> None:
    """Put runs beside each other: stats CSVs or summaries (.json) of `ppim simulate`.

    Speed-ups are of simulated time, over the baseline's run on the same trace. The sentences below the table say
    what makes the difference of each run from the baseline, as their counts show it.

    \b
    Examples:
        ppim compare base.csv full.csv --baseline pim-base
        ppim compare traces/sample-qr.parquet --systems pim-base,proactivepim
        ppim compare traces/sample-qr.parquet --systems "proactivepim,proactivepim+barrier=none" --format md
    """
    import sys

    from ppim.files import STDOUT, atomic_path, keep_inputs
    from ppim.report.compare import compare
    from ppim.report.formats import FORMATS, as_table
    from ppim.report.read import read_runs, runs_of_results

    keep_inputs(runs, output)
    found = read_runs(runs) if systems is None else runs_of_results(_simulated(runs, systems))
    comparison = compare(found, baseline)
    text = as_table(comparison, width(wide)) if form == "table" else FORMATS[form](comparison)
    if output == STDOUT:
        sys.stdout.write(text)
        return
    with atomic_path(output) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _simulated(traces: tuple[Path, ...], systems: str) -> Iterator[SimulationResult]:
    """Results of each system on each trace."""
    from ppim.api import simulate
    from ppim.config import parse_settings

    for trace in traces:
        for word in systems.split(","):
            name, _, settings = word.strip().partition("+")
            if not name:
                raise InputError(f"--systems: {systems!r} has an empty name; give names of `ppim systems`")
            yield simulate(
                trace, name, settings=parse_settings(filter(None, settings.split(";"))), progress=True
            )
