"""`ppim info`: say what a file or a name is."""

import click

from ppim.cli.options import complete_targets, show, table_options


@click.command(short_help="Describe a device, a trace, a result or a system.")
@click.argument("target", shell_complete=complete_targets)
@table_options
def command(target: str, form: str, wide: bool) -> None:
    """Describe TARGET: the name of a device or a system, or a file.

    \b
    Examples:
        ppim info hbm2-4gb
        ppim info DDR4_8Gb_x8_3200.ini
        ppim info trace.parquet --format csv
    """
    from ppim.stats.info.base import describe

    show(describe(target), form, wide)
