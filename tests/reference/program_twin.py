"""The slow twin of the program builder: §1 of `docs/model.md`, sentence by sentence, in plain Python.

It asks a placement only where a row lies; everything else it works out from the trace's metadata and the
system. Sums are named by what they are, (turn, bag, channel, unit), not by number.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from itertools import groupby, zip_longest

import numpy as np

from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import DUPLICATED, Placement
from ppim.prefetch.base import Phase
from ppim.program.instruction import ALL, DELIVER, HIT, LISTED, PREFETCH, READ, READ_OUT, TRANSFER
from ppim.systems.spec import SystemSpec
from ppim.trace.schema import SubtableMeta, TraceMeta
from tests.reference.parts_twin import PartedBags, inner_ranks
from tests.reference.placements import copy_of, locate
from tests.reference.program_steps import LookupStep, ReceiverStep, Step, SumName, TwinProgram
from tests.reference.small_traces import SmallTrace

COUNTS = (
    *("lookups", "accesses", "cache_hits", "cache_misses", "bytes_cache"),
    *("macs", "sram_reads", "sram_fills", "collected"),
)


class LruCache:
    """Sets of rows by address, the least recently used one first."""

    def __init__(self, sets: int, ways: int) -> None:
        self.sets: list[OrderedDict[int, None]] = [OrderedDict() for _ in range(sets)]
        self.ways = ways

    def holds(self, address: int, bursts: int) -> bool:
        """Whether the row is there; now it is, and the set's most recent."""
        rows = self.sets[address // bursts % len(self.sets)]
        hit = address in rows
        rows[address] = None
        rows.move_to_end(address)
        if len(rows) > self.ways:
            rows.popitem(last=False)
        return hit


def build_twin(
    trace: SmallTrace,
    geometry: UnitGeometry,
    placement: Placement,
    system: SystemSpec,
    clock_ns: float,
    ranks: int = 1,
) -> TwinProgram:
    """The program of a trace on a system whose rows lie as `placement` says, with so many ranks a channel."""
    return _Builder(trace, geometry, placement, system, clock_ns, ranks).build()


class _Builder(PartedBags):
    def __init__(
        self,
        trace: SmallTrace,
        geometry: UnitGeometry,
        placement: Placement,
        system: SystemSpec,
        clock_ns: float,
        ranks: int,
    ) -> None:
        self.ranks = ranks
        self.trace, self.meta, self.geometry = trace, trace.meta, geometry
        self.placement, self.system, self.clock_ns = placement, system, clock_ns
        self.is_global = system.pim.frontend == "global"
        self.is_for_host = system.pim.consumer == "host"
        self.is_split = system.placement.mapping == "vertical"
        self.slices = geometry.units if self.is_split else 1
        self.trace_lookups = 0
        self.read_outs = 0
        self.left: set[SumName] = set()  # sums whose transfer does not wait for the end of the turn
        self.candidates = prefetch_lines(trace.meta, system, geometry.burst_bytes)
        self.held: dict[int, list[tuple[int, int, int]]] = {}  # rows in the scratchpads, by turn
        # Rows that a unit keeps once it has read them, by turn and unit.
        self.kept_rows: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        self.program = TwinProgram(
            streams=[[] for _ in range(1 if self.is_global else geometry.channels)],
            counts={name: [0] * geometry.channels for name in COUNTS},
            unit_accesses=[0] * geometry.units,
        )
        line = self.longest_line()
        self.caches = [lru_cache(system, line) for _ in range(geometry.units)]

    def longest_line(self) -> int:
        """Bytes of the longest row that a cache may hold, or of what a unit has of it; 0 if it holds none."""
        bursts = [
            math.ceil(part.bytes_per_row / self.geometry.units / self.geometry.burst_bytes)
            if self.system.placement.mapping == "vertical"
            else self.part_bursts(t, s)
            for t, table in enumerate(self.meta.tables)
            for s, part in enumerate(table.subtables)
            if part.shared or self.system.cache.cache_subtables == "all"
        ]
        return max(bursts, default=0) * self.geometry.burst_bytes

    # The order of things.

    def build(self) -> TwinProgram:
        policy = self.system.prefetch.policy
        turns = self.turns()
        if policy.phase == Phase.AT_START:
            self.held = dict.fromkeys(range(len(turns)), self.kept(list(self.candidates)))
            self.merge(None, 0, self.held.get(0, []))
        elif policy.phase == Phase.EACH_TURN:
            self.held = {turn: self.kept(self.wanted(*turns[turn][1:])) for turn in range(len(turns))}
        ahead = policy.buffers - 1
        if ahead:
            self.merge(None, 0, self.held.get(0, []))
        for turn, (batch, table, bags) in enumerate(turns):
            self.program.turn_batch.append(batch)
            rows = self.held.get(turn + ahead, []) if policy.phase == Phase.EACH_TURN else []
            self.merge(turn - 1 if turn else None, turn + ahead, rows)
            self.uses = Counter(pair for bag in bags for rows in bag for pair in self.touched(table, rows))
            turn_lookups = [0] * self.geometry.units
            if self.system.pim.dedup != "none":
                self.emit_turn_once(turn, table, bags, turn_lookups)
                continue
            for bag, lookups in enumerate(bags):
                if self.is_split:
                    self.open_sums(turn, bag, list(range(self.slices)) if lookups else [])
                    for rows in lookups:
                        self.emit_split_lookup(turn, table, bag, rows)
                    continue
                if self.has_parts:
                    self.emit_parted_bag(turn, table, bag, lookups)
                    continue
                owners = self.owners(table, lookups, turn_lookups)
                self.open_sums(turn, bag, owners)
                self.emit_bag(turn, table, bag, list(zip(lookups, owners, strict=True)))
        self.merge(len(turns) - 1 if turns else None, 0, [])
        for lookup in (x for x in self.program.lookups if isinstance(x, LookupStep)):
            self.program.counts["macs"][lookup.sum[2]] += lookup.macs
        return self.program

    def touched(self, table: int, rows: list[int]) -> list[tuple[int, int]]:
        """(subtable, row) of each access of a lookup."""
        return list(zip(self.trace.schemes[table].access_subtables, rows, strict=True))

    def wanted(self, table: int, bags: list[list[list[int]]]) -> list[tuple[int, int, int]]:
        """(table, subtable, row) of what a turn would like to find in the scratchpads, in order."""
        columns = self.trace.schemes[table].access_subtables
        touched = {
            (table, subtable, row)
            for lookups in bags
            for rows in lookups
            for subtable, row in zip(columns, rows, strict=True)
        }
        return [
            row
            for row in self.candidates
            if row[0] == table and (row in touched or not self.system.prefetch.policy.only_used)
        ]

    def kept(self, rows: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
        """Those that fit, first come first kept."""
        free = self.system.cache.cache_bytes // self.system.prefetch.policy.buffers
        kept = []
        for row in rows:
            if self.candidates[row] <= free:
                free -= self.candidates[row]
                kept.append(row)
        return kept

    def turns(self) -> list[tuple[int, int, list[list[list[int]]]]]:
        """(batch, table, rows of each lookup of each bag) of every turn with a lookup."""
        size, found = self.meta.batch_size, []
        for batch in range(math.ceil(len(self.trace.bags) / size)):
            samples = self.trace.bags[batch * size : (batch + 1) * size]
            for table, scheme in enumerate(self.trace.schemes):
                bags = [scheme.split(sample[table]).tolist() for sample in samples]
                if any(bags):
                    found.append((batch, table, bags))
        return found

    def merge(self, turn: int | None, next_turn: int, rows: list[tuple[int, int, int]]) -> None:
        """Transfers of a turn one to one with prefetches for the next, in every stream."""
        for stream, steps in enumerate(self.program.streams):
            channel = ALL if self.is_global else stream
            transfers = [] if turn is None else self.transfers(turn, stream)
            prefetches = [
                Step(PREFETCH, channel, ALL, next_turn, self.copy_address(*row), self.bursts(*row[:2]))
                for row in rows
            ]
            for pair in zip_longest(transfers, prefetches):
                steps += [step for step in pair if step is not None]

    def transfers(self, turn: int, stream: int) -> list[Step]:
        """In order of bag, then unit: those with a partial sum, or one for each; none where the host adds."""
        if self.is_for_host:
            return []
        batch = self.program.turn_batch[turn]
        size = self.meta.batch_size
        bags = min(size, len(self.trace.bags) - batch * size)
        bursts = math.ceil(self.meta.parameters["vector_bytes"] / self.slices / self.geometry.burst_bytes)
        channels = range(self.geometry.channels) if self.is_global else [stream]
        steps = []
        for bag in range(bags):
            for unit in range(self.geometry.units_per_channel):
                names = [(turn, bag, channel, unit) for channel in channels]
                sums = tuple(name for name in names if name in self.program.sums and name not in self.left)
                if sums or self.system.pim.transfer == "all":
                    channel = ALL if self.is_global else stream
                    steps.append(Step(TRANSFER, channel, unit, turn, bursts=bursts, sums=sums))
        return steps

    def open_sums(self, turn: int, bag: int, owners: list[int]) -> None:
        """§2: a bag's sums, by unit, then channel; with few accumulators, transfers of the sums they follow."""
        per_channel, limit = self.geometry.units_per_channel, self.system.compute.unit_accumulators
        bursts = math.ceil(self.meta.parameters["vector_bytes"] / self.slices / self.geometry.burst_bytes)
        program = self.program
        for unit, channel in sorted((owner % per_channel, owner // per_channel) for owner in set(owners)):
            name = (turn, bag, channel, unit)
            older = [other for other in program.ordinals if other[2:] == name[2:]]
            program.ordinals[name] = len(older)
            if self.system.pim.collect != "host":
                partial = program.collected.setdefault((turn, bag, self.collector(bag, channel, unit)), [])
                program.counts["collected"][channel] += bursts if partial else 0
                partial.append(name)
            if limit and len(older) >= limit and older[-limit][0] == turn:
                self.left.add(older[-limit])
                self.send(Step(TRANSFER, channel, unit, turn, bursts=bursts, sums=(older[-limit],)))

    def collector(self, bag: int, channel: int, unit: int) -> tuple[int, int]:
        """§1: (channel over which its sum leaves, which one of it) of the collector of a unit's sum."""
        pim = self.system.pim
        if pim.collect not in ("rank", "dimm"):
            return bag % self.geometry.channels, 0
        rank = unit * self.ranks // self.geometry.units_per_channel
        return channel, rank // (1 if pim.collect == "rank" else pim.ranks_per_dimm)

    def may_be_held(self, turn: int, table: int, subtable: int) -> bool:
        """Whether a turn looks for rows of a subtable in the scratchpads: one of them, at least, can be there."""
        if self.system.prefetch.policy.only_used:
            line = self.candidates.get((table, subtable, 0))
            return line is not None and self.kept([(table, subtable, 0)]) != []
        return any(row[:2] == (table, subtable) for row in self.held.get(turn, []))

    def is_demanded(self, table: int, subtable: int) -> bool:
        """Whether units keep rows of a subtable once they have read them."""
        part, cache = self.subtable(table, subtable), self.system.cache
        return cache.policy == "scratchpad" and part.shared and part.name in cache.demand_subtables

    def keeps(self, turn: int, unit: int, row: tuple[int, int, int]) -> bool:
        """§1: whether a unit has read a row in a turn before and kept it; now it does, if there is room."""
        mine = self.kept_rows.setdefault((turn, unit), [])
        if row in mine:
            return True
        lines = prefetch_lines(self.meta, self.system, self.geometry.burst_bytes)
        room = self.system.cache.cache_bytes // self.system.prefetch.policy.buffers
        room -= sum(lines[other] for other in self.held.get(turn, []))
        room -= sum(self.line_of(other) for other in mine)
        if self.line_of(row) <= room:
            mine.append(row)
            self.count_sram("sram_fills", unit, self.bursts(*row[:2]))
        return False

    def line_of(self, row: tuple[int, int, int]) -> int:
        """Bytes of scratchpad that a row takes."""
        unit = self.system.cache.cache_line_bytes or self.geometry.burst_bytes
        return math.ceil(self.bursts(*row[:2]) * self.geometry.burst_bytes / unit) * unit

    # Lookups.

    def emit_bag(self, turn: int, table: int, bag: int, lookups: list[tuple[list[int], int]]) -> None:
        """§1: TT-Rec's lookups by second row; of equal ones in a unit, only the first has it read."""
        is_chain = self.is_chain(table)
        shares_rows = is_chain and self.system.compute.tt_reorder
        if shares_rows:
            lookups = sorted(lookups, key=lambda lookup: lookup[0][1])
        runs = groupby(lookups, key=lambda lookup: (lookup[0][1], lookup[1]) if is_chain else None)
        for run in [list(members) for _, members in runs]:
            for position, (rows, owner) in enumerate(run):
                has_product = (
                    is_chain
                    and self.system.compute.tt_reuse
                    and any(before[0] == rows[0] for before, _ in run[:position])
                )
                sharers = len(run) - 1 if shares_rows and position == 0 else 0
                is_kept = shares_rows and position > 0
                self.emit_lookup(turn, table, bag, rows, owner, has_product, sharers, is_kept)

    def is_chain(self, table: int) -> bool:
        """A tensor train that units contract, with a core that is not shared between its first and its last."""
        return not self.is_for_host and len(getattr(self.trace.schemes[table], "element_factors", ())) > 2

    def emit_lookup(
        self,
        turn: int,
        table: int,
        bag: int,
        rows: list[int],
        owner: int,
        has_product: bool,
        sharers: int,
        is_kept: bool,
    ) -> None:
        accesses = list(zip(self.trace.schemes[table].access_subtables, rows, strict=True))
        channel, unit = divmod(owner, self.geometry.units_per_channel)
        number = len(self.program.lookups)
        macs = self.lookup_macs(table, has_product)
        lookup = LookupStep((turn, bag, channel, unit), compute_cycles=self.cycles_of(macs), macs=macs)
        self.program.lookups.append(lookup)
        self.program.sums[lookup.sum] = self.program.sums.get(lookup.sum, 0) + 1
        self.program.counts["lookups"][channel] += 1
        for position, (subtable, row) in enumerate(accesses):
            if is_kept and position == 1:
                self.count_hit(table, subtable, owner)
            else:
                users = sharers if position == 1 else 0
                self.emit_access(turn, table, subtable, row, owner, number, users)
        if lookup.operands == 0:
            lookup.operands = 1
            self.send(Step(HIT, channel, unit, turn, lookup=number))
        lookup.operands += is_kept

    def emit_turn_once(
        self, turn: int, table: int, bags: list[list[list[int]]], turn_lookups: list[int]
    ) -> None:
        """§1: equal lookups of a turn in one unit are sent as one, in place of the first of them.

        With `rows` a row that an instruction has brought to a unit stays there for the lookups behind, and a row that
        lies elsewhere is read out once, for all units that need it.
        """
        there: set[tuple[int, int, int]] = set()  # owner, subtable, row
        # subtable, row -> units that get it from elsewhere: lookup, those that equal it
        travels: dict[tuple[int, int], dict[int, tuple[int, int]]] = {}
        sent: set[tuple[int, int]] = set()
        groups: dict[tuple[int, tuple[int, ...]], list[int]] = {}  # bags of equal lookups
        for bag, lookups in enumerate(bags):
            owners = self.owners(table, lookups, turn_lookups)
            self.open_sums(turn, bag, owners)
            for rows, owner in zip(lookups, owners, strict=True):
                groups.setdefault((owner, tuple(rows)), []).append(bag)
        by_rows = self.system.pim.dedup == "rows"
        number = len(self.program.lookups)
        for (owner, rows), members in groups.items():
            for subtable, row in zip(self.trace.schemes[table].access_subtables, rows, strict=True):
                if by_rows and self.holder(table, subtable, row, owner) != owner:
                    travels.setdefault((subtable, row), {}).setdefault(owner, (number, len(members) - 1))
            number += len(members)
        first_receiver = number
        receivers: list[tuple[int, int]] = []  # lookup, those that equal it
        for (owner, rows), members in groups.items():
            place = divmod(owner, self.geometry.units_per_channel)
            number = len(self.program.lookups)
            for bag in members:
                name = (turn, bag, *place)
                macs = self.lookup_macs(table, False)
                self.program.lookups.append(LookupStep(name, compute_cycles=self.cycles_of(macs), macs=macs))
                self.program.sums[name] = self.program.sums.get(name, 0) + 1
            self.program.counts["lookups"][place[0]] += len(members)
            first = self.program.lookups[number]
            for subtable, row in zip(self.trace.schemes[table].access_subtables, rows, strict=True):
                users = travels.get((subtable, row), {})
                if (owner, subtable, row) in there:
                    self.count_hit(table, subtable, owner)
                elif owner in users:
                    there.add((owner, subtable, row))
                    first.operands += 1
                    first.bursts += self.bursts(table, subtable)
                    if (subtable, row) in sent:
                        self.count_hit(table, subtable, owner)
                    else:
                        sent.add((subtable, row))
                        self.read_out_for(
                            turn, table, subtable, row, users, first_receiver + len(receivers), receivers
                        )
                else:
                    before = first.operands
                    self.emit_access(turn, table, subtable, row, owner, number, len(members) - 1)
                    if self.system.pim.dedup == "rows" and first.operands > before:
                        there.add((owner, subtable, row))
                for _ in members[1:]:
                    self.count_hit(table, subtable, owner)
            if first.operands == 0:
                first.operands = 1
                self.send(Step(HIT, *place, turn, lookup=number, sharers=len(members) - 1))
            for other in self.program.lookups[number + 1 :]:
                other.operands = first.operands
        self.program.lookups += [
            ReceiverStep(self.program.lookups[number].sum, number, sharers) for number, sharers in receivers
        ]

    def holder(self, table: int, subtable: int, row: int, owner: int) -> int:
        """The unit that an owner gets a row from."""
        if copy_of(self.placement, table, subtable, row) is not None:
            return owner
        return self.place(table, subtable, row)[0]

    def read_out_for(
        self,
        turn: int,
        table: int,
        subtable: int,
        row: int,
        users: dict[int, tuple[int, int]],
        first_receiver: int,
        receivers: list[tuple[int, int]],
    ) -> None:
        """One READ_OUT of a row for all units that need it, which count as its channel's but for the first's access."""
        holder, address = self.place(table, subtable, row)
        bursts = self.bursts(table, subtable)
        homes = {owner: divmod(owner, self.geometry.units_per_channel) for owner in users}
        self.program.unit_accesses[holder] += 1
        self.program.counts["accesses"][next(iter(homes.values()))[0]] += 1
        at = divmod(holder, self.geometry.units_per_channel)
        order = self.read_outs
        if len(users) == 1:
            ((number, sharers),) = users.values()
            self.send(Step(READ_OUT, *at, turn, address, bursts, number, sharers, order=order))
        else:
            more = len(users) - 1
            read_out = Step(
                READ_OUT, *at, turn, address, bursts, first_receiver, more, order=order, step=LISTED
            )
            self.send(read_out)
            receivers += users.values()
        if self.system.pim.deliver == "in-order":
            for owner, (number, sharers) in users.items():
                self.send(Step(DELIVER, *homes[owner], turn, 0, bursts, number, sharers, order=order))
        self.read_outs += 1

    def emit_split_lookup(self, turn: int, table: int, bag: int, rows: list[int]) -> None:
        """§1, vertical mapping: every unit has a lookup for its slices, and executes what any is sent."""
        program, per_channel = self.program, self.geometry.units_per_channel
        channel = self.trace_lookups % self.geometry.channels
        self.trace_lookups += 1
        program.counts["lookups"][channel] += 1
        first = len(program.lookups)
        accesses = list(zip(self.trace.schemes[table].access_subtables, rows, strict=True))
        for unit in range(self.slices):
            name = (turn, bag, *divmod(unit, per_channel))
            program.sums[name] = program.sums.get(name, 0) + 1
            bursts = sum(self.bursts(table, subtable) for subtable, _ in accesses)
            macs = self.lookup_macs(table, False)
            program.lookups.append(LookupStep(name, len(rows), self.cycles_of(macs), bursts, macs))
        for subtable, row in accesses:
            address, bursts = self.copy_address(table, subtable, row), self.bursts(table, subtable)
            program.counts["accesses"][channel] += 1
            for unit in range(self.slices):
                program.unit_accesses[unit] += 1
            is_cached = self.system.cache.cache_subtables == "all" or self.subtable(table, subtable).shared
            caches = self.caches if is_cached else [None]
            found = [cache is not None and cache.holds(address, bursts) for cache in caches]
            assert all(found) or not any(found)
            if caches[0] is not None:
                program.counts["cache_hits" if found[0] else "cache_misses"][channel] += 1
            if found[0]:
                program.counts["bytes_cache"][channel] += self.subtable(table, subtable).bytes_per_row
            if caches[0] is not None:
                for unit in range(self.slices):
                    self.count_sram("sram_reads" if found[0] else "sram_fills", unit, bursts)
            for stream, steps in enumerate(program.streams):
                reached = ALL if self.is_global else stream
                number = first + stream * per_channel
                if found[0]:
                    steps.append(Step(HIT, reached, ALL, turn, lookup=number, step=1))
                else:
                    steps.append(Step(READ, reached, ALL, turn, address, bursts, number, step=1))

    def count_sram(self, name: str, unit: int, bursts: int) -> None:
        """Bursts that a unit of the memory reads from its SRAM, or writes into it."""
        self.program.counts[name][unit // self.geometry.units_per_channel] += bursts

    def count_hit(self, table: int, subtable: int, owner: int) -> None:
        """An access that the unit serves from what it holds."""
        channel = owner // self.geometry.units_per_channel
        self.program.counts["accesses"][channel] += 1
        self.program.counts["cache_hits"][channel] += 1
        self.program.counts["bytes_cache"][channel] += self.subtable(table, subtable).bytes_per_row
        self.program.unit_accesses[owner] += 1

    def owners(self, table: int, lookups: list[list[int]], turn_lookups: list[int]) -> list[int]:
        """Units of a bag's lookups; those that any unit could serve go, last, to the least busy ones."""
        found = [self.owner(table, rows) for rows in lookups]
        for owner in found:
            if owner is not None:
                turn_lookups[owner] += 1
        chosen = []
        for owner in found:
            if owner is None:
                units = range(len(turn_lookups))
                per_channel = self.geometry.units_per_channel
                owner = min(units, key=lambda unit: (turn_lookups[unit], unit % per_channel, unit))
                turn_lookups[owner] += 1
            chosen.append(owner)
        return chosen

    def owner(self, table: int, rows: list[int]) -> int | None:
        """The unit that holds the first row that is not shared, or the first; None if all units do."""
        accesses = list(zip(self.trace.schemes[table].access_subtables, rows, strict=True))
        large = [(s, row) for s, row in accesses if not self.subtable(table, s).shared]
        subtable, row = (large or accesses)[0]
        if self.is_duplicated(table, subtable):
            return row % self.geometry.units
        if copy_of(self.placement, table, subtable, row) is not None:
            return None
        return self.place(table, subtable, row)[0]

    def emit_access(
        self, turn: int, table: int, subtable: int, row: int, owner: int, number: int, sharers: int
    ) -> None:
        counts, channel = self.program.counts, owner // self.geometry.units_per_channel
        if (table, subtable, row) in self.held.get(turn, []):
            self.count_hit(table, subtable, owner)
            self.count_sram("sram_reads", owner, self.bursts(table, subtable))
            return
        if self.is_demanded(table, subtable):
            if self.keeps(turn, owner, (table, subtable, row)):
                self.count_hit(table, subtable, owner)
                self.count_sram("sram_reads", owner, self.bursts(table, subtable))
                return
            counts["cache_misses"][channel] += 1
        row_bytes = self.subtable(table, subtable).bytes_per_row
        copy = copy_of(self.placement, table, subtable, row)
        holder, address = (owner, copy) if copy is not None else self.place(table, subtable, row)
        bursts = self.bursts(table, subtable)
        place = divmod(holder, self.geometry.units_per_channel)
        kind = READ if holder == owner and not self.is_for_host else READ_OUT
        counts["accesses"][place[0] if self.is_for_host else channel] += 1
        is_cached = self.system.cache.cache_subtables == "all" or self.subtable(table, subtable).shared
        cache = self.caches[owner] if is_cached else None
        is_rare = self.uses[subtable, row] < self.system.cache.cache_bypass_below
        if kind == READ and cache is not None and not is_rare and cache.holds(address, bursts):
            kind = HIT
            counts["cache_hits"][channel] += 1
            counts["bytes_cache"][channel] += row_bytes
            self.count_sram("sram_reads", owner, bursts)
        elif (kind == READ and cache is not None) or self.may_be_held(turn, table, subtable):
            counts["cache_misses"][channel] += 1
        if kind == READ and cache is not None:
            self.count_sram("sram_fills", owner, bursts)
        self.program.unit_accesses[holder] += 1
        self.program.lookups[number].operands += 1
        self.program.lookups[number].bursts += 0 if self.is_for_host else bursts
        if kind == HIT:
            self.send(Step(HIT, *place, turn, lookup=number, sharers=sharers))
        else:
            order = self.read_outs if kind == READ_OUT else None
            self.send(Step(kind, *place, turn, address, bursts, number, sharers, order=order))
        if kind == READ_OUT:
            if self.system.pim.deliver == "in-order":
                to = divmod(owner, self.geometry.units_per_channel)
                deliver = Step(DELIVER, *to, turn, 0, bursts, number, sharers, order=self.read_outs)
                self.send(deliver)
            self.read_outs += 1

    def send(self, step: Step) -> None:
        self.program.streams[0 if self.is_global else step.channel].append(step)

    # Rows and their places.

    def subtable(self, table: int, subtable: int) -> SubtableMeta:
        return self.meta.tables[table].subtables[subtable]

    def bursts(self, table: int, subtable: int) -> int:
        """Of a row, or of the slice of it that each unit has."""
        part = math.ceil(self.subtable(table, subtable).bytes_per_row / self.slices)
        return math.ceil(part / self.geometry.burst_bytes)

    def is_duplicated(self, table: int, subtable: int) -> bool:
        return bool(self.placement.mode[table, subtable] == DUPLICATED)

    def copy_address(self, table: int, subtable: int, row: int) -> int:
        return int(self.placement.base[table, subtable]) + row * self.bursts(table, subtable)

    def place(self, table: int, subtable: int, row: int) -> tuple[int, int]:
        units, addresses = locate(self.placement, table, subtable, np.array([row]))
        return int(units[0]), int(addresses[0])

    def lookup_macs(self, table: int, has_product: bool) -> int:
        """§6: D for each lookup; TT-Rec contracts left to right, the first product perhaps made before."""
        if self.is_for_host:
            return 0
        parameters = self.meta.parameters
        macs = parameters["vector_bytes"] // 4
        scheme = self.trace.schemes[table]
        if hasattr(scheme, "element_factors"):
            j1, j2, j3 = scheme.element_factors
            first, second = inner_ranks(parameters)
            macs = (0 if has_product else j1 * j2 * first * second) + j1 * j2 * j3 * second
        return math.ceil(macs / self.slices)

    def cycles_of(self, macs: int) -> int:
        steps = math.ceil(macs / self.system.compute.macs)
        if self.system.compute.mac_ghz == 0:
            return steps
        return math.ceil(round(steps / self.system.compute.mac_ghz / self.clock_ns, 6))


def prefetch_lines(meta: TraceMeta, system: SystemSpec, burst_bytes: int) -> dict[tuple[int, int, int], int]:
    """Scratchpad bytes of each row that may be prefetched: (table, subtable, row), in order."""
    lines: dict[tuple[int, int, int], int] = {}
    if system.prefetch.policy.phase == Phase.NEVER or system.cache.policy != "scratchpad":
        return lines
    line = system.cache.cache_line_bytes or burst_bytes
    for t, table in enumerate(meta.tables):
        for s, part in enumerate(table.subtables):
            if part.shared and part.name in system.prefetch.prefetch_subtables:
                bursts = math.ceil(part.bytes_per_row / burst_bytes) * burst_bytes
                for row in range(part.rows):
                    lines[t, s, row] = math.ceil(bursts / line) * line
    return lines


def lru_cache(system: SystemSpec, longest: int) -> LruCache | None:
    """A unit's cache under `lru`: lines of the longest row, in sets of `cache_ways`."""
    if system.cache.policy != "lru" or system.cache.cache_bytes == 0 or longest == 0:
        return None
    lines = system.cache.cache_bytes // (system.cache.cache_line_bytes or longest)
    ways = system.cache.cache_ways or lines
    return LruCache(lines // ways, ways)
