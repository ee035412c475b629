"""The slow twin of §11 of `docs/model.md`: what each memory of a system serves, and its program, in plain Python."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import Placement
from ppim.program.tiers import KEPT
from ppim.systems.spec import SystemSpec
from ppim.trace.schema import TraceMeta
from ppim.weight_sharing.base import SubtableMeta
from tests.reference.placements import copy_of
from tests.reference.program_twin import LookupStep, TwinProgram, _Builder
from tests.reference.small_traces import SmallTrace

Rows = list[int]  # of one lookup, by subtable
Turn = tuple[int, int, list[list[Rows]]]  # batch, table, lookups of each bag


class Kept(list):  # type: ignore[type-arg]
    """A lookup whose vector is kept, or two whose sum is: its only element is the vector's row."""


@dataclass(frozen=True)
class Part:
    """What one memory sees.

    Attributes
    ----------
    trace : SmallTrace
        The trace with this memory's tables; its bags are those of the whole trace.
    turns : list
        All turns of the trace, with the lookups that this memory serves.
    """

    trace: SmallTrace
    turns: list[Turn]


def turns_of(trace: SmallTrace) -> Iterator[Turn]:
    """All turns of a trace."""
    size = trace.meta.batch_size
    for batch in range(math.ceil(len(trace.bags) / size)):
        samples = trace.bags[batch * size : (batch + 1) * size]
        for table, scheme in enumerate(trace.schemes):
            bags = [scheme.split(sample[table]).tolist() for sample in samples]
            if any(bags):
                yield batch, table, bags


def lookups_of(trace: SmallTrace) -> Iterator[tuple[int, Rows]]:
    """(table, rows) of each lookup of a trace."""
    for _, table, bags in turns_of(trace):
        for bag in bags:
            for rows in bag:
                yield table, rows


def tiered_subtable(meta: TraceMeta, table: int) -> int | None:
    """The first that is not shared."""
    return next((s for s, part in enumerate(meta.tables[table].subtables) if not part.shared), None)


def hottest(trace: SmallTrace, system: SystemSpec, geometry: UnitGeometry) -> list[list[int]]:
    """Hot rows of each table's tiered subtable, ascending."""
    counts: Counter[tuple[int, int]] = Counter()  # by table and row
    for table, rows in lookups_of(trace):
        large = tiered_subtable(trace.meta, table)
        if large is not None:
            counts[table, rows[large]] += 1
    hot: list[list[int]] = [[] for _ in trace.schemes]
    capacity = geometry.units * geometry.unit_bursts
    taken = 0.0
    for (table, row), n in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if system.tiers.hot_by == "accesses":
            taken += n
            room = system.tiers.hot_fraction * counts.total()
        else:
            large = tiered_subtable(trace.meta, table)
            assert large is not None
            row_bytes = trace.meta.tables[table].subtables[large].bytes_per_row
            taken += math.ceil(row_bytes / geometry.burst_bytes)
            room = system.tiers.hot_fraction * capacity
        if taken > room:
            break
        hot[table].append(row)
    return [sorted(rows) for rows in hot]


def most_frequent(trace: SmallTrace, fraction: float) -> list[list[Rows]]:
    """For each table the lookups whose vectors are kept, in ascending order of their rows."""
    counts: Counter[tuple[int, tuple[int, ...]]] = Counter()
    total = 0
    for table, rows in lookups_of(trace):
        total += 1
        if len(rows) > 1:
            counts[table, tuple(rows)] += 1
    kept: list[list[Rows]] = [[] for _ in trace.schemes]
    taken = 0
    for (table, rows), n in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        taken += n
        if fraction == 0 or taken > fraction * total:
            break
        kept[table].append(list(rows))
    return [sorted(lookups) for lookups in kept]


def most_frequent_pairs(trace: SmallTrace, fraction: float, candidates: int) -> list[list[tuple[Rows, Rows]]]:
    """For each table the pairs of lookups whose sums are kept, in ascending order of their rows."""
    counts = Counter((table, tuple(rows)) for table, rows in lookups_of(trace))
    ordered = sorted(counts, key=lambda lookup: (-counts[lookup], lookup))[:candidates]
    bags: Counter[tuple[int, tuple[int, ...], tuple[int, ...]]] = Counter()
    for _, table, samples in turns_of(trace):
        for bag in samples:
            found = sorted({tuple(rows) for rows in bag if (table, tuple(rows)) in ordered})
            bags.update((table, *pair) for pair in combinations(found, 2))
    kept: list[list[tuple[Rows, Rows]]] = [[] for _ in trace.schemes]
    taken: set[tuple[int, tuple[int, ...]]] = set()
    total = 0
    for (table, one, other), n in sorted(bags.items(), key=lambda item: (-item[1], item[0])):
        if n < 2 or {(table, one), (table, other)} & taken:
            continue
        total += n
        if total > fraction * counts.total():
            break
        taken |= {(table, one), (table, other)}
        kept[table].append((list(one), list(other)))
    return [sorted(pairs) for pairs in kept]


def kept_sums(trace: SmallTrace, system: SystemSpec) -> list[list[tuple[Rows, ...]]]:
    """For each table the lookups of each vector that is kept."""
    spec = system.placement
    if spec.partial_sum_of == "pair" and spec.partial_sum_fraction > 0:
        return most_frequent_pairs(trace, spec.partial_sum_fraction, spec.partial_sum_candidates)  # type: ignore[return-value]
    return [[(rows,) for rows in kept] for kept in most_frequent(trace, spec.partial_sum_fraction)]


def with_sums(bag: list[Rows], kept: list[tuple[Rows, ...]]) -> list[Rows]:
    """A bag's lookups, with a kept vector in place of the first one that it has; it serves each of its lookups once."""
    used = {n: list(rows) for n, rows in enumerate(kept) if all(one in bag for one in rows)}
    if any(len(rows) == 1 for rows in kept):
        return [Kept([kept.index((rows,))]) if (rows,) in kept else rows for rows in bag]
    found: list[Rows] = []
    for rows in bag:
        n = next((n for n, waiting in used.items() if rows in waiting), None)
        if n is None:
            found.append(rows)
            continue
        if len(used[n]) == len(kept[n]):
            found.append(Kept([n]))
        used[n].remove(rows)
    return found


def divide(trace: SmallTrace, system: SystemSpec, geometry: UnitGeometry) -> list[Part]:
    """What each memory sees; `geometry` is the first one's."""
    has_two = system.dimm is not None
    hot = hottest(trace, system, geometry) if has_two else None
    kept = kept_sums(trace, system)
    first: list[Turn] = []
    second: list[Turn] = []
    for batch, table, bags in turns_of(trace):
        large = tiered_subtable(trace.meta, table)
        ours: list[list[Rows]] = []
        theirs: list[list[Rows]] = []
        for bag in bags:
            ours.append([])
            theirs.append([])
            for rows in with_sums(bag, kept[table]):
                if isinstance(rows, Kept) or hot is None or large is None:
                    ours[-1].append(rows)
                elif rows[large] in hot[table]:
                    ours[-1].append([*rows[:large], hot[table].index(rows[large]), *rows[large + 1 :]])
                else:
                    theirs[-1].append(rows)
        first.append((batch, table, ours))
        second.append((batch, table, theirs))
    meta = first_meta(trace.meta, hot, kept)
    parts = [Part(replace(trace, meta=meta), first)]
    return [*parts, Part(trace, second)] if has_two else parts


def first_meta(meta: TraceMeta, hot: list[list[int]] | None, kept: list[list[tuple[Rows, ...]]]) -> TraceMeta:
    """Tables with their hot rows only, and with a subtable of kept vectors."""
    tables = []
    for t, table in enumerate(meta.tables):
        parts = list(table.subtables)
        large = tiered_subtable(meta, t)
        if hot is not None and large is not None:
            parts[large] = replace(parts[large], rows=max(1, len(hot[t])))
        if kept[t]:
            parts.append(SubtableMeta(KEPT, len(kept[t]), meta.parameters["vector_bytes"], shared=False))
        tables.append(replace(table, subtables=tuple(parts), accesses_per_lookup=table.accesses_per_lookup))
    return replace(meta, tables=tuple(tables))


def build_part_twin(
    part: Part,
    geometry: UnitGeometry,
    placement: Placement,
    system: SystemSpec,
    clock_ns: float,
    *,
    is_second: bool,
    ranks: int = 1,
) -> TwinProgram:
    """The program of one memory's part, with so many ranks a channel."""
    return _PartBuilder(part, geometry, placement, system, clock_ns, ranks, is_second).build()


class _PartBuilder(_Builder):
    def __init__(
        self,
        part: Part,
        geometry: UnitGeometry,
        placement: Placement,
        system: SystemSpec,
        clock_ns: float,
        ranks: int,
        is_second: bool,
    ) -> None:
        super().__init__(part.trace, geometry, placement, system, clock_ns, ranks)
        self.part = part
        self.host_holds_shared = is_second and self.is_for_host
        self.program.counts["partial_sum_hits"] = [0] * geometry.channels

    def turns(self) -> list[Turn]:
        return self.part.turns

    def wanted(self, table: int, bags: list[list[Rows]]) -> list[tuple[int, int, int]]:
        """Nothing for a turn without lookups; a kept vector needs no row."""
        if not any(bags):
            return []
        return super().wanted(
            table, [[rows for rows in lookups if not isinstance(rows, Kept)] for lookups in bags]
        )

    def touched(self, table: int, rows: Rows) -> list[tuple[int, int]]:
        """A kept vector is one row of the subtable behind the table's own."""
        if isinstance(rows, Kept):
            return [(len(self.meta.tables[table].subtables) - 1, rows[0])]
        return super().touched(table, rows)

    def owner(self, table: int, rows: Rows) -> int | None:
        if not isinstance(rows, Kept):
            return super().owner(table, rows)
        subtable = len(self.meta.tables[table].subtables) - 1
        if copy_of(self.placement, table, subtable, rows[0]) is not None:
            return None
        return self.place(table, subtable, rows[0])[0]

    def emit_bag(self, turn: int, table: int, bag: int, lookups: list[tuple[Rows, int]]) -> None:
        """Kept vectors are nobody's neighbours; where lookups are ordered by their second rows, they go last."""
        if self.is_chain(table) and self.system.compute.tt_reorder:
            lookups = sorted(lookups, key=lambda lookup: isinstance(lookup[0], Kept))
        stretch: list[tuple[Rows, int]] = []
        for rows, owner in lookups:
            if not isinstance(rows, Kept):
                stretch.append((rows, owner))
                continue
            super().emit_bag(turn, table, bag, stretch)
            stretch = []
            self.emit_kept(turn, table, bag, rows, owner)
        super().emit_bag(turn, table, bag, stretch)

    def emit_kept(self, turn: int, table: int, bag: int, rows: Kept, owner: int) -> None:
        """One access to the vector; the others of its lookups are saved."""
        channel, unit = divmod(owner, self.geometry.units_per_channel)
        number = len(self.program.lookups)
        macs = self.meta.parameters["vector_bytes"] // 4
        name = (turn, bag, channel, unit)
        self.program.lookups.append(LookupStep(name, compute_cycles=self.cycles_of(macs), macs=macs))
        self.program.sums[name] = self.program.sums.get(name, 0) + 1
        subtable = len(self.meta.tables[table].subtables) - 1
        lookups = {"lookup": 1, "pair": 2}[self.system.placement.partial_sum_of]
        saved = lookups * self.meta.tables[table].accesses_per_lookup - 1
        for count, n in (("lookups", lookups), ("accesses", saved), ("partial_sum_hits", saved)):
            self.program.counts[count][channel] += n
        self.program.unit_accesses[owner] += saved
        self.emit_access(turn, table, subtable, rows[0], owner, number, 0)

    def emit_access(
        self, turn: int, table: int, subtable: int, row: int, owner: int, number: int, sharers: int
    ) -> None:
        if self.host_holds_shared and self.subtable(table, subtable).shared:
            self.count_hit(table, subtable, owner)
            self.count_sram("sram_reads", owner, self.bursts(table, subtable))  # of the host
        else:
            super().emit_access(turn, table, subtable, row, owner, number, sharers)
