"""What a mapping that learns moves, and that it does so by what it has seen."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ppim.mapping.adaptive import place
from ppim.mapping.placing.balance import balance
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.guests import first_slot, slot_bursts
from ppim.mapping.placing.learner import Learner, Move, MoveCosts
from ppim.mapping.placing.spec import PlacementSpec
from ppim.trace.schema import TraceMeta
from tests.reference.learner_twin import LearnerTwin
from tests.reference.placements import locate
from tests.reference.small_traces import small_trace

GEOMETRY = UnitGeometry(
    channels=2, units_per_channel=2, banks_per_unit=2, rows=256, bursts_per_row=8, burst_bytes=64
)
# A row of two bursts keeps a unit for 10 cycles, read or written, and the bus for 4.
COSTS = MoveCosts(column=2, bus_burst=2, row_read=10.0, row_written=10.0, latency=20)


def no_profile() -> Any:
    raise AssertionError("it knows nothing beforehand")


def a_meta(*rows: int) -> TraceMeta:
    return small_trace("dense", {"vector_bytes": 128}, rows=rows, samples=1, batch_size=1).meta


def a_learner(meta: TraceMeta, costs: MoveCosts = COSTS, **spec: Any) -> Learner:
    spec = {"guest_rows": 4, "adaptive_memory": 0.5, **spec}
    parameters = PlacementSpec(mapping="adaptive", **spec)
    placement, footprint = place(meta, GEOMETRY, parameters, no_profile)
    return Learner(meta, GEOMETRY, parameters, placement, footprint, costs)


def units_of(learner: Learner, table: int, rows: np.ndarray) -> np.ndarray:
    return locate(learner.rows.placement, table, 0, rows)[0]


def rows_in(learner: Learner, table: int, unit: int, n: int) -> list[int]:
    """Rows of a table whose own place is in a unit."""
    rows = np.arange(200)
    return rows[units_of(learner, table, rows) == unit][:n].tolist()


def see(learner: Learner, counts: dict[int, int], table: int = 0) -> None:
    rows = np.repeat(list(counts), list(counts.values()))
    learner.see(np.full(len(rows), table), np.zeros(len(rows), np.int64), rows)


# Balance.


def test_balance_halves_the_difference() -> None:
    """10 + 6 + 3 = 19 against 5 and 0: 6 is what is nearest to 19 / 2 from below; then 13 against 6, 5: 3."""
    loads = np.array([10.0, 6.0, 3.0, 5.0])
    plan = balance(loads, np.array([0, 0, 0, 1]), np.array([9, 9, 9]), 9)
    assert plan.rows == [1, 2]
    assert plan.units == [2, 1]
    assert plan.peaks == [19.0, 13.0, 10.0]
    assert plan.gain(2) == 9.0


def test_balance_moves_a_row_of_more_than_half_the_difference_if_that_helps() -> None:
    plan = balance(np.array([7.0, 6.0]), np.array([0, 0]), np.array([1, 1]), 9)
    assert (plan.rows, plan.units, plan.peaks) == ([1], [1], [13.0, 7.0])


def test_balance_leaves_a_single_hot_row_where_it_is() -> None:
    plan = balance(np.array([9.0, 1.0]), np.array([0, 1]), np.array([4, 4]), 9)
    assert plan.rows == []


def test_balance_needs_room_and_moves() -> None:
    loads, units = np.array([4.0, 4.0, 4.0, 4.0]), np.zeros(4, np.int64)
    assert balance(loads, units, np.array([5, 0, 1]), 9).units == [2]
    assert balance(loads, units, np.array([5, 0, 0]), 9).rows == []
    assert len(balance(loads, units, np.array([5, 5, 5]), 1).rows) == 1


# The learner.


def test_hot_rows_of_one_unit_are_spread() -> None:
    learner = a_learner(a_meta(200))
    hot = rows_in(learner, 0, 1, 4)
    see(learner, dict.fromkeys(hot, 100))
    moves = learner.look()
    assert len(moves) == 3
    assert {move.from_unit for move in moves} == {1}
    assert sorted(move.to_unit for move in moves) == [0, 2, 3]
    # Lookups find them there now, at the address that was written.
    for move in moves:
        units, addresses = locate(learner.rows.placement, 0, 0, np.array([move.row]))
        assert (units[0], addresses[0]) == (move.to_unit, move.to_address)
    assert sorted(units_of(learner, 0, np.array(hot)).tolist()) == [0, 1, 2, 3]


def test_balanced_loads_stay() -> None:
    learner = a_learner(a_meta(200))
    see(learner, {rows_in(learner, 0, unit, 1)[0]: 100 for unit in range(4)})
    assert learner.look() == []


def test_tables_are_balanced_each_by_itself() -> None:
    """Turns are of one table: that another table's rows are elsewhere helps none of its own."""
    learner = a_learner(a_meta(200, 200))
    for table, unit in ((0, 1), (1, 2)):
        see(learner, dict.fromkeys(rows_in(learner, table, unit, 2), 100), table)
    moves = learner.look()
    assert sorted(move.from_unit for move in moves) == [1, 2]


def test_moves_have_to_pay() -> None:
    """Two rows of n accesses in one unit: moving one saves 10 n cycles, and takes 20 + 10 + 10."""
    for accesses, pays in ((4, True), (3, False)):
        learner = a_learner(a_meta(200))
        see(learner, dict.fromkeys(rows_in(learner, 0, 0, 2), accesses))
        assert bool(learner.look()) == pays
    learner = a_learner(a_meta(200), adaptive_gain=2.0)
    see(learner, dict.fromkeys(rows_in(learner, 0, 0, 2), 7))
    assert learner.look() == []


def test_most_moves_are_those_allowed() -> None:
    for most in (0, 1, 2):
        learner = a_learner(a_meta(200), adaptive_moves=most)
        see(learner, dict.fromkeys(rows_in(learner, 0, 1, 4), 100))
        assert len(learner.look()) == most


def test_guests_go_home_when_they_are_forgotten() -> None:
    """Their own places have them still: nothing is read or written."""
    learner = a_learner(a_meta(200))
    hot = rows_in(learner, 0, 1, 2)
    see(learner, dict.fromkeys(hot, 8))
    (move,) = learner.look()
    assert units_of(learner, 0, np.array([move.row]))[0] == move.to_unit
    # 8, 4, 2, 1, 0.5: it is remembered; 0.25: no more.
    for _ in range(4):
        assert learner.look() == []
        assert learner.guests.places
    assert learner.look() == []
    assert not learner.guests.places
    assert units_of(learner, 0, np.array([move.row]))[0] == 1


def test_room_is_used_again_and_never_twice() -> None:
    learner = a_learner(a_meta(400), guest_rows=2, adaptive_memory=0.0)
    rng = np.random.default_rng(5)
    first, slot = learner.guests.first, learner.guests.slot
    seen = 0
    for look in range(30):
        unit = int(rng.integers(4))
        hot = rng.choice(rows_in(learner, 0, unit, 40), 6, replace=False)
        see(learner, dict.fromkeys(hot.tolist(), 50))
        before = dict(learner.guests.places)
        moves = learner.look()
        seen += len(moves)
        places = list(learner.guests.places.values())
        assert len(set(places)) == len(places)
        assert all(address in (first, first + slot) for _, address in places)
        for move in moves:
            home = learner.rows.homes(np.array([move.row]))
            source = before.get(move.row, (int(home[0][0]), int(home[1][0])))
            assert (move.from_unit, move.from_address) == source, look
            assert move.to_unit != move.from_unit
    assert seen > 30


def test_room_for_guests_lies_behind_all_else_and_counts() -> None:
    meta = small_trace("qr", {"collisions": 4, "vector_bytes": 192}, rows=(300, 90), samples=1).meta
    spec = PlacementSpec(mapping="adaptive", guest_rows=3)
    placement, footprint = place(meta, GEOMETRY, spec, no_profile)
    assert slot_bursts(meta, GEOMETRY) == 4  # 192 B are 3 bursts
    first = first_slot(GEOMETRY, footprint)
    shared = sum(part.rows * 3 for table in meta.tables for part in table.subtables if part.shared)
    dram_rows = -(-(shared + 3 * 4) // 8)
    assert GEOMETRY.unit_bursts - first == dram_rows * 8
    assert footprint.duplicated_bytes == dram_rows * 8 * 64 * GEOMETRY.units
    assert placement.base[placement.mode == 1].min() == first + 3 * 4
    assert footprint.spread_bytes // (64 * GEOMETRY.units) <= first


# Against the twin.


def compare_with_twin(seed: int) -> int:
    """Rows that moved. Skewed accesses whose popular rows change now and then; every sentence of the model has its chance."""
    rng = np.random.default_rng(seed)
    tables, rows = int(rng.integers(1, 4)), 120
    meta = a_meta(*[rows] * tables)
    spec = {
        "guest_rows": int(rng.integers(1, 9)),
        "adaptive_moves": int(rng.integers(1, 20)),
        "adaptive_memory": float(rng.choice([0.0, 0.5, 0.75, 1.0])),
        "adaptive_gain": float(rng.choice([0.0, 0.5, 1.0, 4.0])),
        "placement_seed": seed,
    }
    learner = a_learner(meta, **spec)
    home = {
        (table, row): int(unit)
        for table in range(tables)
        for row, unit in enumerate(units_of(learner, table, np.arange(rows)))
    }
    twin = LearnerTwin(
        home=home,
        units=GEOMETRY.units,
        units_per_channel=GEOMETRY.units_per_channel,
        guest_rows=spec["guest_rows"],
        most_moves=spec["adaptive_moves"],
        memory=Fraction(spec["adaptive_memory"]),
        gain=Fraction(spec["adaptive_gain"]),
        read_cycles=10,
        write_cycles=10,
        bus_cycles=4,
        latency=20,
    )
    moved = 0
    popular = rng.permutation(rows)
    for _ in range(12):
        if rng.random() < 0.2:
            popular = rng.permutation(rows)
        accessed = []
        for table in range(tables):
            ids = popular[np.minimum(rng.geometric(0.08, int(rng.integers(1, 90))) - 1, rows - 1)]
            learner.see(np.full(len(ids), table), np.zeros(len(ids), np.int64), ids)
            accessed += [(table, int(row)) for row in ids]
        got = [(divmod(move.row, rows), move.from_unit, move.to_unit) for move in learner.look()]
        assert got == twin.look(accessed)
        guests = {divmod(number, rows): unit for number, (unit, _) in learner.guests.places.items()}
        assert guests == twin.guests
        moved += len(got)
    return moved


@pytest.mark.parametrize("seed", range(40))
def test_the_same_moves_as_the_twin(seed: int) -> None:
    compare_with_twin(seed)


def test_the_seeds_move_rows() -> None:
    moved = [compare_with_twin(seed) for seed in range(40)]
    assert sum(n > 0 for n in moved) > 20
    assert sum(moved) > 200


# Foresight.


def decisions(learner: Learner, epochs: list[dict[int, int]]) -> list[list[Move]]:
    found = []
    for counts in epochs:
        see(learner, counts)
        found.append(learner.look())
    return found


def test_what_comes_does_not_matter() -> None:
    """Two futures that contradict each other, and one past: the same moves until they part."""
    meta = a_meta(200)
    one, other = (a_learner(meta) for _ in range(2))
    hot, cold = rows_in(one, 0, 1, 4), rows_in(one, 0, 2, 4)
    past = [dict.fromkeys(hot, 100)] * 2
    left = decisions(one, [*past, *[dict.fromkeys(hot, 100)] * 3])
    right = decisions(other, [*past, *[dict.fromkeys(cold, 900)] * 3])
    assert left[:2] == right[:2] != [[], []]
    assert left[2:] == [[], [], []]
    assert right[2]


@pytest.mark.parametrize("keep", [0.0, 0.5, 1.0])
def test_a_change_is_followed_only_after_it_was_seen(keep: float) -> None:
    learner = a_learner(a_meta(200), adaptive_memory=keep)
    hot, later = rows_in(learner, 0, 1, 4), rows_in(learner, 0, 2, 4)
    decisions(learner, [dict.fromkeys(hot, 100)] * 3)
    # Before anything of the second half is seen, its rows lie together in their own unit.
    assert set(units_of(learner, 0, np.array(later)).tolist()) == {2}
    decisions(learner, [dict.fromkeys(later, 1000)])
    assert len(set(units_of(learner, 0, np.array(later)).tolist())) > 1
