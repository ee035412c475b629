"""Systems of two memories, and vectors that are kept: the accounts of both, and what each parameter moves."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ppim.errors import InputError
from ppim.prefetch.base import PREFETCHES
from ppim.program import feed as feed_module
from ppim.program.authors.write import ProgramWriter
from ppim.runs.simulate import simulate
from ppim.stats.result import SimulationResult
from ppim.systems.load import load_system
from ppim.systems.spec import SystemSpec
from tests.reference.small_traces import SmallTrace, small_trace
from tests.unit.simulate.accounts import check_run, csv_of

TWO_MEMORIES = ("heam", "proactivepim-tiers", "space")
ALGORITHMS: dict[str, dict[str, Any]] = {
    "dense": {},
    "hash": {},
    "qr": {"collisions": 6},
    "tt-rec": {"tt_rank": 4},
    "kqr": {},
    "memcom": {},
}
# Refreshes that even a short run meets, in both memories.
REFRESHES = {"tREFI": 700, "tRFC": 60, "dimm.tREFI": 900, "dimm.tRFC": 80}
SETTINGS: list[dict[str, Any]] = [
    {},
    REFRESHES,
    {"placement.partial_sum_fraction": 0.4, "tiers.hot_fraction": 0.5},
    {"placement.partial_sum_fraction": 1.0},
    {"placement.partial_sum_fraction": 1.0, "placement.partial_sum_of": "pair", "tiers.hot_fraction": 0.5},
    {"tiers.hot_by": "capacity", "tiers.hot_fraction": 1e-6},
    {"tiers.hot_fraction": 0.0, **REFRESHES},
    {"tiers.hot_fraction": 1.0},
    {"dimm.consumer": "unit", "dimm.level": "rank", "dimm.mapping": "duplicate", "tiers.hot_fraction": 0.5},
    {"dimm.consumer": "unit", "dimm.level": "rank", "tiers.hot_fraction": 0.5},
    {"dimm.consumer": "unit", "dimm.mapping": "vertical", "dimm.level": "rank", "tiers.hot_fraction": 0.5},
    {"dimm.frontend": "global", "frontend": "global", "tiers.hot_fraction": 0.5},
    {"host_latency": 40, "dimm.host_latency": 11, "tiers.hot_fraction": 0.7},
    {"dimm.device": "hbm2-4gb", "dimm.tCK": 1.37, "dimm.channels": 4, "tiers.hot_fraction": 0.5},
]


def a_trace(algorithm: str, **options: Any) -> SmallTrace:
    options = {"samples": 7, "batch_size": 3, "pooling": (0, 5), "rows": (200, 31, 90), **options}
    return small_trace(algorithm, {"vector_bytes": 128, **ALGORITHMS[algorithm]}, **options)


def can_run(algorithm: str, changes: dict[str, Any]) -> bool:
    """Slices of matrices cannot be multiplied."""
    return algorithm != "tt-rec" or changes.get("dimm.mapping") != "vertical"


def whole_if_kept(changes: dict[str, Any]) -> dict[str, Any]:
    """The same settings; vectors that are kept go with rows that are whole."""
    return {**changes, "tt_split": "none"} if changes.get("placement.partial_sum_fraction") else changes


@pytest.mark.parametrize("changes", SETTINGS, ids=str)
@pytest.mark.parametrize("barrier", ["table", "batch", "none"])
@pytest.mark.parametrize("name", TWO_MEMORIES)
def test_accounts(name: str, barrier: str, changes: dict[str, Any]) -> None:
    for algorithm in ALGORITHMS:
        if can_run(algorithm, changes):
            system = load_system(name, {"barrier": barrier, **whole_if_kept(changes)})
            result = check_run(a_trace(algorithm), system)
            assert [memory.memory for memory in result.memories] == ["hbm", "dimm"]


@settings(deadline=None, max_examples=60, derandomize=True, database=None)
@given(
    algorithm=st.sampled_from(sorted(ALGORITHMS)),
    first=st.fixed_dictionaries(
        {
            "level": st.sampled_from(["channel", "bankgroup", "bank"]),
            "frontend": st.sampled_from(["per-channel", "global"]),
            "placement.mapping": st.sampled_from(["duplicate", "interleave", "hot", "table"]),
            "placement.partial_sum_fraction": st.sampled_from([0.0, 0.2, 0.7]),
            "placement.partial_sum_of": st.sampled_from(["lookup", "pair"]),
            "barrier": st.sampled_from(["table", "batch", "none"]),
            "transfer": st.sampled_from(["non-empty", "all"]),
            "host_latency": st.sampled_from([0, 7, 100]),
            "tiers.hot_fraction": st.sampled_from([0.1, 0.5, 0.9]),
        }
    ),
    prefetch=st.sampled_from(PREFETCHES.names()),
    second=st.fixed_dictionaries(
        {
            "dimm.consumer": st.sampled_from(["host", "unit"]),
            "dimm.level": st.sampled_from(["channel", "rank", "bankgroup"]),
            "dimm.frontend": st.sampled_from(["per-channel", "global"]),
            "dimm.mapping": st.sampled_from(["duplicate", "interleave", "hot", "table"]),
            "dimm.host_latency": st.sampled_from([0, 13]),
            "dimm.tCK": st.sampled_from([0.63, 1.0, 0.7133, 2.5]),
        }
    ),
    seed=st.integers(0, 2**31),
)
def test_random_systems(
    algorithm: str, first: dict[str, Any], prefetch: str, second: dict[str, Any], seed: int
) -> None:
    if first["placement.mapping"] != "duplicate":
        prefetch = "none"
    trace = a_trace(algorithm, seed=seed, rows=(300, 7), samples=5, batch_size=2, pooling=(0, 7))
    if len(trace.accesses.row):
        changes = {**whole_if_kept(first), **second, **REFRESHES, "prefetch.prefetch": prefetch}
        check_run(trace, load_system("proactivepim-tiers", changes))


@pytest.mark.parametrize("prefetch", ["none", "table", "next"])
@pytest.mark.parametrize("barrier", ["table", "batch", "none"])
@pytest.mark.parametrize(("algorithm", "kept"), [("qr", 0.2), ("tt-rec", 0.2), ("tt-rec", 0.0)])
def test_neither_rings_nor_chunks_change_a_run(
    algorithm: str, kept: float, barrier: str, prefetch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Turns are divided, built and run as they come: pieces, and rings that must grow, change no byte."""
    changes = {
        "barrier": barrier,
        "prefetch.prefetch": prefetch,
        "placement.partial_sum_fraction": kept,
        "tiers.hot_fraction": 0.6,
    }
    system = load_system("proactivepim-tiers", whole_if_kept(changes))
    found = set()
    for ring in (2, 64, 1 << 15):
        for batches_per_chunk in (1, 3, 1000):
            monkeypatch.setattr(feed_module, "FIRST_RING", ring)
            trace = a_trace(algorithm, samples=60, batches_per_chunk=batches_per_chunk, pooling=(0, 9))
            found.add(csv_of(simulate(trace, system)))
    assert len(found) == 1


def totals(result: SimulationResult) -> dict[str, list[int]]:
    return {name: column.tolist() for name, column in result.counts.items() if name != "partial_sum_hits"}


def one_memory(system: SystemSpec) -> dict[str, Any]:
    return {"prefetch.prefetch": system.prefetch.prefetch, "barrier": system.pim.barrier}


@pytest.mark.parametrize("algorithm", ["qr", "tt-rec"])
@pytest.mark.parametrize("barrier", ["table", "batch", "none"])
def test_everything_hot_is_one_memory_for_which_the_other_costs_nothing(algorithm: str, barrier: str) -> None:
    """Rows that are all accessed keep their numbers, so that they lie where one memory has them."""
    trace = a_trace(algorithm, rows=(60, 31), samples=40, pooling=(6, 12), skew=1.0)
    two = load_system("proactivepim-tiers", {"barrier": barrier, "tiers.hot_fraction": 1.0})
    one = load_system("proactivepim", one_memory(two))
    both, alone = simulate(trace, two), simulate(trace, one)
    assert both.second is not None
    assert both.second.total("reads") == 0
    assert both.cycles == alone.cycles
    assert totals(both) == totals(alone)


# RecNMP's units in the memory that `proactivepim-tiers` has for cold rows.
AS_SECOND_MEMORY = {
    "memory.device": "ddr4-8gb-x8-3200",
    "organization.channels": 2,
    "organization.ranks": 2,
    "instruction_bits": 24,
    "command_bits_per_cycle": 24,
    "instruction_pins": "command",
    "turns_open": 0,
    "collect": "host",
    "mapping": "duplicate",
    "policy": "none",
    "cache_bypass_below": 0,
    "unit_accumulators": 0,
    "macs": 64,
}


@pytest.mark.parametrize("barrier", ["table", "batch", "none"])
def test_everything_cold_is_the_second_memory_alone(barrier: str) -> None:
    """No row is hot: a system whose only memory is the second one, with the same units."""
    trace = a_trace("qr", rows=(60, 31), samples=40, pooling=(6, 12))
    changes = {"barrier": barrier, "tiers.hot_fraction": 0.0}
    rank = {"dimm.consumer": "unit", "dimm.level": "rank", "dimm.mapping": "duplicate"}
    both = simulate(trace, load_system("proactivepim-tiers", {**changes, **rank}))
    alone = simulate(trace, load_system("recnmp", {"barrier": barrier, **AS_SECOND_MEMORY}))
    assert both.second is not None
    assert both.total("accesses") == 0
    assert both.second.cycles == alone.cycles
    assert totals(both.second) == totals(alone)


def test_a_larger_share_of_hot_rows_moves_accesses_to_the_first_memory() -> None:
    trace = a_trace("qr", rows=(5000, 900), samples=100, pooling=(5, 20), skew=3.0)
    shares = (0.0, 0.3, 0.6, 0.9, 1.0)
    found = [simulate(trace, load_system("heam", {"tiers.hot_fraction": share})) for share in shares]
    first = [result.total("accesses") for result in found]
    assert first == sorted(first)
    assert first[0] == 0
    assert first[-1] == len(trace.accesses.row)
    for share, result in zip(shares, found, strict=True):
        assert result.split is not None
        assert result.split.hot_accesses <= share * result.split.tiered_accesses
        # One more row would be too much; no row of this trace has 2 % of the accesses.
        assert result.split.hot_accesses >= (share - 0.02) * result.split.tiered_accesses


def test_more_kept_vectors_save_more_reads() -> None:
    trace = a_trace("qr", rows=(5000, 900), samples=100, pooling=(5, 20), skew=3.0)
    lookups = len(trace.accesses.row) // 2
    found = []
    for share in (0.0, 0.1, 0.3, 1.0):
        result = simulate(trace, load_system("proactivepim-map", {"partial_sum_fraction": share}))
        hits = result.total("partial_sum_hits") if share else 0
        assert ("partial_sum_hits" in result.counts) == (share > 0)
        assert share * lookups - 40 <= hits <= share * lookups
        # Each saves one of the two reads of a lookup; a burst is half a row.
        assert result.total("reads") == 2 * (len(trace.accesses.row) - hits)
        found.append(hits)
    assert found == sorted(found)
    assert found[-1] == lookups


def test_vectors_of_lookups_of_one_row_are_not_kept() -> None:
    """A dense row is read once, kept or not."""
    trace = a_trace("dense")
    system = load_system("proactivepim-map", {"partial_sum_fraction": 1.0})
    result = check_run(trace, system)
    assert result.total("partial_sum_hits") == 0
    assert result.total("reads") == 2 * len(trace.accesses.row)


def test_a_turn_waits_for_both_memories() -> None:
    """One memory's turn is longer: the other's next one begins when it is over."""
    trace = a_trace("qr", samples=60, batch_size=4, pooling=(4, 8), rows=(400, 90))
    tied, free = (
        simulate(trace, load_system("heam", {"barrier": barrier, "tiers.hot_fraction": 0.5}))
        for barrier in ("table", "none")
    )
    alone = [
        simulate(trace, load_system("heam", {"tiers.hot_fraction": share})).time_ns for share in (0.0, 1.0)
    ]
    assert free.time_ns < tied.time_ns
    assert tied.time_ns < sum(alone)


def test_tables_larger_than_the_first_memory() -> None:
    """What one memory has no room for, two have: the first one holds hot rows only."""
    small = {"channels": 1, "rows": 64}
    trace = a_trace("qr", rows=(60_000, 60_000), samples=20)
    with pytest.raises(InputError, match=r"needs .* bytes"):
        simulate(trace, load_system("proactivepim", small))
    result = check_run(trace, load_system("proactivepim-tiers", small))
    for memory in result.memories:
        assert memory.footprint is not None
        used = memory.footprint.spread_bytes + memory.footprint.duplicated_bytes
        assert used <= memory.footprint.capacity_bytes
    assert result.footprint.spread_bytes < 2 * 10_000 * 128 <= result.memories[1].footprint.spread_bytes


# What is refused.


def test_refreshes_that_leave_the_second_memory_no_time() -> None:
    """Its name and its keys are said, not the first one's."""
    never = {"dimm.tREFI": 634, "dimm.tRFC": 560}
    with pytest.raises(
        InputError, match=r"ddr4-8gb-x8-3200: .* tRFC = 560 cycles every tREFI = 634 leave no time"
    ):
        simulate(a_trace("qr", samples=200), load_system("proactivepim-tiers", never))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"host.llc_bytes": 1024}, "dimm: host.llc_bytes.*1,024"),
        ({"dimm.rows": 1, "dimm.channels": 1}, "dimm: .*needs .* bytes"),
        ({"rows": 1, "channels": 1, "tiers.hot_fraction": 1.0}, "hbm: .*needs .* bytes"),
        ({"dimm.tCK": 0.1234567891234}, "tCK"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused_with_numbers(changes: dict[str, Any], words: str) -> None:
    trace = a_trace("qr", rows=(60_000, 9000), samples=400, pooling=(20, 40), skew=1.0)
    with pytest.raises(InputError, match=words):
        simulate(trace, load_system("heam", changes))


def test_an_algorithm_that_reads_a_subtable_twice_is_refused() -> None:
    trace = small_trace("robe", {"compression": 20})
    for name, changes in (("heam", {}), ("pim-base", {"partial_sum_fraction": 0.1})):
        with pytest.raises(InputError, match="read each subtable once"):
            simulate(trace, load_system(name, changes))


def test_programs_of_two_memories_are_refused() -> None:
    with pytest.raises(InputError, match="second memory"):
        simulate(a_trace("qr"), load_system("heam"), program=ProgramWriter)  # type: ignore[arg-type]
