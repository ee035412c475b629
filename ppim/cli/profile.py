"""`ppim profile`: how skewed the accesses of a trace are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ppim.cli.options import InputPath
from ppim.errors import InputError

if TYPE_CHECKING:
    from ppim.trace.profile import AccessProfile

COLUMNS = "table,name,subtable,first_rank,rows,accesses_per_row,cumulative_accesses,cumulative_share"


@click.command(short_help="Sorted access counts of a trace's subtables.")
@click.argument("trace", type=InputPath())
@click.option("-o", "--output", type=click.Path(path_type=Path), help="CSV of the skew curves; - for stdout.")
@click.option("--plot", type=click.Path(path_type=Path), help="Figure of them (.png, .svg, .pdf).")
def command(trace: Path, output: Path | None, plot: Path | None) -> None:
    """Write the skew curve of every subtable of TRACE.

    One line for each run of rows with equal access counts, most accessed first: the rank of the first, how many
    there are, their accesses each, and the accesses so far. Rows that are never accessed come last.
    """
    if output is None and plot is None:
        raise InputError("nothing to write; give -o FILE.csv, --plot FIGURE or both")
    from ppim.files import keep_inputs
    from ppim.jit import compile_notice
    from ppim.progress import progress_bar
    from ppim.trace.profile import access_profile
    from ppim.trace.reader import TraceReader

    keep_inputs([trace], output, plot)
    if plot is not None:
        from ppim.figures.style import check_format

        check_format(plot)

    with (
        compile_notice("profile"),
        TraceReader(trace) as reader,
        progress_bar(reader.n_accesses, "access", "profile") as bar,
    ):
        profile = access_profile(reader, bar.update)
    if output is not None:
        _write(profile, output)
    if plot is not None:
        _plot(profile, plot)


def _write(profile: AccessProfile, output: Path) -> None:
    import sys

    from ppim.files import atomic_path

    if str(output) == "-":
        sys.stdout.write(_csv(profile))
        return
    with atomic_path(output) as temporary:
        temporary.write_text(_csv(profile), encoding="utf-8")


def _csv(profile: AccessProfile) -> str:
    import csv
    import io

    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(COLUMNS.split(","))
    for number, table in enumerate(profile.meta.tables):
        for place, part in enumerate(table.subtables):
            total = max(int(profile.of(number, place).sum(dtype="int64")), 1)
            lines.writerows(
                (
                    *(number, table.name, part.name, run.first_rank, run.rows, run.accesses_per_row),
                    *(run.cumulative_accesses, f"{run.cumulative_accesses / total:.6f}"),
                )
                for run in profile.runs(number, place)
            )
    return text.getvalue()


def _plot(profile: AccessProfile, figure: Path) -> None:
    from ppim.figures import base, skew, source, style

    with style.drawing():
        style.save(skew.draw(source.curves_of_profile(profile), base.Options()), figure)
