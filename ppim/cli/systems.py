"""`ppim systems`: the built-in systems, and what every parameter of one means."""

import click

HEADER = ("system", "kind", "PIM level", "device", "mapping", "prefetch", "source")
NOTHING = "-"


@click.group(invoke_without_command=True, short_help="List the built-in systems, or explain one.")
@click.pass_context
def command(context: click.Context) -> None:
    """List the built-in systems: memories, PIM units, mapping and prefetch in a few words.

    \b
    Examples:
        ppim systems
        ppim systems show proactivepim
        ppim systems show mine.toml
    """
    if context.invoked_subcommand is not None:
        return
    from ppim.systems.explain import list_systems

    rows = [HEADER]
    for system in list_systems():
        is_pim = system.kind == "pim"
        of_pim = (system.pim.level, system.placement.mapping, system.prefetch.prefetch)
        level, mapping, prefetch = of_pim if is_pim else (NOTHING,) * 3
        device = system.memory.device + (f"+{system.dimm.memory.device}" if system.dimm is not None else "")
        rows.append((system.name, system.kind, level, device, mapping, prefetch, system.source))
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    for row in rows:
        words = (word.ljust(width) for word, width in zip(row, widths, strict=True))
        click.echo("  ".join(words).rstrip())


@command.command()
@click.argument("system", metavar="NAME|FILE")
def show(system: str) -> None:
    """Explain every parameter of a system: its value, unit and meaning, and where the value is from."""
    from ppim.stats.info.system import describe_system

    for line in describe_system(system):
        click.echo(line)
