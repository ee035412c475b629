"""The tables' rows, resolved to cycles for a device and, where units work in the memory, for their level."""

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.check import commands, families
from ppim.check.constraint import BANK, CHANNEL, GROUP, RANK, SCOPES, Constraint, Window, evaluate
from ppim.dram.device import Device

Ints = NDArray[np.int64]

STATE_RULES = (
    "order",
    "closed bank",
    "other row",
    "open bank",
    "open rows",
    "self refresh",
    "command bus",
    "data bus",
    "refresh early",
    "refresh late",
)
"""Rules that are no distances: `ORDER` ... number them."""
(
    ORDER,
    CLOSED_BANK,
    OTHER_ROW,
    OPEN_BANK,
    OPEN_ROWS,
    SELF_REFRESH,
    COMMAND_BUS,
    DATA_BUS,
    REFRESH_EARLY,
    REFRESH_LATE,
) = range(len(STATE_RULES))

MEANINGS = {
    "order": "commands stand in the order of their cycles",
    "closed bank": "column commands and precharges find a row open",
    "other row": "column commands find their own row open",
    "open bank": "activates and bank refreshes find the bank closed",
    "open rows": "refreshes and self refresh find all banks of the rank closed",
    "self refresh": "a sleeping rank wakes before anything else, and only a sleeping one",
    "command bus": "one command a cycle (HBM: one for a row and one for a column; PIM: one a unit)",
    "data bus": "bursts on the channel's data bus do not overlap",
    "refresh early": "no refresh of a rank comes before it falls due",
    "refresh late": "every refresh comes before the rank's next one falls due",
}

Level = Literal["channel", "rank", "bankgroup", "bank"]


@dataclass(frozen=True)
class Units:
    """PIM units that share the memory: where they are, and which rules hold between them."""

    level: Level
    cross_unit_timing: Literal["physical", "faw-only", "none"]
    reads_leave: bool = False  # every read goes out over the channel's data bus


class Rule(NamedTuple):
    """One constraint between two kinds, for one relation."""

    name: str
    earlier: int  # numbers of kinds
    later: int
    scope: int
    cycles: int


@dataclass(frozen=True)
class RuleBook:
    """Everything that commands are held against."""

    names: tuple[str, ...]  # `STATE_RULES`, then distances and windows
    formulas: dict[str, str]  # what each name asks
    cycles: dict[str, tuple[int, ...]]  # distances of the name, ascending
    rules: tuple[Rule, ...]
    windows: tuple[tuple[str, int, int], ...]  # name, activates, cycles


def _family_modules() -> list[object]:
    return [
        importlib.import_module(f"{families.__name__}.{module.name}")
        for module in pkgutil.iter_modules(families.__path__)
    ]


def all_constraints() -> tuple[Constraint, ...]:
    """Rows of all families."""
    return tuple(row for module in _family_modules() for row in getattr(module, "CONSTRAINTS", ()))


def all_windows() -> tuple[Window, ...]:
    """Windows of all families."""
    return tuple(row for module in _family_modules() for row in getattr(module, "WINDOWS", ()))


def timing_values(device: Device) -> dict[str, int]:
    """Names that formulas may use; with a single bank group the short distances hold in it (host-controller.md §10)."""
    timing = device.timing
    values = {name: value for name, value in vars(timing).items() if isinstance(value, int)}
    values |= {
        "B": timing.burst_cycles,
        "RL": timing.AL + timing.CL,
        "WL": timing.AL + timing.CWL,
    }
    if device.organization.bankgroups == 1:
        values |= {f"{name}_L": values[f"{name}_S"] for name in ("tCCD", "tWTR", "tRRD")}
    return values


def widest_scope(device: Device, level: Level) -> int:
    """The widest relation that two commands of one unit can have."""
    org = device.organization
    scope = {"bank": BANK, "bankgroup": GROUP, "rank": RANK, "channel": CHANNEL}[level]
    if scope == BANK and org.banks_per_group == 1:
        scope = GROUP
    if scope == GROUP and org.bankgroups == 1:
        scope = RANK
    return scope


def rule_book(device: Device, units: Units | None = None, *, strict: bool = False) -> RuleBook:
    """The rules of a device.

    Parameters
    ----------
    device : Device
    units : Units, optional
        PIM units; without them all commands are the host's.
    strict : bool
        Also what DRAMsim3 leaves out.
    """
    values = timing_values(device)
    inside = CHANNEL if units is None else widest_scope(device, units.level)
    kept = {"always", "never"} if units is None else {"always"}
    if units is None or units.cross_unit_timing == "physical":
        kept.add("physical")
    rules: list[Rule] = []
    formulas = dict(MEANINGS)
    cycles: dict[str, set[int]] = {}
    for row in all_constraints():
        if (row.protocols and device.protocol not in row.protocols) or (row.strict and not strict):
            continue
        distance = evaluate(row.distance, values)
        for scope in map(SCOPES.index, row.scopes):
            if inside < scope <= CHANNEL and row.across not in kept:
                continue
            rules += [
                Rule(row.name, commands.KINDS.index(earlier), commands.KINDS.index(later), scope, distance)
                for earlier in row.earlier
                for later in row.later
            ]
            formulas.setdefault(row.name, row.distance)
            cycles.setdefault(row.name, set()).add(distance)
    windows = [
        (window.name, window.most, values[window.length])
        for window in all_windows()
        if not window.protocols or device.protocol in window.protocols
    ]
    if units is not None and units.cross_unit_timing == "none" and inside < RANK:
        windows = []
    for name, most, length in windows:
        formulas[name] = f"at most {most} activates of a rank in any {length} cycles"
        cycles[name] = {length}
    return RuleBook(
        names=(*STATE_RULES, *cycles),
        formulas=formulas,
        cycles={name: tuple(sorted(found)) for name, found in cycles.items()},
        rules=tuple(rules),
        windows=tuple(windows),
    )


class RuleTable(NamedTuple):
    """A rule book as arrays for the kernel (all int64)."""

    start: Ints  # (kinds + 1): a later kind's rules are start[kind] : start[kind + 1] of the following
    earlier: Ints
    scope: Ints
    cycles: Ints
    name: Ints
    kept: Ints  # (kinds, scopes): whether a rule looks back at such a command in such a relation
    window_most: Ints  # (windows)
    window_cycles: Ints
    window_name: Ints


def rule_table(book: RuleBook) -> RuleTable:
    """A rule book as arrays."""
    rules = sorted(book.rules, key=lambda rule: rule.later)
    counts = np.bincount([rule.later for rule in rules], minlength=commands.N_KINDS)
    kept = np.zeros((commands.N_KINDS, len(SCOPES)), np.int64)
    for rule in rules:
        kept[rule.earlier, rule.scope] = 1

    def column(values: Sequence[int]) -> Ints:
        return np.array(values, np.int64)

    return RuleTable(
        np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
        column([rule.earlier for rule in rules]),
        column([rule.scope for rule in rules]),
        column([rule.cycles for rule in rules]),
        column([book.names.index(rule.name) for rule in rules]),
        kept,
        column([most for _, most, _ in book.windows]),
        column([length for _, _, length in book.windows]),
        column([book.names.index(name) for name, _, _ in book.windows]),
    )
