"""A memory full of numbers, and PIM units that compute with what a program makes them read.

Nothing here looks at a trace's rows but a unit that is told to use its scratchpad. A burst in memory holds
numbers and the name of the subtable it belongs to (what its address range says), not its row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np

from ppim.mapping.base import moves_rows
from ppim.mapping.placing.placement import DUPLICATED, NO_COPY, SLICED, Placement
from ppim.program import instruction as i
from tests.reference.placements import copies, locate, places
from tests.reference.small_traces import SmallTrace
from tests.reference.whole_program import WholeProgram

Weights = list[list[np.ndarray]]  # by table, then subtable: (rows, elements)


def random_weights(trace: SmallTrace, rng: np.random.Generator) -> Weights:
    """Numbers for every row of every subtable."""
    return [
        [rng.standard_normal((part.rows, part.bytes_per_row // 4)) for part in table.subtables]
        for table in trace.meta.tables
    ]


@dataclass(frozen=True)
class Burst:
    table: int
    subtable: int
    numbers: np.ndarray
    piece: int = 0  # matrix of the row, where each is placed by itself


class Memory:
    """Every unit's bursts by unit-local address, filled as a placement says."""

    def __init__(
        self,
        placement: Placement,
        weights: Weights,
        burst_bytes: int,
        ranks: tuple[int, int] = (0, 0),
        mapping: str = "duplicate",
    ) -> None:
        elements = burst_bytes // 4
        self.ranks = ranks  # R1 and R2 of tensor trains
        self.bursts: dict[tuple[int, int], Burst] = {}
        if moves_rows(mapping):
            placement = placement._replace(home_mask=0)  # as it is at the start
        if (placement.mode == SLICED).all():
            self._fill_slices(placement, weights, elements)
            return
        for t, subtables in enumerate(weights):
            for s, rows in enumerate(subtables):
                if lies_in_parts(placement, t, s):
                    self._fill_parts(placement, t, s, rows, elements)
                    continue
                units, addresses = places(placement, t, s, np.arange(len(rows)))
                hot = copies(placement, t, s, np.arange(len(rows)))
                for row, numbers in enumerate(rows):
                    pieces = np.array_split(numbers, range(elements, len(numbers), elements))
                    is_hot = hot[row] not in (NO_COPY, addresses[row])
                    # A row with copies of its own is in no other place.
                    address = int(hot[row] if is_hot else addresses[row])
                    for unit in range(placement.units) if is_hot else units[row]:
                        for offset, piece in enumerate(pieces):
                            place = int(unit), address + offset
                            assert place not in self.bursts
                            self.bursts[place] = Burst(t, s, piece)

    def _fill_slices(self, placement: Placement, weights: Weights, elements: int) -> None:
        """Row behind row in every unit: its share of the elements, or all of a row of fewer than a vector's."""
        for t, subtables in enumerate(weights):
            for s, rows in enumerate(subtables):
                bursts = int(placement.row_bursts[t, s])
                for row, numbers in enumerate(rows):
                    for unit in range(placement.units):
                        part = (
                            numbers if is_scale(weights, t, s) else slice_of(numbers, unit, placement.units)
                        )
                        assert len(part) <= bursts * elements
                        for offset in range(bursts):
                            place = unit, int(placement.base[t, s]) + row * bursts + offset
                            assert place not in self.bursts
                            self.bursts[place] = Burst(
                                t, s, part[offset * elements : (offset + 1) * elements]
                            )

    def _fill_parts(
        self, placement: Placement, table: int, subtable: int, rows: np.ndarray, elements: int
    ) -> None:
        """Second-core rows: each unit of a set has a run of the matrices' rows, of one matrix or of all."""
        pieces, bursts = (int(column[table, subtable]) for column in (placement.pieces, placement.row_bursts))
        for row, numbers in enumerate(rows):
            units, addresses = locate(placement, table, subtable, np.arange(row * pieces, (row + 1) * pieces))
            for piece in range(pieces):
                for n in range(int(placement.set_units[table, subtable])):
                    part = part_of(placement, table, subtable, numbers.size, self.ranks, n, piece)
                    own = np.zeros(bursts * elements)
                    own[: len(part)] = numbers[part]
                    for offset in range(bursts):
                        place = int(units[piece]) + n, int(addresses[piece]) + offset
                        assert place not in self.bursts
                        found = own[offset * elements : (offset + 1) * elements]
                        self.bursts[place] = Burst(table, subtable, found, piece)

    def read(self, unit: int, address: int, bursts: int) -> Burst:
        """One row, burst by burst; all of one subtable."""
        found = [self.bursts[unit, address + offset] for offset in range(bursts)]
        assert len({(burst.table, burst.subtable) for burst in found}) == 1
        assert len({burst.piece for burst in found}) == 1
        numbers = np.concatenate([burst.numbers for burst in found])
        return Burst(found[0].table, found[0].subtable, numbers, found[0].piece)


def lies_in_parts(placement: Placement, table: int, subtable: int) -> bool:
    """Whether a unit has only a part of a subtable's rows."""
    return bool(placement.set_units[table, subtable] > 1 or placement.pieces[table, subtable] > 1)


def part_of(
    placement: Placement, table: int, subtable: int, elements: int, ranks: tuple[int, int], n: int, piece: int
) -> np.ndarray:
    """Which elements of a second-core row the n-th unit of a set has of a piece, in its own order.

    The row is (R1, J2, R2): its first index k is dealt out in runs.
    """
    pieces = int(placement.pieces[table, subtable])
    run = -(-ranks[0] // int(placement.set_units[table, subtable]))
    numbers = np.arange(elements).reshape(ranks[0], -1, ranks[1])[n * run : (n + 1) * run]
    return (numbers[:, piece] if pieces > 1 else numbers).ravel()


def is_scale(weights: Weights, table: int, subtable: int) -> bool:
    """Whether a subtable holds a few numbers for each row that scale a whole vector (MEmCom's)."""
    return weights[table][subtable].shape[1] <= 2 < weights[table][0].shape[1]


def slice_of(numbers: np.ndarray, unit: int, units: int) -> np.ndarray:
    """A unit's share of the elements, which may be none."""
    width = -(-len(numbers) // units)
    return numbers[unit * width : (unit + 1) * width]


class Units:
    """All PIM units: registers of lookups, scratchpads, what caches have seen."""

    def __init__(self, trace: SmallTrace, program: WholeProgram, memory: Memory) -> None:
        self.trace, self.program, self.memory = trace, program, memory
        self.units_per_channel = program.prepared.geometry.units_per_channel
        # Operands of each lookup in its owner, in the order in which streams send them.
        self.operands: dict[int, list[Burst]] = defaultdict(list)
        # Scratchpad of each unit for each turn; turn 0 stands for all under `prefetch = "all"`.
        self.scratchpads: dict[tuple[int, int], dict[int, Burst]] = defaultdict(dict)
        self.seen: dict[int, dict[int, Burst]] = defaultdict(dict)
        # Rows that each unit has got in each turn, by unit and address that they come from, with the first lookup
        # that they were read for.
        self.kept: dict[tuple[int, int], dict[tuple[int, int], tuple[int, Burst]]] = defaultdict(dict)
        self.moved: list[int] = []
        self.moving: dict[int, list[Burst]] = {}  # rows that the host holds between two units
        # Rows that the host holds for a deliver of program order, by the place of their read-out.
        self.host: dict[int, Burst] = {}
        self.delivers: list[np.ndarray] = []
        self.open: dict[int, set[int]] = defaultdict(set)  # sums that each unit has an accumulator for
        accesses = list(self._accesses_by_lookup())
        # Where rows are split, a lookup of the trace is one of every unit.
        each = max(program.prepared.recipe.slices, 1)
        self.accesses = [found for found in accesses for _ in range(each)]
        if program.prepared.recipe.parts:
            self.accesses = self._accesses_by_unit(accesses)
        self.keeps_rows = program.prepared.system.pim.dedup == "rows"
        if self.keeps_rows:
            self.accesses = self._accesses_once(accesses)

    def _accesses_by_lookup(self) -> list[list[tuple[int, int, int]]]:
        """(table, subtable, row) of each access of each lookup of the trace, in program order.

        Program order is the trace's, but in a bag of a tensor train's table that of the second core's rows. Where
        equal lookups go together, it is another inside a turn: then only (table, subtable) is right, but where
        units keep rows (`_accesses_once`).
        """
        found: list[list[tuple[int, int, int]]] = []
        bags: list[tuple[int, int, int]] = []
        last = None
        for batch, table, sample, lookup, subtable, row in zip(
            *(column.tolist() for column in self.trace.accesses), strict=True
        ):
            if (batch, table, sample, lookup) != last:
                found.append([])
                bags.append((batch, table, sample))
                last = (batch, table, sample, lookup)
            found[-1].append((table, subtable, row))
        reorders = self.program.prepared.system.compute.tt_reorder
        chained = [reorders and len(getattr(x, "element_factors", ())) > 2 for x in self.trace.schemes]
        order = sorted(
            range(len(found)), key=lambda n: (*bags[n], found[n][1][2] if chained[bags[n][1]] else 0)
        )
        self.bags = [bags[n] for n in order]
        return [found[n] for n in order]

    def _accesses_by_unit(
        self, accesses: list[list[tuple[int, int, int]]]
    ) -> list[list[tuple[int, int, int]]]:
        """The same for lookups of the program: a unit has those of a bag of which it has a part, in their order."""
        waiting: dict[tuple[tuple[int, int, int], int], list[list[tuple[int, int, int]]]] = defaultdict(list)
        for bag, found in zip(self.bags, accesses, strict=True):
            for unit in self._units_of(found):
                waiting[bag, unit].append(found)
        by_lookup = []
        for lookup in range(len(self.program.lookups)):
            row = self.program.sums[self.program.lookups[lookup, i.LOOKUP_SUM]]
            bag = (
                int(self.program.turn_batch[row[i.SUM_TURN]]),
                self.tables[row[i.SUM_TURN]],
                int(row[i.SUM_BAG]),
            )
            by_lookup.append(waiting[bag, self.owner(lookup)].pop(0))
        assert not any(waiting.values())
        return by_lookup

    def _accesses_once(self, accesses: list[list[tuple[int, int, int]]]) -> list[list[tuple[int, int, int]]]:
        """The same where equal lookups of a turn in one unit stand together, in place of the first of them."""
        groups: dict[tuple[int, int, int, tuple[tuple[int, int, int], ...]], int] = defaultdict(int)
        for (batch, table, _), found in zip(self.bags, accesses, strict=True):
            groups[batch, table, self._owner_in_memory(found), tuple(found)] += 1
        found = iter([list(rows) for (*_, rows), n in groups.items() for _ in range(n)])
        # Receivers stand among the lookups, and are none.
        return [
            [] if self.is_receiver(number) else next(found) for number in range(len(self.program.lookups))
        ]

    def is_receiver(self, number: int) -> bool:
        """Whether lookups to which a row is delivered stand in the place of a lookup."""
        return bool(self.program.lookups[number, i.RECEIVER_MARK] == i.NONE)

    def _served_by(self, instruction: np.ndarray, lookup: int) -> list[range]:
        """Lookups to which a row goes, unit by unit; `lookup` is the first one's, or the first receiver."""
        more, step = int(instruction[i.SHARERS]), int(instruction[i.STEP])
        if instruction[i.KIND] != i.READ_OUT or step == 0:
            return [range(lookup, lookup + 1 + more)]
        if step == i.LISTED:
            rows = self.program.lookups[lookup : lookup + 1 + more]
            assert (rows[:, i.RECEIVER_MARK] == i.NONE).all()
            firsts, sharers = rows[:, i.RECEIVER_LOOKUP].tolist(), rows[:, i.RECEIVER_SHARERS].tolist()
            served = [range(first, first + 1 + users) for first, users in zip(firsts, sharers, strict=True)]
            # Each in a unit of its own, which the receiver names.
            assert [self.owner(users[0]) for users in served] == [
                self.owner(lookup + n) for n in range(1 + more)
            ]
            assert len({self.owner(users[0]) for users in served}) == 1 + more
            return served
        return [range(lookup + n * step, lookup + n * step + 1) for n in range(1 + more)]

    def _owner_in_memory(self, accesses: list[tuple[int, int, int]]) -> int:
        """The unit where the large row of a lookup lies, where each row lies once."""
        meta = self.trace.meta
        large = [x for x in accesses if not meta.tables[x[0]].subtables[x[1]].shared] or accesses
        table, subtable, row = large[0]
        units, _ = places(self.program.prepared.placement, table, subtable, np.array([row]))
        assert units.shape == (1, 1)
        return int(units[0, 0])

    @cached_property
    def tables(self) -> list[int]:
        """Table of each turn."""
        return [table for (_, table), _ in groupby(self.bags, key=lambda bag: bag[:2])]

    def _units_of(self, accesses: list[tuple[int, int, int]]) -> set[int]:
        """Units that have a part of a lookup, or own it."""
        placement = self.program.prepared.placement
        table, subtable, row = accesses[0]
        if len(accesses) > 1:
            table, subtable, row = accesses[1]
        if len(accesses) > 1 and lies_in_parts(placement, table, subtable):
            pieces = int(placement.pieces[table, subtable])
            firsts, _ = locate(placement, table, subtable, np.arange(row * pieces, (row + 1) * pieces))
            return {int(unit) + n for unit in firsts for n in range(placement.set_units[table, subtable])}
        table, subtable, row = accesses[0]
        units, _ = places(placement, table, subtable, np.array([row]))
        assert units.shape == (1, 1)
        return {int(units[0, 0])}

    def run(self) -> None:
        """Execute the whole program, stream by stream; the host's own delivers last, as they follow no stream.

        Where rows move, no stream goes on before all have come to the moves, nor before all have made them.
        """
        for instructions in self._between_moves():
            for instruction in instructions:
                self.execute(instruction)
        for deliver in self.delivers:
            lookup = int(deliver[i.LOOKUP])
            assert self.owner(lookup) in self._receivers(deliver)
            self._give(deliver, lookup, self.host[int(deliver[i.ORDER])])
        assert self.host.keys() == {int(deliver[i.ORDER]) for deliver in self.delivers}

    def _between_moves(self) -> list[np.ndarray]:
        """Stretches of streams, all streams' up to the first moves first."""
        rows = np.concatenate(self.program.streams)
        moving = np.unique(rows[np.isin(rows[:, i.KIND], (i.MOVE_OUT, i.MOVE_IN)), i.TURN])
        parts = [np.searchsorted(moving, stream[:, i.TURN], side="right") for stream in self.program.streams]
        assert all((np.diff(part) >= 0).all() for part in parts)
        return [
            stream[part == number]
            for number in range(len(moving) + 1)
            for stream, part in zip(self.program.streams, parts, strict=True)
        ]

    def _move(self, instruction: np.ndarray) -> None:
        """A row that moves is with the host, or where it goes."""
        number, (unit,) = int(instruction[i.ORDER]), self._receivers(instruction)
        places = range(int(instruction[i.ADDRESS]), int(instruction[i.ADDRESS] + instruction[i.BURSTS]))
        if instruction[i.KIND] == i.MOVE_OUT:
            self.moving[number] = [self.memory.bursts[unit, place] for place in places]
            return
        self.seen[unit].pop(places[0], None)
        for place, burst in zip(places, self.moving.pop(number), strict=True):
            self.memory.bursts[unit, place] = burst

    def execute(self, instruction: np.ndarray) -> None:
        """What one instruction does to the units that receive it."""
        kind = instruction[i.KIND]
        address, bursts = int(instruction[i.ADDRESS]), int(instruction[i.BURSTS])
        if kind in (i.MOVE_OUT, i.MOVE_IN):
            self._move(instruction)
        elif kind == i.PREFETCH:
            for unit in self._receivers(instruction):
                row = self.memory.read(unit, address, bursts)
                self.scratchpads[unit, int(instruction[i.TURN])][address] = row
        elif kind == i.TRANSFER:
            first = int(instruction[i.SUM])
            self.moved += range(first, first + int(instruction[i.N_SUMS]))
            for sums in self.open.values():
                sums.difference_update(self.moved)
        elif kind == i.DELIVER:
            self.delivers.append(instruction)
        else:
            for index, unit in enumerate(self._receivers(instruction)):
                self._serve(instruction, unit, int(instruction[i.LOOKUP] + index * instruction[i.STEP]))

    def _serve(self, instruction: np.ndarray, unit: int, lookup: int) -> None:
        """A demand instruction in one unit, for the lookup that it serves there."""
        kind = instruction[i.KIND]
        address, bursts = int(instruction[i.ADDRESS]), int(instruction[i.BURSTS])
        if kind != i.READ_OUT:
            self._accumulate(unit, lookup)
        if kind == i.HIT and bursts == 0:
            return  # only a word to add what lies in the scratchpad
        if kind == i.HIT:
            operand = self.seen[unit][address]
        else:
            operand = self.memory.read(unit, address, bursts)
        if kind == i.READ:
            assert unit == self.owner(lookup)
            self.seen[unit][address] = operand
            self._keep(instruction, unit, lookup, operand)
        elif kind == i.READ_OUT:
            # What the units of a set get, the one that holds it gets as well.
            is_for_set = instruction[i.STEP] > 0 or self.program.prepared.recipe.host_consumes
            for users in self._served_by(instruction, lookup):
                assert unit != self.owner(users[0]) or is_for_set
                self._keep(instruction, unit, users[0], operand)
            if self.program.prepared.recipe.in_order:
                self.host[int(instruction[i.ORDER])] = operand
                return
        self._give(instruction, lookup, operand)

    def _keep(self, instruction: np.ndarray, holder: int, lookup: int, operand: Burst) -> None:
        """The unit of a lookup gets a row: with `dedup = "rows"` once in a turn, and then has it."""
        kept = self.kept[self.owner(lookup), int(instruction[i.TURN])]
        place = holder, int(instruction[i.ADDRESS])
        assert not self.keeps_rows or place not in kept
        kept.setdefault(place, (lookup, operand))

    def _accumulate(self, unit: int, lookup: int) -> None:
        """A unit adds to a sum that it has an accumulator for, or gets one for it."""
        most = self.program.prepared.recipe.accumulators
        self.open[unit].add(int(self.program.lookups[lookup, i.LOOKUP_SUM]))
        assert not most or len(self.open[unit]) <= most

    def _give(self, instruction: np.ndarray, lookup: int, operand: Burst) -> None:
        """The operand is in the unit, for the lookup and those that share it; or in each of several units."""
        for users in self._served_by(instruction, lookup):
            for user in users:
                assert self.owner(user) == self.owner(users[0])
                self.operands[user].append(operand)

    def _receivers(self, instruction: np.ndarray) -> list[int]:
        geometry = self.program.prepared.geometry
        channels = (
            range(geometry.channels) if instruction[i.CHANNEL] == i.ALL else [int(instruction[i.CHANNEL])]
        )
        units = range(self.units_per_channel) if instruction[i.UNIT] == i.ALL else [int(instruction[i.UNIT])]
        return [channel * self.units_per_channel + unit for channel in channels for unit in units]

    def owner(self, lookup: int) -> int:
        """The unit whose sum a lookup is added to."""
        row = self.program.sums[self.program.lookups[lookup, i.LOOKUP_SUM]]
        return int(row[i.SUM_CHANNEL] * self.units_per_channel + row[i.SUM_UNIT])

    def parts(self, lookup: int, *, prefetch_all: bool) -> list[np.ndarray]:
        """Numbers of each access of a lookup: operands by subtable, the rest from the owner's scratchpad."""
        turn = int(self.program.sums[self.program.lookups[lookup, i.LOOKUP_SUM], i.SUM_TURN])
        scratchpad = self.scratchpads[self.owner(lookup), 0 if prefetch_all else turn]
        waiting = list(self.operands[lookup])
        parts = []
        for table, subtable, row in self.accesses[lookup]:
            if lies_in_parts(self.program.prepared.placement, table, subtable):
                parts.append(self._joined(lookup, waiting, table, subtable))
                continue
            matching = [x for x in waiting if (x.table, x.subtable) == (table, subtable)]
            if matching:
                waiting.remove(matching[0])
                parts.append(matching[0].numbers)
                continue
            parts.append(self._held(scratchpad, lookup, table, subtable, row))
        assert waiting == []
        return parts

    def _joined(self, lookup: int, waiting: list[Burst], table: int, subtable: int) -> np.ndarray:
        """A row of which the unit has parts, with nothing elsewhere."""
        placement = self.program.prepared.placement
        row_bytes = self.trace.meta.tables[table].subtables[subtable].bytes_per_row
        numbers = np.zeros(row_bytes // 4)
        n = self.owner(lookup) % int(placement.set_units[table, subtable])
        for burst in [x for x in waiting if (x.table, x.subtable) == (table, subtable)]:
            waiting.remove(burst)
            part = part_of(placement, table, subtable, numbers.size, self.memory.ranks, n, burst.piece)
            assert not burst.numbers[len(part) :].any()
            assert not numbers[part].any()
            numbers[part] = burst.numbers[: len(part)]
        return numbers

    def _held(
        self, scratchpad: dict[int, Burst], lookup: int, table: int, subtable: int, row: int
    ) -> np.ndarray:
        """A row that no instruction brings: it was prefetched, or read for a lookup of the turn before this one."""
        placement = self.program.prepared.placement
        turn = int(self.program.sums[self.program.lookups[lookup, i.LOOKUP_SUM], i.SUM_TURN])
        if self.keeps_rows:
            units, addresses = places(placement, table, subtable, np.array([row]))
            reader, held = self.kept[self.owner(lookup), turn][int(units[0, 0]), int(addresses[0])]
            assert reader < lookup
            assert (held.table, held.subtable) == (table, subtable)
            return held.numbers
        assert placement.mode[table, subtable] == DUPLICATED
        bursts = int(placement.row_bursts[table, subtable])
        address = int(placement.base[table, subtable]) + row * bursts
        name = self.trace.meta.tables[table].subtables[subtable].name
        if name in self.program.prepared.system.cache.demand_subtables:
            reader, held = self.kept[self.owner(lookup), turn][self.owner(lookup), address]
            assert reader < lookup
        else:
            held = scratchpad[address]
        assert (held.table, held.subtable) == (table, subtable)
        return held.numbers


def compose(trace: SmallTrace, table: int, parts: Sequence[np.ndarray]) -> np.ndarray:
    """The algorithm's vector of one lookup from the numbers of its accesses."""
    scheme = trace.schemes[table]
    stacks: list[list[np.ndarray]] = [[] for _ in scheme.subtables]
    rows = []
    for subtable, numbers in zip(scheme.access_subtables, parts, strict=True):
        rows.append(len(stacks[subtable]))
        stacks[subtable].append(numbers)
    return scheme.combine([np.array(stack) for stack in stacks], np.array([rows]))[0]
