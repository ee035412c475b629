"""`ppim devices`: the built-in memory devices, and every parameter of one."""

import click

from ppim.cli.options import complete_devices, show as show_description, table_options


@click.group(invoke_without_command=True, short_help="List the built-in memory devices, or show one.")
@table_options
@click.pass_context
def command(context: click.Context, form: str, wide: bool) -> None:
    """List the built-in memory devices.

    `channels` is their number and the bits of one's data bus, `banks` are bank groups x banks of a rank.
    The last column says whether the commands were compared with DRAMsim3's, cycle by cycle.

    \b
    Examples:
        ppim devices
        ppim devices --format csv
        ppim devices show hbm2-4gb
    """
    if context.invoked_subcommand is not None:
        return
    from ppim.stats.info.device import list_devices

    show_description(list_devices(), form, wide)


@command.command()
@click.argument("device", metavar="NAME|FILE", shell_complete=complete_devices)
@table_options
def show(device: str, form: str, wide: bool) -> None:
    """Show every parameter of a device, and what follows from them: a name, a .toml, or a DRAMsim3 .ini."""
    from ppim.stats.info.device import describe_device

    show_description(describe_device(device), form, wide)
