"""The Pareto front, beside the definition written out."""

from __future__ import annotations

import numpy as np
import pytest

from ppim.search.front import best, crowding, dominates, pareto_front, ranks


def is_worse(costs: np.ndarray, place: int, among: list[int]) -> bool:
    """Whether one of the others is nowhere worse, and better somewhere."""
    return any(
        all(x <= y for x, y in zip(costs[other], costs[place], strict=True))
        and any(x < y for x, y in zip(costs[other], costs[place], strict=True))
        for other in among
    )


@pytest.mark.parametrize("seed", range(30))
def test_front_and_ranks_are_those_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    # Few different values, so that there are ties and equal rows.
    costs = rng.integers(0, 5, (int(rng.integers(1, 40)), int(rng.integers(1, 4)))).astype(float)
    left, expected = list(range(len(costs))), np.zeros(len(costs), dtype=int)
    rank = 0
    while left:
        front = [place for place in left if not is_worse(costs, place, left)]
        expected[front] = rank
        left = [place for place in left if place not in front]
        rank += 1
    assert ranks(costs).tolist() == expected.tolist()
    found = pareto_front(costs).tolist()
    rows = {tuple(costs[place]) for place in np.flatnonzero(expected == 0)}
    assert {tuple(costs[place]) for place in found} == rows
    assert len(found) == len(rows), "one of equal ones is enough"
    assert all(place == np.flatnonzero((costs == costs[place]).all(axis=1))[0] for place in found)
    assert costs[found, 0].tolist() == sorted(costs[found, 0])


def test_a_design_is_better_if_it_is_nowhere_worse() -> None:
    a, b = np.array([1.0, 2.0]), np.array([1.0, 3.0])
    assert dominates(a, b)
    assert not dominates(b, a)
    assert not dominates(a, a)
    assert not dominates(np.array([0.0, 4.0]), b)


def test_ends_are_least_crowded_and_then_those_with_room() -> None:
    costs = np.array([[0.0, 10.0], [1.0, 6.0], [2.0, 5.0], [9.0, 1.0], [10.0, 0.0]])
    apart = crowding(costs)
    assert np.isinf(apart[[0, 4]]).all()
    assert apart[1] == pytest.approx(2 / 10 + 5 / 10)
    assert apart[3] > apart[1] > 0


def test_the_best_are_of_the_first_front_before_others() -> None:
    costs = np.array([[5.0, 5.0], [0.0, 3.0], [3.0, 0.0], [1.0, 1.5], [4.0, 4.0]])
    assert best(costs, 3).tolist() == [1, 2, 3]
    assert best(costs, 2).tolist() == [1, 2]
    assert best(costs, 4).tolist() == [1, 2, 3, 4]
    assert best(costs, 9).tolist() == [0, 1, 2, 3, 4]


def test_of_nothing_there_is_no_front() -> None:
    assert pareto_front(np.zeros((0, 3))).size == 0
    assert best(np.zeros((0, 3)), 2).size == 0
