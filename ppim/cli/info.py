"""`ppim info`: say what a file or a name is."""

import click


@click.command(short_help="Describe a device, a trace, a result or a system.")
@click.argument("target")
def command(target: str) -> None:
    """Describe TARGET: the name of a device or a system, or a file.

    \b
    Examples:
        ppim info hbm2-4gb
        ppim info DDR4_8Gb_x8_3200.ini
    """
    from ppim.stats.info.base import describe

    for line in describe(target):
        click.echo(line)
