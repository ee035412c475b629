"""`ppim replay`: plain reads and writes, exactly as DRAMsim3 serves them."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Replay plain memory requests exactly as DRAMsim3 does.")
@click.argument("requests", type=click.Path(path_type=Path))
@click.option("--format", "format_name", metavar="NAME", help="Format of REQUESTS; recognised when left out.")
@click.option(
    "--device",
    default="hbm2-4gb",
    show_default=True,
    metavar="NAME|FILE",
    help="A name of `ppim devices`, a device .toml, or a DRAMsim3 .ini.",
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
    help="Change a device parameter, e.g. timing.tRFC=350.",
)
def command(
    requests: Path,
    format_name: str | None,
    device: str,
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

    \b
    Examples:
        ppim replay requests.trace -o stats.csv
        ppim replay requests.trace.gz --device ddr4-8gb-x8-3200 --inject 4
        ppim replay requests.trace --device HBM2_4Gb_x128.ini --command-trace commands
    """
    from ppim.config import parse_settings
    from ppim.dram.load import load_device
    from ppim.stats.replay_run import ReplayOptions, replay_file

    replay_file(
        requests,
        load_device(device, parse_settings(settings)),
        ReplayOptions(
            format_name=format_name,
            cycles=cycles,
            output=output,
            trace_folder=trace_folder,
            inject=inject,
            merging=not no_merge,
        ),
    )
