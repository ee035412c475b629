"""Fit the `synthetic` dataset's row popularity to a local Criteo Kaggle sample.

    python scripts/calibrate_synthetic.py SAMPLE > ppim/datasets/synthetic_criteo.toml

For each of the 26 columns it measures, over the sample's rows, the share of empty fields and, among the
others, the number of distinct values, the share of the most frequent value and of the ten most frequent
ones. It then looks for the exponent and shift of the shifted power law of `ppim.datasets.synthetic`, over the
column's true number of rows, whose expectation for a sample of that size comes nearest to the three (weighted
sum of squared logarithms of ratios). Only these aggregates are printed; no value of the sample is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from ppim.datasets.base import MISSING, ReadOptions
from ppim.datasets.criteo_format import CATEGORIES
from ppim.datasets.criteo_kaggle import ROWS, CriteoKaggle

TOP = 10
WEIGHTS = np.array([1.0, 10.0, 1.0])  # the most frequent value matters most: it is what caches hold
EXACT_RANKS = 4096
BIN_GROWTH = 1.01
ROUNDS = 7
GRID = 21


def rank_edges(rows: int) -> np.ndarray:
    """Edges of groups of ranks: single ranks first, then groups that grow by one percent."""
    exact = np.arange(min(rows, EXACT_RANKS) + 1, dtype=np.float64)
    if rows <= EXACT_RANKS:
        return exact
    n = int(np.ceil(np.log(rows / EXACT_RANKS) / np.log(BIN_GROWTH)))
    return np.concatenate((exact, np.geomspace(EXACT_RANKS, rows, n + 1)[1:]))


def expected(rows: int, exponent: float, shift: float, n: int) -> tuple[float, float, float]:
    """Distinct values, greatest share and share of the ten greatest, expected in `n` draws."""
    edges = rank_edges(rows)
    power = 1.0 - exponent
    grown = np.log(edges + shift) if abs(power) < 1e-9 else (edges + shift) ** power
    share = np.diff((grown - grown[0]) / (grown[-1] - grown[0]))
    width = np.diff(edges)
    distinct = np.sum(width * -np.expm1(n * np.log1p(-np.minimum(share / width, 1 - 1e-12))))
    return float(distinct), float(share[0]), float(share[:TOP].sum())


def fit(rows: int, n: int, distinct: int, top1: float, top10: float) -> tuple[float, float]:
    """Exponent and shift by a grid that narrows around its best point."""
    target = np.log([distinct, top1, top10])
    low, high = np.array([0.0, np.log(1e-3)]), np.array([4.0, np.log(1e5)])
    best = (np.inf, 1.0, 1.0)
    for _ in range(ROUNDS):
        for exponent in np.linspace(low[0], high[0], GRID):
            for log_shift in np.linspace(low[1], high[1], GRID):
                miss = np.log(expected(rows, exponent, np.exp(log_shift), n)) - target
                error = float(np.sum(WEIGHTS * miss**2))
                best = min(best, (error, float(exponent), float(log_shift)))
        span = (high - low) / GRID * 2
        centre = np.array(best[1:])
        low, high = np.maximum(centre - span, [0.0, np.log(1e-3)]), centre + span
    return best[1], float(np.exp(best[2]))


def main() -> None:
    source = CriteoKaggle().open([Path(sys.argv[1])], ReadOptions())
    columns = np.concatenate([np.stack(chunk.values) for chunk in source.chunks()], axis=1)
    n_samples = columns.shape[1]
    out = sys.stdout.write
    out(
        "# Row popularity of the `synthetic` dataset, written by scripts/calibrate_synthetic.py.\n"
        f'source = "aggregates of the first {n_samples} rows of Criteo Kaggle train.txt; cardinalities of the whole set"\n'
        f"sample_rows = {n_samples}\n"
    )
    for name, rows, values in zip(CATEGORIES, ROWS, columns, strict=True):
        present = values[values != MISSING]
        counts = np.sort(np.unique(present, return_counts=True)[1])[::-1]
        top1, top10 = counts[0] / present.size, counts[:TOP].sum() / present.size
        exponent, shift = fit(rows, present.size, counts.size, top1, top10)
        fitted = expected(rows, exponent, shift, present.size)
        out(
            f'\n[[table]]\nname = "{name}"\nrows = {rows}\n'
            f"missing = {1 - present.size / n_samples:.4f}\nexponent = {exponent:.4f}\nshift = {shift:.5g}\n"
            f"# sample (fit): distinct {counts.size} ({fitted[0]:.0f}), most frequent {top1:.4f} ({fitted[1]:.4f}), "
            f"ten most frequent {top10:.4f} ({fitted[2]:.4f})\n"
        )


if __name__ == "__main__":
    main()
