"""Parts of a memory whose sums meet in the base die: as one thread has it, to the last count."""

from __future__ import annotations

import dataclasses
from contextlib import closing
from typing import Any

import numpy as np
import pytest

from ppim.engine.pim.by_unit import cycles, exchange
from ppim.program import feed
from ppim.runs.simulate import open_run, simulate
from ppim.stats.result import SimulationResult
from ppim.systems.chosen import choose_system
from ppim.systems.spec import SystemSpec
from tests.reference.small_traces import SmallTrace, small_trace
from tests.unit.simulate.accounts import csv_of

QR = {"collisions": 4, "vector_bytes": 128}


def base_die(**settings: Any) -> SystemSpec:
    """`proactivepim`, changed."""
    names = ("mapping", "prefetch", "device")
    chosen = {name: settings.pop(name) for name in names if name in settings}
    system = choose_system("proactivepim", settings, **chosen).spec
    assert system.pim.collect == "base-die"
    return system


def a_trace(algorithm: str = "qr", parameters: dict[str, Any] | None = None, **options: Any) -> SmallTrace:
    chosen = {"samples": 60, "batches_per_chunk": 3, "pooling": (0, 9), **options}
    return small_trace(algorithm, parameters or QR, **chosen)


def all_of(result: SimulationResult) -> tuple[Any, ...]:
    """Everything that was counted."""
    assert result.unit_accesses is not None
    return (
        csv_of(result),
        result.unit_accesses.tolist(),
        result.limits,
        result.issue_slots,
        {name: dataclasses.astuple(times) for name, times in result.latency.items()},
    )


def check_parts(trace: SmallTrace, system: SystemSpec, *numbers: int) -> None:
    """So many threads run as many parts, and count what one counts."""
    alone = all_of(simulate(trace, system))
    for threads in numbers:
        with closing(open_run(trace, system, threads, None, ())) as run:
            assert run.parts == threads
        assert all_of(simulate(trace, system, threads=threads)) == alone


SYSTEMS: dict[str, dict[str, Any]] = {
    "the preset": {},
    "a barrier a batch": {"barrier": "batch"},
    "nothing fetched": {"prefetch": "none"},
    "nothing fetched, a barrier a batch": {"prefetch": "none", "barrier": "batch"},
    "only used rows": {"prefetch": "used"},
    "all at once": {"prefetch": "all"},
    "copies of hot rows": {"mapping": "duplicate-hot", "hot_fraction": 0.3},
    "a cache": {"prefetch": "none", "policy": "lru", "cache_bytes": 2048},
    "slow arithmetic": {"macs": 1},
    "a slow host": {"host_latency": 77},
    "far from the base die": {"collect_cycles": 50},
    "an instruction a cycle": {"instruction_bits": 28},
    "short queues": {"unit_queue": 2},
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_parts_count_what_one_thread_counts(name: str) -> None:
    check_parts(a_trace(), base_die(**SYSTEMS[name]), 2, 3, 8)


@pytest.mark.parametrize(
    ("algorithm", "parameters", "options"),
    [
        ("dense", {"vector_bytes": 1024}, {"pooling": (20, 40)}),  # buses are what they wait for
        ("dense", {"vector_bytes": 128}, {"rows": (5, 1), "pooling": (0, 1)}),  # most channels have nothing
        ("hash", {"vector_bytes": 64, "collisions": 5}, {"batch_size": 1}),
        ("tt-rec", {"tt_rank": 2}, {"samples": 20}),
        ("qr", QR, {"samples": 3, "batch_size": 64}),
        ("qr", QR, {"samples": 0}),
        ("qr", QR, {"pooling": (0, 0)}),
    ],
)
@pytest.mark.parametrize("barrier", ["table", "batch"])
def test_traces(algorithm: str, parameters: dict[str, Any], options: dict[str, Any], barrier: str) -> None:
    trace = a_trace(algorithm, parameters, **options)
    check_parts(trace, base_die(barrier=barrier, tt_split="none"), 2, 5)


@pytest.mark.parametrize("prefetch", ["none", "table"])
def test_turns_longer_than_the_bits_for_cycles(prefetch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part cannot count cycles before the others have come to the barrier: it gets more bits."""
    grown = []
    more = exchange.with_more_bags
    monkeypatch.setattr(exchange, "with_more_bags", lambda given: grown.append(given) or more(given))
    trace = a_trace(rows=(3000, 70), samples=700, batch_size=350, pooling=(10, 30))
    system = base_die(prefetch=prefetch)
    check_parts(trace, system, 2, 3)
    assert simulate(trace, system).cycles > 4 * cycles.SPAN
    assert grown  # more bags than there is room for at first, too


@pytest.mark.parametrize("ring", [2, 64])
def test_rings_that_grow_while_others_read(ring: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a part has shown stays where it is while the part builds on, in larger rings."""
    monkeypatch.setattr(feed, "FIRST_RING", ring)
    check_parts(a_trace(samples=90), base_die(), 2, 3, 7)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(25))
def test_random_systems(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def one_of(*values: Any) -> Any:
        return values[rng.integers(len(values))]

    prefetch = one_of("none", "table", "used", "all")
    algorithm, parameters = one_of(
        ("qr", QR), ("dense", {"vector_bytes": 256}), ("hash", {"vector_bytes": 64, "collisions": 5})
    )
    settings = {
        "prefetch": prefetch,
        "barrier": one_of("table", "batch"),
        "mapping": "duplicate" if algorithm == "qr" or prefetch != "none" else one_of("duplicate", "hot"),
        "macs": one_of(1, 4, 64),
        "collect_cycles": one_of(0, 1, 3, 20),
        "host_latency": one_of(0, 0, 9),
        "instruction_bits": one_of(28, 85, 200),
        "unit_queue": one_of(2, 16),
        "unit_window": one_of(1, 8),
        "placement_seed": int(rng.integers(100)),
    }
    trace = a_trace(
        algorithm,
        parameters,
        samples=int(rng.integers(1, 120)),
        batch_size=int(one_of(1, 3, 16, 64)),
        batches_per_chunk=int(one_of(1, 2, 1000)),
        pooling=one_of((0, 3), (1, 20), (5, 5)),
        skew=one_of(1.0, 4.0),
        seed=seed,
    )
    check_parts(trace, base_die(**settings), 2, int(rng.integers(3, 9)))


@pytest.mark.parametrize(
    "settings",
    [
        {"transfer": "all"},
        {"unit_accumulators": 2},
        {"barrier": "none"},
        {"barrier": "none", "turns_open": 2},
        {"mapping": "interleave", "prefetch": "none"},  # rows travel
        {"unit_buffer_bursts": 8},  # the engine by cycle
        {"prefetch": "next"},
        {"dedup": "turn"},
    ],
)
def test_what_parts_cannot_do_one_thread_does(settings: dict[str, Any]) -> None:
    trace, system = a_trace(), base_die(**settings)
    with closing(open_run(trace, system, 2, None, ())) as run:
        assert run.parts == 1
    assert all_of(simulate(trace, system, threads=2)) == all_of(simulate(trace, system))


@pytest.mark.parametrize("split", ["bankgroups", "all"])
@pytest.mark.parametrize("granularity", ["slice", "matrix"])
@pytest.mark.parametrize("settings", [{}, {"prefetch": "none", "barrier": "batch"}])
def test_rows_in_parts(split: str, granularity: str, settings: dict[str, Any]) -> None:
    trace = a_trace("tt-rec", {"tt_rank": 4}, samples=24, pooling=(0, 12))
    check_parts(trace, base_die(tt_split=split, tt_granularity=granularity, **settings), 2, 3, 8)
