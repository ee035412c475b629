"""`ppim warm-up`: compile the kernels of systems ahead of use."""

import click

from ppim.cli.options import complete_systems


@click.command(short_help="Compile the kernels of systems ahead of use.")
@click.argument("systems", nargs=-1, metavar="[SYSTEM]...", shell_complete=complete_systems)
@click.option(
    "--all", "every", is_flag=True, help="All built-in systems, and plain requests (`ppim replay`)."
)
@click.option(
    "--algorithm",
    "algorithms",
    multiple=True,
    metavar="NAME",
    help="Weight sharing of the traces to come; may be given again.  [default: qr and tt-rec]",
)
def command(systems: tuple[str, ...], every: bool, algorithms: tuple[str, ...]) -> None:
    """Run a small trace through SYSTEM... (proactivepim without it), so that later runs find their kernels compiled.

    Kernels are kept in `~/.cache/ppim`, or where NUMBA_CACHE_DIR says. Made for containers, and for the nodes of a
    cluster: what is compiled once need not be compiled at the first run of each. The first system takes half
    a minute or so, further ones add less.

    \b
    Examples:
        ppim warm-up
        ppim warm-up pim-base proactivepim cpu
        ppim warm-up --all
    """
    from ppim.errors import InputError
    from ppim.runs.warm_up import DEFAULT_ALGORITHMS, warm_up
    from ppim.systems.load import DEFAULT_SYSTEM, system_names

    if every and systems:
        raise InputError("--all: takes all built-in systems; leave the names out")
    names = system_names() if every else systems or (DEFAULT_SYSTEM,)
    for line in warm_up(names, algorithms or DEFAULT_ALGORITHMS, plain_requests=every):
        click.echo(line)
