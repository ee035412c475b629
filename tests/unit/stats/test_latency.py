"""Distributions of times: percentiles against numpy's, parts that are put together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ppim.runs.simulate import simulate
from ppim.stats.latency import Histogram, Latencies, bucket_of, end_of_bucket, picoseconds_in_ns
from ppim.stats.summary import summary, summary_lines
from ppim.systems.load import load_system
from tests.reference.small_traces import small_trace


def test_buckets_follow_each_other_without_a_gap() -> None:
    for bucket in range(3000):
        end = end_of_bucket(bucket)
        assert bucket_of(np.array([end, end + 1])).tolist() == [bucket, bucket + 1]
    assert end_of_bucket(127) == 127
    assert bucket_of(np.array([0, 1, 127, 128, 129])).tolist() == [0, 1, 127, 128, 128]


@pytest.mark.parametrize("scale", [1, 50, 10**4, 10**9])
@pytest.mark.parametrize("count", [1, 2, 19, 20, 100, 5000])
def test_percentiles(scale: int, count: int) -> None:
    values = (scale * np.random.default_rng(count).lognormal(1, 2, count)).astype(np.int64)
    histogram = Histogram()
    for part in np.array_split(values, 3):
        histogram.add(part)
    found = histogram.distribution(picoseconds_in_ns)
    assert found is not None
    assert (found.count, found.max_ns) == (count, values.max() / 1000)
    assert found.mean_ns == pytest.approx(values.mean() / 1000)
    for percent, ns in ((50, found.p50_ns), (95, found.p95_ns), (99, found.p99_ns)):
        exact = int(np.percentile(values, percent, method="inverted_cdf"))
        assert exact <= round(ns * 1000) <= exact * (1 + 1 / 64), percent


def test_nothing_has_no_distribution() -> None:
    assert Histogram().distribution(picoseconds_in_ns) is None


class Engine:
    """Times as an engine keeps them."""

    def __init__(self) -> None:
        self.completed_turns = 0
        self.rows: list[list[int]] = []

    def take_times(self) -> np.ndarray:
        taken, self.rows = self.rows, []
        return np.array(taken, dtype=np.int64).reshape(-1, 5)


def test_parts_with_clocks_of_their_own_are_put_together() -> None:
    """A GnR begins with its first part and ends with its last, as soon as all parts have completed its turn."""
    first, second = Engine(), Engine()
    latencies = Latencies([1.0, 0.5])
    engines: Any = [first, second]
    first.completed_turns, second.completed_turns = 2, 1
    first.rows = [[0, 0, 0, 10, 30], [0, 0, 1, 10, 50], [1, 0, 0, 60, 90]]
    second.rows = [[0, 0, 1, 10, 140], [0, 0, 2, 10, 44]]
    latencies.take(engines)
    # In ns, from the turn's start at 5: bag 0 is in one part and ends at 30, bag 1 in both at 70, bag 2 at 22.
    assert latencies.gnrs.count == 3
    assert (latencies.gnrs.total, latencies.gnrs.longest) == ((25 + 65 + 17) * 1000, 65_000)
    assert latencies.batches.count == 0
    second.completed_turns, second.rows = 3, [[1, 0, 0, 100, 240], [2, 1, 0, 300, 310]]
    first.completed_turns = 3
    latencies.take(engines)
    found = latencies.distributions()
    assert (found["gnr"].count, found["batch"].count) == (5, 2)
    # The first batch lasts from 5 to 120, the second from 150 to 155.
    assert (found["batch"].mean_ns, found["batch"].max_ns) == (60.0, 115.0)


@pytest.mark.parametrize("name", ["proactivepim", "pim-base", "fafnir", "proactivepim-tiers"])
def test_the_same_times_however_the_trace_is_cut(name: str) -> None:
    found = []
    for batches_per_chunk, threads in ((1, 1), (2, 2), (1000, 3)):
        trace = small_trace(
            "qr",
            {"vector_bytes": 128, "collisions": 4},
            rows=(300, 70, 5),
            samples=17,
            batch_size=4,
            pooling=(0, 6),
            batches_per_chunk=batches_per_chunk,
        )
        found.append(simulate(trace, load_system(name), threads=threads))
    assert found[0].latency == found[1].latency == found[2].latency
    latency = found[0].latency
    assert latency["gnr"].count == sum(len(ids) > 0 for bags in trace.bags for ids in bags)
    assert latency["batch"].count == 5
    assert latency["gnr"].max_ns <= latency["batch"].max_ns <= found[0].time_ns
    assert latency["batch"].mean_ns * 5 <= found[0].time_ns * 1.001 + 5000
    assert summary(found[0])["latency"]["gnr"]["p99_ns"] == latency["gnr"].p99_ns
    assert sum("us: mean" in line for line in summary_lines(found[0])) == 2


@pytest.mark.parametrize("system", ["cpu", "cpu-ideal"])
def test_a_host_has_the_latencies_of_its_memorys_reads(system: str) -> None:
    result = simulate(small_trace("qr", samples=40), load_system(system))
    assert set(result.latency) == {"read"}
    reads, device = result.latency["read"], result.device
    assert reads.count == result.total("reads") > 0
    # A READ in the cycle after acceptance is the fastest; the run has no slower one than itself.
    assert (device.timing.read_delay + 1) * device.timing.tCK <= reads.p50_ns <= reads.p95_ns <= reads.p99_ns
    assert reads.mean_ns <= reads.p99_ns <= reads.max_ns <= result.time_ns
    assert summary(result)["latency"]["read"]["count"] == reads.count
    assert any(line.startswith(f"  memory read of {reads.count:,} in us") for line in summary_lines(result))


def test_cores_that_wait_for_every_line_meet_an_idle_memory() -> None:
    """One line under way at a time: its latency is that of a closed bank, a row conflict or a hit, and no more."""
    one_line = {"cores": 1, "misses_per_core": 1, "tREFI": 10**6}
    result = simulate(small_trace("dense", rows=(5000,), samples=20), load_system("cpu-hbm", one_line))
    timing = result.device.timing
    slowest = timing.tRP + timing.tRCDRD + timing.read_delay + 3
    assert (timing.read_delay + 1) * timing.tCK <= result.latency["read"].p50_ns
    assert result.latency["read"].max_ns <= (slowest + timing.tRAS) * timing.tCK
