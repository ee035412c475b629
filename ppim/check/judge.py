"""Hold the command traces of one memory, or of both of a system, against their rules."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from ppim.check import layout as columns, read, resolve
from ppim.check.commands import KINDS, NO_KIND, OF_A_RANK_FROM
from ppim.dram.device import Device
from ppim.errors import InputError
from ppim.systems.spec import SystemSpec

MOST_KEPT = 1000
FIRST_MEMORY, SECOND_MEMORY = "hbm", "dimm"


@dataclass(frozen=True)
class Issued:
    """One command of a trace; -1 where a field does not apply."""

    cycle: int
    command: str
    rank: int
    bankgroup: int
    bank: int
    row: int
    column: int
    line: int


@dataclass(frozen=True)
class Violation:
    """Two commands that break a rule."""

    memory: str
    channel: int
    constraint: str
    distance: int | None  # cycles that the rule asks for; None of a rule about states
    margin: int | None  # cycles by which it is kept: negative
    later: Issued | None  # None: the end of the trace
    earlier: Issued | None  # None: the rule looks at one command only
    cycle: int  # of the later command, or of the end


@dataclass(frozen=True)
class RuleCount:
    """How often a rule was tried."""

    constraint: str
    formula: str
    cycles: tuple[int, ...]
    checked: int  # commands or pairs held against it
    tight: int  # pairs exactly at the distance: one cycle less and it were broken
    least_margin: int | None
    violations: int


@dataclass(frozen=True)
class CheckResult:
    """What a check of one memory's traces found."""

    memory: str
    device: str
    forms: tuple[str, ...]
    channels: int  # with commands
    commands: int
    last_cycle: int
    rules: tuple[RuleCount, ...]
    violations: tuple[Violation, ...]  # the first ones
    n_violations: int


@dataclass(frozen=True)
class Options:
    """How to judge."""

    form: str | None = None
    strict: bool = False
    refresh_slack: int = 0  # periods
    most_kept: int = MOST_KEPT


@dataclass(frozen=True)
class Memory:
    """One memory of the system whose commands are checked."""

    device: Device
    units: resolve.Units | None = None


def memories_of(system: SystemSpec) -> dict[str, Memory]:
    """The memories of a system, by the names that their command traces have."""
    parts = {FIRST_MEMORY: system}
    if system.dimm is not None:
        parts[SECOND_MEMORY] = system.second
    return {name: _memory(part) for name, part in parts.items()}


def _memory(system: SystemSpec) -> Memory:
    from ppim.dram.load import load_device

    device = load_device(system.memory.device, system.memory.overrides)
    if system.kind != "pim":
        return Memory(device)
    pim = system.pim
    return Memory(device, resolve.Units(pim.level, pim.cross_unit_timing, reads_leave=pim.consumer == "host"))


def check_trace(
    path: Path, memories: Mapping[str, Memory], options: Options = Options()
) -> list[CheckResult]:
    """Check a command trace, or a folder of them.

    Parameters
    ----------
    path : Path
        One file (all channels, or one), or a folder with a file for each channel.
    memories : mapping of str to Memory
        By name; files that name no memory are of the first.
    options : Options

    Raises
    ------
    InputError
        No trace there, a line that is not of its form or names what the device does not have, or a file of a
        memory that is not among `memories`.
    """
    first = next(iter(memories))
    by_memory: dict[str, list[read.TraceFile]] = {}
    for file in read.trace_files(path):
        by_memory.setdefault(file.memory or first, []).append(file)
    for name in by_memory.keys() - memories.keys():
        raise InputError(
            f"{by_memory[name][0].path}: is of a second memory, {name}; give the system with --system"
        )
    return [
        check_files(by_memory[name], memory, options, name)
        for name, memory in memories.items()
        if name in by_memory
    ]


def check_files(
    files: Sequence[read.TraceFile], memory: Memory, options: Options = Options(), name: str = ""
) -> CheckResult:
    """Check the traces of one memory; parameters and errors as of `check_trace`."""
    from ppim.check.kernel import check_block, check_end

    device, units = memory.device, memory.units
    readers = [read.CommandReader(file, device, options.form) for file in files]
    book = resolve.rule_book(device, units, strict=options.strict)
    channels = max(reader.channels for reader in readers)
    layout = columns.make_layout(device, units, channels, options.refresh_slack)
    state, tally, table = (
        columns.make_state(device, layout),
        columns.make_tally(book, options.most_kept),
        resolve.rule_table(book),
    )
    policy = device.controller.refresh_policy
    seen = np.zeros(channels, np.int64)
    for _, group in groupby(readers, key=lambda reader: reader.file.channel):
        for block in _blocks(list(group)):
            seen += np.bincount(block[:, columns.CHANNEL_FIELD], minlength=channels)
            check_block(table, layout, state, tally, policy == "RANK_LEVEL_STAGGERED", block)
    end = int(state.last_cycle.max()) if seen.any() else 0
    if policy == "RANK_LEVEL_STAGGERED":
        last = np.full((1, columns.BLOCK_FIELDS), -1, np.int64)
        last[0, columns.TIME] = end
        check_end(layout, state, tally, end, (seen > 0).astype(np.int64), last)
    return CheckResult(
        memory=name,
        device=device.name,
        forms=tuple(sorted({reader.form for reader in readers})),
        channels=int((seen > 0).sum()),
        commands=int(seen.sum()),
        last_cycle=end,
        rules=tuple(_rule_counts(book, tally)),
        violations=tuple(_violations(book, tally, device, name)),
        n_violations=int(tally.n_found[0]),
    )


def _blocks(readers: Sequence[read.CommandReader]) -> Iterator[columns.Ints]:
    """Blocks of one channel's files; several files (one a rank) are merged by cycle, in memory."""
    if len(readers) == 1:
        yield from readers[0].blocks()
        return
    blocks = [block for reader in readers for block in reader.blocks()]
    if blocks:
        merged = np.concatenate(blocks)
        yield merged[np.argsort(merged[:, columns.TIME], kind="stable")]


def _rule_counts(book: resolve.RuleBook, tally: columns.Tally) -> Iterator[RuleCount]:
    for index, name in enumerate(book.names):
        least = int(tally.least[index])
        yield RuleCount(
            constraint=name,
            formula=book.formulas[name],
            cycles=book.cycles.get(name, ()),
            checked=int(tally.checked[index]),
            tight=int(tally.tight[index]),
            least_margin=None if least == columns.NO_MARGIN else least,
            violations=int(tally.broken[index]),
        )


def _violations(
    book: resolve.RuleBook, tally: columns.Tally, device: Device, memory: str
) -> Iterator[Violation]:
    kept = min(int(tally.n_found[0]), len(tally.found))
    for record in tally.found[:kept].tolist():
        margin = None if record[columns.V_MARGIN] == columns.NO_MARGIN else record[columns.V_MARGIN]
        later = record[columns.V_LATER : columns.V_LATER + columns.FIELDS]
        earlier = record[columns.V_EARLIER : columns.V_EARLIER + columns.FIELDS]
        name = book.names[record[columns.V_RULE]]
        is_distance = name in book.cycles and margin is not None and earlier[columns.TIME] >= 0
        yield Violation(
            memory=memory,
            channel=record[columns.V_CHANNEL],
            constraint=name,
            distance=later[columns.TIME] - earlier[columns.TIME] - margin if is_distance else None,
            margin=margin,
            later=_issued(later, device),
            earlier=_issued(earlier, device),
            cycle=later[columns.TIME],
        )


def _issued(fields: list[int], device: Device) -> Issued | None:
    if fields[columns.KIND] == NO_KIND:
        return None
    org = device.organization
    rank, in_rank = divmod(fields[columns.LANE], org.banks_per_rank)
    group, bank = divmod(in_rank, org.banks_per_group)
    of_a_rank = fields[columns.KIND] >= OF_A_RANK_FROM
    return Issued(
        cycle=fields[columns.TIME],
        command=KINDS[fields[columns.KIND]],
        rank=rank,
        bankgroup=-1 if of_a_rank else group,
        bank=-1 if of_a_rank else bank,
        row=fields[columns.ROW],
        column=fields[columns.COLUMN],
        line=fields[columns.LINE],
    )
