"""What each memory of a system serves, and its program, against plain twins on random small traces and systems."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from ppim.dram.device import Device
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.program.builder import recipe as b
from ppim.program.builder.chunk import EMPTY_TURN
from ppim.program.split import UNREAD_ROW, SplitReader, split
from ppim.program.tiers import KEPT, Split, split_trace
from ppim.systems.spec import CacheSpec, DimmSpec, PlacementSpec, SystemSpec, TiersSpec
from ppim.trace.lookups import LookupNumbers, profile_lookups
from ppim.trace.profile import access_profile
from tests.reference.pim_programs import make_system, pick
from tests.reference.program_twin import TwinProgram
from tests.reference.small_traces import SmallTrace, small_trace
from tests.reference.split_twin import Kept, Part, build_part_twin, divide, lookups_of
from tests.reference.whole_program import WholeProgram, build_parts
from tests.unit.program.test_against_twin import (
    check_counts,
    check_instructions,
    check_lookups_and_sums,
    random_device,
    random_system,
    random_trace,
    set_leaves,
    vary,
)

SEEDS = range(200)


def random_dimm(rng: np.random.Generator) -> DimmSpec:
    """A second memory: read by the host, or with units of its own."""
    for_host = pick(rng, True, False)
    pim = make_system(
        level=pick(rng, "channel", "rank", "bankgroup"),
        frontend=pick(rng, "per-channel", "global"),
        transfer="non-empty" if for_host else pick(rng, "all", "non-empty"),
        consumer="host" if for_host else "unit",
        macs=pick(rng, 1, 64),
    )
    mapping = pick(rng, "interleave", "duplicate", "hot", "table")
    placement = PlacementSpec(mapping=mapping, placement_seed=int(rng.integers(100)), hot_fraction=0.3)
    return DimmSpec(pim=pim.pim, placement=placement, cache=CacheSpec(policy="none"), compute=pim.compute)


@dataclass(frozen=True)
class SplitCase:
    trace: SmallTrace
    system: SystemSpec
    devices: list[Device]


@cache
def case(seed: int) -> SplitCase:
    rng = np.random.default_rng([seed, 0x5911])
    trace = random_trace(rng, seed)
    while trace.meta.algorithm == "robe":
        trace = random_trace(rng, seed)
    system = vary(rng, random_system(rng), trace)
    if pick(rng, True, False):
        # Lines are as long as shared rows: as many as there are, whatever their number.
        system = set_leaves(system, cache_subtables="shared", cache_ways=min(system.cache.cache_ways, 1))
    has_two = rng.random() < 0.8
    allows_kept = system.placement.mapping != "vertical" and system.pim.dedup == "none"
    fraction = pick(rng, 0.0, 0.1, 0.5, 1.0) if allows_kept and system.pim.consumer == "unit" else 0.0
    if not has_two and not fraction:
        has_two = True
    share = pick(rng, 0.0, 0.3, 0.6, 0.952, 1.0)
    # Pairs recur where few different lookups are, as in traces of few rows.
    what, candidates = pick(rng, "lookup", "pair", "pair"), pick(rng, 3, 30, 4096)
    tiers = TiersSpec(hot_fraction=share, hot_by="accesses")
    if pick(rng, True, False):
        tiers = TiersSpec(hot_fraction=share / 500, hot_by="capacity")
    system = replace(
        system,
        placement=replace(
            system.placement,
            partial_sum_fraction=fraction,
            partial_sum_of=what,
            partial_sum_candidates=candidates,
        ),
        tiers=tiers,
        dimm=random_dimm(rng) if has_two else None,
    )
    return SplitCase(trace, system, [random_device(rng) for _ in range(1 + has_two)])


def geometries(found: SplitCase) -> list[UnitGeometry]:
    systems = [found.system] if found.system.dimm is None else [found.system, found.system.second]
    return [
        UnitGeometry.of(device, part.pim.level) for part, device in zip(systems, found.devices, strict=True)
    ]


@cache
def both_divisions(seed: int) -> tuple[Split, list[Part]]:
    found = case(seed)
    geometry = geometries(found)[0]
    return split_trace(found.trace, found.system, geometry), divide(found.trace, found.system, geometry)


@cache
def both_programs(seed: int) -> list[tuple[WholeProgram, TwinProgram]]:
    found = case(seed)
    programs = build_parts(found.trace, found.system, found.devices)
    _, parts = both_divisions(seed)
    systems = [found.system] if found.system.dimm is None else [found.system, found.system.second]
    twins = [
        build_part_twin(
            part,
            program.prepared.geometry,
            program.prepared.placement,
            system,
            device.timing.tCK,
            is_second=memory > 0,
            ranks=device.organization.ranks,
        )
        for memory, (part, program, system, device) in enumerate(
            zip(parts, programs, systems, found.devices, strict=True)
        )
    ]
    return list(zip(programs, twins, strict=True))


def accesses_of(part: Part) -> list[tuple[int, ...]]:
    """The columns of a memory's chunk; of kept vectors and empty turns, as the splitter writes them."""
    lines: list[tuple[int, ...]] = []
    for batch, table, bags in part.turns:
        before = len(lines)
        for sample, lookups in enumerate(bags):
            for rows in lookups:
                # Numbers of lookups are those of the whole bag; only equal ones matter.
                if isinstance(rows, Kept):
                    subtable = len(part.trace.meta.tables[table].subtables) - 1
                    width = part.trace.meta.tables[table].accesses_per_lookup
                    lines += [(batch, table, sample, subtable, row) for row in [rows[0], *[-1] * (width - 1)]]
                else:
                    lines += [(batch, table, sample, subtable, row) for subtable, row in enumerate(rows)]
        if len(lines) == before:
            lines.append((batch, table, EMPTY_TURN, 0, 0))
    return lines


@pytest.mark.parametrize("seed", SEEDS)
def test_same_division(seed: int) -> None:
    """Each lookup goes where the rule says, with the row that it has there; every memory has every turn."""
    how, parts = both_divisions(seed)
    assert list(how.metas) == [part.trace.meta for part in parts]
    for chunk, part in zip(split(case(seed).trace.accesses, how), parts, strict=True):
        rows = np.where(chunk.row >= UNREAD_ROW, -1, chunk.row.astype(np.int64))
        columns = (chunk.batch, chunk.table, chunk.sample, chunk.subtable, rows)
        assert list(zip(*(column.tolist() for column in columns), strict=True)) == accesses_of(part)


@pytest.mark.parametrize("seed", SEEDS)
def test_lookups_stay_apart(seed: int) -> None:
    """Accesses of one lookup, and no others, have one number in their bag; unread rows are never equal there."""
    how, _ = both_divisions(seed)
    for chunk, meta in zip(split(case(seed).trace.accesses, how), how.metas, strict=True):
        served = chunk.sample != EMPTY_TURN
        names = np.column_stack([column[served] for column in chunk[:4]])
        lookups, sizes = np.unique(names, axis=0, return_counts=True)
        widths = np.array([table.accesses_per_lookup for table in meta.tables])
        assert (sizes == widths[lookups[:, 1]]).all()
        second = np.flatnonzero(chunk.row >= UNREAD_ROW)
        firsts = second[chunk.row[second - 1] < UNREAD_ROW]
        bags = np.column_stack([chunk[column][firsts] for column in (0, 1, 2, 5)])
        assert len(np.unique(bags, axis=0)) == len(bags)


@pytest.mark.matrix(5)
@pytest.mark.parametrize("check", [check_instructions, check_lookups_and_sums, check_counts])
@pytest.mark.parametrize("seed", SEEDS)
def test_same_programs(seed: int, check) -> None:  # type: ignore[no-untyped-def]
    for program, twin in both_programs(seed):
        check(program, twin)
        saved = program.counts[:, b.PARTIAL_SUM_HITS].tolist()
        assert saved == twin.counts["partial_sum_hits"]


@pytest.mark.slow
def test_the_seeds_reach_everything() -> None:
    two, kept, empty, chains, hits, both, prefetched, pairs = 0, 0, 0, 0, 0, 0, 0, 0
    for seed in SEEDS:
        found = case(seed)
        how, parts = both_divisions(seed)
        two += len(parts) == 2
        is_chain = found.trace.meta.algorithm == "tt-rec" and found.system.compute.tt_reorder
        kept += how.kept_vectors > 1
        pairs += how.kept_lookups == 2
        chains += is_chain and how.kept_vectors > 1
        both += how.hot_rows > 0 and how.hot_accesses < how.tiered_accesses
        empty += any(not any(bags) for part in parts for _, _, bags in part.turns)
        for memory, (program, _) in enumerate(both_programs(seed)):
            hits += memory > 0 and program.counts[:, b.CACHE_HITS].sum() > 0
            prefetched += memory == 0 and program.prepared.system.prefetch.prefetch != "none"
    assert two > len(SEEDS) // 2
    assert min(kept, both, empty, prefetched) > 15
    assert min(chains, hits, pairs) > 5


@pytest.mark.parametrize("seed", range(20))
def test_accesses_of_a_memory_are_counted_where_they_are_served(seed: int) -> None:
    """The profile that mapping `hot` asks for is that of the memory's own rows."""
    how, parts = both_divisions(seed)
    for memory, part in enumerate(parts):
        profile = access_profile(SplitReader(case(seed).trace, how, memory))  # type: ignore[arg-type]
        assert profile.counts.sum() == sum(
            1 if isinstance(rows, Kept) else len(rows)
            for _, _, bags in part.turns
            for lookups in bags
            for rows in lookups
        )


@pytest.mark.parametrize("batches_per_chunk", [1, 2, 100])
def test_lookups_are_counted_however_the_trace_is_cut(batches_per_chunk: int) -> None:
    trace = small_trace(
        "qr", {"collisions": 5}, samples=50, pooling=(0, 9), batches_per_chunk=batches_per_chunk
    )
    numbers = LookupNumbers.of(trace.meta, "test")
    profile = profile_lookups(trace, numbers)  # type: ignore[arg-type]
    lookups = list(lookups_of(trace))
    assert profile.lookups == len(lookups)
    assert profile.counts.sum() == len(lookups)
    expected = {}
    for table, (q, r) in lookups:
        number = int(numbers.first[table]) + q * int(numbers.rows[table, 1]) + r
        expected[number] = expected.get(number, 0) + 1
    assert dict(zip(profile.numbers.tolist(), profile.counts.tolist(), strict=True)) == expected
    chosen = profile.most_frequent(0.3)
    assert sum(expected[n] for n in chosen.tolist()) <= 0.3 * len(lookups)
    assert min(expected[n] for n in chosen.tolist()) >= max(
        n for number, n in expected.items() if number not in set(chosen.tolist())
    )


def test_kept_vectors_have_a_subtable_of_their_own() -> None:
    trace = small_trace("qr", {"collisions": 5}, samples=50)
    system = replace(make_system(), placement=PlacementSpec(partial_sum_fraction=0.5))
    how = split_trace(trace, system, geometries(SplitCase(trace, system, case(0).devices[:1]))[0])
    assert {table.subtables[-1].name for table in how.metas[0].tables} == {KEPT}
    assert sum(table.subtables[-1].rows for table in how.metas[0].tables) == how.kept_vectors
