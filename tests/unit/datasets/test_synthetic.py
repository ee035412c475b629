"""Generated samples against the laws they claim to follow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ppim.datasets.base import MISSING, ReadOptions, make_dataset
from ppim.datasets.criteo_kaggle import ROWS
from ppim.datasets.popularity import ReuseHistogram, scatter
from ppim.datasets.synthetic import Synthetic
from ppim.errors import InputError


def draw(n: int, seed: int = 0, **options: object) -> np.ndarray:
    """Values, shape (tables, n)."""
    source = make_dataset("synthetic", options).open([], ReadOptions(max_samples=n, seed=seed))
    return np.concatenate([np.stack(chunk.values) for chunk in source.chunks()], axis=1)


def octave(values: np.ndarray) -> np.ndarray:
    """Octaves of ranks, which scattering keeps."""
    return np.floor(np.log2(values.astype(np.float64) + 1)).astype(int)


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 27, 1000, 4096, 5000])
def test_scattering_is_a_bijection_that_keeps_octaves(rows: int) -> None:
    placed = [int(scatter(rank, rows, np.uint64(7))) for rank in range(rows)]
    assert sorted(placed) == list(range(rows))
    assert [(rank + 1).bit_length() for rank in range(rows)] == [(row + 1).bit_length() for row in placed]
    if rows > 100:
        assert placed != list(range(rows))


def test_tables_are_those_of_criteo_kaggle() -> None:
    source = make_dataset("synthetic", {}).open([], ReadOptions())
    assert tuple(table.rows for table in source.tables) == ROWS
    assert source.total_samples == 1000


def test_default_follows_its_calibration() -> None:
    """The largest table: 3.3 % missing, the most frequent value 7.1 % of the rest, 674 distinct in 967."""
    values = draw(60_000)[2]
    present = values[values != MISSING]
    assert np.mean(values == MISSING) == pytest.approx(0.033, abs=0.003)
    counts = np.sort(np.unique(present, return_counts=True)[1])[::-1]
    assert counts[0] / present.size == pytest.approx(0.0714, abs=0.004)
    assert counts[:10].sum() / present.size == pytest.approx(0.2258, abs=0.006)
    distinct = [np.unique(part).size for part in np.split(present[: 967 * 59], 59)]
    assert np.mean(distinct) == pytest.approx(638, abs=5)


@pytest.mark.parametrize("exponent", [0.7, 1.0, 1.5])
def test_zipf_is_exact(exponent: float) -> None:
    rows, n = 1000, 200_000
    values = draw(n, popularity="zipf", rows=[rows], exponent=exponent)[0]
    weight = np.arange(1, rows + 1) ** -exponent
    octaves = np.floor(np.log2(np.arange(1, rows + 1))).astype(int)
    expected = np.bincount(octaves, weight / weight.sum()) * n
    found = np.bincount(octave(values), minlength=expected.size)
    chi_square = float(((found - expected) ** 2 / expected).sum())
    assert chi_square < 30  # 9 degrees of freedom: 0.9996 of all runs


def test_pareto_wraps_a_lomax_variate() -> None:
    values = draw(200_000, popularity="pareto", rows=[10**9], exponent=0.25)[0]
    assert np.mean(values == 0) == pytest.approx(1 - 2**-0.25, abs=0.003)
    assert np.mean(values < 127) == pytest.approx(1 - 128**-0.25, abs=0.004)


def test_uniform() -> None:
    counts = np.bincount(draw(100_000, popularity="uniform", rows=[100])[0].astype(int), minlength=100)
    assert float(((counts - 1000.0) ** 2 / 1000.0).sum()) < 160  # 99 degrees of freedom


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("meta-2021", {1: 0.473, 2: 0.152, 3: 0.139, 5: 0.112, 9: 0.072, 17: 0.032, 33: 0.011}),
        ("meta-2022", {1: 0.342, 2: 0.144, 3: 0.149, 5: 0.138, 9: 0.112, 17: 0.068, 33: 0.029}),
    ],
)
def test_reuse_histogram_gives_the_published_shares_of_rows(name: str, published: dict[int, float]) -> None:
    """Only the shares of accesses go in; the shares of rows that come out are published beside them."""
    classes = Synthetic(popularity=name)._histogram().reuse
    law = ReuseHistogram(10**8, 0.0, classes)
    shares = np.diff(law.edges)[::-1] / 10**8
    found = dict(zip(sorted(entry.low for entry in classes), shares, strict=True))
    for low, share in published.items():
        assert found[low] == pytest.approx(share, rel=0.15, abs=0.002)


def test_draws_follow_the_reuse_histogram() -> None:
    classes = Synthetic(popularity="meta-2021")._histogram().reuse
    law = ReuseHistogram(2**20, 0.0, classes)
    values = draw(200_000, popularity="meta-2021", rows=[2**20])[0]
    for below in (2**12 - 1, 2**16 - 1, 2**19 - 1):
        expected = np.interp(below, law.edges, np.concatenate(([0.0], law.shares)))
        assert np.mean(values < below) == pytest.approx(expected, abs=0.005)


def test_histogram_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "h.toml"
    path.write_text(
        'source = "test"\nreuse = [{low = 1, high = 1, accesses = 0.5}, {low = 9, high = 9, accesses = 0.5}]\n'
    )
    values = draw(100_000, popularity="histogram", histogram=str(path), rows=[1000])[0]
    assert np.mean(values < 127) > 0.5  # the hot tenth of the rows holds half of the accesses
    assert np.mean(values < 63) < 0.5


def test_missing_share() -> None:
    values = draw(50_000, popularity="uniform", rows=[10], missing=0.25)[0]
    assert np.mean(values == MISSING) == pytest.approx(0.25, abs=0.008)


def test_a_sample_depends_on_its_number_only() -> None:
    np.testing.assert_array_equal(draw(40_000)[:, :100], draw(100))
    assert (draw(100) != draw(100, seed=1)).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rows": [5]}, "popularity criteo has its own rows"),
        ({"popularity": "zipf", "exponent": 0.0}, r"exponent must lie in 0\.001 to 100"),
        ({"popularity": "histogram"}, "go together"),
        ({"popularity": "zipf", "rows": [0]}, "rows must be 1 to "),
        ({"pooling": [0]}, "pooling must be 1 to "),
        ({"tables": 3}, "popularity criteo has its own rows"),
        ({"popularity": "zipf", "tables": 70_000}, "tables must be 1 to 65,536"),
        ({"pooling": [1, 2, 3]}, "pooling has 3 numbers for 26 tables; give one, or one for each"),
        ({"profile": "production", "tables": 3, "rows": [5, 6]}, "rows has 2 numbers for 3 tables"),
        ({"profile": "prod"}, "profile: 'prod' is not one of 'criteo-like', 'production'"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_dataset("synthetic", options)
