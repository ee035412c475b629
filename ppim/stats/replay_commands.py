"""Command traces: one text file a channel, one line a command in issue order."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.dram.timing import COMMANDS
from ppim.errors import InputError

NOT_APPLICABLE = -1
FILE_PATTERN = "channel-{}.cmd"
LAST_WITH_COLUMN = COMMANDS.index("write_p")
LAST_WITH_ROW = COMMANDS.index("activate")
LAST_WITH_BANK = COMMANDS.index("refresh_bank")


class CommandLog(NamedTuple):
    """Commands of one channel in issue order; int64 arrays of one length."""

    cycle: NDArray[np.int64]
    command: NDArray[np.int64]  # number in `ppim.dram.timing.COMMANDS`
    bank: NDArray[np.int64]  # index in the channel, rank by rank; of a rank's command any bank of the rank
    row: NDArray[np.int64]
    column: NDArray[np.int64]


def command_files(folder: Path, n_channels: int) -> list[Path]:
    """Files of a command trace in `folder`, which is created.

    Raises
    ------
    InputError
        The folder cannot be made, or holds traces of channels that this run would not replace.
    """
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{folder}: cannot make this folder for the command traces ({error.strerror})"
        ) from error
    files = [folder / FILE_PATTERN.format(channel) for channel in range(n_channels)]
    others = set(folder.glob(FILE_PATTERN.format("*"))) - set(files)
    if others:
        raise InputError(f"{min(others)}: is of another run with more channels; give an empty folder")
    return files


def write_commands(path: Path, device: Device, log: CommandLog) -> None:
    """Write `cycle command rank bankgroup bank row column` lines; what does not apply is -1."""
    import pyarrow
    from pyarrow import csv

    org = device.organization
    bank_in_rank = log.bank % org.banks_per_rank
    fields = {
        "cycle": log.cycle,
        "command": np.array(COMMANDS)[log.command],
        "rank": log.bank // org.banks_per_rank,
        "bankgroup": _applied(bank_in_rank // org.banks_per_group, log.command, LAST_WITH_BANK),
        "bank": _applied(bank_in_rank % org.banks_per_group, log.command, LAST_WITH_BANK),
        "row": _applied(log.row, log.command, LAST_WITH_ROW),
        "column": _applied(log.column, log.command, LAST_WITH_COLUMN),
    }
    options = csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none")
    csv.write_csv(pyarrow.table(fields), path, options)


def _applied(values: NDArray[np.int64], command: NDArray[np.int64], last: int) -> NDArray[np.int64]:
    """The values of commands up to number `last`, -1 for the others."""
    return np.where(command <= last, values, NOT_APPLICABLE)
