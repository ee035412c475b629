"""`ppim plot`: results to a figure."""

from pathlib import Path

import click

from ppim.cli.options import InputPath, NamesOption, Real, tell


@click.command(short_help="Draw results as a figure for a paper or a slide.")
@click.argument("results", type=InputPath(), nargs=-1, required=True, metavar="RESULT...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FIGURE",
    help="Where to; .svg and .pdf are made of lines, .png of dots.",
)
@click.option(
    "--kind",
    cls=NamesOption,
    folder="figures",
    register="FIGURES.register",
    metavar="NAME",
    help="What to draw: {names}. Without it, what fits the results best.",
)
@click.option("--baseline", metavar="NAME", help="Run, system or a sweep's baseline that speed-ups refer to.")
@click.option("--x", metavar="AXIS", help="Axis of sensitivity curves; the first one of numbers without it.")
@click.option(
    "--y",
    metavar="FIGURE",
    help="Figure of sensitivity curves: speed-up, time, energy, bytes-dram, bytes-external or hits.",
)
@click.option(
    "--where",
    multiple=True,
    metavar="NAME=VALUE",
    help="Only runs with this value of an axis, e.g. algorithm=qr; of a timeline, channel=3.",
)
@click.option(
    "--width",
    type=Real(min=3, max=20),
    default=3.5,
    show_default=True,
    metavar="INCHES",
    help="Width of the figure; 3.5 is a column of a paper, 7.2 a page.",
)
def command(
    results: tuple[Path, ...],
    output: Path,
    kind: str | None,
    baseline: str | None,
    x: str | None,
    y: str | None,
    where: tuple[str, ...],
    width: float,
) -> None:
    """Draw RESULT...: stats CSVs or summaries of `ppim simulate`, the folder of a sweep or search,
    a units CSV, a trace, or a timeline.

    \b
    Examples:
        ppim plot cpu.csv base.csv full.csv --baseline pim-base -o speed-up.pdf
        ppim plot base.csv full.csv --kind time -o time.svg
        ppim plot sweeps/cache -o cache.pdf --y hits
        ppim plot searches/hot-rows -o front.pdf
        ppim plot units.csv -o load.svg
        ppim plot trace.parquet -o skew.svg
        ppim plot window.json --where channel=3 --width 7.2 -o window.pdf
    """
    from ppim.config import parse_pairs
    from ppim.figures.base import Options
    from ppim.figures.write import plot

    drawn = plot(
        results,
        output,
        kind,
        options=Options(width, baseline, x, y),
        where=parse_pairs(where, "--where"),
    )
    tell(f"{drawn} -> {output}")
