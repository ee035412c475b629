"""Generated samples: no file needed, any number of samples, the same ones for the same seed.

The popularity of rows follows a shifted power law over popularity ranks 0 ... N - 1,

    P(rank < k) = ((k + shift)^(1 - exponent) - shift^(1 - exponent)) / ((N + shift)^(1 - exponent) - shift^(1 - exponent)),

beside a share of missing values. Cardinalities and laws of the default are Criteo Kaggle's
(`synthetic_criteo.toml`). Rows are numbered nearly by popularity, as in preprocessed data, where ids are given
in order of first sight: a rank in [2^k, 2^(k+1)) keeps its octave and is scattered within it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ppim import config
from ppim.datasets.base import DATASETS, MISSING, Dataset, ReadOptions, SampleChunk, Source, TableSpec
from ppim.datasets.hashing import extend, mix, start, uniform
from ppim.jit import njit

DEFAULT_SAMPLES = 1000
_CHUNK_SAMPLES = 1 << 14
_LAWS = Path(__file__).with_name("synthetic_criteo.toml")
_LOG_LAW = 1e-9
_MISSING_DRAW, _RANK_DRAW = 0, 1
_ONE = np.uint64(1)


@dataclass(frozen=True)
class PowerLaw:
    """One table: rows, share of missing values, exponent and shift of the law of ranks."""

    name: str
    rows: int
    missing: float
    exponent: float
    shift: float

    def __post_init__(self) -> None:
        if self.rows < 1 or not 0 <= self.missing <= 1 or self.exponent < 0 or self.shift <= 0:
            raise ValueError("rows >= 1, 0 <= missing <= 1, exponent >= 0 and shift > 0 are needed")


@dataclass(frozen=True)
class SyntheticTables:
    """The laws of all tables and what they were measured from."""

    source: str
    sample_rows: int
    table: tuple[PowerLaw, ...]


@njit(cache=False)
def scatter(rank, rows, key):  # type: ignore[no-untyped-def]
    """Row of a rank: a bijection of [0, rows) that keeps the octaves of rank + 1.

    Within an octave of 2^k ranks (the last may be cut) it is a keyed permutation of k-bit words, walked on
    until it falls inside.
    """
    number = np.uint64(rank) + _ONE
    bits = np.uint64(0)
    while (number >> bits) > _ONE:
        bits += _ONE
    base = _ONE << bits
    size = min(base, np.uint64(rows) + _ONE - base)
    mask = base - _ONE
    half = (bits + _ONE) >> _ONE
    multiplier = mix(key + bits) | _ONE
    offset = mix(multiplier)
    word = number - base
    while True:
        for _ in range(2):
            word = ((word + offset) * multiplier) & mask
            word ^= word >> half
        if word < size:
            return np.int64(base + word - _ONE)


@njit
def draw_values(first_sample, table, seed, rows, missing, exponent, shift, out):  # type: ignore[no-untyped-def]
    """Values of consecutive samples in one table; each depends on (seed, table, sample) alone."""
    table_link = extend(start(seed), table)
    power = 1.0 - exponent
    logarithmic = abs(power) < _LOG_LAW
    low = math.log(shift) if logarithmic else shift**power
    high = math.log(rows + shift) if logarithmic else (rows + shift) ** power
    for i in range(out.size):
        link = extend(table_link, first_sample + i)
        if missing > 0.0 and uniform(extend(link, _MISSING_DRAW)) <= missing:
            out[i] = MISSING
            continue
        level = high + (low - high) * uniform(extend(link, _RANK_DRAW))
        rank = (math.exp(level) if logarithmic else level ** (1.0 / power)) - shift
        out[i] = np.uint64(scatter(min(max(np.int64(rank), 0), rows - 1), rows, table_link))


class SyntheticSource(Source):
    """One-hot samples drawn by counter."""

    def __init__(self, laws: Sequence[PowerLaw], n_samples: int, seed: int) -> None:
        super().__init__()
        self.tables = tuple(TableSpec(law.name, law.rows) for law in laws)
        self.total_samples = n_samples
        self._laws = laws
        self._n_samples = n_samples
        self._seed = seed

    def chunks(self) -> Iterator[SampleChunk]:
        for first in range(0, self._n_samples, _CHUNK_SAMPLES):
            n = min(_CHUNK_SAMPLES, self._n_samples - first)
            values = np.empty((len(self._laws), n), dtype=np.uint64)
            for table, law in enumerate(self._laws):
                draw_values(
                    first, table, self._seed, law.rows, law.missing, law.exponent, law.shift, values[table]
                )
            self.progress.rows += n
            yield SampleChunk(n, tuple(values))


@DATASETS.register("synthetic")
@dataclass(frozen=True)
class Synthetic(Dataset):
    """Criteo-Kaggle-like samples."""

    needs_path = False
    summary = "generated, Criteo-Kaggle-like: 26 tables, 33.8 million rows"

    def open(self, paths: Sequence[Path], options: ReadOptions) -> SyntheticSource:  # noqa: ARG002
        laws = config.build(SyntheticTables, config.read_toml(_LAWS), str(_LAWS.name)).table
        n_samples = DEFAULT_SAMPLES if options.max_samples is None else options.max_samples
        return SyntheticSource(laws, n_samples, options.seed)
