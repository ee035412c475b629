"""Runs of devices and PIM systems with one command a cycle earlier: which rule must be named, and what must not be.

Which pairs of commands stand exactly at a distance is found pair by pair, by the engine's table (hosts) or the
reference checker's (PIM): neither is shared with `ppim.check`, which only gives the rule's name.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import ppim
from ppim.check.commands import KINDS, OF_A_RANK
from ppim.check.constraint import SCOPES as NAMED_SCOPES
from ppim.check.judge import CheckResult, Memory, Options, check_files, memories_of
from ppim.check.read import TraceFile
from ppim.check.resolve import rule_book
from ppim.dram.device import Device
from ppim.dram.load import device_names, load_device
from ppim.dram.timing import COMMANDS, SCOPES, distance_table
from ppim.engine.activate_window import SHORT_WINDOW
from ppim.engine.host import replay as run_requests
from ppim.errors import InputError
from ppim.systems.load import load_system, system_names
from tests.reference import pim_check
from tests.reference.pim_twin import Command

LENGTH = 1_200
"""Commands of a channel that are looked at."""
EACH = 2
"""Pairs that are tried of a rule of one run."""
SLACK = 1 << 20
"""Refresh periods: a part of a run has not all refreshes."""
SEED = 11
SAMPLES = 8
MODES: tuple[dict[str, str], ...] = (
    {},
    {"row_buf_policy": "CLOSE_PAGE"},
    {"refresh_policy": "BANK_LEVEL_STAGGERED"},
)
_NAMED = dict(zip(SCOPES, NAMED_SCOPES, strict=False))


@dataclass(frozen=True)
class Moved:
    """One command of a run, and the rule that forbids it a cycle earlier."""

    position: int
    rule: str


@dataclass
class Tally:
    """What came of moved commands."""

    tried: int = 0
    caught: int = 0
    accused: int = 0  # violations between two commands that nobody moved

    @property
    def is_good(self) -> bool:
        """Each rule named, nobody else accused."""
        return self.caught == self.tried and not self.accused

    def add(self, other: Tally) -> None:
        """Count another run too."""
        self.tried += other.tried
        self.caught += other.caught
        self.accused += other.accused


Distance = Callable[[Command, Command], "tuple[str, int] | None"]
"""Scope and cycles of the rule between two commands."""


def scope_of(earlier: Command, later: Command) -> str:
    """A scope of the engine's; what acts on a rank is in the bank of all its commands."""
    return (
        SCOPES[pim_check.relation(earlier, later)]
        if not _of_a_rank(earlier, later)
        else _rank_scope(earlier, later)
    )


def _of_a_rank(earlier: Command, later: Command) -> bool:
    return earlier.command in OF_A_RANK or later.command in OF_A_RANK


def _rank_scope(earlier: Command, later: Command) -> str:
    return "same_bank" if earlier.rank == later.rank else "other_rank"


def host_distance(device: Device) -> Distance:
    """By the engine's table."""
    table = distance_table(device)

    def distance(earlier: Command, later: Command) -> tuple[str, int] | None:
        scope = scope_of(earlier, later)
        cycles = int(
            table[COMMANDS.index(earlier.command), COMMANDS.index(later.command), SCOPES.index(scope)]
        )
        return (scope, cycles) if cycles > 0 else None

    return distance


def pim_distance(device: Device, level: str, cross_unit_timing: str) -> Distance:
    """By the reference checker's rules; between two units only those that bind them."""
    rules = {(rule.earlier, rule.later, rule.scope): rule for rule in pim_check.pair_rules(device)}

    def distance(earlier: Command, later: Command) -> tuple[str, int] | None:
        scope = pim_check.relation(earlier, later)
        rule = rules.get((earlier.command, later.command, scope))
        if rule is None or rule.cycles <= 0:
            return None
        one_unit = "refresh" in (earlier.command, later.command) or (
            pim_check.unit_of(earlier, level) == pim_check.unit_of(later, level)
        )
        binds = one_unit or cross_unit_timing in rule.between_units
        return (SCOPES[scope], rule.cycles) if binds else None

    return distance


def tight(commands: Sequence[Command], memory: Memory, distance: Distance) -> Iterator[Moved]:
    """Commands that are exactly as late as a rule asks, a few of each rule."""
    names = {
        (KINDS[rule.earlier], KINDS[rule.later], NAMED_SCOPES[rule.scope]): rule.name
        for rule in rule_book(memory.device, memory.units).rules
    }
    horizon = int(distance_table(memory.device).max())
    found: dict[tuple[str, str, str], int] = defaultdict(int)
    for position, later in enumerate(commands):
        for before in range(position - 1, -1, -1):
            earlier = commands[before]
            if earlier.cycle < later.cycle - horizon:
                break
            bound = distance(earlier, later)
            if bound is None or later.cycle - earlier.cycle != bound[1]:
                continue
            scope = "whole rank" if _of_a_rank(earlier, later) else _NAMED[bound[0]]
            key = (earlier.command, later.command, scope)
            found[key] += 1
            if found[key] <= EACH:
                yield Moved(position, names.get(key, f"no rule from {key[0]} to {key[1]}, {scope}"))
    yield from _tight_windows(commands, memory)


def _tight_windows(commands: Sequence[Command], memory: Memory) -> Iterator[Moved]:
    if all(name != "tFAW" for name, _, _ in rule_book(memory.device, memory.units).windows):
        return
    activates: dict[int, list[int]] = defaultdict(list)
    found = 0
    for position, command in enumerate(commands):
        if command.command != "activate" or found == EACH:
            continue
        cycles = activates[command.rank]
        if len(cycles) >= SHORT_WINDOW and command.cycle - cycles[-SHORT_WINDOW] == memory.device.timing.tFAW:
            found += 1
            yield Moved(position, "tFAW")
        cycles.append(command.cycle)


def line_of(command: Command) -> str:
    """As in a command trace of ours."""
    return (
        f"{command.cycle} {command.command} {command.rank} {command.bankgroup} {command.bank} "
        f"{command.row} {command.column}"
    )


def judge(folder: Path, memory: Memory, commands: Sequence[Command]) -> CheckResult:
    """Check commands in the order of their cycles, through a file."""
    path = folder / "channel-0.cmd"
    path.write_text("".join(f"{line_of(command)}\n" for command in commands))
    return check_files([TraceFile(path, channel=0)], memory, Options(refresh_slack=SLACK))


def try_run(folder: Path, memory: Memory, commands: Sequence[Command], distance: Distance) -> Tally:
    """Move every tight command a cycle earlier, one at a time."""
    tally = Tally()
    tally.accused += judge(folder, memory, commands).n_violations
    for moved in tight(commands, memory, distance):
        command = commands[moved.position]
        early = replace(command, cycle=command.cycle - 1)
        rest = [*commands[: moved.position], *commands[moved.position + 1 :]]
        place = next((n for n, other in enumerate(rest) if other.cycle > early.cycle), len(rest))
        result = judge(folder, memory, [*rest[:place], early, *rest[place:]])
        line = place + 1
        tally.tried += 1
        tally.caught += any(
            found.constraint == moved.rule
            and found.margin == -1
            and found.later is not None
            and found.later.line == line
            for found in result.violations
        )
        tally.accused += sum(
            line not in (issued.line for issued in (found.later, found.earlier) if issued is not None)
            for found in result.violations
        )
    return tally


def host_commands(device: Device, seed: int) -> list[Command]:
    """Commands of channel 0: reads of any rows as fast as they go, then reads and writes that meet in few rows."""
    rng = np.random.default_rng(seed)
    org = device.organization
    dense, mixed = LENGTH // 6 * org.channels, LENGTH * org.channels
    anywhere = rng.integers(0, org.capacity_bytes // org.burst_bytes, dense) * org.burst_bytes
    pages = rng.integers(0, 64, mixed) * (org.capacity_bytes // 64)
    address = np.concatenate([anywhere, pages + rng.integers(0, 256, mixed) * org.burst_bytes])
    cycle = np.concatenate([np.zeros(dense, np.int64), np.cumsum(rng.choice([0, 0, 0, 1, 40], mixed))])
    is_write = np.concatenate([np.zeros(dense, np.bool_), rng.random(mixed) < 0.4])
    result = run_requests(device, address, is_write, cycle, merge=False, command_trace=True)
    assert result.command_streams is not None
    stream = result.command_streams[0]
    fields = (
        stream.cycle,
        stream.command,
        stream.rank,
        stream.bankgroup,
        stream.bank,
        stream.row,
        stream.column,
    )
    return [
        Command(cycle, COMMANDS[kind], *place)
        for cycle, kind, *place in zip(*(values[:LENGTH].tolist() for values in fields), strict=True)
    ]


def pim_commands(folder: Path) -> list[Command]:
    """Commands of the first channel of a run's command traces that has some."""
    files = sorted(folder.glob("hbm-channel-*.cmd")) or sorted(folder.glob("channel-*.cmd"))
    path = next(file for file in files if file.stat().st_size)
    lines = path.read_text().splitlines()[:LENGTH]
    return [Command(int(cycle), kind, *map(int, place)) for cycle, kind, *place in map(str.split, lines)]


def pim_memory(system: str) -> tuple[Memory, Distance]:
    """First memory of a system, and what binds its commands."""
    spec = load_system(system)
    memory = next(iter(memories_of(spec).values()))
    if memory.units is None:
        return memory, host_distance(memory.device)
    return memory, pim_distance(memory.device, memory.units.level, memory.units.cross_unit_timing)


def pim_run(folder: Path, trace: Path, system: str) -> Tally | None:
    """Move commands of a system's run; None where it cannot run the trace's algorithm."""
    try:
        ppim.simulate(trace, system, command_trace=folder / "commands")
    except InputError:
        return None
    memory, distance = pim_memory(system)
    return try_run(folder, memory, pim_commands(folder / "commands"), distance)


def host_run(folder: Path, name: str, settings: dict[str, str]) -> Tally | None:
    """Move commands of a device's run; None where it has no such mode."""
    try:
        device = load_device(name, settings)
    except InputError:
        return None
    return try_run(folder, Memory(device), host_commands(device, SEED), host_distance(device))


def main() -> None:
    """Every device in every mode, and every system; prints JSON of both totals."""
    totals = {"devices": Tally(), "systems": Tally()}
    with tempfile.TemporaryDirectory() as name:
        trace = Path(name) / "trace.parquet"
        ppim.generate_trace("synthetic", trace, max_samples=SAMPLES, seed=SEED)
        for system in system_names():
            folder = Path(name) / system
            folder.mkdir()
            found = pim_run(folder, trace, system)
            if found is not None:
                totals["systems"].add(found)
        for device in device_names():
            for settings in MODES:
                found = host_run(Path(name), device, settings)
                if found is not None:
                    totals["devices"].add(found)
    sys.stdout.write(json.dumps({kind: vars(total) for kind, total in totals.items()}) + "\n")


if __name__ == "__main__":
    main()
