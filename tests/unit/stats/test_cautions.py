"""A run whose figures mean little says so, and one whose figures mean something does not."""

from __future__ import annotations

import dataclasses

import pytest

from ppim.runs.simulate import simulate
from ppim.stats.cautions import cautions, made_up
from ppim.systems.load import load_system
from ppim.trace.schema import PoolingMeta
from tests.reference.small_traces import SmallTrace, small_trace


def a_trace(samples: int = 6, pooling: tuple[int, int] = (3, 3)) -> SmallTrace:
    return small_trace(
        "qr",
        {"vector_bytes": 128, "collisions": 4},
        rows=(4000, 900),
        samples=samples,
        batch_size=3,
        pooling=pooling,
    )


def said(trace: SmallTrace, system: str, **settings: object) -> str:
    return "\n".join(cautions(simulate(trace, load_system(system, settings)), trace.meta))


@pytest.mark.parametrize(
    ("factors", "distribution", "dataset", "is_said"),
    [
        ((10, 10), "pareto", "criteo-kaggle", True),
        ((9, 10), "pareto", "criteo-kaggle", False),
        ((1, 1), "pareto", "criteo-kaggle", False),
        ((100, 1), "uniform", "avazu", True),
        ((10, 10), "pareto", "synthetic", False),
        ((), "dataset", "movielens", False),
    ],
)
def test_lookups_that_no_dataset_had(
    factors: tuple[int, ...], distribution: str, dataset: str, is_said: bool
) -> None:
    meta = dataclasses.replace(a_trace().meta, dataset=dataset, pooling=PoolingMeta(distribution, factors))
    found = list(made_up(meta))
    assert bool(found) == is_said
    if is_said:
        assert found[0].startswith(
            f"{100 * (1 - len(factors) / sum(factors)):.0f} % of the lookups are drawn"
        )


def test_a_trace_that_any_cache_holds() -> None:
    trace = a_trace(samples=60)
    assert "fits into the host's cache (32 MiB)" in said(trace, "cpu-ideal")
    assert "fits into" not in said(trace, "cpu-ideal", llc_bytes=1 << 13)
    assert "fits into" not in said(trace, "cpu-ideal", llc_bytes=0)
    assert "fits into the units' caches together" in said(trace, "recnmp")
    assert "fits into" not in said(trace, "proactivepim")


def test_units_without_work() -> None:
    few, many = a_trace(pooling=(2, 2)), a_trace(pooling=(30, 30))
    assert "a turn has 6 lookups for 32 PIM units" in said(few, "proactivepim")
    assert "a batch has 12 lookups for 32 PIM units" in said(few, "proactivepim", barrier="batch")
    assert "the trace has 24 lookups for 32 PIM units" in said(few, "pim-base", barrier="none")
    assert "lookups for" not in said(many, "proactivepim")
    assert "lookups for" not in said(few, "cpu-ideal")


def test_a_run_shorter_than_a_refresh_interval() -> None:
    short, long = a_trace(), a_trace(samples=600)
    assert "before the first refresh of hbm2-4gb (every 3,900)" in said(short, "proactivepim")
    assert "refresh" not in said(short, "hybrid-mram")  # MRAM needs none
    assert "refresh" not in said(long, "proactivepim")
