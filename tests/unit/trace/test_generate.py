"""The whole left half against a slow twin that writes the trace one access at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from ppim.datasets.base import MISSING, SampleChunk, Source, TableSpec
from ppim.datasets.pooling import Distribution, expand
from ppim.datasets.rows import FoldedRows
from ppim.errors import InputError
from ppim.trace import writer
from ppim.trace.generate import Recipe, generate, table_numbers
from ppim.trace.reader import TraceChunk, TraceReader
from ppim.trace.schema import PoolingMeta
from ppim.weight_sharing.base import ALGORITHMS, WeightSharing

ROWS = (1000, 7, 100_003)
DESCRIBE = {"dataset": "made up", "dataset_sha256": None, "dataset_options": {}, "command_line": "none"}


class ListSource(Source):
    """Samples from lists, cut into chunks of a given size."""

    def __init__(self, bags: Sequence[Sequence[Sequence[int]]], chunk_samples: int, one_hot: bool) -> None:
        super().__init__()
        self.tables = tuple(TableSpec(f"t{i}", rows) for i, rows in enumerate(ROWS))
        self.one_hot = one_hot
        self._bags, self._size = bags, chunk_samples

    def chunks(self) -> Iterator[SampleChunk]:
        for first in range(0, len(self._bags), self._size):
            part = self._bags[first : first + self._size]
            values = [
                np.array([v for bag in part for v in bag[t]], dtype=np.uint64) for t in range(len(ROWS))
            ]
            offsets = [np.cumsum([0] + [len(bag[t]) for bag in part]) for t in range(len(ROWS))]
            yield SampleChunk(len(part), values, None if self.one_hot else offsets)


def random_bags(n_samples: int, one_hot: bool, seed: int) -> list[list[list[int]]]:
    rng = np.random.default_rng(seed)
    lengths = np.ones((n_samples, 3), int) if one_hot else rng.integers(0, 6, (n_samples, 3))
    bags = [[rng.integers(0, 2**32, n).tolist() for n in row] for row in lengths]
    for sample in range(0, n_samples, 11):
        bags[sample][0] = [int(MISSING)] * len(bags[sample][0])
    return bags


def twin(bags: list[list[list[int]]], sharing: WeightSharing, recipe: Recipe) -> list[tuple[int, ...]]:
    """The definition of a trace, as nested loops."""
    accesses = []
    for first in range(0, len(bags), recipe.batch_size):
        batch = bags[first : first + recipe.batch_size]
        for table, column in enumerate(recipe.tables):
            scheme = sharing.table(recipe.rows.rows[table], table)
            for sample, bag in enumerate(batch):
                ids = [0 if v == MISSING else v % recipe.rows.rows[table] for v in bag[column]]
                if recipe.pooling.factors:
                    out = np.empty(recipe.pooling.factors[table], dtype=np.int64)
                    kind = int(Distribution[recipe.pooling.distribution.upper()])
                    expand(np.array(ids), len(out), recipe.rows.rows[table], column, recipe.seed, kind, out)
                    ids = out.tolist()
                for lookup, row in enumerate(ids):
                    for part, sub in zip(
                        scheme.split(np.array([row]))[0], scheme.access_subtables, strict=True
                    ):
                        accesses.append((first // recipe.batch_size, table, sample, lookup, sub, int(part)))
    return accesses


def make(path: Path, source: Source, sharing: WeightSharing, recipe: Recipe) -> list[TraceChunk]:
    meta = generate(source, sharing, recipe, path, DESCRIBE)
    with TraceReader(path) as reader:
        assert reader.meta == meta
        chunks = list(reader.chunks())
    assert meta.accesses == sum(chunk.batch.size for chunk in chunks)
    return chunks


def flat(chunks: list[TraceChunk]) -> list[tuple[int, ...]]:
    return [tuple(map(int, access)) for chunk in chunks for access in zip(*chunk, strict=True)]


@pytest.mark.parametrize("algorithm", ALGORITHMS.names())
@pytest.mark.parametrize("distribution", ["pareto", "uniform", "dataset", "bags"])
def test_trace_equals_its_definition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm: str, distribution: str
) -> None:
    monkeypatch.setattr(writer, "ROW_GROUP_ACCESSES", 100)
    one_hot = distribution != "bags"
    bags = random_bags(50, one_hot, seed=3)
    pooling = (
        PoolingMeta("dataset")
        if distribution in ("dataset", "bags")
        else PoolingMeta(distribution, (3, 1, 2))
    )
    recipe = Recipe((0, 1, 2), FoldedRows(ROWS), pooling, batch_size=4, seed=9)
    sharing = WeightSharing.from_parameters(algorithm, {"dense_below": 10})
    chunks = make(tmp_path / "t", ListSource(bags, 13, one_hot), sharing, recipe)
    assert flat(chunks) == twin(bags, sharing, recipe)
    assert len(chunks) > 1


@pytest.mark.parametrize("one_hot", [True, False])
def test_chunk_size_does_not_change_a_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_hot: bool
) -> None:
    monkeypatch.setattr(writer, "ROW_GROUP_ACCESSES", 300)
    bags = random_bags(211, one_hot, seed=4)
    pooling = PoolingMeta("pareto", (2, 3, 1)) if one_hot else PoolingMeta("dataset")
    recipe = Recipe((0, 1, 2), FoldedRows(ROWS), pooling, batch_size=4, seed=0)
    sharing = WeightSharing.from_parameters("qr", {})
    written = set()
    for size in (1, 4, 50, 1000):
        make(tmp_path / "t", ListSource(bags, size, one_hot), sharing, recipe)
        written.add((tmp_path / "t").read_bytes())
    assert len(written) == 1


def test_chosen_tables_keep_their_bags(tmp_path: Path) -> None:
    """A table's synthetic bags depend on its number in the dataset, not on which others are kept."""
    bags = random_bags(8, True, seed=5)
    sharing = WeightSharing.from_parameters("dense", {})
    both = make(
        tmp_path / "a",
        ListSource(bags, 8, True),
        sharing,
        Recipe((0, 2), FoldedRows((ROWS[0], ROWS[2])), PoolingMeta("pareto", (4, 4)), 4, 0),
    )
    alone = make(
        tmp_path / "b",
        ListSource(bags, 8, True),
        sharing,
        Recipe((2,), FoldedRows((ROWS[2],)), PoolingMeta("pareto", (4,)), 4, 0),
    )
    assert both[0].row[both[0].table == 1].tolist() == alone[0].row.tolist()


def test_empty_dataset(tmp_path: Path) -> None:
    recipe = Recipe((0, 1, 2), FoldedRows(ROWS), PoolingMeta("pareto", (1, 1, 1)), 4, 0)
    with pytest.raises(InputError, match="no samples"):
        generate(
            ListSource([], 1, True), WeightSharing.from_parameters("qr", {}), recipe, tmp_path / "t", DESCRIBE
        )


def test_groups_of_empty_bags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches without any lookup have their numbers, and nothing in the file."""
    monkeypatch.setattr(writer, "ROW_GROUP_ACCESSES", 2)
    nothing: list[list[int]] = [[], [], []]
    bags = [nothing, [[1], [2], []], nothing, nothing, nothing, nothing, [[], [5], []], nothing]
    recipe = Recipe((0, 1, 2), FoldedRows(ROWS), PoolingMeta("dataset"), batch_size=2, seed=0)
    sharing = WeightSharing.from_parameters("qr", {})
    chunks = make(tmp_path / "t", ListSource(bags, 3, False), sharing, recipe)
    assert flat(chunks) == twin(bags, sharing, recipe)
    assert {access[0] for access in flat(chunks)} == {0, 3}


def test_nothing_but_empty_bags(tmp_path: Path) -> None:
    recipe = Recipe((0, 1, 2), FoldedRows(ROWS), PoolingMeta("dataset"), batch_size=2, seed=0)
    with pytest.raises(InputError, match="all bags of the 3 samples are empty"):
        make(
            tmp_path / "t",
            ListSource([[[], [], []]] * 3, 2, False),
            WeightSharing.from_parameters("qr", {}),
            recipe,
        )


def test_a_batch_too_large_to_hold(tmp_path: Path) -> None:
    recipe = Recipe((0,), FoldedRows(ROWS[:1]), PoolingMeta("pareto", (1000,)), 10**7, 0)
    with pytest.raises(InputError, match="--batch-size"):
        generate(
            ListSource(random_bags(1, True, 0), 1, True),
            WeightSharing.from_parameters("qr", {}),
            recipe,
            tmp_path / "t",
            DESCRIBE,
        )


def test_tables_by_number_and_name() -> None:
    source = ListSource([], 1, True)
    assert table_numbers(source, []) == (0, 1, 2)
    assert table_numbers(source, ["t2", "0"]) == (2, 0)
    for words, message in ((["3"], "'3' is no table"), (["x"], "names"), (["0", "t0"], "twice")):
        with pytest.raises(InputError, match=message):
            table_numbers(source, words)
