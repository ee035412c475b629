"""Program files from and to the command line: what `ppim simulate --program` and `ppim replay` open and write."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from ppim.files import STDOUT, atomic_path, keep_inputs
from ppim.jit import compile_notice
from ppim.progress import progress_bar
from ppim.runs.replay_program import ProgramReplay, describe
from ppim.stats.command_trace import channel_names, command_files, write_all
from ppim.stats.result import SimulationResult, as_chosen
from ppim.stats.simulation import write_csv
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


@contextmanager
def _csv_file(path: Path) -> Iterator[TextIO]:
    if path == STDOUT:
        yield sys.stdout
        return
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        yield stream


def replay_program_file(
    path: Path,
    chosen: ChosenSystem,
    output: Path | None = None,
    trace_folder: Path | None = None,
) -> SimulationResult:
    """Replay a program file; write the stats CSV and commands that `ppim simulate` writes, and a summary to stderr.

    Raises
    ------
    InputError
        A broken file, a system that cannot replay it, an output that cannot be written; nothing is left behind.
    """
    inputs = [path, *input_files(chosen.base, chosen.spec)]
    keep_inputs(inputs, output, trace_folder)
    with ExitStack() as stack:
        csv_stream = stack.enter_context(_csv_file(output)) if output is not None else None
        with compile_notice("ppim replay"):
            replay = ProgramReplay(path, chosen.spec)
            commands = None
            if trace_folder is not None:
                names = channel_names(replay.device)
                keep_inputs(inputs, output, *(trace_folder / name for name in names))
                files = stack.enter_context(command_files(trace_folder, names))
                commands = partial(write_all, files)
            bar = stack.enter_context(progress_bar(replay.survey.instructions, "instruction", path.name))
            result = replay.run(bar.update, commands)
        bar.close()
        result = as_chosen(result, chosen)
        if csv_stream is not None:
            write_csv(result, csv_stream)
    for line in _summary_lines(replay, result):
        sys.stderr.write(f"{line}\n")
    return result


def _summary_lines(replay: ProgramReplay, result: SimulationResult) -> Iterator[str]:
    """A few lines for a person."""
    pim, total = result.system.pim, result.total
    yield f"{result.run}: {result.cycles:,} cycles = {result.time_ns / 1000:,.1f} us on {result.device.name}"
    yield f"  {describe(replay)}, {result.issue_slots:,} issue slots"
    yield (
        f"  DRAM {total('bytes_dram'):,} bytes in {total('reads'):,} reads, {total('activates'):,} activates; "
        f"external bus {total('bytes_external'):,} bytes"
    )
    yield (
        f"  prefetch {result.system.prefetch.prefetch}; {pim.frontend} front end, barrier {pim.barrier}, "
        f"transfer {pim.transfer}"
    )
    for warning in result.warnings:
        yield f"  warning: {warning}"
    if result.seconds > 0:
        rate = replay.survey.instructions / result.seconds / 1e6
        yield f"  replayed in {result.seconds:.2f} s, {rate:.2f} million instructions/s"
