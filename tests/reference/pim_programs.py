"""Small devices, systems and programs for PIM mode: written by hand, or drawn from a seed."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from fractions import Fraction
from itertools import zip_longest
from typing import Any

import numpy as np

from ppim.dram.device import Controller, Device, Organization, Power, Timing
from ppim.mapping.placing.spec import PlacementSpec
from ppim.prefetch.base import PREFETCHES, Phase
from ppim.program.instruction import (
    ALL,
    DELIVER,
    HIT,
    INSTRUCTION_COLUMNS,
    LISTED,
    LOOKUP_COLUMNS,
    MOVE_IN,
    MOVE_OUT,
    NONE,
    PREFETCH,
    READ,
    READ_OUT,
    SUM_COLUMNS,
    TRANSFER,
    Program,
)
from ppim.systems.spec import CacheSpec, ComputeSpec, PimSpec, PrefetchSpec, SystemSpec

HBM2_TIMING = {
    "tCK": 1.0, "AL": 0, "CL": 14, "CWL": 4, "tCCD_L": 2, "tCCD_S": 1, "tRTRS": 2, "tRTP": 5, "tWTR_L": 8,
    "tWTR_S": 6, "tWR": 16, "tRP": 14, "tRRD_L": 6, "tRRD_S": 4, "tRAS": 34, "tRCD": 14, "tRCDRD": 14,
    "tRCDWR": 14, "tRFC": 260, "tRFCb": 20, "tREFI": 3900, "tREFIb": 128, "tFAW": 30, "t32AW": 330,
    "tPPD": 0, "tCKESR": 12, "tXS": 268,
}  # fmt: skip
DDR4_TIMING = HBM2_TIMING | {
    "tCK": 0.63, "CL": 22, "CWL": 16, "tCCD_L": 8, "tCCD_S": 4, "tRTP": 12, "tRP": 22, "tRRD_L": 8,
    "tRRD_S": 4, "tRAS": 52, "tRCD": 22, "tRFC": 560, "tREFI": 12480, "tFAW": 34,
}  # fmt: skip
GDDR6_TIMING = HBM2_TIMING | {
    "tCK": 0.66, "CL": 24, "CWL": 16, "tCCD_L": 3, "tCCD_S": 2, "tRTP": 4, "tRP": 24, "tRRD_L": 9,
    "tRRD_S": 9, "tRAS": 48, "tRCD": 26, "tRCDRD": 26, "tRCDWR": 16, "tRFC": 65, "tREFI": 1900,
    "tFAW": 32, "t32AW": 400, "tPPD": 2,
}  # fmt: skip
LPDDR4_TIMING = DDR4_TIMING | {"AL": 2, "tCCD_L": 8, "tCCD_S": 8, "tRRD_L": 12, "tRRD_S": 12, "tPPD": 4}
FAMILIES = {
    "HBM2": (HBM2_TIMING, 4, 2),  # timing, burst length, burst cycles
    "DDR4": (DDR4_TIMING, 8, 4),
    "GDDR6": (GDDR6_TIMING, 16, 1),
    "LPDDR4": (LPDDR4_TIMING, 16, 8),
}


def make_device(
    protocol: str = "HBM2",
    *,
    channels: int = 1,
    ranks: int = 1,
    bankgroups: int = 4,
    banks_per_group: int = 4,
    rows: int = 64,
    bursts_per_row: int = 32,
    refresh_policy: str = "RANK_LEVEL_STAGGERED",
    **timing: float,
) -> Device:
    """A device of this family and structure; further arguments replace timing parameters."""
    base, burst_length, burst_cycles = FAMILIES[protocol]
    return Device(
        name=f"tiny-{protocol.lower()}",
        protocol=protocol,
        source="made for tests",
        organization=Organization(
            channels=channels,
            ranks=ranks,
            bankgroups=bankgroups,
            banks_per_group=banks_per_group,
            rows=rows,
            columns=bursts_per_row * burst_length,
            device_width=64,
            bus_width=64,
            burst_length=burst_length,
            devices_per_rank=1,
        ),
        timing=Timing(**{**base, "burst_cycles": burst_cycles, **timing}),
        power=Power(
            VDD=1.2, IDD0=65, IDD2N=40, IDD3N=55, IDD4W=500, IDD4R=390, IDD5AB=250, IDD5PB=5, IDD6x=31
        ),
        controller=Controller(
            address_mapping="rorabgbachco",
            queue_structure="PER_BANK",
            row_buf_policy="OPEN_PAGE",
            cmd_queue_size=8,
            trans_queue_size=32,
            unified_queue=False,
            refresh_policy=refresh_policy,
            enable_self_refresh=False,
            sref_threshold=1000,
            hbm_dual_cmd=False,
        ),
    )


def make_system(**parameters: Any) -> SystemSpec:
    """A system with these leaf parameters of `[pim]`, `[placement]`, `[cache]`, `[prefetch]`, `[compute]`; no prefetch by default.

    `instruction_interval`, cycles from one slot to the next, stands for the bits of an instruction and of a cycle.
    """
    interval = Fraction(parameters.pop("instruction_interval", 8))
    path = {"instruction_bits": interval.numerator, "command_bits_per_cycle": interval.denominator}
    parameters = {"prefetch": "none", **path, **parameters}
    sections = {
        "pim": PimSpec,
        "placement": PlacementSpec,
        "cache": CacheSpec,
        "prefetch": PrefetchSpec,
        "compute": ComputeSpec,
    }
    built = {}
    for name, record in sections.items():
        leaves = {item.name for item in fields(record)} & parameters.keys()
        built[name] = record(**{leaf: parameters.pop(leaf) for leaf in leaves})
    if parameters:
        raise TypeError(f"no such parameter: {', '.join(parameters)}")
    return SystemSpec("twin", "Made for tests", "tests", "pim", **built)


def units_per_channel(device: Device, level: str) -> int:
    org = device.organization
    return {"channel": 1, "rank": org.ranks, "bankgroup": org.ranks * org.bankgroups, "bank": org.banks}[
        level
    ]


class ProgramBuilder:
    """Writes a program row by row and counts the operands of lookups and the lookups of sums."""

    def __init__(self) -> None:
        self.instructions: list[list[int]] = []
        self.lookups: list[list[int]] = []
        self.sums: list[list[int]] = []
        self.turn_batch: list[int] = []

    def turn(self, batch: int = 0) -> int:
        self.turn_batch.append(batch)
        return len(self.turn_batch) - 1

    def sum(self, channel: int, unit: int, bag: int = 0) -> int:
        ordinal = sum((row[0], row[1]) == (channel, unit) for row in self.sums)
        self.sums.append([channel, unit, bag, len(self.turn_batch) - 1, 0, 0, NONE, 0, 0, NONE, ordinal])
        return len(self.sums) - 1

    def collector(self, channel: int, parts: list[int], bursts: int = 1) -> int:
        """The sum that a collector makes of partial sums."""
        turn = self.sums[parts[0]][3]
        self.sums.append([channel, NONE, self.sums[parts[0]][2], turn, len(parts), 0, 0, 0, bursts, NONE, 0])
        for part in parts:
            self.sums[part][9] = len(self.sums) - 1
        return len(self.sums) - 1

    def lookup(self, sum_: int, compute: int = 0, bursts: int = 1) -> int:
        self.sums[sum_][4] += 1
        self.lookups.append([sum_, 0, compute, 0, bursts])
        return len(self.lookups) - 1

    def demand(
        self, kind: int, channel: int, unit: int, address: int, bursts: int, lookup: int, sharers: int = 0
    ) -> None:
        for user in range(lookup, lookup + sharers + 1):
            self.lookups[user][1] += 1
        turn = self.sums[self.lookups[lookup][0]][3]
        self.instructions.append([kind, channel, unit, address, bursts, turn, lookup, NONE, sharers])

    def read(
        self, channel: int, unit: int, address: int, lookup: int, bursts: int = 1, sharers: int = 0
    ) -> None:
        self.demand(READ, channel, unit, address, bursts, lookup, sharers)

    def read_out(
        self, channel: int, unit: int, address: int, lookup: int, bursts: int = 1, sharers: int = 0
    ) -> None:
        self.demand(READ_OUT, channel, unit, address, bursts, lookup, sharers)

    def deliver(self) -> None:
        """Deliver, in program order, what the instruction before reads out, to each unit that it is for."""
        order = len(self.instructions) - 1
        _, _, _, _, bursts, turn, lookup, _, sharers, step = [*self.instructions[-1], 0][:10]
        users = [(lookup + n * step, 0) for n in range(1 + sharers)] if step else [(lookup, sharers)]
        if step == LISTED:
            users = [(row[2], row[3]) for row in self.lookups[lookup : lookup + 1 + sharers]]
        for user, more in users:
            channel, unit = self.sums[self.lookups[user][0]][:2]
            self.instructions.append([DELIVER, channel, unit, 0, bursts, turn, user, order, more])

    def everywhere(
        self,
        kind: int,
        channel: int,
        lookups: list[int],
        address: int = 0,
        bursts: int = 0,
        *,
        sharers: int = 0,
        step: int = 1,
    ) -> None:
        """A READ or HIT that all units of a channel, or of ALL, execute; `lookups`: the first of each, in their order."""
        for lookup in lookups:
            for user in range(lookup, lookup + 1 + sharers):
                self.lookups[user][1] += 1
        assert lookups == list(range(lookups[0], lookups[0] + step * len(lookups), step))
        turn = self.sums[self.lookups[lookups[0]][0]][3]
        self.instructions.append([kind, channel, ALL, address, bursts, turn, lookups[0], NONE, sharers, step])

    def read_out_for_all(
        self, channel: int, unit: int, address: int, bursts: int, lookups: list[int], step: int
    ) -> None:
        """A READ_OUT that is delivered to the units of several lookups."""
        for lookup in lookups:
            self.lookups[lookup][1] += 1
        assert lookups == list(range(lookups[0], lookups[0] + step * len(lookups), step))
        turn = self.sums[self.lookups[lookups[0]][0]][3]
        row = [READ_OUT, channel, unit, address, bursts, turn, lookups[0], NONE, len(lookups) - 1, step]
        self.instructions.append(row)

    def read_out_for(
        self, channel: int, unit: int, address: int, bursts: int, receivers: list[tuple[int, int]]
    ) -> None:
        """A READ_OUT that is delivered to (lookup, how many behind it that use the row too), each in a unit of its own."""
        first = len(self.lookups)
        turn = self.sums[self.lookups[receivers[0][0]][0]][3]
        for lookup, sharers in receivers:
            for user in range(lookup, lookup + 1 + sharers):
                self.lookups[user][1] += 1
            self.lookups.append([self.lookups[lookup][0], NONE, lookup, sharers, 0])
        more = len(receivers) - 1
        self.instructions.append([READ_OUT, channel, unit, address, bursts, turn, first, NONE, more, LISTED])

    def hit(self, lookup: int, sharers: int = 0) -> None:
        channel, unit = self.sums[self.lookups[lookup][0]][:2]
        self.demand(HIT, channel, unit, 0, 0, lookup, sharers)

    def lone_read(self, channel: int, unit: int, address: int, *, bursts: int = 1, compute: int = 0) -> int:
        """A READ with a lookup and a sum of its own; returns the sum."""
        sum_ = self.sum(channel, unit)
        self.read(channel, unit, address, self.lookup(sum_, compute, bursts), bursts)
        return sum_

    def prefetch(self, address: int, turn: int, *, channel: int = ALL, bursts: int = 1) -> None:
        self.instructions.append([PREFETCH, channel, ALL, address, bursts, turn, NONE, NONE, 0])

    def transfer(
        self,
        channel: int,
        unit: int,
        first_sum: int = NONE,
        n_sums: int = 1,
        *,
        turn: int = 0,
        bursts: int = 1,
    ) -> None:
        n_sums = 0 if first_sum == NONE else n_sums
        self.instructions.append([TRANSFER, channel, unit, 0, bursts, turn, NONE, first_sum, n_sums])

    def move_out(self, channel: int, unit: int, address: int, bursts: int = 1) -> None:
        """Read a row out that moves, in the turn that was begun last."""
        self.move(MOVE_OUT, channel, unit, address, bursts)

    def move_in(self, channel: int, unit: int, address: int, bursts: int = 1) -> None:
        """Write a row that moves, in the turn that was begun last."""
        self.move(MOVE_IN, channel, unit, address, bursts)

    def move(self, kind: int, channel: int, unit: int, address: int, bursts: int) -> None:
        turn = len(self.turn_batch) - 1
        self.instructions.append([kind, channel, unit, address, bursts, turn, NONE, NONE, 0])

    def build(self) -> Program:
        return Program(
            as_table(self.instructions, INSTRUCTION_COLUMNS),
            as_table(self.lookups, LOOKUP_COLUMNS),
            as_table(self.sums, SUM_COLUMNS),
            np.array(self.turn_batch, np.int64),
        )


def as_table(rows: list[list[int]], columns: int) -> np.ndarray:
    """Rows as an array; what an engine writes in the columns behind them begins as 0."""
    table = np.zeros((len(rows), columns), np.int64)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table


@dataclass(frozen=True)
class Case:
    """Something to simulate."""

    seed: int
    device: Device
    system: SystemSpec
    program: Program


def random_case(seed: int) -> Case:
    """A small case in which every rule of the model has its chance; equal for equal seeds."""
    rng = np.random.default_rng(seed)
    device = random_device(rng)
    system = random_system(rng, device)
    return Case(seed, device, system, RandomProgram(rng, device, system).build())


def pick(rng: np.random.Generator, *choices: Any) -> Any:
    return choices[rng.integers(len(choices))]


def random_device(rng: np.random.Generator) -> Device:
    """Few banks, short rows, and refreshes often enough to meet the program."""
    protocol = pick(rng, "HBM2", "HBM2", "DDR4", "GDDR6", "LPDDR4")
    timing = {
        "tREFI": int(rng.integers(300, 900)),
        "tRFC": int(rng.integers(20, 150)),
        "tRTRS": int(rng.integers(0, 5)),
        "tFAW": int(rng.integers(16, 80)),
        "t32AW": int(rng.integers(200, 600)),
    }
    return make_device(
        protocol,
        channels=pick(rng, 1, 2, 2, 4),
        ranks=pick(rng, 1, 1, 2),
        bankgroups=pick(rng, 1, 2, 4),
        banks_per_group=pick(rng, 1, 2, 4),
        rows=8,
        bursts_per_row=pick(rng, 2, 4, 8),
        refresh_policy=pick(rng, "RANK_LEVEL_STAGGERED", "RANK_LEVEL_STAGGERED", "RANK_LEVEL_SIMULTANEOUS"),
        **timing,
    )


def random_system(rng: np.random.Generator, device: Device) -> SystemSpec:
    level = pick(rng, "channel", "rank", "bankgroup", "bank")
    # An access of two rows needs two places in the queue of a unit's only bank.
    one_bank = units_per_channel(device, level) == device.organization.banks
    frontend = pick(rng, "per-channel", "per-channel", "global")
    transfer = pick(rng, "non-empty", "all")
    consumer = pick(rng, *["unit"] * 9, "host")
    buffers = {"rank": ["dimm"], "bankgroup": ["rank", "dimm"], "bank": ["rank", "dimm"]}.get(level, [])
    sends_early = frontend == "per-channel" and transfer == "non-empty" and consumer == "unit"
    return make_system(
        level=level,
        frontend=frontend,
        deliver=pick(rng, "ahead", "ahead", "in-order"),
        consumer=consumer,
        collect=pick(rng, *["host"] * 4, "base-die", "tree", *buffers),
        ranks_per_dimm=pick(rng, 1, device.organization.ranks),
        collect_cycles=pick(rng, 0, 3, 20),
        unit_accumulators=pick(rng, 0, 0, 1, 2) if sends_early else 0,
        instruction_interval=Fraction(pick(rng, "1", "2", "3", "8", "1/2", "85/28", "7/3")),
        instruction_pins=pick(rng, "command", "command", "command-and-data"),
        host_latency=pick(rng, 0, 0, 5, 60),
        unit_queue=pick(rng, -1, 0, 2 if one_bank else 1, 2, 4),
        unit_window=pick(rng, 1, 2, 4, 8),
        unit_read_latency=pick(rng, -1, -1, int(rng.integers(1, 40))),
        cross_unit_timing=pick(rng, "physical", "physical", "faw-only", "none"),
        barrier=pick(rng, "table", "batch", "none", "none"),
        turns_open=pick(rng, 0, 1, 2, 3),
        transfer=transfer,
        cache_latency=pick(rng, 1, 4),
        prefetch=pick(rng, *PREFETCHES.names(), "table", "next"),
        unit_buffer_bursts=pick(rng, 0, 0, 1, 4),
    )


class RandomProgram:
    """Draws a program in the shape that §1 of the model gives it."""

    def __init__(self, rng: np.random.Generator, device: Device, system: SystemSpec) -> None:
        self.rng = rng
        self.system = system
        self.builder = ProgramBuilder()
        org = device.organization
        self.channels = org.channels
        self.units = units_per_channel(device, system.pim.level)
        self.ranks = org.ranks
        self.bursts_per_row = org.bursts_per_row
        self.capacity = org.banks // self.units * org.rows * org.bursts_per_row
        self.is_global = system.pim.frontend == "global"
        self.turns = int(rng.integers(1, 5))
        self.bags = int(rng.integers(1, 5))
        self.most_lookups = pick(rng, 2, 4, 8)
        self.vector_bursts = int(rng.integers(1, 4))
        self.prefetched_rows = int(rng.integers(1, 6))
        self.most_compute = pick(rng, 0, 5, 60)
        self.read_out_share = pick(rng, 0.0, 0.3, 0.9)
        self.hot_addresses = rng.integers(0, self.capacity, 4)
        self.host_consumes = system.pim.consumer == "host"
        self.all_units_execute = not self.host_consumes and rng.random() < 0.1
        self.transferred: set[int] = set()  # sums

    def build(self) -> Program:
        policy = self.system.prefetch.policy
        batch = 0
        for turn in range(self.turns):
            batch += int(turn > 0 and self.rng.random() < 0.5)
            self.builder.turn(batch)
            if turn == 0 and policy.phase != Phase.NEVER:
                self.emit_transfers_and_prefetches([], 0)
            if turn == 0 and policy.buffers == 2 and self.turns > 1:
                self.emit_transfers_and_prefetches([], 1)
            sums = self.emit_demand()
            transfers = self.list_transfers(turn, sums)
            following: int | None = turn + (policy.buffers if policy.phase == Phase.EACH_TURN else self.turns)
            if following is not None and following >= self.turns:
                following = None
            self.emit_transfers_and_prefetches(transfers, following)
        return self.builder.build()

    def place(self) -> tuple[int, int]:
        """(address, bursts) of an access that touches at most two DRAM rows."""
        bursts = int(self.rng.integers(1, self.bursts_per_row + 1))
        address = int(pick(self.rng, *self.hot_addresses, self.rng.integers(0, self.capacity)))
        return min(address, self.capacity - bursts), bursts

    def collectors_of(
        self, bag: int, places: list[tuple[int, int]]
    ) -> list[tuple[int, list[tuple[int, int]]]]:
        """(channel, units whose sums of a bag it adds up) of each collector: one, or those of buffer chips."""
        pim = self.system.pim
        if pim.collect not in ("rank", "dimm"):
            return [(bag % self.channels, places)]
        ranks_together = 1 if pim.collect == "rank" else pim.ranks_per_dimm
        groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for unit, channel in places:
            rank = unit // (self.units // self.ranks)
            groups.setdefault((channel, rank // ranks_together), []).append((unit, channel))
        return [(channel, group) for (channel, _), group in groups.items()]

    def emit_demand(self) -> dict[tuple[int, int, int], int]:
        """Lookups of a turn; returns its sums by (bag, unit, channel)."""
        sums: dict[tuple[int, int, int], int] = {}
        for bag in range(self.bags):
            n_lookups = int(self.rng.integers(0, self.most_lookups + 1))
            owners = [
                (int(self.rng.integers(self.units)), int(self.rng.integers(self.channels)))
                for _ in range(n_lookups)
            ]
            places = sorted(set(owners))
            if self.all_units_execute and n_lookups:
                places = [(unit, channel) for unit in range(self.units) for channel in range(self.channels)]
            for unit, channel in places:
                sums[bag, unit, channel] = self.builder.sum(channel, unit, bag)
            self.emit_early_transfers([sums[bag, unit, channel] for unit, channel in places])
            if places and not self.host_consumes and self.system.pim.collect != "host":
                for channel, group in self.collectors_of(bag, places):
                    parts = [sums[bag, unit, home] for unit, home in group]
                    self.builder.collector(channel, parts, self.vector_bursts)
            for unit, channel in owners:
                if self.all_units_execute:
                    self.emit_lookup_of_all({place: sums[bag, *place] for place in places})
                else:
                    self.emit_lookup(channel, unit, sums[bag, unit, channel])
        return sums

    def emit_early_transfers(self, opened: list[int]) -> None:
        """Sums leave before their unit has more than its accumulators."""
        limit = self.system.compute.unit_accumulators
        if limit == 0:
            return
        rows = self.builder.sums
        for channel, unit, ordinal in [(rows[x][0], rows[x][1], rows[x][10]) for x in opened]:
            for older, row in enumerate(rows):
                same_place = (row[0], row[1], row[10]) == (channel, unit, ordinal - limit)
                if same_place and older not in self.transferred:
                    self.transferred.add(older)
                    self.builder.transfer(channel, unit, older, turn=row[3], bursts=self.vector_bursts)

    def emit_lookup_of_all(self, sums: dict[tuple[int, int], int]) -> None:
        """A lookup of which every unit has a part, in order of channel, then unit; or some that share a row."""
        rng, builder = self.rng, self.builder
        compute = int(rng.integers(0, self.most_compute + 1))
        step = int(rng.integers(1, 4))
        firsts = []
        for channel in range(self.channels):
            for unit in range(self.units):
                lookups = [
                    builder.lookup(sums[unit, channel], compute, int(rng.integers(0, 4))) for _ in range(step)
                ]
                firsts.append(lookups[0])
        self.emit_access_of_all(firsts, step, sharers=step - 1)
        for member in range(step):
            for _ in range(int(rng.integers(0, 2))):
                self.emit_access_of_all([first + member for first in firsts], step)

    def emit_access_of_all(self, lookups: list[int], step: int, sharers: int = 0) -> None:
        """A row that all units have a part or a copy of, or that the host delivers to each."""
        rng, builder = self.rng, self.builder
        address, bursts = self.place()
        kind = pick(rng, HIT, READ, READ, READ, READ_OUT)
        if kind == READ_OUT and sharers == 0 and not self.host_consumes:
            channel, unit = int(rng.integers(self.channels)), int(rng.integers(self.units))
            builder.read_out_for_all(channel, unit, address, bursts, lookups, step)
            if self.system.pim.deliver == "in-order":
                builder.deliver()
            return
        kind = READ if kind == READ_OUT else kind
        if self.is_global:
            builder.everywhere(kind, ALL, lookups, address, bursts, sharers=sharers, step=step)
            return
        for channel in range(self.channels):
            own = lookups[channel * self.units : (channel + 1) * self.units]
            builder.everywhere(kind, channel, own, address, bursts, sharers=sharers, step=step)

    def emit_lookup(self, channel: int, unit: int, sum_: int) -> None:
        """One lookup; now and then others behind it that use its main row too."""
        rng = self.rng
        sharers = int(rng.integers(1, 4)) if rng.random() < 0.15 else 0
        lookups = [
            self.builder.lookup(
                sum_, int(rng.integers(0, self.most_compute + 1)), bursts=int(rng.integers(0, 4))
            )
            for _ in range(1 + sharers)
        ]
        if rng.random() < 0.1:
            self.builder.hit(lookups[0], sharers)
            lookups = lookups[1:]
            for lookup in lookups:
                self.emit_operands(channel, unit, lookup, None, 0)
            return
        for lookup in lookups:
            main_at = int(rng.integers(3)) if lookup == lookups[0] else None
            self.emit_operands(channel, unit, lookup, main_at, sharers)

    def emit_operands(self, channel: int, unit: int, lookup: int, main_at: int | None, sharers: int) -> None:
        """Up to three operands, the `main_at`-th read in the lookup's own unit."""
        rng, builder = self.rng, self.builder
        for operand in range(3):
            address, bursts = self.place()
            is_main = operand == main_at
            users = sharers if is_main else 0
            if self.host_consumes:
                if is_main or rng.random() < 0.5:
                    builder.read_out(channel, unit, address, lookup, bursts, users)
            elif is_main and rng.random() < self.read_out_share / 2 and self.has_others:
                self.emit_read_out(channel, unit, lookup, address, bursts, users)
            elif is_main:
                builder.read(channel, unit, address, lookup, bursts, users)
            elif rng.random() < self.read_out_share:
                self.emit_read_out(channel, unit, lookup, address, bursts)
            elif rng.random() < 0.2:
                builder.hit(lookup)
            elif rng.random() < 0.2:
                builder.read(channel, unit, address, lookup, bursts)

    @property
    def has_others(self) -> bool:
        """Whether there is more than one unit."""
        return self.channels * self.units > 1

    def emit_read_out(
        self, channel: int, unit: int, lookup: int, address: int, bursts: int, sharers: int = 0
    ) -> None:
        """From a unit other than the owner, if there is another."""
        total = self.channels * self.units
        if total > 1:
            owner = channel * self.units + unit
            holder = (owner + int(self.rng.integers(1, total))) % total
            place = holder // self.units, holder % self.units
            self.builder.read_out(*place, address, lookup, bursts, sharers)
            if self.system.pim.deliver == "in-order":
                self.builder.deliver()

    def list_transfers(self, turn: int, sums: dict[tuple[int, int, int], int]) -> list[dict[str, int]]:
        """Arguments of the turn's transfers, in order of bag, unit (, channel)."""
        if self.host_consumes:
            return []
        sums = {place: sum_ for place, sum_ in sums.items() if sum_ not in self.transferred}
        self.transferred.update(sums.values())
        transfers = []
        for bag in range(self.bags):
            for unit in range(self.units):
                present = [c for c in range(self.channels) if (bag, unit, c) in sums]
                first = sums[bag, unit, present[0]] if present else NONE
                common = {"unit": unit, "turn": turn, "bursts": self.vector_bursts}
                everywhere = self.system.pim.transfer == "all"
                if self.is_global:
                    if present or everywhere:
                        transfers.append(
                            {"channel": ALL, "first_sum": first, "n_sums": len(present), **common}
                        )
                    continue
                for channel in range(self.channels) if everywhere else present:
                    own = sums.get((bag, unit, channel), NONE)
                    transfers.append({"channel": channel, "first_sum": own, **common})
        return transfers

    def emit_transfers_and_prefetches(self, transfers: list[dict[str, int]], turn: int | None) -> None:
        """Merge the transfers of a stream one to one with the prefetches for `turn`."""
        places = [self.place() for _ in range(self.prefetched_rows)] if turn is not None else []
        for channel in [ALL] if self.is_global else range(self.channels):
            own = [transfer for transfer in transfers if transfer["channel"] == channel]
            for transfer, place in zip_longest(own, places):
                if transfer is not None:
                    self.builder.transfer(**transfer)
                if place is not None:
                    assert turn is not None
                    self.builder.prefetch(place[0], turn, channel=channel, bursts=place[1])


class RandomProgramWithLists(RandomProgram):
    """One in which rows are read out for lookups of several units, now and then for neighbours that share them."""

    def emit_read_out(
        self, channel: int, unit: int, lookup: int, address: int, bursts: int, sharers: int = 0
    ) -> None:
        rng, builder = self.rng, self.builder
        receivers = {(channel, unit): (lookup, sharers)}
        turn = len(builder.turn_batch) - 1
        # Other lookups of the turn, from the last one back.
        for other in reversed(range(len(builder.lookups))):
            sum_, mark = builder.lookups[other][:2]
            home = tuple(builder.sums[sum_][:2])
            if builder.sums[sum_][3] != turn or len(receivers) == 4:
                break
            if mark == NONE or mark == 0 or home in receivers or rng.random() < 0.3:
                continue
            behind = builder.lookups[other + 1 : other + 2]
            with_next = bool(behind) and behind[0][0] == sum_ and behind[0][1] > 0 and rng.random() < 0.5
            receivers[home] = (other, int(with_next))
        if len(receivers) == 1:
            super().emit_read_out(channel, unit, lookup, address, bursts, sharers)
            return
        holder = int(rng.integers(self.channels)), int(rng.integers(self.units))
        builder.read_out_for(*holder, address, bursts, sorted(receivers.values()))
        if self.system.pim.deliver == "in-order":
            builder.deliver()


def random_case_with_lists(seed: int) -> Case:
    """As `random_case`, with rows that are read out for lookups of several units."""
    rng = np.random.default_rng([seed, 0x1157])
    device = random_device(rng)
    system = random_system(rng, device)
    system = replace(
        system,
        pim=replace(system.pim, consumer="unit"),
        compute=replace(system.compute, unit_accumulators=0),
    )
    program = RandomProgramWithLists(rng, device, system)
    program.read_out_share = 0.6
    return Case(seed, device, system, program.build())


class RandomProgramThatMoves(RandomProgram):
    """One in which rows are moved between its accesses, in turns of their own and, as no builder has it, in others."""

    def emit_lookup(self, channel: int, unit: int, sum_: int) -> None:
        while self.rng.random() < 0.4:
            self.emit_move(pick(self.rng, MOVE_OUT, MOVE_IN))
        super().emit_lookup(channel, unit, sum_)

    def emit_demand(self) -> dict[tuple[int, int, int], int]:
        if self.rng.random() < 0.4:
            kind = pick(self.rng, MOVE_OUT, MOVE_IN)
            for _ in range(int(self.rng.integers(1, 20))):
                self.emit_move(kind)
            return {}
        return super().emit_demand()

    def emit_move(self, kind: int) -> None:
        address, bursts = self.place()
        channel, unit = int(self.rng.integers(self.channels)), int(self.rng.integers(self.units))
        self.builder.move(kind, channel, unit, address, bursts)


def random_case_that_moves(seed: int) -> Case:
    """As `random_case`, of a mapping that moves rows."""
    rng = np.random.default_rng(seed)
    device = random_device(rng)
    system = replace(random_system(rng, device), placement=PlacementSpec(mapping="adaptive"))
    return Case(seed, device, system, RandomProgramThatMoves(rng, device, system).build())
