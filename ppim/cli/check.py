"""`ppim check`: does a command trace keep the rules of its device?"""

from pathlib import Path

import click

from ppim.cli.options import InputPath, Whole, complete_devices, complete_systems, tell, width

ILLEGAL = 1
LISTED = 20


@click.command(short_help="Check a command trace against a device's timing rules.")
@click.argument("trace", type=InputPath())
@click.option(
    "--device",
    metavar="NAME|FILE",
    shell_complete=complete_devices,
    help="A name of `ppim devices`, a device .toml, or a DRAMsim3 .ini.  [default: hbm2-4gb, or the system's]",
)
@click.option(
    "--system",
    "system_name",
    metavar="NAME|FILE",
    shell_complete=complete_systems,
    help="System whose PIM units issued the commands: a name of `ppim systems`, or a system .toml.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a parameter of the device or system, e.g. tFAW=16 or level=bank.",
)
@click.option("--form", metavar="NAME", help="Text form of TRACE; recognised when left out.")
@click.option("--strict", is_flag=True, help="Also check what DRAMsim3 leaves out, such as tRFCb.")
@click.option(
    "--refresh-slack",
    type=Whole(0, 64),
    default=0,
    show_default=True,
    metavar="N",
    help="Refresh intervals by which a refresh may be early or late; JEDEC allows 8 (DDR4).",
)
@click.option(
    "--limit",
    type=Whole(0, 1_000_000),
    default=LISTED,
    show_default=True,
    metavar="N",
    help="Violations that are listed; all are counted.",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "csv", "json"]),
    default="text",
    show_default=True,
    help="Of the output: csv has one row a violation, json everything.",
)
@click.option("--wide", is_flag=True, help="A line a row, however wide the terminal is.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write there; without it, and with -, to stdout.",
)
def command(
    trace: Path,
    device: str | None,
    system_name: str | None,
    settings: tuple[str, ...],
    form: str | None,
    strict: bool,
    refresh_slack: int,
    limit: int,
    output_format: str,
    wide: bool,
    output: Path | None,
) -> None:
    """Hold every command of TRACE against the rules of a device, and say which are broken.

    TRACE is a folder that --command-trace wrote, or one file: ours, DRAMsim3's or Ramulator's (plain or gzip).
    The rules are tables of their own; no code is shared with the engine. The exit status is 0 if all commands
    are legal, 1 if some are not, and 2 if the input is bad.

    \b
    Examples:
        ppim check commands --device ddr4-8gb-x8-3200
        ppim check commands --system proactivepim
        ppim check dramsim3ch_0cmd.trace --device HBM2_4Gb_x128.ini --format csv -o violations.csv
    """
    import sys

    from ppim.check.run import load_memories, run_check

    memories, warnings = load_memories(device, system_name, settings)
    for line in warnings:
        tell(f"ppim: {line}")
    is_legal = run_check(
        trace,
        memories,
        form=form,
        strict=strict,
        refresh_slack=refresh_slack,
        limit=limit,
        output_format=output_format,
        output=output,
        width=width(wide),
    )
    if not is_legal:
        sys.exit(ILLEGAL)
