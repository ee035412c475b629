"""Traces and runs of the evaluation, each made once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from ppim.datasets.base import ReadOptions, make_dataset, recognise
from ppim.datasets.rows import FoldedRows
from ppim.datasets.streams import fingerprint, read_head
from ppim.errors import InputError
from ppim.runs.simulate import simulate
from ppim.stats.result import SimulationResult
from ppim.systems.load import load_system
from ppim.trace.generate import Recipe, generate
from ppim.trace.reader import TraceReader
from ppim.trace.schema import PoolingMeta
from ppim.weight_sharing.base import WeightSharing

DATASET = "criteo-kaggle"
BATCH = 4
POOLING = 10
VECTOR_BYTES = 128
DEFAULTS: dict[str, dict[str, Any]] = {
    "qr": {"vector_bytes": VECTOR_BYTES, "collisions": 4},
    "tt-rec": {"vector_bytes": VECTOR_BYTES, "tt_rank": 32, "factorisation": "cube-root"},
}
"""Algorithm -> the parameters from which one at a time is changed."""
SEEDS = range(3)
"""Placements that a figure is the mean of: where the rows used most often lie decides some percent."""


@dataclass(frozen=True)
class Runs:
    """The same run with several placements; every figure is a mean over them."""

    results: tuple[SimulationResult, ...]

    def mean(self, figure: Callable[[SimulationResult], float]) -> float:
        """Mean of a figure of the runs."""
        return fmean(map(figure, self.results))

    @property
    def cycles(self) -> float:
        """Length, memory cycles."""
        return self.mean(lambda run: run.cycles)

    @property
    def time_ns(self) -> float:
        """Length, ns."""
        return self.mean(lambda run: run.time_ns)

    @property
    def issue_slots(self) -> float:
        """Slots of all streams."""
        return self.mean(lambda run: run.issue_slots or 0)

    @property
    def unevenness(self) -> float:
        """Accesses of the busiest unit over those of the average one."""
        return self.mean(lambda run: float(run.unit_accesses.max() / run.unit_accesses.mean()))  # type: ignore[union-attr]

    def share(self, column: str) -> float:
        """Of the cycles of all channels, those that a column of the stats counts."""
        return self.mean(lambda run: run.total(column)) / self.cycles / len(self.results[0].counts[column])

    def bound_by(self) -> str:
        """The nearest lower bound, and how near the runs come to it; of two memories that of the nearer one."""
        shares: dict[str, float] = {}
        two = self.results[0].second is not None
        for memories in zip(*(run.memories for run in self.results), strict=True):
            cycles = sum(memory.cycles for memory in memories)
            for name in memories[0].limits:
                label = f"{memories[0].memory} {name}" if two else name
                shares[label] = sum(memory.limits[name] for memory in memories) / cycles
        nearest = max(shares, key=lambda name: shares[name], default="")
        return f"{nearest} {shares[nearest]:.0%}" if nearest else ""


class Bench:
    """Runs on one dataset.

    Parameters
    ----------
    dataset : Path
        The start of Criteo Kaggle's train.txt, 999 lines or more.
    folder : Path
        For traces.

    Raises
    ------
    InputError
        Another dataset.
    """

    def __init__(self, dataset: Path, folder: Path) -> None:
        self.dataset, self.folder = dataset, folder
        self.name = recognise(dataset, read_head(dataset))
        if self.name != DATASET:
            raise InputError(
                f"{dataset}: is of {self.name}; give the start of {DATASET}, of which the page speaks"
            )
        self._traces: dict[str, Path] = {}
        self._results: dict[str, Runs] = {}

    def trace(
        self,
        algorithm: str,
        samples: int,
        *,
        batch: int = BATCH,
        pooling: int = POOLING,
        **parameters: Any,
    ) -> Path:
        """The trace of the first samples of the dataset; the synthetic part of its bags is Pareto distributed."""
        sharing = WeightSharing.from_parameters(algorithm, DEFAULTS[algorithm] | parameters)
        key = repr((sharing.name, sharing.parameters, samples, batch, pooling))
        if key not in self._traces:
            source = make_dataset(self.name, {}).open([self.dataset], ReadOptions(max_samples=samples))
            tables = range(len(source.tables))
            rows = [table.rows for table in source.tables if table.rows is not None]
            pool = PoolingMeta("pareto", (pooling,) * len(tables))
            describe = {
                "dataset": self.name,
                "dataset_sha256": fingerprint([self.dataset]),
                "dataset_options": {},
                "command_line": "",
            }
            path = self.folder / f"{len(self._traces)}-{algorithm}.parquet"
            recipe = Recipe(tuple(tables), FoldedRows(rows), pool, batch, seed=0)
            generate(source, sharing, recipe, path, describe)
            self._traces[key] = path
        return self._traces[key]

    def runs(self, trace: Path, system: str, **settings: Any) -> Runs:
        """A system with some parameters changed, on a trace, with each placement of its rows."""
        key = repr((trace, system, sorted(settings.items())))
        if key not in self._results:
            placements: list[dict[str, Any]] = [{"placement.placement_seed": seed} for seed in SEEDS]
            if load_system(system).kind == "host":
                placements = [{}]  # rows lie one behind the other
            self._results[key] = Runs(
                tuple(self._run(trace, system, {**settings, **placement}) for placement in placements)
            )
        return self._results[key]

    def _run(self, trace: Path, system: str, settings: dict[str, Any]) -> SimulationResult:
        with TraceReader(trace) as reader:
            return simulate(reader, load_system(system, settings))
