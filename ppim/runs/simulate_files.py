"""A trace file through a system, to files: what `ppim simulate` does."""

from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ppim.errors import InputError
from ppim.files import STDOUT, atomic_path, keep_inputs
from ppim.jit import compile_notice
from ppim.progress import progress_bar
from ppim.runs import collect, outputs, programs
from ppim.runs.simulate import simulate
from ppim.stats import cautions, command_trace as traces, result as results, simulation
from ppim.stats.summary import write_summary
from ppim.systems.chosen import ChosenSystem
from ppim.systems.inputs import input_files
from ppim.trace.reader import TraceReader

if TYPE_CHECKING:
    from ppim.timeline.windows import TimelineOptions


def simulate_file(
    trace: Path,
    chosen: ChosenSystem,
    *,
    output: Path | None = None,
    units: Path | None = None,
    summary: Path | None = None,
    threads: int = 1,
    program: Path | None = None,
    program_format: str | None = None,
    command_trace: Path | None = None,
    timeline: "TimelineOptions | None" = None,
    show_progress: bool = False,
) -> results.SimulationResult:
    """Simulate, and write what was asked for; nothing is written when anything fails.

    Raises
    ------
    InputError
        A trace, system or output that cannot be used.
    """
    if STDOUT in (units, summary, program):
        raise InputError("-: only the stats (-o) go to stdout; give the name of a file")
    if program_format not in (None, *programs.FORMATS):
        raise InputError(
            f"--program-format: {program_format!r:.40} is not one of {', '.join(programs.FORMATS)}"
        )
    if program_format is not None and program is None:
        raise InputError("--program-format: is of a program; give --program FILE too")
    names = traces.memory_names(chosen.spec) if command_trace is not None else []
    keep_inputs(
        [trace, *input_files(chosen.base, chosen.spec)],
        *(output, units, summary, program, command_trace, timeline.path if timeline else None),
        *(command_trace / name for part in names for name in part if command_trace is not None),
    )
    with ExitStack() as stack:
        reader = stack.enter_context(TraceReader(trace))
        stats_csv, units_csv = (
            stack.enter_context(outputs.csv_file(path)) if path is not None else None
            for path in (output, units)
        )
        summary_file = stack.enter_context(atomic_path(summary)) if summary is not None else None
        open_program = None
        if program is not None:
            format_name = program_format or programs.format_of_name(program)
            open_program = stack.enter_context(outputs.program_file(program, format_name, chosen))
        commands = []
        if command_trace is not None:
            opened = iter(
                stack.enter_context(traces.command_files(command_trace, [x for part in names for x in part]))
            )
            commands = [partial(traces.write_all, [next(opened) for _ in part]) for part in names]
        bar = stack.enter_context(
            progress_bar(reader.n_accesses, "access", chosen.spec.name, show=show_progress)
        )
        with compile_notice("simulate"):
            result = simulate(
                reader,
                chosen.spec,
                advance=bar.update,
                threads=threads,
                program=open_program,
                commands=commands,
            )
            if timeline is not None:
                from ppim.runs.timeline import simulate_timeline

                simulate_timeline(
                    trace, chosen.spec, timeline, stack.enter_context(atomic_path(timeline.path))
                )
        bar.close()
        result = collect.as_chosen(result, chosen)
        result = replace(result, warnings=(*result.warnings, *cautions.cautions(result, reader.meta)))
        if stats_csv is not None:
            simulation.write_csv(result, stats_csv)
        if units_csv is not None:
            simulation.write_units_csv(result, units_csv)
        if summary_file is not None:
            write_summary(result, summary_file)
        return result
