"""Command traces: one text file a channel, one line a command in issue order."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ppim.dram.timing import COMMANDS
from ppim.engine.host import CommandStream
from ppim.errors import InputError
from ppim.files import atomic_path

FILE_PATTERN = "channel-{}.cmd"


@contextmanager
def command_files(folder: Path, n_channels: int) -> Iterator[list[BinaryIO]]:
    """One file a channel in `folder`, which is made; they appear when the block ends well, or not at all.

    Raises
    ------
    InputError
        The folder cannot be made, or holds traces of channels that this run would not replace.
    """
    paths = [folder / FILE_PATTERN.format(channel) for channel in range(n_channels)]
    others = set(folder.glob(FILE_PATTERN.format("*"))) - set(paths)
    if others:
        raise InputError(f"{min(others)}: is of another run with more channels; give an empty folder")
    is_new = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot make this folder for command traces ({error.strerror})"
        ) from error
    try:
        with ExitStack() as stack:
            temporaries = [stack.enter_context(atomic_path(path)) for path in paths]
            # Files close before they are renamed.
            yield [stack.enter_context(path.open("wb")) for path in temporaries]
    except BaseException:
        if is_new and not any(folder.iterdir()):
            folder.rmdir()
        raise


def write_commands(file: BinaryIO, commands: CommandStream) -> None:
    """Append `cycle command rank bankgroup bank row column` lines; what does not apply is -1."""
    import pyarrow
    from pyarrow import csv

    if not len(commands):
        return
    fields = {
        "cycle": commands.cycle,
        "command": np.array(COMMANDS)[commands.command],
        "rank": commands.rank,
        "bankgroup": commands.bankgroup,
        "bank": commands.bank,
        "row": commands.row,
        "column": commands.column,
    }
    table = pyarrow.table({name: np.ascontiguousarray(values) for name, values in fields.items()})
    csv.write_csv(table, file, csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none"))
