"""Where physics says which way a number goes, and where two settings are one thing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ppim.prefetch.base import PREFETCHES, fetching
from ppim.runs.simulate import simulate
from ppim.stats.result import SimulationResult
from ppim.systems.load import load_system
from tests.reference.small_traces import SmallTrace, small_trace


def run(trace: SmallTrace, name: str = "proactivepim", **settings: Any) -> SimulationResult:
    return simulate(trace, load_system(name, settings))


def demand_reads(result: SimulationResult) -> int:
    return result.total("reads") - result.total("prefetch_reads")


@pytest.mark.parametrize("prefetch", fetching())
@pytest.mark.parametrize(
    ("algorithm", "parameters"), [("qr", {"collisions": 60}), ("tt-rec", {"tt_rank": 8})]
)
def test_a_larger_scratchpad_never_reads_more_by_demand(
    algorithm: str, parameters: dict[str, Any], prefetch: str
) -> None:
    trace = small_trace(algorithm, parameters, rows=(40_000, 900, 3000), samples=40, pooling=(5, 20))
    found = [
        run(trace, **{"prefetch.prefetch": prefetch, "cache_bytes": size})
        for size in (0, 100, 128, 1000, 3000, 8000, 20_000, 40_960, 200_000)
    ]
    reads = [demand_reads(result) for result in found]
    assert reads == sorted(reads, reverse=True)
    assert reads[0] > reads[-1]
    hits = [result.total("cache_hits") for result in found]
    assert hits == sorted(hits)
    prefetched = [result.total("prefetch_reads") for result in found]
    assert prefetched == sorted(prefetched)


@pytest.mark.parametrize("mapping", ["interleave", "duplicate"])
@pytest.mark.parametrize("ways", [1, 4, 0])
def test_a_larger_lru_cache_of_the_same_sets_never_reads_more(mapping: str, ways: int) -> None:
    """Stack property of least recently used: with the same sets, more ways hold what fewer held, and more."""
    trace = small_trace("qr", {"collisions": 8}, rows=(40_000, 9000), samples=80, pooling=(5, 20), skew=4.0)
    reads = []
    for factor in (1, 2, 3, 4, 8, 16):
        settings = {
            "mapping": mapping,
            "prefetch.prefetch": "none",
            "policy": "lru",
            "cache_bytes": 1024 * factor,
            "cache_ways": ways * factor,
        }
        result = run(trace, **settings)
        assert result.total("prefetch_reads") == 0
        reads.append(result.total("reads"))
    assert reads == sorted(reads, reverse=True)
    assert reads[0] > reads[-1]


def without_identity(result: SimulationResult) -> tuple[Any, ...]:
    counts = {name: column.tolist() for name, column in result.counts.items()}
    return result.cycles, result.issue_slots, counts


@pytest.mark.parametrize("barrier", ["table", "batch", "none"])
@pytest.mark.parametrize("frontend", ["per-channel", "global"])
@pytest.mark.parametrize("prefetch", fetching())
def test_no_prefetch_is_a_cache_of_no_bytes(barrier: str, frontend: str, prefetch: str) -> None:
    trace = small_trace("qr", {"vector_bytes": 512}, samples=30, pooling=(1, 10))
    settings = {"barrier": barrier, "frontend": frontend, "instruction_bits": 28}
    none = run(trace, **settings, **{"prefetch.prefetch": "none"})
    empty = run(trace, **settings, **{"prefetch.prefetch": prefetch, "cache_bytes": 0})
    assert without_identity(none) == without_identity(empty)
    no_policy = run(trace, **settings, **{"prefetch.prefetch": "none", "policy": "none"})
    assert without_identity(none) == without_identity(no_policy)
    empty_lru = run(trace, **settings, **{"prefetch.prefetch": "none", "policy": "lru", "cache_bytes": 0})
    assert without_identity(none) == without_identity(empty_lru)


@pytest.mark.parametrize("barrier", ["table", "none"])
def test_prefetching_what_is_not_there_changes_nothing(barrier: str) -> None:
    """A dense trace has no subtable to prefetch."""
    trace = small_trace("dense", {"vector_bytes": 512}, samples=30, pooling=(1, 10))
    runs = [
        run(trace, barrier=barrier, instruction_bits=28, **{"prefetch.prefetch": x})
        for x in PREFETCHES.names()
    ]
    assert len({str(without_identity(result)) for result in runs}) == 1


def test_copies_of_nothing_change_nothing() -> None:
    """Without a shared subtable the mappings are one."""
    trace = small_trace("hash", {}, samples=30, pooling=(1, 10))
    runs = [run(trace, mapping=x, **{"prefetch.prefetch": "none"}) for x in ("interleave", "duplicate")]
    assert without_identity(runs[0]) == without_identity(runs[1])


def balanced(batches: int = 4, rows: int = 4096) -> SmallTrace:
    """Every row of a dense table once a batch, in one bag: every unit of any number of channels owns as many."""
    trace = small_trace("dense", {"vector_bytes": 64}, rows=(rows,), samples=batches, batch_size=1)
    rng = np.random.default_rng(5)
    return replace(trace, bags=[[rng.permutation(rows)] for _ in range(batches)])


@pytest.mark.parametrize("frontend", ["per-channel", "global"])
@pytest.mark.parametrize("level", ["bankgroup", "channel"])
def test_more_channels_never_take_longer(frontend: str, level: str) -> None:
    trace = balanced()
    cycles = []
    for channels in (1, 2, 4, 8):
        result = run(trace, frontend=frontend, level=level, channels=channels)
        assert len(set(result.counts["accesses"].tolist())) == 1
        cycles.append(result.cycles)
    assert cycles == sorted(cycles, reverse=True)
    assert cycles[0] > cycles[-1]


@pytest.mark.parametrize(
    ("name", "slower", "faster"),
    [
        ("instruction_bits", 16 * 28, 8 * 28),
        ("command_bits_per_cycle", 14, 28),
        ("unit_read_latency", 60, 16),
        ("cross_unit_timing", "physical", "none"),
        ("barrier", "table", "none"),
        ("macs", 1, 64),
        ("host_latency", 200, 0),
        ("transfer", "all", "non-empty"),
    ],
)
def test_what_takes_less_time_ends_sooner(name: str, slower: Any, faster: Any) -> None:
    trace = small_trace("qr", {}, samples=60, pooling=(4, 12))
    assert run(trace, **{name: slower}).cycles > run(trace, **{name: faster}).cycles


def test_an_empty_bag_costs_a_slot_only_where_all_are_sent() -> None:
    """Two samples of which the last has nothing in the only table."""
    trace = small_trace("dense", rows=(50,), samples=2, batch_size=2)
    trace = replace(trace, bags=[[np.array([3])], [np.array([], dtype=np.int64)]])
    everywhere, where_needed = (run(trace, transfer=x) for x in ("all", "non-empty"))
    # 32 units, two bags each; the read is one more.
    assert everywhere.issue_slots == 32 * 2 + 1
    assert where_needed.issue_slots == 2
    assert everywhere.total("bytes_external") == where_needed.total("bytes_external") == 128
