"""Command traces: one text file a channel, one line a command in issue order."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ppim.dram import load, timing
from ppim.dram.device import Device
from ppim.engine.command_stream import CommandStream
from ppim.errors import InputError
from ppim.files import atomic_path
from ppim.stats.result import FIRST_MEMORY, SECOND_MEMORY
from ppim.systems.spec import SystemSpec

ANY_CHANNEL = "*channel-*.cmd"


def channel_names(device: Device, memory: str = "") -> list[str]:
    """Names of the files of a device's channels; where a system has two memories, each with its own name."""
    before = f"{memory}-" if memory else ""
    return [f"{before}channel-{channel}.cmd" for channel in range(device.organization.channels)]


def memory_names(system: SystemSpec) -> list[list[str]]:
    """Names of the files of a system's channels, by memory."""
    if system.dimm is None:
        return [channel_names(load.load_device(system.memory.device, system.memory.overrides))]
    return [
        channel_names(load.load_device(memory.device, memory.overrides), name)
        for memory, name in (
            (system.memory, FIRST_MEMORY),
            (system.dimm.memory, SECOND_MEMORY),
        )
    ]


@contextmanager
def command_files(folder: Path, names: Sequence[str]) -> Iterator[list[BinaryIO]]:
    """Files of these names in `folder`, which is made; they appear when the block ends well, or not at all.

    Raises
    ------
    InputError
        The folder cannot be made, or holds traces of channels that this run would not replace.
    """
    paths = [folder / name for name in names]
    others = set(folder.glob(ANY_CHANNEL)) - set(paths)
    if others:
        raise InputError(f"{min(others)}: is of another run with other channels; give an empty folder")
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


def write_all(files: Sequence[BinaryIO], channels: Sequence[int], streams: Sequence[CommandStream]) -> None:
    """Append the next commands of these channels to their files."""
    for channel, commands in zip(channels, streams, strict=True):
        write_commands(files[channel], commands)


def write_commands(file: BinaryIO, commands: CommandStream) -> None:
    """Append `cycle command rank bankgroup bank row column` lines; what does not apply is -1."""
    import pyarrow
    from pyarrow import csv

    if not len(commands):
        return
    fields = {
        "cycle": commands.cycle,
        "command": np.array(timing.COMMANDS)[commands.command],
        "rank": commands.rank,
        "bankgroup": commands.bankgroup,
        "bank": commands.bank,
        "row": commands.row,
        "column": commands.column,
    }
    table = pyarrow.table({name: np.ascontiguousarray(values) for name, values in fields.items()})
    csv.write_csv(table, file, csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none"))
