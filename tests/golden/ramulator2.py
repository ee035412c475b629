"""DDR5, HBM3 and HBM2 in pseudo channels beside Ramulator 2.1: its figures, its requests, and what is set alike.

Run as a module it prints the table of docs/reliability.md.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ppim.dram.address import Coordinates, address_map
from ppim.dram.device import LARGEST_TIMING_CYCLES, Device
from ppim.dram.load import load_device
from ppim.engine.host import replay

REQUESTS = 20_000
BURSTS = 2**26
HASH = 2654435761  # spreads the ids of the zipf distribution over addresses
ZIPF, WRITES = 1.2, 0.3
GROUPS_OF_A_STACK = 4

ALIKE = {"queue_structure": "PER_RANK", "cmd_queue_size": 32, "organization.ranks": 1}
"""One queue of 32 a memory, as Ramulator has."""
MAPPING = {"ddr5-16gb-x8-4800": "robabgracoch", "hbm3-16gb-6400": "robabgrachco", "hbm2-4gb": "robabgrachco"}
"""Ramulator's RoBaRaCoCh: of HBM a pseudo channel is above the column, subchannels are below it."""
HBM2_IN_PSEUDO_CHANNELS = {
    "organization.bus_width": 64,
    "organization.device_width": 64,
    "organization.rows": 32768,
    "CWL": 5,
    "tCCD_S": 2,
    "tCCD_L": 4,
    "tRCDWR": 12,
    "tRRD_L": 4,
    "tFAW": 15,
}
"""Of Ramulator's HBM2_4Gb and HBM2_2000Mbps, what differs from the preset."""
TITLES = {
    "ddr5-16gb-x8-4800": ("DDR5", "subchannel"),
    "hbm3-16gb-6400": ("HBM3", "pseudo channel"),
    "hbm2-4gb": ("HBM2", "pseudo channel"),
}
NONE, CONTROLLER = "none", "controller"


@dataclass(frozen=True)
class Case:
    """One run."""

    device: str
    memories: int  # subchannels or pseudo channels
    stack_ids: int
    pattern: str
    every: int  # memory clocks between requests

    @property
    def title(self) -> str:
        """As docs/reliability.md calls it."""
        name, memory = TITLES[self.device]
        stacks = ", two stack ids" if self.stack_ids > 1 else ""
        return f"{name}, {('one', 'two')[self.memories - 1]} {memory}{'s'[: self.memories - 1]}{stacks}"


@dataclass(frozen=True)
class Figures:
    """What came out; cycles and latencies in memory clocks."""

    cycles: int
    read_latency: float


def committed() -> Iterator[tuple[Case, str, Figures]]:
    """Case, what was changed in Ramulator, and its figures, line by line."""
    path = Path(__file__).parent / "ramulator2.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        case = Case(
            row["device"], int(row["memories"]), int(row["stack_ids"]), row["pattern"], int(row["every"])
        )
        yield case, row["changed"], Figures(int(row["cycles"]), float(row["read_latency"]))


def device_of(case: Case, **more: Any) -> Device:
    """Our preset with what Ramulator has of controller, mapping and size."""
    settings: dict[str, Any] = {
        **ALIKE,
        "address_mapping": MAPPING[case.device],
        "organization.channels": case.memories,
    }
    if case.device == "hbm2-4gb":
        settings |= HBM2_IN_PSEUDO_CHANNELS
    if case.device == "hbm3-16gb-6400":
        settings["organization.bankgroups"] = GROUPS_OF_A_STACK * case.stack_ids
    return load_device(case.device, settings | more)


def requests(pattern: str, burst: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Byte addresses, and which of them are written."""
    is_write = np.zeros(REQUESTS, np.bool_)
    if pattern == "sequential":
        return np.arange(REQUESTS) * burst, is_write
    if pattern == "zipf":
        ids = np.random.default_rng(2).zipf(ZIPF, REQUESTS).astype(np.uint64)
        return (ids * np.uint64(HASH) % np.uint64(BURSTS)).astype(np.int64) * burst, is_write
    if pattern == "mixed":
        is_write = np.random.default_rng(1).random(REQUESTS) < WRITES
    return np.random.default_rng(0).integers(0, BURSTS, REQUESTS) * burst, is_write


@cache
def ours(case: Case) -> Figures:
    """The same run here."""
    device = device_of(case)
    address, is_write = requests(case.pattern, device.organization.burst_bytes)
    cycle = np.arange(REQUESTS) * case.every if case.every > 1 else np.zeros(REQUESTS, np.int64)
    result = replay(device, address, is_write, cycle, merge=False)
    latency = result.read_latency_sum.sum() / result.reads_done.sum()
    return Figures(result.cycles, float(latency))


@dataclass(frozen=True)
class RuleCase:
    """A pattern in which one rule is all that counts, without refresh."""

    device: str
    memories: int
    stack_ids: int
    pattern: str


def rule_cases() -> Iterator[tuple[RuleCase, str, float, float]]:
    """Case, the rule, and memory clocks a request: the closed form, and Ramulator's."""
    path = Path(__file__).parent / "ramulator2_rules.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    for row in csv.DictReader(line for line in lines if not line.startswith("#")):
        case = RuleCase(row["device"], int(row["memories"]), int(row["stack_ids"]), row["pattern"])
        yield case, row["rule"], float(row["closed_form"]), float(row["cycles_a_request"])


def rule_places(case: RuleCase, device: Device, count: int) -> Coordinates:
    """Where the reads of a pattern go; stack ids and memories take turns."""
    org = device.organization
    number = np.arange(count)
    zero = np.zeros(count, np.int64)
    memory, turn = number % case.memories, number // case.memories
    stack, turn = turn % case.stack_ids, turn // case.stack_ids
    groups = org.bankgroups // case.stack_ids
    group, round_ = turn % groups, turn // groups
    bank, row, column = {
        "one bank, new rows": (zero, turn, zero),
        "one row": (zero, zero, turn % org.bursts_per_row),
        "a row of each group": (zero, zero, round_ % org.bursts_per_row),
        "all banks, new rows": (round_ % org.banks_per_group, round_ // org.banks_per_group, zero),
        "one group, new rows": (turn % org.banks_per_group, turn // org.banks_per_group, zero),
    }[case.pattern]
    if case.pattern.startswith("one "):
        group = zero
    return Coordinates(memory, zero, group * case.stack_ids + stack, bank, row, column)


def our_cycles_a_request(case: RuleCase) -> float:
    """Between the ends of a short and a long trace of the pattern."""
    base = Case(case.device, case.memories, case.stack_ids, "", 1)
    device = device_of(base, **{"timing.tREFI": LARGEST_TIMING_CYCLES})
    short, long = 2_000, 6_000
    ends = []
    for count in (short, long):
        address = address_map(device).encode(rule_places(case, device, count))
        result = replay(device, address, np.zeros(count, np.bool_), np.zeros(count, np.int64), merge=False)
        ends.append(result.cycles)
    return (ends[1] - ends[0]) / (long - short)


def percent(here: float, there: float) -> str:
    """By how much ours is more."""
    return f"{100 * (here / there - 1):+.1f} %"


def table_lines() -> list[str]:
    """Lines of the table: at full speed cycles as Ramulator is and with our controller; at half of it the latency."""
    found = {(case, changed): figures for case, changed, figures in committed()}
    lines, title = [], ""
    for case, changed in found:
        if changed != NONE or case.every > 1:
            continue
        if case.title != title:
            title = case.title
            lines.append(f"| *{title}* | | | | | | | |")
        here, itself, alike = ours(case), found[case, NONE], found[case, CONTROLLER]
        words = [
            *(case.pattern, f"{here.cycles:,}"),
            *(f"{itself.cycles:,}", percent(here.cycles, itself.cycles)),
            *(f"{alike.cycles:,}", percent(here.cycles, alike.cycles)),
        ]
        for other, changes in found:
            if (
                changes == CONTROLLER
                and other.every > 1
                and ((other.title, other.pattern) == (case.title, case.pattern))
            ):
                half = ours(other)
                words += [
                    f"{half.read_latency:.0f} / {found[other, CONTROLLER].read_latency:.0f}",
                    f"every {other.every}",
                ]
        lines.append("| " + " | ".join([*words, *[""] * (8 - len(words))]) + " |")
    return lines


if __name__ == "__main__":
    sys.stdout.write("\n".join(table_lines()) + "\n")
