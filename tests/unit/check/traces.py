"""Small command traces as lists, judged through a file as users' are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ppim.check.commands import OF_A_RANK
from ppim.check.judge import CheckResult, Memory, Options, check_files
from ppim.check.read import TraceFile
from ppim.dram.device import Device
from ppim.dram.load import load_device

COLUMN_COMMANDS = ("read", "read_p", "write", "write_p")


class Line(NamedTuple):
    """One command; `lane` numbers the banks of the channel."""

    cycle: int
    command: str
    lane: int
    row: int = 0

    def moved(self, cycles: int) -> Line:
        return self._replace(cycle=self.cycle + cycles)


def text_of(device: Device, lines: Sequence[Line]) -> str:
    """The lines in this project's form."""
    org = device.organization
    out = []
    for line in lines:
        rank, in_rank = divmod(line.lane, org.banks_per_rank)
        group, bank = divmod(in_rank, org.banks_per_group)
        if line.command in OF_A_RANK:
            group = bank = -1
        row = line.row if line.command in (*COLUMN_COMMANDS, "activate") else -1
        column = 0 if line.command in COLUMN_COMMANDS else -1
        out.append(f"{line.cycle} {line.command} {rank} {group} {bank} {row} {column}\n")
    return "".join(out)


def judged(folder: Path, memory: Memory | Device, lines: Sequence[Line], **options: object) -> CheckResult:
    """Check the lines, in the order of their cycles."""
    if isinstance(memory, Device):
        memory = Memory(memory)
    path = folder / "channel-0.cmd"
    path.write_text(text_of(memory.device, sorted(lines, key=lambda line: line.cycle)))
    return check_files([TraceFile(path, channel=0)], memory, Options(**options))  # type: ignore[arg-type]


def names(result: CheckResult) -> set[str]:
    """Rules that are broken."""
    return {violation.constraint for violation in result.violations}


def quiet_device(name: str, **overrides: object) -> Device:
    """A device in which nothing falls due: refreshes come when a test says so."""
    return load_device(
        name,
        {"refresh_policy": "BANK_LEVEL_STAGGERED", "tREFIb": 1 << 20, **overrides},
    )
