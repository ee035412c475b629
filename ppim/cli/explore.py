"""`ppim explore`: the best designs of a space."""

from pathlib import Path

import click

from ppim.cli.options import InputPath, Whole, pool_options, tell

MOST_COLUMNS = 100
"""Of the front that is printed, however wide the terminal is."""


@click.command(short_help="Search a design space: time or energy against SRAM and copies.")
@click.argument("trace", type=InputPath())
@click.argument("search", type=click.Path(path_type=Path), metavar="SEARCH.toml")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder of the search.",
)
@click.option(
    "--objective", metavar="NAME", help="What is to be small, besides SRAM and copies: time or energy."
)
@click.option(
    "--runs",
    type=Whole(min=1, max=1_000_000),
    default=200,
    show_default=True,
    metavar="N",
    help="Budget, in runs of the whole trace; a run on a third of it takes a third.",
)
@click.option(
    "--seed",
    type=Whole(min=0, max=(1 << 32) - 1),
    default=0,
    show_default=True,
    help="Of the search.",
)
@pool_options
def command(
    trace: Path,
    search: Path,
    output: Path,
    objective: str | None,
    runs: int,
    seed: int,
    jobs: int | None,
    scheduler: str | None,
) -> None:
    """Try designs that SEARCH.toml allows, and print those than which no other one is better.

    A design is better than another if it has less time (or energy), SRAM of units and DRAM for copies, or as much of
    some and less of the others. Many designs run on the beginning of TRACE; the best of them go on to longer parts,
    and to the whole. Optuna proposes them, and neighbours of the best ones are tried (extra `explore`).

    DIR then has designs.csv (all that were tried), front.csv, and the tables of a sweep for those that ran on the
    whole trace, all as .parquet too. The same command goes on where it was stopped; its result depends on the seed
    and not on --jobs.

    \b
    Examples:
        ppim explore trace.parquet scripts/searches/hot-rows.toml -o searches/hot-rows
        ppim explore trace.parquet search.toml -o out --objective energy --runs 500 --seed 1
        ppim plot out -o front.svg
    """
    from tqdm import tqdm

    from ppim.search.door import explore
    from ppim.tables import as_lines, terminal_width

    with tqdm(total=runs, unit="run", desc="explore", disable=None) as bar:

        def report(spent: float, designs: int) -> None:
            bar.n = round(spent, 1)
            bar.set_postfix_str(f"{designs:,} designs")

        found = explore(
            trace,
            search,
            output,
            objective=objective,
            runs=runs,
            seed=seed,
            jobs=jobs,
            scheduler=scheduler,
            report=report,
        )
    for line in as_lines(found.description.lines, min(terminal_width(), MOST_COLUMNS)):
        click.echo(line)
    tell(f"front.csv, designs.csv: {output}")
