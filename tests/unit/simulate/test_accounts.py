"""Accounts that balance on every run: a matrix of systems, algorithms, mappings, prefetches and devices, and more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given, settings, strategies as st

from ppim.engine.pim.engine import PimEngine
from ppim.errors import InputError
from ppim.prefetch.base import PREFETCHES
from ppim.program import feed as feed_module
from ppim.program.state import Rings
from ppim.program.tiers import is_split
from ppim.runs.simulate import simulate
from ppim.systems.load import load_system, system_names
from ppim.systems.spec import SystemSpec
from tests.reference.small_traces import SmallTrace, small_trace
from tests.unit.simulate.accounts import check_run, csv_of

PIM_SYSTEMS = [name for name in system_names() if load_system(name).kind == "pim"]
ALGORITHMS: dict[str, dict[str, Any]] = {
    "dense": {},
    "hash": {},
    "qr": {"collisions": 6},
    "tt-rec": {"tt_rank": 4},
    "kqr": {},
    "robe": {"compression": 20},
}
# Refreshes that even a short run meets.
DEVICES = {
    "hbm2-4gb": {"tREFI": 700, "tRFC": 60},
    "ddr4-8gb-x8-2400": {"tREFI": 900, "tRFC": 80},
}
CHOICES = [
    ("interleave", "none", {}),
    *[("duplicate", prefetch, {}) for prefetch in PREFETCHES.names()],
    ("duplicate", "table", {"cache_bytes": 512}),
    ("interleave", "none", {"policy": "lru", "cache_bytes": 65_536}),
    ("vertical", "none", {}),
    ("vertical", "none", {"policy": "lru", "cache_bytes": 2048}),
]


NOT_FOR_SLICES = {"collect": "host", "dedup": "none", "unit_accumulators": 0, "cache_bypass_below": 0}

Choice = tuple[str, str, dict[str, Any]]


def name_of(algorithm: str, choice: Choice) -> str:
    mapping, prefetch, settings = choice
    return "-".join([algorithm, mapping, prefetch, *settings])


def can_run(algorithm: str, choice: Choice) -> bool:
    """Slices of matrices cannot be multiplied."""
    return algorithm != "tt-rec" or choice[0] != "vertical"


def refused(system: SystemSpec, algorithm: str) -> str:
    """A word of why a trace cannot be divided between two memories or freed of its most frequent lookups; else nothing."""
    if is_split(system) and algorithm == "robe":
        return "read each subtable once"
    if system.placement.partial_sum_fraction > 0 and system.placement.mapping == "vertical":
        return "partial_sum_fraction"
    return ""


PAIRS = [(algorithm, choice) for algorithm in ALGORITHMS for choice in CHOICES if can_run(algorithm, choice)]


def a_system(name: str, mapping: str, prefetch: str, device: str, **settings: Any) -> SystemSpec:
    policy = {"policy": "scratchpad"} if prefetch != "none" else {}
    return load_system(
        name,
        {
            "memory.device": device,
            "mapping": mapping,
            "prefetch.prefetch": prefetch,
            **DEVICES[device],
            **policy,
            **settings,
        },
    )


def a_trace(algorithm: str, **options: Any) -> SmallTrace:
    options = {"samples": 7, "batch_size": 3, "pooling": (0, 5), "rows": (200, 31, 90), **options}
    return small_trace(algorithm, {"vector_bytes": 128, **ALGORITHMS[algorithm]}, **options)


@pytest.mark.matrix(15)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("algorithm", "choice"), PAIRS, ids=[name_of(*pair) for pair in PAIRS])
@pytest.mark.parametrize("name", PIM_SYSTEMS)
def test_the_matrix(name: str, algorithm: str, choice: Choice, device: str) -> None:
    mapping, prefetch, settings = choice
    if mapping == "vertical":
        # Every unit adds up the same bags, each from slices of its own.
        settings = {**NOT_FOR_SLICES, **settings}
    trace, system = a_trace(algorithm), a_system(name, mapping, prefetch, device, **settings)
    if refusal := refused(system, algorithm):
        with pytest.raises(InputError, match=refusal):
            check_run(trace, system)
        return
    check_run(trace, system)


@pytest.mark.parametrize(
    "settings",
    [
        {"deliver": "in-order"},
        {"deliver": "in-order", "frontend": "global", "host_latency": 9},
        {"unit_accumulators": 1},
        {"unit_accumulators": 3, "deliver": "in-order", "barrier": "none"},
        {"unit_accumulators": 1, "mapping": "duplicate", "prefetch": "next", "policy": "scratchpad"},
    ],
    ids=str,
)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_delivers_in_order_and_few_accumulators(algorithm: str, settings: dict[str, Any]) -> None:
    choice = {"mapping": "interleave", "prefetch": "none", **settings}
    trace = a_trace(algorithm, pooling=(0, 9))
    system = a_system("pim-base", choice.pop("mapping"), choice.pop("prefetch"), "hbm2-4gb", **choice)
    result = check_run(trace, system)
    free = {"deliver": "ahead", "unit_accumulators": 0}
    without = a_system(
        "pim-base", system.placement.mapping, system.prefetch.prefetch, "hbm2-4gb", **choice | free
    )
    # The same work, as often transferred; its order costs.
    for name in ("reads", "bytes_external", "instructions", "cache_hits"):
        assert result.total(name) == simulate(trace, without).total(name), name


@pytest.mark.parametrize(
    "settings",
    [
        {"collect": "base-die"},
        {"collect": "tree", "frontend": "global", "collect_cycles": 0},
        {"collect": "tree", "transfer": "all", "unit_accumulators": 0},
        {"collect": "base-die", "unit_accumulators": 1, "barrier": "none"},
        {"dedup": "turn", "barrier": "none"},
        {"dedup": "turn", "collect": "tree", "deliver": "in-order", "level": "rank"},
        {"dedup": "rows", "collect": "tree", "level": "rank"},
        {
            "dedup": "turn",
            "mapping": "duplicate",
            "prefetch": "table",
            "policy": "scratchpad",
            "cache_bytes": 900,
        },
        {"dedup": "turn", "mapping": "hot", "policy": "lru", "cache_bytes": 4096, "hot_fraction": 0.2},
    ],
    ids=str,
)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_collectors_and_equal_lookups(algorithm: str, settings: dict[str, Any]) -> None:
    choice = {"mapping": "interleave", "prefetch": "none", **settings}
    if "dedup" in choice:
        choice |= {"tt_reorder": False, "tt_reuse": False}
    trace = a_trace(algorithm, pooling=(0, 9), skew=4.0)
    system = a_system("pim-base", choice.pop("mapping"), choice.pop("prefetch"), "hbm2-4gb", **choice)
    result = check_run(trace, system)
    plain = choice | {"collect": "host", "dedup": "none"}
    without = simulate(
        trace, a_system("pim-base", system.placement.mapping, system.prefetch.prefetch, "hbm2-4gb", **plain)
    )
    for name in ("lookups", "accesses", "prefetch_reads"):
        assert result.total(name) == without.total(name), name
    assert result.total("bytes_external") <= without.total("bytes_external")
    if "collect" in choice:
        assert result.total("bytes_external") < without.total("bytes_external")
    if "dedup" in choice:
        assert result.total("cache_hits") >= without.total("cache_hits")
        assert result.total("reads") <= without.total("reads")
        assert result.total("instructions") < without.total("instructions")
    else:
        assert result.total("reads") == without.total("reads")


def test_the_host_as_consumer() -> None:
    """Every algorithm, one stream and many, one unit a channel and more: what is read out is all that moves."""
    for algorithm in ALGORITHMS:
        for level, frontend in (("channel", "per-channel"), ("bankgroup", "global")):
            choice = {"consumer": "host", "level": level, "frontend": frontend}
            system = a_system("pim-base", "interleave", "none", "ddr4-8gb-x8-2400", **choice)
            result = check_run(a_trace(algorithm), system)
            assert result.total("bytes_external") == result.total("bytes_dram")
            assert result.total("compute_cycles") == 0


@pytest.mark.slow
@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(
    algorithm=st.sampled_from(sorted(ALGORITHMS)),
    choice=st.sampled_from(CHOICES),
    device=st.sampled_from(sorted(DEVICES)),
    parameters=st.fixed_dictionaries(
        {
            "level": st.sampled_from(["channel", "rank", "bankgroup", "bank"]),
            "frontend": st.sampled_from(["per-channel", "global"]),
            "instruction_bits": st.sampled_from([12, 85, 168]),
            "command_bits_per_cycle": st.sampled_from([1, 28, 84]),
            "instruction_pins": st.sampled_from(["command", "command-and-data"]),
            "host_latency": st.sampled_from([0, 7, 100]),
            "unit_queue": st.sampled_from([-1, 0, 2, 5]),
            "unit_window": st.integers(1, 8),
            "cross_unit_timing": st.sampled_from(["physical", "faw-only", "none"]),
            "barrier": st.sampled_from(["table", "batch", "none"]),
            "transfer": st.sampled_from(["non-empty", "all"]),
            "macs": st.sampled_from([1, 16, 64]),
            "unit_buffer_bursts": st.sampled_from([0, 4, 32]),
            "placement_page": st.sampled_from([1, 4]),
            "placement_seed": st.integers(0, 1000),
        }
    ),
    seed=st.integers(0, 2**31),
    vector_bytes=st.sampled_from([64, 128, 256]),
    skew=st.sampled_from([1.0, 4.0]),
)
def test_random_systems(
    algorithm: str,
    choice: Choice,
    device: str,
    parameters: dict[str, Any],
    seed: int,
    vector_bytes: int,
    skew: float,
) -> None:
    mapping, prefetch, settings = choice
    assume(can_run(algorithm, choice))
    trace = small_trace(
        algorithm,
        {**ALGORITHMS[algorithm], "vector_bytes": vector_bytes},
        rows=(500, 7),
        samples=5,
        batch_size=2,
        pooling=(0, 7),
        seed=seed,
        skew=skew,
    )
    if len(trace.accesses.row):
        slices = NOT_FOR_SLICES if mapping == "vertical" else {}
        chosen = {**settings, **slices, **parameters}
        check_run(trace, a_system("proactivepim", mapping, prefetch, device, **chosen))


STREAMED = [
    ("pim-base", "qr", "interleave", "none", {}),
    ("proactivepim", "qr", "duplicate", "table", {}),
    ("proactivepim", "qr", "duplicate", "table", {"barrier": "batch", "host_latency": 20}),
    ("proactivepim", "tt-rec", "duplicate", "table", {}),
    ("proactivepim", "tt-rec", "duplicate", "table", {"tt_granularity": "matrix"}),
    ("proactivepim", "tt-rec", "duplicate", "used", {"tt_split": "all"}),
    ("pim-base", "tt-rec", "interleave", "none", {"tt_split": "bankgroups", "deliver": "in-order"}),
    ("trim-bg", "dense", "hot", "none", {}),
    ("fafnir", "dense", "interleave", "none", {"collect": "host"}),
    ("proactivepim", "tt-rec", "duplicate", "next", {"cache_bytes": 2048}),
    ("proactivepim", "qr", "duplicate", "next", {"prefetch_used": True, "barrier": "none"}),
    ("proactivepim", "qr", "duplicate", "all", {"barrier": "batch", "unit_buffer_bursts": 4, "macs": 1}),
    ("proactivepim-paper", "qr", "duplicate", "table", {}),
    ("proactivepim-paper", "tt-rec", "interleave", "none", {}),
    ("pim-base", "qr", "interleave", "none", {"deliver": "in-order", "unit_accumulators": 1}),
    ("pim-base", "qr", "interleave", "none", {"dedup": "turn", "collect": "tree", "barrier": "none"}),
    ("pim-base", "qr", "vertical", "none", {"policy": "lru", "cache_bytes": 2048}),
    ("pim-base", "qr", "interleave", "none", {"consumer": "host", "level": "channel"}),
    ("pim-base", "qr", "table", "none", {}),
    ("pim-base", "qr", "table", "none", {"barrier": "batch"}),
    ("pim-base", "tt-rec", "table", "none", {"transfer": "all"}),
]


@pytest.mark.matrix(5)
@pytest.mark.parametrize(("name", "algorithm", "mapping", "prefetch", "settings"), STREAMED)
def test_neither_rings_nor_chunks_nor_threads_change_a_run(
    name: str,
    algorithm: str,
    mapping: str,
    prefetch: str,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A trace in one chunk through rings that hold it all, in many through rings that must grow: the same bytes."""
    system = a_system(name, mapping, prefetch, "hbm2-4gb", **settings)
    found = set()
    for ring in (2, 64, 1 << 15):
        for batches_per_chunk, threads in ((1, 1), (3, 1), (1000, 1), (1, 2), (3, 3), (1000, 9)):
            monkeypatch.setattr(feed_module, "FIRST_RING", ring)
            trace = a_trace(algorithm, samples=60, batches_per_chunk=batches_per_chunk, pooling=(0, 9))
            found.add(csv_of(simulate(trace, system, threads=threads)))
    assert len(found) == 1


@pytest.mark.parametrize("barrier", ["table", "batch"])
def test_channels_without_work_do_not_need_the_whole_program(
    barrier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two tables lie in two of eight channels: the rings hold a few turns, however long the trace."""
    system = a_system("pim-base", "table", "none", "hbm2-4gb", barrier=barrier)
    trace = small_trace("qr", {"collisions": 4, "vector_bytes": 64}, rows=(400, 300), samples=400)
    expected = csv_of(simulate(trace, system))
    sizes = []
    monkeypatch.setattr(feed_module, "FIRST_RING", 64)
    monkeypatch.setattr(PimEngine, "resize", note_size(PimEngine.resize, sizes))
    assert csv_of(simulate(trace, system)) == expected
    assert max(sizes, default=64) <= 512


def note_size(resize: Callable[..., None], sizes: list[int]) -> Callable[..., None]:
    """`resize`, noting the instructions that the rings hold."""

    def noted(engine: PimEngine, rings: Rings) -> None:
        sizes.append(rings.instructions.shape[1])
        resize(engine, rings)

    return noted


def test_prefetches_of_everything_that_leave_no_room_for_the_first_turn() -> None:
    """640 rows wait in each stream when the first turn does not fit beside them."""
    trace = small_trace(
        "qr",
        {"collisions": 640, "vector_bytes": 64},
        rows=(50_000, 50_000),
        samples=32,
        batch_size=16,
        pooling=(40, 40),
        batches_per_chunk=1,
    )
    result = simulate(trace, a_system("proactivepim", "duplicate", "all", "hbm2-4gb"))
    assert result.total("accesses") == len(trace.accesses.row)
    assert result.total("prefetch_reads") == 640 * 32


def test_a_lookup_of_many_rows_that_lie_everywhere() -> None:
    """More delivers a lookup than subtables."""
    trace = small_trace("robe", {"block_elements": 1, "compression": 4}, rows=(300,), samples=6)
    result = check_run(trace, a_system("pim-base", "interleave", "none", "hbm2-4gb"))
    assert result.total("bytes_delivered") > 16 * 64 * result.total("lookups")


def test_same_input_same_bytes() -> None:
    for name in PIM_SYSTEMS:
        texts = {csv_of(simulate(a_trace("qr", samples=30), load_system(name))) for _ in range(2)}
        assert len(texts) == 1
