"""Does a host's command list keep the golden data's timing table? Every pair of commands is looked at.

Shares nothing with `ppim.check`: distances are those stored with the golden cases, names and relations are spelt out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

SCOPES = ("same_bank", "same_bankgroup_other_bank", "other_bankgroup_same_rank", "other_rank")
OF_A_RANK = ("refresh", "self_refresh_enter", "self_refresh_exit")
COLUMNS = ("read", "read_p", "write", "write_p")


class Command(NamedTuple):
    """One command of one channel."""

    cycle: int
    command: str
    rank: int
    bankgroup: int
    bank: int
    row: int
    column: int


def relation(first: Command, second: Command) -> str:
    """How two commands' banks are related; what acts on a rank is in the bank of all its commands."""
    if first.rank != second.rank:
        return "other_rank"
    if first.command in OF_A_RANK or second.command in OF_A_RANK:
        return "same_bank"
    if first.bankgroup != second.bankgroup:
        return "other_bankgroup_same_rank"
    return "same_bank" if first.bank == second.bank else "same_bankgroup_other_bank"


def too_close(entry: dict[str, Any], commands: Sequence[Command]) -> set[int]:
    """Positions of commands that come too soon after an earlier one; `entry` is a device of the golden data."""
    table = entry["timing_table"]
    horizon = max(
        distance for scopes in table.values() for later in scopes.values() for distance in later.values()
    )
    found = set()
    for position, later in enumerate(commands):
        for before in range(position - 1, -1, -1):
            earlier = commands[before]
            if earlier.cycle <= later.cycle - horizon:
                break
            distances = table.get(earlier.command, {}).get(relation(earlier, later), {})
            if later.cycle - earlier.cycle < distances.get(later.command, -horizon):
                found.add(position)
    return found | _too_many(entry, commands)


def _too_many(entry: dict[str, Any], commands: Sequence[Command]) -> set[int]:
    """Activates that are one too many in a window of their rank."""
    timing = entry["resolved"]["timing"]
    windows = [(4, timing["tFAW"])]
    if entry["resolved"]["dram_structure"]["protocol"].startswith("GDDR"):
        windows.append((32, timing["t32AW"]))
    found = set()
    times: dict[int, list[int]] = {}
    for position, command in enumerate(commands):
        if command.command == "activate":
            earlier = times.setdefault(command.rank, [])
            found |= {
                position
                for most, length in windows
                if len(earlier) >= most and command.cycle - earlier[-most] < length
            }
            earlier.append(command.cycle)
    return found


def wrong_states(commands: Sequence[Command]) -> set[int]:
    """Positions of commands that find their bank, or a bank of their rank, in the wrong state."""
    rows: dict[tuple[int, int, int], int] = {}
    found = set()
    for position, command in enumerate(commands):
        bank = command[2:5]
        if command.command in COLUMNS:
            if rows.get(bank) != command.row:
                found.add(position)
            if command.command.endswith("_p"):
                rows.pop(bank, None)
        elif command.command == "activate":
            if bank in rows:
                found.add(position)
            rows[bank] = command.row
        elif command.command == "precharge":
            if rows.pop(bank, None) is None:
                found.add(position)
        elif command.command in ("refresh", "self_refresh_enter"):
            if any(rank == command.rank for rank, _, _ in rows):
                found.add(position)
        elif command.command == "refresh_bank" and bank in rows:
            found.add(position)
    return found
