"""The slow twin of rows that lie in parts (§1 and §8 of `docs/model.md`, TT-Rec), for the program builder's twin."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from ppim.program.instruction import ALL, DELIVER, HIT, READ, READ_OUT
from tests.reference.placements import copy_of, locate
from tests.reference.program_steps import LookupStep, Step

if TYPE_CHECKING:
    from ppim.mapping.placing.geometry import UnitGeometry
    from ppim.systems.spec import SystemSpec

Rows = list[int]  # of one lookup
Units = tuple[int, ...]  # a set of them, over all channels


def inner_ranks(parameters: dict[str, Any]) -> list[int]:
    """R1 and R2 of a tensor train of three cores."""
    return parameters.get("tt_ranks") or [parameters["tt_rank"]] * 2


class PartedBags:
    """What the builder's twin does with bags in a program in which some rows lie in parts."""

    geometry: UnitGeometry
    system: SystemSpec
    trace: Any
    program: Any
    trace_lookups: int
    read_outs: int
    is_global: bool

    @property
    def has_parts(self) -> bool:
        """Whether rows of some table lie in parts."""
        spec = self.system.placement
        if spec.mapping not in ("interleave", "duplicate"):
            return False
        one = self.set_size == 1 and spec.tt_granularity == "slice"
        return not one and any(self.lies_in_parts(table) for table in range(len(self.trace.schemes)))

    @property
    def set_size(self) -> int:
        """Units that each have a part of a second-core row."""
        sizes = {"none": 1, "bankgroups": self.geometry.units_per_channel, "all": self.geometry.units}
        return sizes[self.system.placement.tt_split]

    def lies_in_parts(self, table: int) -> bool:
        """A tensor train with a core between its first and its last."""
        return len(getattr(self.trace.schemes[table], "element_factors", ())) > 2

    def matrices(self, table: int) -> int:
        """Pieces of a second-core row that are each placed by themselves."""
        is_matrix = self.system.placement.tt_granularity == "matrix"
        return self.trace.schemes[table].element_factors[1] if is_matrix else 1

    def sets(self, table: int, rows: Rows) -> dict[Units, list[int]]:
        """The sets of units that a lookup is for, in order, and the addresses of the pieces that each has."""
        if not self.lies_in_parts(table):
            return {(self.owner(table, rows),): []}
        pieces = self.matrices(table)
        numbers = np.arange(rows[1] * pieces, (rows[1] + 1) * pieces)
        found: dict[Units, list[int]] = {}
        for first, address in zip(*locate(self.placement, table, 1, numbers), strict=True):
            units = tuple(range(int(first), int(first) + self.set_size))
            found.setdefault(units, []).append(int(address))
        return found

    def emit_parted_bag(self, turn: int, table: int, bag: int, lookups: list[Rows]) -> None:
        """§1: every unit of a lookup's sets has a sum of the bag; lookups with one second row go together."""
        owners = [unit for rows in lookups for units in self.sets(table, rows) for unit in units]
        self.open_sums(turn, bag, owners)
        is_chain, compute = self.lies_in_parts(table), self.system.compute
        if is_chain and compute.tt_reorder:
            lookups = sorted(lookups, key=lambda rows: rows[1])
        for _, run in groupby(lookups, key=lambda rows: rows[1] if is_chain else None):
            members = list(run)
            made = [
                is_chain and compute.tt_reuse and any(x[0] == rows[0] for x in members[:n])
                for n, rows in enumerate(members)
            ]
            together = len(members) if is_chain and compute.tt_reorder else 1
            for first in range(0, len(members), together):
                block = slice(first, first + together)
                self.emit_block(turn, table, bag, members[block], made[block])

    def emit_block(self, turn: int, table: int, bag: int, lookups: list[Rows], made: list[bool]) -> None:
        """Lookups that have their second row read once, one set of units after the other."""
        per_channel, length = self.geometry.units_per_channel, len(lookups)
        for number, (units, addresses) in enumerate(self.sets(table, lookups[0]).items()):
            first = len(self.program.lookups)
            for unit in units:
                name = (turn, bag, *divmod(unit, per_channel))
                self.program.sums[name] = self.program.sums.get(name, 0) + length
                for has_product in made:
                    macs = self.part_macs(table, has_product, len(addresses))
                    step = LookupStep(name, compute_cycles=self.cycles_of(macs), macs=macs)
                    self.program.lookups.append(step)
            for j, rows in enumerate(lookups):
                channel = units[0] // per_channel
                if len(units) == self.geometry.units and len(units) > 1:
                    channel = (self.trace_lookups + j) % self.geometry.channels
                counted = channel if number == 0 else None
                self.count(counted, "lookups")
                self.emit_member(turn, table, rows, units, addresses, first, j, length, counted)
        self.trace_lookups += length

    def emit_member(
        self,
        turn: int,
        table: int,
        rows: Rows,
        units: Units,
        addresses: list[int],
        first: int,
        j: int,
        length: int,
        counted: int | None,
    ) -> None:
        """The j-th of a block's lookups, in one set of units; its rows are counted in a channel, or in none."""
        own = [first + u * length + j for u in range(len(units))]
        kept = self.program.lookups[own[0]].operands  # of the second row, which the unit keeps for it
        for position, (subtable, row) in enumerate(
            zip(self.trace.schemes[table].access_subtables, rows, strict=True)
        ):
            if position != 1 or not self.lies_in_parts(table):
                self.emit_operand(turn, table, subtable, row, units, own, length, counted)
            elif j > 0:
                self.count_held(table, subtable, units, counted)
            else:
                for piece, address in enumerate(addresses):
                    users = [[x + s for s in range(length)] for x in own]
                    there = counted if piece == 0 else None
                    self.emit_local(turn, table, subtable, address, units, users, length, there)
        if self.program.lookups[own[0]].operands == kept:
            self.send_to(turn, HIT, units, 0, 0, [[x] for x in own], length)

    def emit_operand(
        self,
        turn: int,
        table: int,
        subtable: int,
        row: int,
        units: Units,
        own: list[int],
        length: int,
        counted: int | None,
    ) -> None:
        """A row of which each unit has a copy, or that the host delivers to each of them."""
        if (table, subtable, row) in self.held.get(turn, []):
            self.count_held(table, subtable, units, counted)
            for unit in units:
                self.count_sram("sram_reads", unit, self.part_bursts(table, subtable))
            return
        if self.is_demanded(table, subtable):
            found = [self.keeps(turn, unit, (table, subtable, row)) for unit in units]
            assert all(found) or not any(found)
            if all(found):
                self.count_held(table, subtable, units, counted)
                for unit in units:
                    self.count_sram("sram_reads", unit, self.part_bursts(table, subtable))
                return
            self.count(counted, "cache_misses")
        if self.may_be_held(turn, table, subtable):
            self.count(counted, "cache_misses")
        address = copy_of(self.placement, table, subtable, row)
        if address is None:
            holder, address = self.place(table, subtable, row)
            if units != (holder,):
                self.count(counted, "accesses")
                self.program.unit_accesses[holder] += 1
                self.read_out(turn, table, subtable, holder, address, own, length)
                return
        self.emit_local(turn, table, subtable, address, units, [[x] for x in own], length, counted)

    def emit_local(
        self,
        turn: int,
        table: int,
        subtable: int,
        address: int,
        units: Units,
        users: list[list[int]],
        length: int,
        counted: int | None,
    ) -> None:
        """What every unit has at one address; it is a hit where all their caches hold it."""
        bursts = self.part_bursts(table, subtable)
        for unit in units:
            self.program.unit_accesses[unit] += 1
        self.count(counted, "accesses")
        is_cached = self.system.cache.cache_subtables == "all" or self.subtable(table, subtable).shared
        caches = [self.caches[unit] if is_cached else None for unit in units]
        found = [cache is not None and cache.holds(address, bursts) for cache in caches]
        if caches[0] is not None:
            self.count(counted, "cache_hits" if all(found) else "cache_misses")
        if all(found):
            self.count(counted, "bytes_cache", self.subtable(table, subtable).bytes_per_row)
        if caches[0] is not None:
            for unit in units:
                self.count_sram("sram_reads" if all(found) else "sram_fills", unit, bursts)
        for numbers in users:
            self.program.lookups[numbers[0]].bursts += bursts
        if all(found):
            address, bursts = 0, 0
        self.send_to(turn, HIT if all(found) else READ, units, address, bursts, users, length)

    def send_to(
        self,
        turn: int,
        kind: int,
        units: Units,
        address: int,
        bursts: int,
        users: list[list[int]],
        length: int,
    ) -> None:
        """One instruction for all the units, in the stream of each of their channels; `users`: lookups in each."""
        per_channel = self.geometry.units_per_channel
        for numbers in users:
            for number in numbers:
                self.program.lookups[number].operands += 1
        sharers = len(users[0]) - 1
        for channel, first in self.reached(units):
            unit = ALL if len(units) > 1 else units[0] % per_channel
            step = length if len(units) > 1 else 0
            lookup = users[first][0]
            self.send(Step(kind, channel, unit, turn, address, bursts, lookup, sharers, step=step))

    def reached(self, units: Units) -> Iterator[tuple[int, int]]:
        """(channel, place in the set of its first unit) of each instruction that a set takes."""
        per_channel = self.geometry.units_per_channel
        if len(units) == 1 or len(units) < self.geometry.units:
            yield units[0] // per_channel, 0
        elif self.is_global:
            yield ALL, 0
        else:
            for channel in range(self.geometry.channels):
                yield channel, channel * per_channel

    def read_out(
        self, turn: int, table: int, subtable: int, holder: int, address: int, own: list[int], length: int
    ) -> None:
        """A row that lies once: a deliver to each unit."""
        bursts = self.part_bursts(table, subtable)
        step = length if len(own) > 1 else 0
        place = divmod(holder, self.geometry.units_per_channel)
        for number in own:
            self.program.lookups[number].operands += 1
            self.program.lookups[number].bursts += bursts
        self.send(
            Step(
                READ_OUT, *place, turn, address, bursts, own[0], len(own) - 1, order=self.read_outs, step=step
            )
        )
        if self.system.pim.deliver == "in-order":
            for number in own:
                to = self.program.lookups[number].sum[2:]
                self.send(Step(DELIVER, *to, turn, 0, bursts, number, 0, order=self.read_outs))
        self.read_outs += 1

    def count(self, channel: int | None, name: str, amount: int = 1) -> None:
        """Count in a channel; what counts elsewhere has None."""
        if channel is not None:
            self.program.counts[name][channel] += amount

    def count_held(self, table: int, subtable: int, units: Units, counted: int | None) -> None:
        """An access that every unit serves from what it holds."""
        self.count(counted, "accesses")
        self.count(counted, "cache_hits")
        self.count(counted, "bytes_cache", self.subtable(table, subtable).bytes_per_row)
        for unit in units:
            self.program.unit_accesses[unit] += 1

    def part_bursts(self, table: int, subtable: int) -> int:
        """Of a whole row, or of the R1 x R2 matrices' rows that a unit has."""
        if subtable != 1 or not self.lies_in_parts(table):
            return self.bursts(table, subtable)
        first, second = inner_ranks(self.trace.meta.parameters)
        run = math.ceil(first / self.set_size)
        together = self.trace.schemes[table].element_factors[1] // self.matrices(table)
        return math.ceil(run * together * second * 4 / self.geometry.burst_bytes)

    def part_macs(self, table: int, has_product: bool, pieces: int) -> int:
        """§6: a run of each matrix with the first row, and what that gives with the third."""
        if not self.lies_in_parts(table):
            return self.lookup_macs(table, has_product)
        j1, j2, j3 = self.trace.schemes[table].element_factors
        first, second = inner_ranks(self.trace.meta.parameters)
        columns = j1 * j2 * pieces // self.matrices(table)
        product = 0 if has_product else columns * math.ceil(first / self.set_size) * second
        return product + columns * j3 * second
