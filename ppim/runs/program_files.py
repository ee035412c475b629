"""Replay a program from file to files: what `ppim replay` does with one."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path

from ppim.files import atomic_path, keep_inputs
from ppim.jit import compile_notice
from ppim.progress import progress_bar
from ppim.runs import collect, outputs, programs
from ppim.runs.timeline import program_timeline
from ppim.stats import simulation
from ppim.stats.command_trace import channel_names, command_files, write_all
from ppim.stats.result import SimulationResult
from ppim.systems.chosen import ChosenSystem
from ppim.systems.inputs import input_files
from ppim.timeline.windows import TimelineOptions


def replay_program_file(
    path: Path,
    chosen: ChosenSystem,
    format_name: str,
    *,
    output: Path | None = None,
    command_trace: Path | None = None,
    timeline: TimelineOptions | None = None,
    show_progress: bool = False,
) -> SimulationResult:
    """Replay a program file; write the stats CSV and commands that `ppim simulate` writes.

    Raises
    ------
    InputError
        A broken file, a system that cannot replay it, an output that cannot be written; nothing is left behind.
    """
    inputs = [path, *input_files(chosen.base, chosen.spec)]
    keep_inputs(inputs, output, command_trace, timeline.path if timeline else None)
    with ExitStack() as stack:
        csv_stream = stack.enter_context(outputs.csv_file(output)) if output is not None else None
        with compile_notice("ppim replay"):
            replay = programs.open_replay(path, chosen.spec, format_name)
            commands = None
            if command_trace is not None:
                names = channel_names(replay.device)
                keep_inputs(inputs, output, *(command_trace / name for name in names))
                files = stack.enter_context(command_files(command_trace, names))
                commands = partial(write_all, files)
            bar = stack.enter_context(
                progress_bar(replay.survey.instructions, "instruction", path.name, show=show_progress)
            )
            result = replay.run(bar.update, commands)
            if timeline is not None:
                program_timeline(
                    path, chosen.spec, format_name, timeline, stack.enter_context(atomic_path(timeline.path))
                )
        bar.close()
        result = collect.as_chosen(result, chosen)
        if csv_stream is not None:
            simulation.write_csv(result, csv_stream)
    return result
