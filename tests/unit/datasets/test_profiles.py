"""Profiles of the generated samples against what was published of production traces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ppim import generate_trace
from ppim.datasets.base import ReadOptions, make_dataset
from ppim.datasets.popularity import ReuseClass
from ppim.datasets.synthetic import Synthetic
from ppim.dram.load import load_device
from ppim.program import llc
from ppim.systems.spec import HostSpec
from ppim.trace.reader import TraceReader

MIB = 1 << 20
SAMPLES, LOOKUPS = 1000, 8 * 80


@pytest.fixture(scope="module", params=[0, 1, 2])
def production(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("production") / "t.parquet"
    generate_trace(
        "synthetic",
        path,
        dataset_options={"profile": "production"},
        algorithm="dense",
        max_samples=SAMPLES,
        seed=request.param,
    )
    return path


def hit_rate(path: Path, cache_bytes: int) -> float:
    """Share of a trace's rows that are whole in the host's cache, which is empty at first."""
    host = HostSpec(llc_bytes=cache_bytes, llc_ways=16, llc_line_bytes=64)
    tags = llc.make_llc(host, cache_bytes)
    counts = np.zeros((8, llc.N_LLC_COUNTS), dtype=np.int64)
    with TraceReader(path) as reader:
        layout = llc.lay_out(reader.meta, load_device("hbm2-4gb"))
        for chunk in reader.chunks():
            n = len(chunk.row)
            room = n * (int(layout.row_bytes.max()) // 64 + 2)
            addresses, sizes, rows = (np.empty(size, dtype=np.int64) for size in (room, room, n + 1))
            llc.list_lines(layout, tags, 64, chunk, 0, n, counts, rows, addresses, sizes)
    accesses = int(counts[:, llc.ACCESSES].sum())
    assert accesses == SAMPLES * LOOKUPS
    return int(counts[:, llc.HITS].sum()) / accesses


def test_caches_hit_as_often_as_recnmp_reports(production: Path) -> None:
    """20 to 60 % from 8 to 64 MB, more in a larger cache; docs/datasets.md has the figures."""
    rates = [hit_rate(production, size * MIB) for size in (8, 16, 32, 64)]
    assert 0.20 < rates[0] < rates[1] < rates[2] < rates[3] < 0.60
    assert rates == pytest.approx([0.282, 0.331, 0.370, 0.383], abs=0.005)


@pytest.mark.parametrize(("name", "mean"), [("meta-2021", 6.9), ("meta-2022", 12.7)])
def test_rows_are_reused_as_published(name: str, mean: float) -> None:
    """Over as many lookups a row as in the published files: the share of accesses to rows of each reuse."""
    rows, pooling = 1 << 17, 64
    samples = int(rows * mean) // pooling
    options = {"profile": "production", "popularity": name, "tables": 1, "rows": [rows], "pooling": [pooling]}
    source = make_dataset("synthetic", options).open([], ReadOptions(max_samples=samples))
    used = np.zeros(rows, dtype=np.int64)
    for chunk in source.chunks():
        used += np.bincount(chunk.values[0].astype(np.int64), minlength=rows)
    classes: tuple[ReuseClass, ...] = Synthetic(popularity=name)._histogram().reuse  # type: ignore[arg-type]
    for entry in classes[:11]:  # the others have a handful of rows here
        share = used[(used >= entry.low) & (used <= entry.high)].sum() / used.sum()
        if entry.low == 1:
            assert 0.4 * entry.accesses < share < 0.6 * entry.accesses
        else:
            assert share == pytest.approx(entry.accesses, abs=0.02)


def test_lookups_of_a_bag_are_drawn_one_by_one() -> None:
    options = {
        "profile": "production",
        "tables": 2,
        "rows": [1000],
        "pooling": [3, 5],
        "popularity": "uniform",
    }
    source = make_dataset("synthetic", options).open([], ReadOptions(max_samples=10_000))
    assert not source.one_hot
    assert [table.rows for table in source.tables] == [1000, 1000]
    (chunk,) = source.chunks()
    assert chunk.offsets is not None
    for table, lookups in enumerate((3, 5)):
        np.testing.assert_array_equal(chunk.offsets[table], np.arange(10_001) * lookups)
        bags = chunk.values[table].reshape(-1, lookups)
        assert np.mean(bags[:, 0] == bags[:, 1]) == pytest.approx(0.001, abs=0.0009)
        first = bags[bags[:, 0] == bags[0, 0]]  # the first lookup of a bag does not say what the others are
        assert len(np.unique(first[:, 1])) > 3


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    dataset = make_dataset("synthetic", {"profile": "production"})
    whole, part = (
        np.concatenate(
            [chunk.values[3] for chunk in dataset.open([], ReadOptions(max_samples=n, seed=7)).chunks()]
        )
        for n in (5000, 1700)
    )
    np.testing.assert_array_equal(whole[: part.size], part)


def test_options_change_a_profile_and_the_record_says_to_what() -> None:
    assert make_dataset("synthetic", {"profile": "production"}) == Synthetic(
        profile="production", popularity="meta-2021", tables=8, rows=(1_000_000,), pooling=(80,)
    )
    own = make_dataset("synthetic", {"profile": "production", "rows": [5, 6, 7], "popularity": "zipf"})
    assert own == Synthetic(profile="production", popularity="zipf", tables=3, rows=(5, 6, 7), pooling=(80,))
    assert make_dataset("synthetic", {}) == Synthetic(popularity="criteo")
