"""Generated samples: no file needed, any number of samples, the same ones for the same seed.

A table's popularity is a distribution over ranks 0 ... N - 1, most popular first. Rows are numbered nearly by
popularity, as in preprocessed data, where ids are given in order of first sight: rank r keeps its octave
[2^k, 2^(k+1)) of r + 1 and is scattered within it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from ppim import config
from ppim.datasets import popularity as model
from ppim.datasets.base import DATASETS, Dataset, ReadOptions, SampleChunk, Source, TableSpec

DEFAULT_SAMPLES = 1000
MOST_ROWS = 1 << 53  # popularity is drawn with floats, which count so far
MOST_TABLES = 1 << 16  # a trace numbers them in 16 bits
MOST_POOLING = 1 << 20  # one sample's bags are in memory
LEAST_EXPONENT, MOST_EXPONENT = 0.001, 100.0
_CHUNK_SAMPLES = 1 << 14
_CHUNK_LOOKUPS = 1 << 20
_CRITEO = Path(__file__).with_name("synthetic_criteo.toml")
_REUSE = Path(__file__).with_name("synthetic_reuse.toml")
_PROFILES = Path(__file__).with_name("synthetic_profiles.toml")

Profile = Literal["criteo-like", "production"]
Law = Literal["", "criteo", "zipf", "pareto", "uniform", "meta-2021", "meta-2022", "histogram"]


@dataclass(frozen=True)
class CriteoTable:
    """One table of `synthetic_criteo.toml`."""

    name: str
    rows: int
    missing: float
    exponent: float
    shift: float


@dataclass(frozen=True)
class CriteoTables:
    """The laws of all tables and what they were measured from."""

    source: str
    sample_rows: int
    table: tuple[CriteoTable, ...]


@dataclass(frozen=True)
class Histogram:
    """A reuse histogram and where it was published."""

    source: str
    reuse: tuple[model.ReuseClass, ...]

    def __post_init__(self) -> None:
        if not self.reuse:
            raise ValueError("reuse has no class; give at least one [[reuse]]")


@dataclass(frozen=True)
class ProfileDefaults:
    """What a profile of `synthetic_profiles.toml` stands for; fields as in `Synthetic`."""

    source: str
    popularity: Law
    tables: int
    rows: tuple[int, ...]
    pooling: tuple[int, ...]


class SyntheticSource(Source):
    """Samples drawn by counter: one value a sample and table, or bags of `pooling[table]` independent ones."""

    pooling_advice = "give the lookups of a bag as --dataset-option pooling=[N]"

    def __init__(
        self,
        tables: Sequence[TableSpec],
        laws: Sequence[model.Popularity],
        pooling: Sequence[int],
        n_samples: int,
        seed: int,
    ) -> None:
        super().__init__()
        self.tables = tuple(tables)
        self.total_samples = n_samples
        self.one_hot = not pooling
        self._laws = laws
        self._pooling = pooling
        self._n_samples = n_samples
        self._seed = seed

    def chunks(self) -> Iterator[SampleChunk]:
        fitting = max(_CHUNK_LOOKUPS // max(sum(self._pooling), 1), 1)
        step = min(fitting, _CHUNK_SAMPLES)
        for first in range(0, self._n_samples, step):
            n = min(step, self._n_samples - first)
            values = [self._draw(table, first, n) for table in range(len(self._laws))]
            self.progress.rows += n
            offsets = [np.arange(n + 1, dtype=np.int64) * lookups for lookups in self._pooling]
            yield SampleChunk(n, values, offsets or None)

    def _draw(self, table: int, first: int, n: int) -> np.ndarray:
        """A table's values of `n` samples; those of a bag lie beside each other."""
        lookups = self._pooling[table] if self._pooling else 1
        values = np.empty(n * lookups, dtype=np.uint64)
        self._laws[table].draw(self._seed, table, first * lookups, values)
        return values


@DATASETS.register("synthetic")
@dataclass(frozen=True)
class Synthetic(Dataset):
    """Generated samples: one-hot, or bags whose lookups are drawn one by one.

    `profile` names the defaults of the other options, and is resolved at once: "criteo-like" (laws fitted to Criteo
    Kaggle, one-hot) or "production" (bags over tables as large, and rows used as often, as in production models).

    `popularity` is "criteo" (laws fitted to Criteo Kaggle), "zipf" (exact, of `exponent`), "pareto" (Lomax of
    shape `exponent`, modulo the rows), "uniform", or a reuse histogram: "meta-2021", "meta-2022", or
    "histogram" with `histogram` naming a TOML file like theirs. `rows` gives the tables' rows, and `pooling`
    the lookups of their bags: one number for each of the `tables`, or one for all of them. Without `rows` the
    tables are Criteo Kaggle's 26; without `pooling` samples are one-hot.
    """

    needs_path = False
    summary = "generated: Criteo-Kaggle-like (26 tables, 33.8 million rows), or with profile=production bags over 8 million"

    profile: Profile = "criteo-like"
    popularity: Law = ""
    tables: int = 0
    rows: tuple[int, ...] = ()
    pooling: tuple[int, ...] = ()
    exponent: float = 1.0
    missing: float = 0.0
    histogram: str = ""

    def __post_init__(self) -> None:
        self._check()
        chosen = config.read_toml(_PROFILES)[self.profile]
        defaults = config.build(ProfileDefaults, chosen, f"{_PROFILES.name}: {self.profile}")
        for name in ("popularity", "rows", "pooling"):  # the trace says what the profile stood for
            object.__setattr__(self, name, getattr(self, name) or getattr(defaults, name))
        if self.popularity == "criteo" and (self.rows or self.tables):
            raise ValueError("popularity criteo has its own rows; choose another, such as zipf")
        if (self.popularity == "histogram") != bool(self.histogram):
            raise ValueError("popularity histogram and a histogram file go together")
        if not self.tables and self.rows:
            several = len(self.rows) if len(self.rows) > 1 else defaults.tables
            object.__setattr__(self, "tables", several or len(self.rows))
        for name in ("rows", "pooling"):
            _one_each(name, getattr(self, name), self.tables or len(_criteo()))

    def _check(self) -> None:
        if any(not 1 <= rows <= MOST_ROWS for rows in self.rows):
            raise ValueError(f"rows must be 1 to {MOST_ROWS:,}")
        if any(not 1 <= lookups <= MOST_POOLING for lookups in self.pooling):
            raise ValueError(f"pooling must be 1 to {MOST_POOLING:,}")
        if not 0 <= self.tables <= MOST_TABLES:
            raise ValueError(f"tables must be 1 to {MOST_TABLES:,}, or 0 for the profile's")
        if not LEAST_EXPONENT <= self.exponent <= MOST_EXPONENT or not 0 <= self.missing < 1:
            raise ValueError(
                f"exponent must lie in {LEAST_EXPONENT} to {MOST_EXPONENT}, and missing in [0, 1)"
            )

    def other_inputs(self) -> list[Path]:
        return [Path(self.histogram)] if self.histogram else []

    def open(self, paths: Sequence[Path], options: ReadOptions) -> SyntheticSource:  # noqa: ARG002
        criteo = _criteo()
        if self.popularity == "criteo":
            tables = [TableSpec(table.name, table.rows) for table in criteo]
            laws: list[model.Popularity] = [
                model.ShiftedPowerLaw(table.rows, table.missing, table.exponent, table.shift)
                for table in criteo
            ]
        else:
            rows = _one_each("rows", self.rows, self.tables) or tuple(table.rows for table in criteo)
            tables = [TableSpec(f"t{number}", n) for number, n in enumerate(rows)]
            laws = [self._law(n) for n in rows]
        n_samples = DEFAULT_SAMPLES if options.max_samples is None else options.max_samples
        pooling = _one_each("pooling", self.pooling, len(tables))
        return SyntheticSource(tables, laws, pooling, n_samples, options.seed)

    def _law(self, rows: int) -> model.Popularity:
        if self.popularity == "zipf":
            return model.Zipf(rows, self.missing, self.exponent)
        if self.popularity == "pareto":
            return model.WrappedPareto(rows, self.missing, self.exponent)
        if self.popularity == "uniform":
            return model.UniformRanks(rows, self.missing)
        return model.ReuseHistogram(rows, self.missing, self._histogram().reuse)

    def _histogram(self) -> Histogram:
        path = Path(self.histogram) if self.histogram else _REUSE
        content = config.read_toml(path)
        if not self.histogram:
            content = content[self.popularity]
        return config.build(Histogram, content, path.name)


@cache
def _criteo() -> tuple[CriteoTable, ...]:
    return config.build(CriteoTables, config.read_toml(_CRITEO), _CRITEO.name).table


def _one_each(name: str, numbers: tuple[int, ...], tables: int) -> tuple[int, ...]:
    """A number for each table, where one may stand for all; none stay none."""
    if len(numbers) not in (0, 1, tables):
        raise ValueError(f"{name} has {len(numbers)} numbers for {tables} tables; give one, or one for each")
    return numbers * tables if len(numbers) == 1 else numbers
