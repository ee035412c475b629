"""`ppim simulate`: replay a trace of subtable accesses on a memory system."""

from pathlib import Path

import click

from ppim.cli.options import (
    InputPath,
    NamesOption,
    Whole,
    complete_devices,
    complete_systems,
    print_lines,
    timeline_options,
)


@click.command(short_help="Simulate a trace on a processing-in-memory or host system.")
@click.argument("trace", type=InputPath())
@click.option(
    "--system",
    "system_name",
    default="proactivepim",
    show_default=True,
    shell_complete=complete_systems,
    metavar="NAME|FILE",
    help="A name of `ppim systems`, or a system .toml.",
)
@click.option(
    "--mapping",
    cls=NamesOption,
    folder="mapping",
    register="mapping",
    metavar="NAME",
    help="Placement of subtables: {names}.",
)
@click.option(
    "--prefetch",
    cls=NamesOption,
    folder="prefetch",
    register="PREFETCHES.register",
    metavar="NAME",
    help="Rows fetched ahead: {names}.",
)
@click.option(
    "--device",
    metavar="NAME|FILE",
    shell_complete=complete_devices,
    help="Memory device: a name of `ppim devices`, .toml or .ini.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a parameter of the system or device, e.g. barrier=none or tFAW=16.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="STATS.csv",
    help="One row a memory and channel; - is stdout.",
)
@click.option(
    "--units",
    type=click.Path(path_type=Path),
    metavar="UNITS.csv",
    help="Load of every PIM unit.",
)
@click.option(
    "--summary",
    type=click.Path(path_type=Path),
    metavar="SUMMARY.json",
    help="Totals, and all parameters of the run.",
)
@click.option(
    "--program",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the PIM program, for `ppim replay`; gzip if FILE ends in .gz.",
)
@click.option(
    "--program-format",
    type=click.Choice(["ppim-program", "authors"]),
    help="All that a run needs, or the text format of ProactivePIM's authors.  [default: ppim-program if FILE ends in "
    ".ppim or .ppim.gz, else authors]",
)
@click.option(
    "--command-trace",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Write every DRAM command, one file channel-<k>.cmd a channel.",
)
@timeline_options
@click.option(
    "--cycles",
    type=Whole(min=1),
    metavar="N",
    help="Cycles of the timeline's window.  [default: 20,000]",
)
@click.option(
    "--threads",
    type=Whole(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Threads to simulate on; the result is the same.",
)
def command(
    trace: Path,
    system_name: str,
    mapping: str | None,
    prefetch: str | None,
    device: str | None,
    settings: tuple[str, ...],
    output: Path | None,
    units: Path | None,
    summary: Path | None,
    program: Path | None,
    program_format: str | None,
    command_trace: Path | None,
    timeline: Path | None,
    from_cycle: int | None,
    turn: int | None,
    cycles: int | None,
    threads: int,
) -> None:
    """Run TRACE, a file made by `ppim gen-trace`, through a memory system and count what happens.

    A summary goes to stdout, or to stderr where -o - sends the CSV to stdout; warnings and progress go to stderr.

    \b
    Examples:
        ppim simulate trace.parquet -o stats.csv
        ppim simulate trace.parquet --system cpu
        ppim simulate trace.parquet --program program.ppim.gz
        ppim simulate trace.parquet --system proactivepim-paper --program program.txt
        ppim simulate trace.parquet --timeline window.json --turn 12
        ppim simulate trace.parquet --mapping interleave --prefetch none --set barrier=none
    """
    from ppim import api
    from ppim.config import parse_settings
    from ppim.files import STDOUT
    from ppim.stats.summary import note_lines, summary_lines

    result = api.simulate(
        trace,
        system_name,
        mapping=mapping,
        prefetch=prefetch,
        device=device,
        settings=parse_settings(settings),
        threads=threads,
        output=output,
        units=units,
        summary=summary,
        program=program,
        program_format=program_format,
        command_trace=command_trace,
        timeline=timeline,
        from_cycle=from_cycle,
        cycles=cycles,
        turn=turn,
        progress=True,
    )
    print_lines(summary_lines(result), to_stderr=output == STDOUT)
    print_lines(note_lines(result), to_stderr=True)
