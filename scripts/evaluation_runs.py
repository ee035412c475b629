"""Traces and runs of the evaluation, each made once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ppim.datasets.base import ReadOptions, make_dataset, recognise
from ppim.datasets.rows import FoldedRows
from ppim.datasets.streams import fingerprint, read_head
from ppim.engine.simulate import SimulationResult, simulate
from ppim.stats.simulation import binding_limit
from ppim.systems.load import load_system
from ppim.trace.generate import Recipe, generate
from ppim.trace.reader import TraceReader
from ppim.trace.schema import PoolingMeta
from ppim.weight_sharing.base import WeightSharing

BATCH = 4
POOLING = 10
VECTOR_BYTES = 128
DEFAULTS: dict[str, dict[str, Any]] = {
    "qr": {"vector_bytes": VECTOR_BYTES, "collisions": 4},
    "tt-rec": {"vector_bytes": VECTOR_BYTES, "tt_rank": 16},
}
"""Algorithm -> the parameters from which one at a time is changed."""


class Bench:
    """Runs on one dataset.

    Parameters
    ----------
    dataset : Path
        One-hot data whose tables have known numbers of rows, such as Criteo Kaggle.
    folder : Path
        For traces.
    """

    def __init__(self, dataset: Path, folder: Path) -> None:
        self.dataset, self.folder = dataset, folder
        self.name = recognise(dataset, read_head(dataset))
        self._traces: dict[str, Path] = {}
        self._results: dict[str, SimulationResult] = {}

    def trace(
        self,
        algorithm: str,
        samples: int,
        *,
        batch: int = BATCH,
        pooling: int = POOLING,
        bags: str = "pareto",
        **parameters: Any,
    ) -> Path:
        """The trace of the first samples of the dataset; `bags` is the distribution of their synthetic part."""
        sharing = WeightSharing.from_parameters(algorithm, DEFAULTS[algorithm] | parameters)
        key = repr((sharing.name, sharing.parameters, samples, batch, pooling, bags))
        if key not in self._traces:
            source = make_dataset(self.name, {}).open([self.dataset], ReadOptions(max_samples=samples))
            tables = range(len(source.tables))
            rows = [table.rows for table in source.tables if table.rows is not None]
            pool = PoolingMeta(bags, (pooling,) * len(tables))
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

    def run(self, trace: Path, system: str, **settings: Any) -> SimulationResult:
        """A system with some parameters changed, on a trace."""
        key = repr((trace, system, sorted(settings.items())))
        if key not in self._results:
            with TraceReader(trace) as reader:
                self._results[key] = simulate(reader, load_system(system, settings))
        return self._results[key]


def bound_by(result: SimulationResult) -> str:
    """The nearest lower bound, and how near the run comes to it; of two memories that of the nearer one."""
    shares = {}
    for memory in result.memories:
        if name := binding_limit(memory):
            where = f"{memory.memory} " if result.second is not None else ""
            shares[f"{where}{name}"] = memory.limits[name] / memory.cycles
    nearest = max(shares, key=lambda name: shares[name], default="")
    return f"{nearest} {shares[nearest]:.0%}" if nearest else ""
