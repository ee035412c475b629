"""`ppim info`: say what a file or a name is."""

from pathlib import Path

import click

from ppim.cli.options import NamesOption, complete_targets, readable, show, table_options


@click.command(short_help="Describe a trace, a dataset, a result, a device or a system.")
@click.argument("target", shell_complete=complete_targets)
@click.option(
    "--dataset",
    "dataset_name",
    cls=NamesOption,
    folder="datasets",
    register="DATASETS.register",
    metavar="NAME",
    help="TARGET is a dataset of this format: {names}.",
)
@click.option("--dataset-option", multiple=True, metavar="KEY=VALUE", help="An option of the dataset's own.")
@table_options
def command(
    target: str, dataset_name: str | None, dataset_option: tuple[str, ...], form: str, wide: bool
) -> None:
    """Describe TARGET: the name of a device or a system, or a file.

    Of a dataset it says what gen-trace would read, with a preview of the first samples.

    \b
    Examples:
        ppim info hbm2-4gb
        ppim info DDR4_8Gb_x8_3200.ini
        ppim info trace.parquet --format csv
        ppim info train.txt
        ppim info clicks.csv --dataset csv --dataset-option columns=user,item
    """
    target = str(readable(Path(target), click.get_current_context()))
    if dataset_name is None and not dataset_option:
        from ppim.stats.info.base import describe

        show(describe(target), form, wide)
        return
    from ppim.config import parse_pairs
    from ppim.stats.info.dataset import describe_dataset

    show(describe_dataset(target, dataset_name, parse_pairs(dataset_option, "--dataset-option")), form, wide)
