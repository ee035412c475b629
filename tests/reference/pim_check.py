"""Does a command list keep the rules? Looks back over pairs of commands; shares nothing with twin or engine.

Rules: host-controller.md §9-11, masked between PIM units as `docs/model.md` §3 says.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ppim.dram.device import Device
from ppim.systems.spec import PimSpec
from tests.reference.pim_twin import BusUse, Command

SAME_BANK, SAME_GROUP, OTHER_GROUP, OTHER_RANK = range(4)
ACTIVATES_IN_WINDOW = 4
ACTIVATES_IN_LONG_WINDOW = 32


class Rule(NamedTuple):
    """`later` comes at least `cycles` after `earlier` if the two are related by `scope`."""

    name: str
    earlier: str
    later: str
    scope: int
    cycles: int
    between_units: frozenset[str]  # values of cross_unit_timing under which it binds two units


ALWAYS = frozenset({"physical", "faw-only", "none"})
PHYSICAL = frozenset({"physical"})
NEVER: frozenset[str] = frozenset()


def pair_rules(device: Device) -> list[Rule]:
    """Every distance of host-controller.md §10 between activates, reads, writes, precharges and rank refreshes."""
    x = device.timing
    group = "S" if device.organization.bankgroups == 1 else "L"
    ccd_same = max(x.burst_cycles, getattr(x, f"tCCD_{group}"))
    rrd_same = getattr(x, f"tRRD_{group}")
    wtr_same = getattr(x, f"tWTR_{group}")
    written = x.AL + x.CWL + x.burst_cycles
    turned = x.CL + x.burst_cycles + x.tRTRS - x.CWL
    to_write = x.tRCDWR if device.protocol[:3] in ("HBM", "GDD") else x.tRCD - x.AL
    to_read = x.tRCDRD if device.protocol[:3] in ("HBM", "GDD") else x.tRCD - x.AL
    rules = [
        Rule("tRC", "activate", "activate", SAME_BANK, x.tRAS + x.tRP, ALWAYS),
        Rule("tRRD same group", "activate", "activate", SAME_GROUP, rrd_same, ALWAYS),
        Rule("tRRD_S", "activate", "activate", OTHER_GROUP, x.tRRD_S, PHYSICAL),
        Rule("tRCD", "activate", "read", SAME_BANK, to_read, ALWAYS),
        Rule("tRAS", "activate", "precharge", SAME_BANK, x.tRAS, ALWAYS),
        Rule("tCCD same bank", "read", "read", SAME_BANK, ccd_same, ALWAYS),
        Rule("tCCD same group", "read", "read", SAME_GROUP, ccd_same, ALWAYS),
        Rule("tCCD_S", "read", "read", OTHER_GROUP, max(x.burst_cycles, x.tCCD_S), NEVER),
        Rule("rank switch", "read", "read", OTHER_RANK, x.burst_cycles + x.tRTRS, NEVER),
        Rule("tRTP", "read", "precharge", SAME_BANK, x.AL + x.tRTP, ALWAYS),
        Rule("tRCD to write", "activate", "write", SAME_BANK, to_write, ALWAYS),
        *(Rule("read to write", "read", "write", scope, turned, ALWAYS) for scope in (SAME_BANK, SAME_GROUP)),
        *(
            Rule("read to write", "read", "write", scope, turned, NEVER)
            for scope in (OTHER_GROUP, OTHER_RANK)
        ),
        *(
            Rule("tWTR", "write", "read", scope, written + wtr_same, ALWAYS)
            for scope in (SAME_BANK, SAME_GROUP)
        ),
        Rule("tWTR_S", "write", "read", OTHER_GROUP, written + x.tWTR_S, NEVER),
        Rule("write to other rank", "write", "read", OTHER_RANK, written + x.tRTRS - x.AL - x.CL, NEVER),
        *(
            Rule("tCCD, writes", "write", "write", scope, ccd_same, ALWAYS)
            for scope in (SAME_BANK, SAME_GROUP)
        ),
        Rule("tCCD_S, writes", "write", "write", OTHER_GROUP, max(x.burst_cycles, x.tCCD_S), NEVER),
        Rule("burst, writes", "write", "write", OTHER_RANK, x.burst_cycles, NEVER),
        Rule("tWR", "write", "precharge", SAME_BANK, written + x.tWR, ALWAYS),
        Rule("tRP", "precharge", "activate", SAME_BANK, x.tRP, ALWAYS),
        Rule("tRP to refresh", "precharge", "refresh", SAME_BANK, x.tRP, ALWAYS),
        Rule("tRFC", "refresh", "activate", SAME_BANK, x.tRFC, ALWAYS),
        Rule("tRFC to refresh", "refresh", "refresh", SAME_BANK, x.tRFC, ALWAYS),
    ]
    if device.protocol in {"GDDR5", "GDDR5X", "GDDR6", "LPDDR4"}:
        rules += [
            Rule("tPPD same group", "precharge", "precharge", SAME_GROUP, x.tPPD, ALWAYS),
            Rule("tPPD", "precharge", "precharge", OTHER_GROUP, x.tPPD, NEVER),
        ]
    return rules


def unit_of(command: Command, level: str) -> tuple[int, ...]:
    """Name of the unit that owns a command's bank."""
    depth = {"channel": 0, "rank": 1, "bankgroup": 2, "bank": 3}[level]
    return (command.rank, command.bankgroup, command.bank)[:depth]


def relation(first: Command, second: Command) -> int:
    """How two commands' banks are related; a refresh is in the bank of every command of its rank."""
    if first.rank != second.rank:
        return OTHER_RANK
    if "refresh" in (first.command, second.command):
        return SAME_BANK
    if first.bankgroup != second.bankgroup:
        return OTHER_GROUP
    return SAME_BANK if first.bank == second.bank else SAME_GROUP


def broken_distances(device: Device, pim: PimSpec, commands: Sequence[Command]) -> Iterator[str]:
    """Pairs of commands of one channel that are too close."""
    rules: dict[tuple[str, str, int], Rule] = {
        (rule.earlier, rule.later, rule.scope): rule for rule in pair_rules(device)
    }
    horizon = max(rule.cycles for rule in rules.values())
    oldest = 0
    for position, later in enumerate(commands):
        while commands[oldest].cycle <= later.cycle - horizon:
            oldest += 1
        for earlier in commands[oldest:position]:
            rule = rules.get((earlier.command, later.command, relation(earlier, later)))
            if rule is None or later.cycle - earlier.cycle >= rule.cycles:
                continue
            one_unit = "refresh" in (earlier.command, later.command) or (
                unit_of(earlier, pim.level) == unit_of(later, pim.level)
            )
            if one_unit or pim.cross_unit_timing in rule.between_units:
                yield f"{rule.name}: {later} is less than {rule.cycles} cycles after {earlier}"


def broken_windows(device: Device, pim: PimSpec, commands: Sequence[Command]) -> Iterator[str]:
    """Activate windows (host-controller.md §11) that hold an activate too many."""
    per_rank = device.organization.banks_per_rank
    smaller = {"bank": 1, "bankgroup": device.organization.banks_per_group}.get(
        pim.level, per_rank
    ) < per_rank
    if pim.cross_unit_timing == "none" and smaller:
        return
    windows = [("tFAW", ACTIVATES_IN_WINDOW, device.timing.tFAW)]
    if device.protocol.startswith("GDDR"):
        windows.append(("t32AW", ACTIVATES_IN_LONG_WINDOW, device.timing.t32AW))
    activates = [command for command in commands if command.command == "activate"]
    for name, most, length in windows:
        for position, last in enumerate(activates):
            sharing = [
                command
                for command in activates[: position + 1]
                if command.cycle > last.cycle - length and command.rank == last.rank
            ]
            if len(sharing) > most:
                yield f"{name}: {last} is activate {len(sharing)} within {length} cycles"


def crowded_cycles(pim: PimSpec, commands: Sequence[Command]) -> Iterator[str]:
    """Cycles in which a unit has more than one command, or that lie out of order."""
    seen: set[tuple[int, object]] = set()
    previous = -1
    for command in commands:
        if command.cycle < previous:
            yield f"{command} is listed after cycle {previous}"
        previous = command.cycle
        if command.command == "refresh":
            continue
        key = (command.cycle, unit_of(command, pim.level))
        if key in seen:
            yield f"{command}: second command of its unit in this cycle"
        seen.add(key)


def wrong_bank_states(commands: Sequence[Command]) -> Iterator[str]:
    """Commands that the row state of their bank does not allow."""
    open_rows: dict[tuple[int, int, int], int] = {}
    for command in commands:
        bank = (command.rank, command.bankgroup, command.bank)
        if command.command == "activate":
            if bank in open_rows:
                yield f"{command}: row {open_rows[bank]} is open"
            open_rows[bank] = command.row
        elif command.command in ("read", "write"):
            if open_rows.get(bank) != command.row:
                yield f"{command}: row {open_rows.get(bank)} is open"
        elif command.command == "precharge":
            if open_rows.pop(bank, None) is None:
                yield f"{command}: no row is open"
        elif any(rank == command.rank for rank, _, _ in open_rows):
            yield f"{command}: rows of its rank are open"


def wrong_refreshes(device: Device, pim: PimSpec, commands: Sequence[Command], cycles: int) -> Iterator[str]:
    """While a refresh is head of the list its rank's units are held (host-controller.md §9)."""
    interval = device.refresh_interval_cycles
    staggered = device.controller.refresh_policy == "RANK_LEVEL_STAGGERED"
    refreshes = [command for command in commands if command.command == "refresh"]
    due = range(interval, cycles, interval)
    if len(refreshes) > len(due):
        yield f"{len(refreshes)} refreshes, but only {len(due)} fell due"
    head_from = 0
    for number, due_cycle in enumerate(due):
        rank = number % device.organization.ranks if staggered else 0
        head_from = max(head_from, due_cycle)
        done = refreshes[number].cycle if number < len(refreshes) else cycles
        if number < len(refreshes) and (refreshes[number].rank != rank or done < due_cycle):
            yield f"{refreshes[number]}: refresh {number} is of rank {rank}, due at {due_cycle}"
        yield from commands_while_held(pim, commands, rank, head_from, done)
        head_from = done + 1


def commands_while_held(
    pim: PimSpec, commands: Sequence[Command], rank: int, start: int, stop: int
) -> Iterator[str]:
    """Commands in cycles start..stop for a held rank that refresh does not need."""
    precharged_in: set[int] = set()
    for command in commands:
        if not start <= command.cycle <= stop or command.command == "refresh":
            continue
        if command.rank != rank and pim.level != "channel":
            continue
        if command.command != "precharge" or command.rank != rank:
            yield f"{command}: rank {rank} is held for refresh in cycles {start}..{stop}"
        elif command.cycle in precharged_in:
            yield f"{command}: second refresh-related command in this cycle"
        precharged_in.add(command.cycle)


def wrong_bus_uses(device: Device, uses: Sequence[BusUse]) -> Iterator[str]:
    """Uses of one channel's bus that overlap, or lack the cycles of a change of direction or rank."""
    for first, second in itertools.pairwise(uses):
        turns = first.direction != second.direction or (
            first.kind == second.kind == "read_out" and first.rank != second.rank
        )
        if second.start < first.end + (device.timing.tRTRS if turns else 0):
            yield f"bus: {second} is too close to {first}"


def violations(device: Device, pim: PimSpec, commands: Sequence[Command], cycles: int) -> list[str]:
    """Every rule that the commands of one channel break; empty if none."""
    return [
        *broken_distances(device, pim, commands),
        *broken_windows(device, pim, commands),
        *crowded_cycles(pim, commands),
        *wrong_bank_states(commands),
        *wrong_refreshes(device, pim, commands, cycles),
    ]
