"""Synthetic bags against the documented formula (in Python integers) and its distribution."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ppim.datasets.pooling import Distribution, expand

GOLDEN = 0x9E3779B97F4A7C15
WORD = 2**64


def mix(value: int) -> int:
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    value = (value ^ (value >> 27)) * 0x94D049BB133111EB % WORD
    return value ^ (value >> 31)


def link(seed: int, *counters: int) -> int:
    state = mix((seed + GOLDEN) % WORD)
    for counter in counters:
        state = mix((state + (counter + 1) * GOLDEN) % WORD)
    return state


def documented_row(
    distribution: Distribution, seed: int, table: int, row: int, position: int, rows: int
) -> int:
    h = link(seed, table, row, position)
    if distribution == Distribution.UNIFORM:
        return int((h >> 11) / 2**53 * rows)
    u = ((h >> 11) + 1) / 2**53
    x = 1.0 / ((u * u) * (u * u)) - 1.0
    return math.floor(x) % rows


def bags(
    ids: np.ndarray, factor: int, rows: int, table: int, seed: int, distribution: Distribution
) -> np.ndarray:
    out = np.empty(ids.size * factor, dtype=np.int64)
    expand(ids, factor, rows, table, seed, int(distribution), out)
    return out.reshape(-1, factor)


def test_mix_is_splitmix64() -> None:
    """First outputs of splitmix64 seeded with 0, as published with its source."""
    assert [mix(GOLDEN * k % WORD) for k in (1, 2, 3)] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]


@pytest.mark.parametrize("distribution", Distribution)
@pytest.mark.parametrize(
    ("rows", "table", "seed"), [(1460, 0, 0), (10131227, 2, 0), (3, 8, 12345), (1, 5, 1)]
)
def test_bags_follow_the_documented_formula(
    distribution: Distribution, rows: int, table: int, seed: int
) -> None:
    ids = np.unique(np.linspace(0, rows - 1, 300).astype(np.int64))
    made = bags(ids, 12, rows, table, seed, distribution)
    assert (made[:, 0] == ids).all()
    expected = [
        [documented_row(distribution, seed, table, int(i), p, rows) for p in range(1, 12)] for i in ids
    ]
    assert made[:, 1:].tolist() == expected


def test_huge_draws_are_taken_modulo_exactly() -> None:
    """Some draws exceed 2^63; they too must land where whole-number arithmetic puts them."""
    rows, ids = 142572, np.arange(20_000)
    made = bags(ids, 10, rows, 25, 0, Distribution.PARETO)
    assert made.min() >= 0
    assert made.max() < rows
    smallest = 2.0**-15.75  # u^-4 = 2^63
    draws = ((i, p) for i in range(20_000) for p in range(1, 10))
    huge = [(i, p) for i, p in draws if ((link(0, 25, i, p) >> 11) + 1) / 2**53 < smallest]
    assert huge
    for i, p in huge:
        assert made[i, p] == documented_row(Distribution.PARETO, 0, 25, i, p, rows)


def test_pareto_bags_have_the_lomax_distribution() -> None:
    """P(X < x) = 1 - (1 + x)^-0.25, of a million draws; the wrapped tail adds under a thousandth here."""
    rows = 10131227
    made = bags(np.arange(111_112), 10, rows, 2, 0, Distribution.PARETO)[:, 1:].ravel()
    for below, share in ((1, 0.1591), (2, 0.1591 + 0.0811), (10, 0.4509), (100, 0.6846)):
        assert np.mean(made < below) == pytest.approx(share, abs=0.002)
    wrapped = 0.0177
    tail = (1 + rows / 2) ** -0.25 - (1 + rows) ** -0.25
    assert np.mean(made >= rows / 2) == pytest.approx(tail + wrapped / 2, abs=0.002)


def test_uniform_bags_are_uniform() -> None:
    made = bags(np.arange(100_000), 11, 1000, 3, 7, Distribution.UNIFORM)[:, 1:].ravel()
    counts = np.bincount(made, minlength=1000)
    chi_square = float(((counts - 1000.0) ** 2 / 1000.0).sum())
    assert 800 < chi_square < 1210  # 999 degrees of freedom: mean 999, standard deviation 45


def test_bags_do_not_depend_on_their_neighbours() -> None:
    together = bags(np.array([5, 7, 9]), 4, 1000, 0, 0, Distribution.PARETO)
    alone = bags(np.array([7]), 4, 1000, 0, 0, Distribution.PARETO)
    assert together[1].tolist() == alone[0].tolist()


def test_seed_and_table_change_bags() -> None:
    base = bags(np.arange(100), 4, 10**6, 0, 0, Distribution.PARETO)
    assert (base != bags(np.arange(100), 4, 10**6, 1, 0, Distribution.PARETO)).any()
    assert (base != bags(np.arange(100), 4, 10**6, 0, 1, Distribution.PARETO)).any()
