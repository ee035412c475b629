"""Generated samples: no file needed, any number of samples, the same ones for the same seed.

A table's popularity is a distribution over ranks 0 ... N - 1, most popular first. Rows are numbered nearly by
popularity, as in preprocessed data, where ids are given in order of first sight: rank r keeps its octave
[2^k, 2^(k+1)) of r + 1 and is scattered within it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ppim import config
from ppim.datasets import popularity as model
from ppim.datasets.base import DATASETS, Dataset, ReadOptions, SampleChunk, Source, TableSpec

DEFAULT_SAMPLES = 1000
MOST_ROWS = 1 << 53  # popularity is drawn with floats, which count so far
LEAST_EXPONENT, MOST_EXPONENT = 0.001, 100.0
_CHUNK_SAMPLES = 1 << 14
_CRITEO = Path(__file__).with_name("synthetic_criteo.toml")
_REUSE = Path(__file__).with_name("synthetic_reuse.toml")


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


class SyntheticSource(Source):
    """One-hot samples drawn by counter."""

    def __init__(
        self, tables: Sequence[TableSpec], laws: Sequence[model.Popularity], n_samples: int, seed: int
    ) -> None:
        super().__init__()
        self.tables = tuple(tables)
        self.total_samples = n_samples
        self._laws = laws
        self._n_samples = n_samples
        self._seed = seed

    def chunks(self) -> Iterator[SampleChunk]:
        for first in range(0, self._n_samples, _CHUNK_SAMPLES):
            n = min(_CHUNK_SAMPLES, self._n_samples - first)
            values = np.empty((len(self._laws), n), dtype=np.uint64)
            for table, law in enumerate(self._laws):
                law.draw(self._seed, table, first, values[table])
            self.progress.rows += n
            yield SampleChunk(n, tuple(values))


@DATASETS.register("synthetic")
@dataclass(frozen=True)
class Synthetic(Dataset):
    """Generated one-hot samples.

    `popularity` is "criteo" (laws fitted to Criteo Kaggle), "zipf" (exact, of `exponent`), "pareto" (Lomax of
    shape `exponent`, modulo the rows), "uniform", or a reuse histogram: "meta-2021", "meta-2022", or
    "histogram" with `histogram` naming a TOML file like theirs. `rows` gives the tables' rows; the default
    is Criteo Kaggle's 26 tables.
    """

    needs_path = False
    summary = "generated, Criteo-Kaggle-like by default: 26 tables, 33.8 million rows"

    popularity: Literal["criteo", "zipf", "pareto", "uniform", "meta-2021", "meta-2022", "histogram"] = (
        "criteo"
    )
    rows: tuple[int, ...] = ()
    exponent: float = 1.0
    missing: float = 0.0
    histogram: str = ""

    def __post_init__(self) -> None:
        if any(not 1 <= rows <= MOST_ROWS for rows in self.rows):
            raise ValueError(f"rows must be 1 to {MOST_ROWS:,}")
        if self.popularity == "criteo" and self.rows:
            raise ValueError("popularity criteo has its own rows; choose another, such as zipf")
        if not LEAST_EXPONENT <= self.exponent <= MOST_EXPONENT or not 0 <= self.missing < 1:
            raise ValueError(
                f"exponent must lie in {LEAST_EXPONENT} to {MOST_EXPONENT}, and missing in [0, 1)"
            )
        if (self.popularity == "histogram") != bool(self.histogram):
            raise ValueError("popularity histogram and a histogram file go together")

    def other_inputs(self) -> list[Path]:
        return [Path(self.histogram)] if self.histogram else []

    def open(self, paths: Sequence[Path], options: ReadOptions) -> SyntheticSource:  # noqa: ARG002
        criteo = config.build(CriteoTables, config.read_toml(_CRITEO), _CRITEO.name).table
        if self.popularity == "criteo":
            tables = [TableSpec(table.name, table.rows) for table in criteo]
            laws: list[model.Popularity] = [
                model.ShiftedPowerLaw(table.rows, table.missing, table.exponent, table.shift)
                for table in criteo
            ]
        else:
            rows = self.rows or tuple(table.rows for table in criteo)
            tables = [TableSpec(f"t{number}", n) for number, n in enumerate(rows)]
            laws = [self._law(n) for n in rows]
        n_samples = DEFAULT_SAMPLES if options.max_samples is None else options.max_samples
        return SyntheticSource(tables, laws, n_samples, options.seed)

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
