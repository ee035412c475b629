"""`ppim report`: results to a page for the browser."""

from pathlib import Path

import click

from ppim.cli.options import InputPath, tell


@click.command(short_help="Write results as one interactive page for the browser.")
@click.argument("results", type=InputPath(), nargs=-1, required=True, metavar="RESULT...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="REPORT.html",
    help="Where to; one file that needs nothing else, and no network.",
)
@click.option("--title", metavar="TEXT", help="Heading of the page; names of the files without it.")
@click.option(
    "--baseline",
    metavar="NAME",
    help="Run, system or a sweep's baseline that speed-ups refer to when the page opens.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="NAME=VALUE",
    help="Only runs with this value of an axis, e.g. algorithm=qr.",
)
def command(
    results: tuple[Path, ...], output: Path, title: str | None, baseline: str | None, where: tuple[str, ...]
) -> None:
    """Write RESULT... (stats CSVs and summaries of `ppim simulate`, folders of sweeps and searches) as one page.

    The page has a table of the runs that can be sorted and filtered, charts that follow the filter, and for each run
    its settings and the command that makes it again. A summary beside a stats CSV of the same run adds all settings.

    \b
    Examples:
        ppim report cpu.csv base.csv base.json full.csv full.json --baseline pim-base -o report.html
        ppim report sweeps/cache -o cache.html
    """
    from ppim.config import parse_pairs
    from ppim.report.page.write import report

    count = report(results, output, title=title, baseline=baseline, where=parse_pairs(where, "--where"))
    tell(f"{count} run{'s' if count > 1 else ''} -> {output}")
