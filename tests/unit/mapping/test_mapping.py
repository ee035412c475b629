"""Placements: every row has a place of its own, load is spread, copies lie at the end, nothing overflows."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from ppim.dram.load import load_device
from ppim.errors import InputError
from ppim.mapping.base import MAPPINGS, CountAccesses
from ppim.mapping.hot import choose_hot_rows
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import DUPLICATED, NO_COPY, SLICED, SPREAD, Footprint, Placement
from ppim.systems.spec import PlacementSpec
from ppim.trace.profile import AccessProfile, FlatRows
from ppim.trace.schema import SubtableMeta, TableMeta, TraceMeta
from tests.reference.placements import copies, images, locate, places
from tests.reference.small_traces import small_trace

SMALL = UnitGeometry(
    channels=2, units_per_channel=4, banks_per_unit=2, rows=64, bursts_per_row=8, burst_bytes=64
)


def meta_of(*tables: tuple[tuple[str, int, int, bool], ...]) -> TraceMeta:
    """Metadata of tables of subtables (name, rows, bytes a row, shared)."""
    return replace(
        small_trace("dense", rows=(1,), samples=1).meta,
        tables=tuple(TableMeta(1, tuple(SubtableMeta(*part) for part in table)) for table in tables),
    )


def no_profile() -> AccessProfile:
    raise AssertionError("this mapping needs no profile of the trace")


def place(
    mapping: str,
    meta: TraceMeta,
    geometry: UnitGeometry = SMALL,
    count_accesses: CountAccesses = no_profile,
    **spec: Any,
) -> tuple[Placement, Footprint]:
    return MAPPINGS.get(mapping).place(meta, geometry, PlacementSpec(mapping, **spec), count_accesses)


# The bijection.


@pytest.mark.parametrize("slots", [1, 2, 3, 7, 8, 9, 31, 32, 33, 1000, 4096, 4097, 99_991])
@pytest.mark.parametrize("key", [0, 1, 0x7FFFFFFFFFFFFFFF, 0x123456789ABCDEF])
def test_every_slot_is_hit_once(slots: int, key: int) -> None:
    assert np.array_equal(np.sort(images(slots, key)), np.arange(slots))


def squared_deviations(counts: np.ndarray) -> float:
    """Chi-square statistic against equal counts."""
    expected = counts.sum() / counts.size
    return float(((counts - expected) ** 2 / expected).sum())


def assert_uniform(statistics: list[float], cells: int) -> None:
    """A sum of independent chi-square statistics is near its mean: neither clustered nor too even."""
    freedom = (cells - 1) * len(statistics)
    assert abs(sum(statistics) - freedom) < 5 * math.sqrt(2 * freedom)


@pytest.mark.parametrize("stride", [1, 3, 4, 32, 1024])
@pytest.mark.parametrize("start", [0, 12_345])
def test_rows_in_a_pattern_are_spread_like_a_hash(stride: int, start: int) -> None:
    """640 rows of a million over 32 units, for 40 seeds."""
    geometry = UnitGeometry.of(load_device("hbm2-4gb"), "bankgroup")
    meta = meta_of((("dense", 1_000_000, 128, False),))
    rows = start + stride * np.arange(640)
    statistics = []
    for seed in range(40):
        placement, _ = place("interleave", meta, geometry, placement_seed=seed)
        units, _ = locate(placement, 0, 0, rows)
        statistics.append(squared_deviations(np.bincount(units, minlength=geometry.units)))
    assert_uniform(statistics, geometry.units)


def test_a_small_table_is_as_uneven_as_a_hash() -> None:
    """Not one row in each unit, though it has as many rows as there are units."""
    geometry = UnitGeometry.of(load_device("hbm2-4gb"), "bankgroup")
    meta = meta_of((("dense", 100_000, 128, False),), (("dense", geometry.units, 128, False),))
    statistics = []
    for seed in range(200):
        placement, _ = place("interleave", meta, geometry, placement_seed=seed)
        units, _ = locate(placement, 1, 0, np.arange(geometry.units))
        statistics.append(squared_deviations(np.bincount(units, minlength=geometry.units)))
    assert_uniform(statistics, geometry.units)


def test_pages_of_different_sizes_share_no_place() -> None:
    meta = meta_of((("core1", 50, 64, False), ("core2", 70, 512, False), ("core3", 30, 64, False)))
    geometry = replace(SMALL, rows=256)
    placement, footprint = place("interleave", meta, geometry, placement_page=3)
    owners = occupied(placement, meta, geometry)
    assert owners.max() <= 1
    # Pages of 3 rows in 8 units: 17 + 10 of 3 bursts, so 4 a unit, and 24 of 24 bursts, so 3 a unit.
    assert footprint.spread_bytes == 8 * (4 * 3 + 3 * 24) * 64


def test_the_unit_of_a_row_says_nothing_of_the_next_rows() -> None:
    """Differences between the units of neighbours are uniform."""
    geometry = UnitGeometry.of(load_device("hbm2-4gb"), "bankgroup")
    meta = meta_of((("dense", 1_000_000, 128, False),))
    statistics = []
    for seed in range(40):
        placement, _ = place("interleave", meta, geometry, placement_seed=seed)
        units, _ = locate(placement, 0, 0, np.arange(2 * 640))
        differences = (units[1::2] - units[::2]) % geometry.units
        statistics.append(squared_deviations(np.bincount(differences, minlength=geometry.units)))
    assert_uniform(statistics, geometry.units)


def test_banks_inside_a_unit_are_hit_evenly() -> None:
    geometry = UnitGeometry.of(load_device("hbm2-4gb"), "bankgroup")
    meta = meta_of((("dense", 1_000_000, 128, False),))
    statistics = []
    for seed in range(40):
        placement, _ = place("interleave", meta, geometry, placement_seed=seed)
        _, addresses = locate(placement, 0, 0, np.arange(640))
        banks = addresses // geometry.bursts_per_row % geometry.banks_per_unit
        statistics.append(squared_deviations(np.bincount(banks, minlength=geometry.banks_per_unit)))
    assert_uniform(statistics, geometry.banks_per_unit)


def test_a_popular_prefix_has_another_place_in_every_table_subtable_and_seed() -> None:
    part = ("dense", 5000, 128, False)
    meta = meta_of((part, part), (part,))
    found = set()
    for seed in range(3):
        placement, _ = place("interleave", meta, replace(SMALL, rows=4096), placement_seed=seed)
        for table, subtable in ((0, 0), (0, 1), (1, 0)):
            found.add(tuple(locate(placement, table, subtable, np.arange(40))[0].tolist()))
    assert len(found) == 9


def test_equal_seeds_give_equal_placements() -> None:
    meta = meta_of((("q", 500, 128, False), ("r", 4, 128, True)))
    first, second = (place("duplicate", meta, placement_seed=7)[0] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_rows_of_a_page_lie_together() -> None:
    meta = meta_of((("dense", 101, 128, False),))
    placement, _ = place("interleave", meta, placement_page=4)
    units, addresses = locate(placement, 0, 0, np.arange(101))
    page = np.arange(101) // 4
    for number in range(26):
        assert len(set(units[page == number])) == 1
        assert np.all(np.diff(addresses[page == number]) == 2)
    assert len(set(zip(units[::4], addresses[::4], strict=True))) == 26


# Places of all rows of all subtables.

subtables = st.tuples(
    st.just("x"), st.integers(1, 60), st.sampled_from([4, 64, 100, 128, 256, 640]), st.booleans()
)
metas = st.lists(st.lists(subtables, min_size=1, max_size=3), min_size=1, max_size=4)


def occupied(placement: Placement, meta: TraceMeta, geometry: UnitGeometry) -> np.ndarray:
    """How many rows lie in every burst of every unit."""
    owners = np.zeros((geometry.units, geometry.unit_bursts), dtype=np.int64)
    for t, table in enumerate(meta.tables):
        for s, part in enumerate(table.subtables):
            units, addresses = places(placement, t, s, np.arange(part.rows))
            bursts = -(-part.bytes_per_row // geometry.burst_bytes)
            assert addresses.min() >= 0
            assert addresses.max() + bursts <= geometry.unit_bursts
            for burst in range(bursts):
                np.add.at(owners, (units, addresses[:, None] + burst), 1)
    return owners


@settings(deadline=None, derandomize=True, database=None)
@given(metas, st.sampled_from(["interleave", "duplicate"]), st.integers(1, 9), st.integers(0, 2**40))
def test_no_two_rows_share_a_place(tables: list, mapping: str, page: int, seed: int) -> None:
    meta = meta_of(*(tuple(table) for table in tables))
    geometry = replace(SMALL, rows=4096)
    placement, footprint = place(mapping, meta, geometry, placement_page=page, placement_seed=seed)
    owners = occupied(placement, meta, geometry)
    assert owners.max() <= 1
    copies = geometry.units if mapping == "duplicate" else 1
    bursts = sum(
        part.rows * -(-part.bytes_per_row // 64) * (copies if part.shared else 1)
        for table in meta.tables
        for part in table.subtables
    )
    assert owners.sum() == bursts
    # What the placement says it takes covers what lies there: rows that lie once in front, copies behind.
    front = footprint.spread_bytes // (geometry.units * geometry.burst_bytes)
    back = footprint.duplicated_bytes // (geometry.units * geometry.burst_bytes)
    assert owners[:, front : geometry.unit_bursts - back].sum() == 0
    assert back % geometry.bursts_per_row == 0


@pytest.mark.parametrize("placement", ["hash", "page"])
@pytest.mark.parametrize("granularity", ["slice", "matrix"])
@pytest.mark.parametrize(("split", "units"), [("none", 1), ("bankgroups", 4), ("all", 8)])
@pytest.mark.parametrize("mapping", ["interleave", "duplicate"])
def test_parts_of_rows_share_no_place(
    mapping: str, split: str, units: int, granularity: str, placement: str
) -> None:
    trace = small_trace("tt-rec", {"tt_rank": 6, "vector_bytes": 96}, rows=(300, 90, 4), samples=1)
    large = replace(SMALL, rows=1024)
    chosen, footprint = place(
        mapping, trace.meta, large, placement=placement, tt_split=split, tt_granularity=granularity
    )
    taken: set[tuple[int, int]] = set()
    n = 0
    for t, table in enumerate(trace.meta.tables):
        j2 = trace.schemes[t].element_factors[1]
        pieces = j2 if granularity == "matrix" else 1
        for s, part in enumerate(table.subtables):
            if chosen.mode[t, s] == DUPLICATED:
                continue
            is_second = s == 1
            rows = np.arange(part.rows * (pieces if is_second else 1))
            # A run is ceil(6 / units) rows of 6 numbers, of each matrix that is placed together.
            run = math.ceil(6 / units) * 6 * 4 * (j2 // pieces)
            bursts = math.ceil((run if is_second else part.bytes_per_row) / 64)
            assert chosen.row_bursts[t, s] == bursts
            members = units if is_second else 1
            firsts, addresses = locate(chosen, t, s, rows)
            assert (firsts % members == 0).all()
            for first, address in zip(firsts.tolist(), addresses.tolist(), strict=True):
                own = {(first + u, address + offset) for u in range(members) for offset in range(bursts)}
                assert not own & taken
                taken |= own
                n += len(own)
    assert all(0 <= unit < 8 and 0 <= address < large.unit_bursts for unit, address in taken)
    assert n * 64 <= footprint.spread_bytes


def test_rows_that_lie_once_leave_at_most_a_page_a_unit_unused() -> None:
    meta = meta_of((("dense", 1000, 128, False),), (("dense", 3, 64, False),))
    _, footprint = place("interleave", meta, replace(SMALL, rows=4096))
    # 1000 rows: 125 in each of 8 units, 2 bursts each; 3 rows: one place in each unit.
    assert footprint.spread_bytes == (1000 * 2 + 8 * 1) * 64
    assert footprint.duplicated_bytes == 0


def test_copies_fill_the_last_dram_rows_in_trace_order() -> None:
    meta = meta_of(
        (("q", 50, 128, False), ("r", 4, 128, True)),
        (("core1", 3, 64, True), ("core2", 9, 256, False), ("core3", 5, 128, True)),
    )
    placement, footprint = place("duplicate", meta)
    assert placement.mode.tolist() == [
        [SPREAD, DUPLICATED, SPREAD],
        [DUPLICATED, SPREAD, DUPLICATED],
    ]
    # 4 x 2 + 3 x 1 + 5 x 2 = 21 bursts in rows of 8: the last three DRAM rows of the unit's 1024 bursts.
    assert [placement.base[place] for place in ((0, 1), (1, 0), (1, 2))] == [1000, 1008, 1011]
    assert footprint.duplicated_bytes == 24 * 8 * 64
    assert footprint.duplicated_percent == pytest.approx(100 * 24 / 1024)


def test_interleave_makes_no_copies() -> None:
    meta = meta_of((("q", 50, 128, False), ("r", 4, 128, True)))
    placement, footprint = place("interleave", meta)
    assert (placement.mode == SPREAD).all()
    assert footprint.duplicated_bytes == 0


# Tables that stay together.


@settings(deadline=None)
@given(metas)
def test_packed_rows_share_no_place(tables: list) -> None:
    meta = meta_of(*(tuple(table) for table in tables))
    geometry = replace(SMALL, rows=64)
    placement, footprint = place("table", meta, geometry)
    owners = occupied(placement, meta, geometry)
    assert owners.max() <= 1
    assert owners.sum() * geometry.burst_bytes == footprint.spread_bytes
    assert footprint.duplicated_bytes == 0


def test_each_table_begins_in_the_next_channel_and_stays_in_its_unit() -> None:
    meta = meta_of(*[(("q", 50, 128, False), ("r", 4, 128, True))] * 9)
    placement, _ = place("table", meta)
    units = []
    for table in range(9):
        both = np.concatenate([locate(placement, table, s, np.arange(n))[0] for s, n in ((0, 50), (1, 4))])
        assert len(set(both)) == 1
        units.append(int(both[0]))
    # Two channels of four units: channel 0's unit 0, channel 1's unit 0, channel 0's unit 1, ...; then again.
    assert units == [0, 4, 1, 5, 2, 6, 3, 7, 0]


def test_a_table_goes_on_in_the_emptiest_unit_and_its_rows_stay_in_order() -> None:
    # A unit holds 512 rows of 2 bursts.
    meta = meta_of((("dense", 100, 128, False),), (("dense", 1200, 128, False),))
    placement, _ = place("table", meta)
    units, addresses = locate(placement, 1, 0, np.arange(1200))
    assert units.tolist() == [4] * 512 + [1] * 512 + [5] * 176
    assert addresses.tolist() == [2 * (row % 512) for row in range(1200)]


def test_tables_fill_the_memory_to_its_last_row_and_no_further() -> None:
    meta = meta_of((("dense", 4096, 128, False),))
    placement, _ = place("table", meta)
    assert occupied(placement, meta, SMALL).min() == 1
    with pytest.raises(InputError, match=r"mapping table: needs 524,416 bytes .* has 524,288"):
        place("table", meta_of((("dense", 4097, 128, False),)))
    # Rows of 3 bursts leave a burst of each unit's 1024 unused.
    with pytest.raises(InputError, match="less than a row of 192"):
        place("table", meta_of((("dense", 8 * 341 + 1, 192, False),)))


def test_packed_tables_have_no_random_pages() -> None:
    with pytest.raises(InputError, match="placement=hash"):
        place("table", meta_of((("dense", 5, 128, False),)), placement="page")


# Rows split over all units.


@settings(deadline=None, derandomize=True, database=None)
@given(metas)
def test_slices_lie_row_behind_row_at_one_address_in_every_unit(tables: list) -> None:
    meta = meta_of(*(tuple(table) for table in tables))
    placement, footprint = place("vertical", meta)
    assert (placement.mode == SLICED).all()
    owners = np.zeros(SMALL.unit_bursts, dtype=np.int64)
    for t, table in enumerate(meta.tables):
        for s, part in enumerate(table.subtables):
            bursts = int(placement.row_bursts[t, s])
            # As few bursts as hold a row in all units together.
            assert (bursts - 1) * SMALL.units * 64 < part.bytes_per_row <= bursts * SMALL.units * 64
            first = int(placement.base[t, s])
            owners[first : first + part.rows * bursts] += 1
    assert owners.max() == 1
    assert footprint.spread_bytes == owners.sum() * 64 * SMALL.units
    assert np.flatnonzero(owners).tolist() == list(range(owners.sum()))


def test_slices_that_do_not_fit_are_refused_with_their_padding() -> None:
    # A row of 128 bytes takes a burst of 64 in each of 8 units, which have 1024 each.
    place("vertical", meta_of((("dense", 1024, 128, False),)))
    with pytest.raises(InputError, match=r"vertical: .* take 524,800 bytes for 131,200 .* has 524,288"):
        place("vertical", meta_of((("dense", 1025, 128, False),)))
    place("vertical", meta_of((("dense", 1024, 512, False),)))


def test_split_rows_have_no_random_pages() -> None:
    with pytest.raises(InputError, match="placement=hash"):
        place("vertical", meta_of((("dense", 5, 128, False),)), placement="page")


# Random pages.


@settings(deadline=None)
@given(
    metas,
    st.sampled_from(["interleave", "duplicate"]),
    st.sampled_from([64, 200, 512, 4096]),
    st.sampled_from([64, 128, 300, 2048]),
    st.sampled_from(["channel-unit", "unit-channel"]),
    st.integers(0, 2**40),
)
def test_striped_rows_share_no_place(
    tables: list, mapping: str, page_bytes: int, stripe_bytes: int, order: str, seed: int
) -> None:
    meta = meta_of(*(tuple(table) for table in tables))
    geometry = replace(SMALL, rows=4096)
    choice = {
        "page_bytes": page_bytes,
        "stripe_bytes": stripe_bytes,
        "placement_seed": seed,
        "stripe_order": order,
    }
    placement, footprint = place(mapping, meta, geometry, placement="page", **choice)
    owners = occupied(placement, meta, geometry)
    assert owners.max() <= 1
    front = footprint.spread_bytes // (geometry.units * geometry.burst_bytes)
    back = footprint.duplicated_bytes // (geometry.units * geometry.burst_bytes)
    assert owners[:, front : geometry.unit_bursts - back].sum() == 0


def test_the_units_bits_may_lie_below_the_channels() -> None:
    meta = meta_of((("dense", 3200, 128, False),))
    geometry = replace(SMALL, rows=4096)
    choice = {"placement": "page", "stripe_bytes": 256}
    units, addresses = locate(
        place("interleave", meta, geometry, stripe_order="unit-channel", **choice)[0], 0, 0, np.arange(3200)
    )
    # Stripes of two rows go through all units of channel 0, then of channel 1.
    assert np.array_equal(units, np.arange(3200) // 2 % 8)
    others, same = locate(place("interleave", meta, geometry, **choice)[0], 0, 0, np.arange(3200))
    assert np.array_equal(addresses, same)
    assert np.array_equal(others % 4 * 2 + others // 4, units)


def test_address_bits_of_a_page_are_channel_then_unit() -> None:
    """4096 B pages of 128 B rows: 32 rows, one behind the other in 2 channels x 4 units, four times."""
    meta = meta_of((("dense", 3200, 128, False),))
    placement, _ = place("interleave", meta, replace(SMALL, rows=4096), placement="page")
    units, addresses = locate(placement, 0, 0, np.arange(3200))
    channel, unit = np.arange(3200) % 2, np.arange(3200) // 2 % 4
    assert np.array_equal(units, channel * 4 + unit)
    # Four rows of a page lie behind each other in each unit; pages lie in random order.
    frames = addresses // 8
    assert all(len(set(frames[32 * page : 32 * page + 32])) == 1 for page in range(100))
    firsts = frames[::32]
    assert sorted(firsts.tolist()) == list(range(100))
    assert firsts.tolist() != list(range(100))


def test_subtables_begin_in_the_unit_behind_the_ones_before_them() -> None:
    """The first rows of many small tables are not all in one unit."""
    meta = meta_of(*[(("q", 5, 128, False),)] * 8)
    placement, _ = place("interleave", meta, placement="page")
    first_units = [int(locate(placement, table, 0, np.array([0]))[0][0]) for table in range(8)]
    # Eight units, channel first: 0, 5, 10 mod 8, ...
    assert first_units == [stripe % 2 * 4 + stripe // 2 % 4 for stripe in range(0, 40, 5)]


def test_a_stripe_of_several_rows_stays_in_its_unit() -> None:
    meta = meta_of((("dense", 320, 128, False),))
    placement, _ = place("interleave", meta, replace(SMALL, rows=4096), placement="page", stripe_bytes=512)
    units, _ = locate(placement, 0, 0, np.arange(320))
    assert all(len(set(units[4 * stripe : 4 * stripe + 4])) == 1 for stripe in range(80))
    assert len(set(units[:32])) == 8


# Hot rows.


def profile_of(meta: TraceMeta, *counts: list[int]) -> AccessProfile:
    """Accesses of each row of each subtable, in order."""
    return AccessProfile(meta, FlatRows.of(meta), np.concatenate(counts).astype(np.uint32))


HOT_META = meta_of((("q", 6, 128, False), ("r", 2, 64, True)), (("dense", 4, 100, False),))
HOT_PROFILE = profile_of(HOT_META, [0, 9, 1, 2, 0, 8], [20, 20], [0, 30, 9, 1])  # 100 accesses, 12 rows


@pytest.mark.parametrize(
    ("by", "fraction", "rows"),
    [
        ("accesses", 0.0, []),
        ("accesses", 0.29, []),
        ("accesses", 0.30, [9]),
        ("accesses", 0.70, [9, 6, 7]),
        ("accesses", 0.79, [9, 6, 7, 1]),
        ("accesses", 1.0, [9, 6, 7, 1, 10, 5, 3, 2, 11]),
        ("entries", 0.0, []),
        ("entries", 0.25, [9, 6, 7]),
        ("entries", 1.0, [9, 6, 7, 1, 10, 5, 3, 2, 11]),
    ],
)
def test_hottest_rows_first_and_none_that_is_never_accessed(
    by: Any, fraction: float, rows: list[int]
) -> None:
    spec = PlacementSpec("hot", hot_by=by, hot_fraction=fraction)
    assert choose_hot_rows(HOT_PROFILE, spec).tolist() == rows


def test_hot_rows_lie_behind_each_other_at_the_end_of_every_unit() -> None:
    placement, footprint = place("hot", HOT_META, SMALL, lambda: HOT_PROFILE, hot_fraction=0.79)
    # In order 2 + 1 + 1 + 2 = 6 bursts: the last DRAM row of 8 of the unit's 1024.
    assert copies(placement, 1, 0, np.arange(4)).tolist() == [NO_COPY, 1016, NO_COPY, NO_COPY]
    assert copies(placement, 0, 1, np.arange(2)).tolist() == [1018, 1019]
    assert copies(placement, 0, 0, np.arange(6)).tolist() == [NO_COPY, 1020, *[NO_COPY] * 4]
    assert footprint.duplicated_bytes == 8 * 8 * 64
    plain, plain_footprint = place("interleave", HOT_META)
    assert footprint.spread_bytes == plain_footprint.spread_bytes
    for t, s, n in ((0, 0, 6), (0, 1, 2), (1, 0, 4)):
        assert np.array_equal(locate(placement, t, s, np.arange(n)), locate(plain, t, s, np.arange(n)))


def test_without_hot_rows_it_is_interleave() -> None:
    placement, footprint = place("hot", HOT_META, SMALL, lambda: HOT_PROFILE, hot_fraction=0.0)
    assert placement.copy_mask == 0
    assert footprint == place("interleave", HOT_META)[1]


def test_many_hot_rows_are_all_found() -> None:
    meta = meta_of((("dense", 5000, 64, False),))
    counts = np.random.default_rng(1).permutation(5000) + 1
    profile = profile_of(meta, counts.tolist())
    geometry = replace(SMALL, rows=4096)
    placement, _ = place("hot", meta, geometry, lambda: profile, hot_by="entries", hot_fraction=0.5)
    found = copies(placement, 0, 0, np.arange(5000))
    assert np.array_equal(found != NO_COPY, counts > 2500)
    assert len(set(found[counts > 2500])) == 2500


def test_hot_rows_that_do_not_fit_are_refused() -> None:
    meta = meta_of((("dense", 500 * 8, 128, False),))
    profile = profile_of(meta, [1] * 4000)
    with pytest.raises(InputError, match="mapping hot: needs"):
        place("hot", meta, SMALL, lambda: profile, hot_by="entries", hot_fraction=0.01)


def test_shared_subtables_and_hot_rows_of_the_others_lie_in_every_unit() -> None:
    # Of 60 accesses that are not to r, 0.8 are 48: rows 9, 6, 1 of 30 + 9 + 9, and not the 8 of row 5.
    placement, footprint = place(
        "duplicate-hot", HOT_META, SMALL, lambda: HOT_PROFILE, hot_fraction=0.8, hot_by="accesses"
    )
    # 2 + 2 + 2 bursts of hot rows, then 2 of r: the last DRAM row of 8.
    assert copies(placement, 1, 0, np.arange(4)).tolist() == [NO_COPY, 1016, 1020, NO_COPY]
    assert copies(placement, 0, 0, np.arange(6)).tolist() == [NO_COPY, 1018, *[NO_COPY] * 4]
    assert copies(placement, 0, 1, np.arange(2)).tolist() == [1022, 1023]
    assert placement.mode[0, 1] == DUPLICATED
    assert footprint.duplicated_bytes == 8 * 8 * 64
    assert footprint.spread_bytes == place("duplicate", HOT_META)[1].spread_bytes


def test_without_hot_rows_duplicate_hot_is_duplicate() -> None:
    placement, footprint = place("duplicate-hot", HOT_META, SMALL, lambda: HOT_PROFILE, hot_fraction=0.0)
    plain, plain_footprint = place("duplicate", HOT_META)
    assert footprint == plain_footprint
    for column, same in zip(placement, plain, strict=True):
        assert np.array_equal(column, same)


# Rows dealt by how often they are accessed.

DEALT_META = meta_of((("q", 6, 128, False), ("r", 2, 64, True)), (("dense", 4, 100, False),))
DEALT_PROFILE = profile_of(DEALT_META, [0, 9, 1, 2, 0, 8], [20, 20], [0, 30, 9, 1])


def test_each_row_goes_to_the_unit_of_its_table_that_has_the_least_to_read() -> None:
    """By hand: 80 bursts of table 0 and 80 of table 1 are read, so each has four of the eight units."""
    placement, _ = place("updlrm", DEALT_META, SMALL, lambda: DEALT_PROFILE)
    # Unit k of the dealing is unit k // 2 of channel k % 2, as flat ids 0, 4, 1, 5 and 2, 6, 3, 7.
    # Table 0, bursts read: r 0 and r 1 20 each, q 1 18, q 5 16, q 3 4 (on 16), q 2 2 (on 18).
    assert locate(placement, 0, 1, np.arange(2))[0].tolist() == [0, 4]
    assert locate(placement, 0, 0, np.array([1, 5, 3, 2]))[0].tolist() == [1, 5, 5, 1]
    # Table 1: row 1 60, row 2 18, row 3 2.
    assert locate(placement, 1, 0, np.array([1, 2, 3]))[0].tolist() == [2, 6, 3]


def test_homes_are_at_the_end_of_units_and_the_other_rows_stay() -> None:
    placement, footprint = place("updlrm", DEALT_META, SMALL, lambda: DEALT_PROFILE)
    # Units 1 and 5 have two rows of 2 bursts, the most: one DRAM row of 8 is set aside in each unit of 1024.
    assert locate(placement, 0, 1, np.arange(2))[1].tolist() == [1016, 1016]
    assert locate(placement, 0, 0, np.array([1, 5, 3, 2]))[1].tolist() == [1016, 1016, 1018, 1018]
    plain, plain_footprint = place("interleave", DEALT_META)
    assert footprint.spread_bytes == plain_footprint.spread_bytes + 8 * 8 * 64
    assert footprint.duplicated_bytes == 0
    for t, s, rows in ((0, 0, [0, 4]), (1, 0, [0])):
        found, same = (locate(one, t, s, np.array(rows)) for one in (placement, plain))
        assert np.array_equal(found, same)


def dealt_plainly(profile: AccessProfile, geometry: UnitGeometry) -> dict[tuple[int, int, int], int]:
    """Unit of each row that is accessed, as the mapping's text says: the least loaded of the table's, row by row."""
    read, loads = {}, [0] * len(profile.meta.tables)
    for t, table in enumerate(profile.meta.tables):
        for s, part in enumerate(table.subtables):
            bursts = math.ceil(part.bytes_per_row / geometry.burst_bytes)
            for row, count in enumerate(profile.of(t, s).tolist()):
                if count:
                    read[t, s, row] = count * bursts
                    loads[t] += count * bursts
    found, load = {}, [0] * geometry.units
    for t in range(len(loads)):
        # A unit is the table's if some of its share of all loads is.
        begin, end = (sum(loads[:n]) * geometry.units for n in (t, t + 1))
        own = [u for u in range(geometry.units) if u * sum(loads) < end and (u + 1) * sum(loads) > begin]
        for key in sorted((key for key in read if key[0] == t), key=lambda key: (-read[key], key)):
            best = min(own, key=lambda unit: (load[unit], unit))
            load[best] += read[key]
            found[key] = best % geometry.channels * geometry.units_per_channel + best // geometry.channels
    return found


@settings(deadline=None, derandomize=True, database=None)
@given(metas, st.sampled_from(["hash", "page"]), st.integers(0, 2**31))
def test_dealt_rows_share_no_place_and_are_where_a_plain_deal_puts_them(
    tables: list, how: Any, seed: int
) -> None:
    meta = meta_of(*(tuple(table) for table in tables))
    geometry = replace(SMALL, rows=4096)
    rng = np.random.default_rng(seed)
    counts = [rng.integers(0, 9, part.rows) ** 2 // 8 for table in meta.tables for part in table.subtables]
    profile = profile_of(meta, *(count.tolist() for count in counts))
    placement, footprint = place("updlrm", meta, geometry, lambda: profile, placement=how)
    owners = occupied(placement, meta, geometry)
    assert owners.max() <= 1
    assert owners.sum() * geometry.burst_bytes <= footprint.spread_bytes
    for (t, s, row), unit in dealt_plainly(profile, geometry).items():
        assert int(locate(placement, t, s, np.array([row]))[0][0]) == unit, (t, s, row)


def test_rows_that_are_never_accessed_need_no_homes() -> None:
    profile = profile_of(DEALT_META, [0] * 6, [0] * 2, [0] * 4)
    placement, footprint = place("updlrm", DEALT_META, SMALL, lambda: profile)
    assert placement.home_mask == 0
    assert footprint == place("interleave", DEALT_META)[1]


def test_homes_that_do_not_fit_are_refused_with_the_numbers() -> None:
    meta = meta_of((("dense", 500 * 8, 128, False),))
    profile = profile_of(meta, [1] * 4000)
    with pytest.raises(
        InputError, match=r"mapping updlrm: needs 1,024,000 bytes for rows that lie once and 0"
    ):
        place("updlrm", meta, SMALL, lambda: profile)


# Capacity.


def test_a_memory_that_is_just_large_enough_is_filled() -> None:
    # 8 units of 1024 bursts: 1000 bursts each for rows that lie once, 24 for copies.
    meta = meta_of((("q", 500 * 8, 128, False), ("r", 12, 128, True)))
    placement, footprint = place("duplicate", meta)
    assert footprint.spread_bytes + footprint.duplicated_bytes == footprint.capacity_bytes == 8 * 1024 * 64
    assert occupied(placement, meta, SMALL).min() == 1


@pytest.mark.parametrize(("rows", "shared_rows"), [(500 * 8 + 1, 12), (500 * 8, 13)])
def test_what_does_not_fit_is_refused_with_the_numbers(rows: int, shared_rows: int) -> None:
    meta = meta_of((("q", rows, 128, False), ("r", shared_rows, 128, True)))
    once = -(-rows // 8) * 8 * 128
    copies = -(-shared_rows * 2 // 8) * 8 * 8 * 64
    with pytest.raises(InputError) as refused:
        place("duplicate", meta)
    numbers = re.findall(r"[\d,]{4,}", str(refused.value))
    assert [int(number.rstrip(",").replace(",", "")) for number in numbers] == [once, copies, 8 * 1024 * 64]
    assert "mapping duplicate" in str(refused.value)


def test_interleave_takes_what_duplicate_cannot() -> None:
    meta = meta_of((("q", 490 * 8, 128, False), ("r", 80, 128, True)))
    place("interleave", meta)
    with pytest.raises(InputError, match="mapping duplicate: needs"):
        place("duplicate", meta)


@pytest.mark.parametrize("page", [0, -3])
def test_a_page_without_rows_is_refused(page: int) -> None:
    with pytest.raises(ValueError, match="placement_page"):
        PlacementSpec("interleave", placement_page=page)


# Geometry.


@pytest.mark.parametrize(
    ("level", "units", "banks"), [("channel", 1, 16), ("rank", 1, 16), ("bankgroup", 4, 4), ("bank", 16, 1)]
)
def test_units_of_hbm2_at_each_level(level: str, units: int, banks: int) -> None:
    device = load_device("hbm2-4gb")
    geometry = UnitGeometry.of(device, level)
    assert (geometry.channels, geometry.units_per_channel, geometry.banks_per_unit) == (8, units, banks)
    assert (geometry.bursts_per_row, geometry.burst_bytes, geometry.rows) == (32, 64, 16384)
    assert geometry.units * geometry.unit_bursts * geometry.burst_bytes == 4 << 30
