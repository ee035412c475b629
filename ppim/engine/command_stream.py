"""The DRAM commands of one channel, as engines keep them and as others see them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.engine.codes import LOG_FIELDS, REFRESH_BANK

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class CommandStream:
    """Commands of one channel in issue order; all int64, shape (commands,), -1 where not applicable."""

    cycle: Counts
    command: Counts  # codes of `ppim.engine.codes`, names in `ppim.dram.timing.COMMANDS`
    rank: Counts
    bankgroup: Counts
    bank: Counts
    row: Counts
    column: Counts  # counts bursts of the row

    def __len__(self) -> int:
        return len(self.cycle)


def command_stream(device: Device, logged: Counts) -> CommandStream:
    """Logged commands (int64, flat, LOG_FIELDS each) with lanes split into rank, group and bank."""
    cycle, command, lane, row, column = logged.reshape(-1, LOG_FIELDS).T
    org = device.organization
    in_rank = lane % org.banks_per_rank
    for_a_bank = command <= REFRESH_BANK
    return CommandStream(
        cycle=cycle,
        command=command,
        rank=lane // org.banks_per_rank,
        bankgroup=np.where(for_a_bank, in_rank // org.banks_per_group, -1),
        bank=np.where(for_a_bank, in_rank % org.banks_per_group, -1),
        row=row,
        column=column,
    )
