"""Hosts from trace to cycles, against cores and a cache in plain Python."""

from __future__ import annotations

from typing import Any

import pytest

from ppim.dram.load import load_device
from ppim.runs.simulate import simulate
from ppim.stats.result import SimulationResult
from ppim.stats.summary import summary_lines
from ppim.systems.load import load_system
from ppim.systems.spec import SystemSpec
from tests.reference.core_twin import TICKS, Bag, CoreRun, Line, Row, run_cores
from tests.reference.small_traces import SmallTrace, small_trace

LINE = BURST = 64


class Cache:
    """Least recently used, in sets; lines by number."""

    def __init__(self, n_sets: int, ways: int) -> None:
        self.sets: list[list[int]] = [[] for _ in range(n_sets)]
        self.ways = ways

    def has(self, number: int) -> bool:
        held = self.sets[number % len(self.sets)]
        found = number in held
        if found:
            held.remove(number)
        held.insert(0, number)
        del held[self.ways :]
        return found


def bags_of(trace: SmallTrace, cache: Cache) -> list[Bag]:
    """All lines, of subtables that lie one behind the other."""
    base, end = {}, 0
    for t, table in enumerate(trace.meta.tables):
        for s, subtable in enumerate(table.subtables):
            base[t, s] = end
            end += subtable.rows * -(-subtable.bytes_per_row // BURST) * BURST
    bags: dict[tuple[int, int, int], list[Row]] = {}
    columns = trace.accesses
    for batch, table, sample, subtable, row in zip(
        *(column.tolist() for column in (columns.batch, columns.table, columns.sample)),
        columns.subtable.tolist(),
        columns.row.tolist(),
        strict=True,
    ):
        size = -(-trace.meta.tables[table].subtables[subtable].bytes_per_row // BURST) * BURST
        first = base[table, subtable] + row * size
        lines = [
            Line(None if cache.has(address // LINE) else address, LINE)
            for address in range(first, first + size, LINE)
        ]
        bags.setdefault((batch, table, sample), []).append(lines)
    return list(bags.values())


def twin_of(trace: SmallTrace, system: SystemSpec) -> CoreRun:
    host, device = system.host, load_device(system.memory.device, system.memory.overrides)
    clock = device.timing.tCK
    cache = Cache(host.llc_bytes // (LINE * host.llc_ways), host.llc_ways)
    return run_cores(
        device,
        bags_of(trace, cache),
        cores=host.cores,
        places=host.misses_per_core,
        row=round(host.row_ns / clock * TICKS),
        near=round(host.llc_ns / clock * TICKS),
        far=round(host.memory_ns / clock * TICKS),
        rate=host.llc_bytes_per_cycle,
        inject=host.requests_per_cycle,
    )


def run(trace: SmallTrace, system: SystemSpec) -> SimulationResult:
    return simulate(trace, system)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["cpu", "cpu-hbm"])
@pytest.mark.parametrize(
    ("algorithm", "parameters", "settings"),
    [
        ("dense", {"vector_bytes": 64}, {"llc_bytes": 16_384}),
        ("qr", {"vector_bytes": 128, "collisions": 4}, {"llc_bytes": 8192, "cores": 3}),
        ("dense", {"vector_bytes": 256}, {"llc_bytes": 65_536, "misses_per_core": 2, "row_ns": 30.0}),
    ],
)
def test_a_trace_on_cores_is_what_the_twin_makes_of_it(
    name: str, algorithm: str, parameters: dict[str, int], settings: dict[str, Any]
) -> None:
    trace = small_trace(algorithm, parameters, samples=20, pooling=(1, 12), batches_per_chunk=2)
    system = load_system(name, settings)
    twin, result = twin_of(trace, system), run(trace, system)
    assert result.total("reads") == len(twin.accepted)
    assert 0 < result.total("cache_hits") < result.total("accesses")
    assert result.cycles == twin.cycles


def production(n_rows: int = 20_000) -> SmallTrace:
    return small_trace(
        "dense", {"vector_bytes": 128}, rows=(n_rows,) * 4, samples=60, pooling=(20, 20), skew=1.0
    )


def test_more_of_anything_is_not_slower() -> None:
    """Cores, places and a shorter way each help a host that misses nearly always."""
    trace = production()
    slow = {"llc_bytes": 65_536, "cores": 2, "misses_per_core": 4}
    base = run(trace, load_system("cpu", slow)).cycles
    for better in ({"cores": 8}, {"misses_per_core": 10}, {"llc_ns": 5.0, "memory_ns": 10.0}):
        assert run(trace, load_system("cpu", {**slow, **better})).cycles < 0.9 * base


def test_places_over_latency_bound_a_host_that_misses() -> None:
    """Little's law: no more lines come than places / the shortest time that one is taken."""
    trace = production()
    for cores, places in ((1, 1), (1, 10), (4, 3)):
        system = load_system("cpu", {"llc_bytes": 0, "cores": cores, "misses_per_core": places})
        result = run(trace, system)
        timing = result.device.timing
        shortest = system.host.llc_ns + system.host.memory_ns + timing.read_delay * timing.tCK
        least_ns = result.total("reads") * shortest / (cores * places)
        assert least_ns < result.time_ns
        if cores * places == 1:
            assert result.time_ns < 2.5 * least_ns


def test_no_host_is_faster_than_the_ideal_one() -> None:
    trace = production()
    same = {"llc_bytes": 1 << 20, "llc_ways": 16}
    real, ideal = (run(trace, load_system(name, same)) for name in ("cpu", "cpu-ideal"))
    assert [real.total(what) for what in ("cache_hits", "reads", "accesses")] == [
        ideal.total(what) for what in ("cache_hits", "reads", "accesses")
    ]
    assert real.time_ns > ideal.time_ns


def test_rows_keep_a_core_whatever_hits() -> None:
    """All rows in the cache: one core takes row_ns for each, and the last answer."""
    trace = small_trace("dense", {"vector_bytes": 64}, rows=(1,), samples=50, pooling=(8, 8))
    system = load_system("cpu-hbm", {"cores": 1, "row_ns": 8.0, "llc_ns": 16.0})
    # The first row is read from the memory; what follows does not wait for it.
    assert run(trace, system).cycles == 400 * 8 + 16 - 8


def test_the_cache_shrinks_with_the_model_in_a_run() -> None:
    trace = small_trace(
        "qr", {"vector_bytes": 64, "collisions": 4}, rows=(4000,), samples=300, pooling=(5, 5), skew=1.0
    )
    whole, scaled, quarter = (
        run(trace, load_system("cpu", settings)).total("cache_hits")
        for settings in (
            {"llc_bytes": 1 << 16},
            {"llc_bytes": 1 << 16, "llc_scale": "model"},
            {"llc_bytes": 1 << 14},
        )
    )
    assert whole > scaled
    assert scaled == pytest.approx(quarter, rel=0.05)


def test_the_summary_says_how_far_a_host_is_from_its_limits() -> None:
    trace = production()
    result = run(trace, load_system("cpu", {"llc_bytes": 65_536}))
    reached = result.total("bytes_dram") / result.time_ns
    in_rows = 4800 * 4.7 / result.time_ns / 8
    (line,) = [line for line in summary_lines(result) if "GB/s" in line]
    assert line.startswith(
        f"  memory at {reached:.1f} of 50.8 GB/s; 8 cores, {100 * in_rows:.0f} % of their time"
    )
    ideal = run(trace, load_system("cpu-ideal"))
    assert any(line.endswith("GB/s; no core ever waits") for line in summary_lines(ideal))
