"""`ppim replay`: plain reads and writes, exactly as DRAMsim3 serves them, or the instructions of a PIM program."""

from __future__ import annotations

from pathlib import Path

import click

from ppim.errors import InputError

PLAIN_ONLY = {
    "cycles": "--cycles",
    "inject": "--inject",
    "no_merge": "--no-merge",
}
DEFAULT_DEVICE = "hbm2-4gb"
DEFAULT_SYSTEM = "proactivepim-paper"


@click.command(short_help="Replay plain memory requests, or a PIM program of the paper's authors.")
@click.argument("requests", type=click.Path(path_type=Path))
@click.option("--format", "format_name", metavar="NAME", help="Format of REQUESTS; recognised when left out.")
@click.option(
    "--device",
    metavar="NAME|FILE",
    help=f"A name of `ppim devices`, a device .toml, or a DRAMsim3 .ini.  [default: {DEFAULT_DEVICE}]",
)
@click.option(
    "--system",
    "system_name",
    metavar="NAME|FILE",
    help=f"For a PIM program: a name of `ppim systems`, or a system .toml.  [default: {DEFAULT_SYSTEM}]",
)
@click.option(
    "--cycles",
    type=click.IntRange(min=1),
    metavar="N",
    help="Run exactly N memory cycles; otherwise until every request is served.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="STATS.csv",
    help="One row a channel; - is stdout.",
)
@click.option(
    "--command-trace",
    "trace_folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write every command, one file channel-<k>.cmd a channel.",
)
@click.option(
    "--inject",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Requests per memory cycle at most; DRAMsim3 takes one.",
)
@click.option("--no-merge", is_flag=True, help="Give every request to one address a command of its own.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a parameter of the device, e.g. timing.tRFC=350, or of the system.",
)
@click.pass_context
def command(
    context: click.Context,
    requests: Path,
    format_name: str | None,
    device: str | None,
    system_name: str | None,
    cycles: int | None,
    output: Path | None,
    trace_folder: Path | None,
    inject: int,
    no_merge: bool,
    settings: tuple[str, ...],
) -> None:
    """Replay REQUESTS, a text trace of reads and writes (plain or gzip), on a memory device.

    Every command is issued in the cycle in which DRAMsim3 issues it. The summary on stderr says how many
    requests were merged, which bandwidth was reached and what bound it.

    REQUESTS may be a PIM program too, in the text format of ProactivePIM's authors (`ppim simulate --program`
    writes it); it runs on the PIM units of --system, and STATS.csv is that of `ppim simulate`.

    \b
    Examples:
        ppim replay requests.trace -o stats.csv
        ppim replay requests.trace.gz --device ddr4-8gb-x8-3200 --inject 4
        ppim replay requests.trace --device HBM2_4Gb_x128.ini --command-trace commands
        ppim replay program.txt --system proactivepim-paper -o stats.csv
    """
    from ppim.config import parse_settings
    from ppim.requests.read import find_format

    variant = find_format(requests, format_name)
    if variant is not None and variant.is_program:
        from ppim.runs.program_files import replay_program_file
        from ppim.systems.chosen import choose_system

        _refuse_plain_options(context, requests)
        chosen = choose_system(
            system_name or DEFAULT_SYSTEM, parse_settings(settings), device=device, for_program=True
        )
        replay_program_file(requests, chosen, output, trace_folder)
        return
    if system_name is not None:
        raise InputError(f"--system: for PIM programs, but {requests} has plain requests; use --device")

    from ppim.dram.load import device_file, load_device
    from ppim.runs.replay_files import ReplayOptions, replay_file

    described_by = device_file(device or DEFAULT_DEVICE)
    replay_file(
        requests,
        load_device(device or DEFAULT_DEVICE, parse_settings(settings)),
        ReplayOptions(
            format_name=format_name,
            cycles=cycles,
            output=output,
            trace_folder=trace_folder,
            inject=inject,
            merging=not no_merge,
            inputs=() if described_by is None else (described_by,),
        ),
    )


def _refuse_plain_options(context: click.Context, requests: Path) -> None:
    """A PIM program has no use for options of plain requests."""
    for name, option in PLAIN_ONLY.items():
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise InputError(f"{option}: for plain requests, but {requests} is a PIM program; leave it out")
