"""A trace file through a system, to files: what `ppim simulate` does."""

import dataclasses
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from ppim.dram.load import load_device
from ppim.errors import InputError
from ppim.files import STDOUT, atomic_path, keep_inputs
from ppim.jit import compile_notice
from ppim.progress import progress_bar
from ppim.runs import program_files
from ppim.runs.simulate import simulate
from ppim.runs.timeline import TimelineOptions, simulate_timeline
from ppim.stats import cautions, result as results, simulation
from ppim.stats.command_trace import channel_names, command_files, write_all
from ppim.stats.summary import write_summary
from ppim.systems import inputs, spec
from ppim.systems.chosen import ChosenSystem
from ppim.trace.reader import TraceReader


def command_names(system: spec.SystemSpec) -> list[list[str]]:
    """Names of the files of commands, by memory and channel."""
    if system.dimm is None:
        return [channel_names(load_device(system.memory.device, system.memory.overrides))]
    return [
        channel_names(load_device(memory.device, memory.overrides), name)
        for memory, name in (
            (system.memory, results.FIRST_MEMORY),
            (system.dimm.memory, results.SECOND_MEMORY),
        )
    ]


def simulate_file(
    trace: Path,
    chosen: ChosenSystem,
    *,
    output: Path | None = None,
    units: Path | None = None,
    summary: Path | None = None,
    threads: int = 1,
    program: Path | None = None,
    command_trace: Path | None = None,
    timeline: TimelineOptions | None = None,
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
    names = command_names(chosen.spec) if command_trace is not None else []
    keep_inputs(
        [trace, *inputs.input_files(chosen.base, chosen.spec)],
        *(output, units, summary, program, command_trace, timeline.path if timeline else None),
        *(command_trace / name for part in names for name in part if command_trace is not None),
    )
    with ExitStack() as stack:
        reader = stack.enter_context(TraceReader(trace))
        files = {
            path: stack.enter_context(atomic_path(path))
            for path in (output, units, summary)
            if path is not None and path != STDOUT
        }
        program_stream = (
            stack.enter_context(program_files.program_file(program)) if program is not None else None
        )
        commands = []
        if command_trace is not None:
            opened = iter(
                stack.enter_context(command_files(command_trace, [x for part in names for x in part]))
            )
            commands = [partial(write_all, [next(opened) for _ in part]) for part in names]
        bar = stack.enter_context(
            progress_bar(reader.n_accesses, "access", chosen.spec.name, show=show_progress)
        )
        with compile_notice("simulate"):
            result = simulate(
                reader,
                chosen.spec,
                advance=bar.update,
                threads=threads,
                program=program_stream,
                commands=commands,
            )
            if timeline is not None:
                simulate_timeline(
                    trace, chosen.spec, timeline, stack.enter_context(atomic_path(timeline.path))
                )
        bar.close()
        result = results.as_chosen(result, chosen)
        result = dataclasses.replace(
            result, warnings=(*result.warnings, *cautions.cautions(result, reader.meta))
        )
        if output == STDOUT:
            simulation.write_csv(result, sys.stdout)
        elif output is not None:
            with files[output].open("w", encoding="utf-8", newline="") as stream:
                simulation.write_csv(result, stream)
        if units is not None:
            with files[units].open("w", encoding="utf-8", newline="") as stream:
                simulation.write_units_csv(result, stream)
        if summary is not None:
            write_summary(result, files[summary])
        return result
