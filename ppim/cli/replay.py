"""`ppim replay`: plain reads and writes, exactly as DRAMsim3 serves them, or the instructions of a PIM program."""

from pathlib import Path

import click

from ppim.cli.options import Whole, complete_devices, complete_systems, print_lines, timeline_options

DEFAULT_DEVICE = "hbm2-4gb"
DEFAULT_SYSTEM = "proactivepim-paper"


@click.command(short_help="Replay plain memory requests, or a PIM program.")
@click.argument("requests", type=click.Path(path_type=Path))
@click.option("--format", "format_name", metavar="NAME", help="Format of REQUESTS; recognised when left out.")
@click.option(
    "--device",
    metavar="NAME|FILE",
    shell_complete=complete_devices,
    help=f"A name of `ppim devices`, a device .toml, or a DRAMsim3 .ini.  [default: {DEFAULT_DEVICE}]",
)
@click.option(
    "--system",
    "system_name",
    metavar="NAME|FILE",
    shell_complete=complete_systems,
    help="For a PIM program: a name of `ppim systems`, or a system .toml.  [default: the one that the program names, "
    f"with its settings, or {DEFAULT_SYSTEM}]",
)
@click.option(
    "--cycles",
    type=Whole(min=1),
    metavar="N",
    help="Run exactly N memory cycles; otherwise until every request is served. With --from-cycle: cycles of the "
    "timeline's window.",
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
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write every command, one file channel-<k>.cmd a channel.",
)
@click.option(
    "--latencies",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write how long each request took, to a .csv or .parquet file.",
)
@timeline_options
@click.option(
    "--inject",
    type=Whole(min=1),
    metavar="N",
    help="Requests per memory cycle at most; DRAMsim3 takes one.  [default: 1]",
)
@click.option(
    "--outstanding",
    type=Whole(min=1, max=1 << 16),
    metavar="N",
    help="Requests under way at most: the next one waits until one is done.  [default: as many as find room]",
)
@click.option("--no-merge", is_flag=True, help="Give every request to one address a command of its own.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a parameter of the device, e.g. timing.tRFC=350, or of the system.",
)
def command(
    requests: Path,
    format_name: str | None,
    device: str | None,
    system_name: str | None,
    cycles: int | None,
    output: Path | None,
    command_trace: Path | None,
    latencies: Path | None,
    timeline: Path | None,
    from_cycle: int | None,
    turn: int | None,
    inject: int | None,
    outstanding: int | None,
    no_merge: bool,
    settings: tuple[str, ...],
) -> None:
    """Replay REQUESTS, a text trace of reads and writes (plain or gzip), on a memory device.

    Every command is issued in the cycle in which DRAMsim3 issues it. The summary says how many requests were
    merged, which bandwidth was reached and what bound it; with -o - it goes to stderr.

    REQUESTS may be a PIM program too, as `ppim simulate --program` writes it: a ppim-program, which repeats the
    simulation, or one in the text format of ProactivePIM's authors. It runs on the PIM units of --system, and
    STATS.csv is that of `ppim simulate`.

    \b
    Examples:
        ppim replay requests.trace -o stats.csv
        ppim replay requests.trace.gz --device ddr4-8gb-x8-3200 --inject 4
        ppim replay requests.trace --inject 8 --outstanding 80
        ppim replay requests.trace --latencies latencies.parquet
        ppim replay requests.trace --timeline window.json --from-cycle 5000 --cycles 500
        ppim replay requests.trace --device HBM2_4Gb_x128.ini --command-trace commands
        ppim replay program.ppim.gz -o stats.csv
        ppim replay program.txt --system proactivepim-paper -o stats.csv
    """
    from ppim import api
    from ppim.config import parse_settings
    from ppim.files import STDOUT
    from ppim.stats import replay_result, summary

    result = api.replay(
        requests,
        format=format_name,
        device=device,
        system=system_name,
        settings=parse_settings(settings),
        cycles=cycles,
        inject=inject,
        outstanding=outstanding,
        merge=not no_merge,
        output=output,
        command_trace=command_trace,
        latencies=latencies,
        timeline=timeline,
        from_cycle=from_cycle,
        turn=turn,
        progress=True,
    )
    if isinstance(result, replay_result.ReplayResult):
        lines, notes = replay_result.summary_lines(result), replay_result.note_lines(result)
    else:
        lines, notes = summary.summary_lines(result), summary.note_lines(result)
    print_lines(lines, to_stderr=output == STDOUT)
    print_lines(notes, to_stderr=True)
