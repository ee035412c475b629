"""Program files from and to the command line: what `ppim simulate --program` and `ppim replay` open and write."""

import gzip
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from ppim.files import atomic_path, keep_inputs
from ppim.jit import compile_notice
from ppim.progress import progress_bar
from ppim.runs import outputs, replay_program
from ppim.runs.timeline import TimelineOptions, program_timeline
from ppim.stats import simulation
from ppim.stats.command_trace import channel_names, command_files, write_all
from ppim.stats.result import SimulationResult, as_chosen
from ppim.systems.chosen import ChosenSystem
from ppim.systems.inputs import input_files

GZIP_LEVEL = 6


@contextmanager
def program_file(path: Path) -> Iterator[BinaryIO]:
    """A program file to write, complete at its name in the end or not there; gzip if that ends in .gz."""
    with atomic_path(path) as temporary, temporary.open("wb") as raw:
        if path.suffix.lower() != ".gz":
            yield raw
            return
        # No name and no time inside, so that the same program gives the same bytes.
        with gzip.GzipFile(filename="", mode="wb", compresslevel=GZIP_LEVEL, fileobj=raw, mtime=0) as packed:
            yield cast(BinaryIO, packed)


def replay_program_file(
    path: Path,
    chosen: ChosenSystem,
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
            replay = replay_program.ProgramReplay(path, chosen.spec)
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
                program_timeline(path, chosen.spec, timeline, stack.enter_context(atomic_path(timeline.path)))
        bar.close()
        result = as_chosen(result, chosen)
        if csv_stream is not None:
            simulation.write_csv(result, csv_stream)
    return result
