"""`ppim systems`: the built-in systems, and what every parameter of one means."""

import click

from ppim.cli.options import complete_systems, show as show_description, table_options


@click.group(invoke_without_command=True, short_help="List the built-in systems, or explain one.")
@table_options
@click.pass_context
def command(context: click.Context, form: str, wide: bool) -> None:
    """List the built-in systems: memories, PIM units, mapping and prefetch in a few words.

    \b
    Examples:
        ppim systems
        ppim systems --format md
        ppim systems show proactivepim
        ppim systems show mine.toml
    """
    if context.invoked_subcommand is not None:
        return
    from ppim.stats.info.system import list_systems

    show_description(list_systems(), form, wide)


@command.command()
@click.argument("system", metavar="NAME|FILE", shell_complete=complete_systems)
@table_options
def show(system: str, form: str, wide: bool) -> None:
    """Explain every parameter of a system: its value, unit and meaning, and where the value is from."""
    from ppim.stats.info.system import describe_system

    show_description(describe_system(system), form, wide)
