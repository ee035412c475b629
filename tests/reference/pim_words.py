"""The engine's commands in the words of the twin."""

from __future__ import annotations

from ppim.dram.device import Device
from ppim.engine.codes import ACTIVATE, PRECHARGE, READ, REFRESH, WRITE
from ppim.engine.pim.engine import Commands
from tests.reference.pim_twin import Command

NAMES = {READ: "read", WRITE: "write", ACTIVATE: "activate", PRECHARGE: "precharge", REFRESH: "refresh"}


def in_words(device: Device, commands: Commands, cycles: int) -> list[Command]:
    """Commands of one channel before the end of the run; those of one cycle in order of their banks."""
    org = device.organization
    found = []
    for cycle, command, lane, row, column in zip(
        commands.cycle, commands.command, commands.lane, commands.row, commands.column, strict=True
    ):
        rank, in_rank = divmod(int(lane), org.banks_per_rank)
        group, bank = divmod(in_rank, org.banks_per_group)
        if command == REFRESH:
            group = bank = -1
        if cycle < cycles:
            found.append(Command(int(cycle), NAMES[int(command)], rank, group, bank, int(row), int(column)))
    return sorted(found, key=order)


def order(command: Command) -> tuple[int, ...]:
    """Refreshes of a cycle before the commands of units, those by bank."""
    return command.cycle, command.rank, command.bankgroup, command.bank, command.row
