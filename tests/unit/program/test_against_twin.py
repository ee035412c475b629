"""The compiled program builder against its plain twin, on random small traces and systems."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ppim.dram.device import Device
from ppim.prefetch.base import PREFETCHES, choosing
from ppim.program import instruction as i
from ppim.program.builder import recipe as b
from ppim.systems.spec import PlacementSpec, SystemSpec
from tests.reference.pim_programs import make_device, make_system, pick
from tests.reference.program_steps import LookupStep, ReceiverStep, Step, SumName, TwinProgram
from tests.reference.program_twin import build_twin
from tests.reference.small_traces import SmallTrace, small_trace
from tests.reference.whole_program import WholeProgram, build_whole

SEEDS = range(360)
PART_SEEDS = range(60)
ROW_SEEDS = range(60)
ALGORITHMS: dict[str, list[dict[str, Any]]] = {
    "qr": [{"collisions": 4}, {"collisions": 23, "operation": "concat"}, {"dense_below": 100}],
    "tt-rec": [{"tt_rank": 2}, {"tt_rank": 4, "factorisation": "cube-root", "dense_below": 100}],
    "dense": [{}],
    "hash": [{"collisions": 3}],
    "kqr": [{}],
    "memcom": [{}],
    "robe": [{"compression": 10}],
}
COUNTS = {
    "lookups": b.LOOKUPS,
    "accesses": b.ACCESSES,
    "cache_hits": b.CACHE_HITS,
    "cache_misses": b.CACHE_MISSES,
    "bytes_cache": b.BYTES_CACHE,
    "macs": b.MACS,
    "sram_reads": b.SRAM_READS,
    "sram_fills": b.SRAM_FILLS,
    "collected": b.COLLECTED,
}


def random_trace(rng: np.random.Generator, seed: int) -> SmallTrace:
    algorithm = pick(rng, "qr", "qr", "tt-rec", "tt-rec", "dense", "hash", "kqr", "memcom", "robe")
    options = ALGORITHMS[algorithm]
    parameters = options[rng.integers(len(options))] | {"vector_bytes": pick(rng, 32, 64, 128, 192)}
    return small_trace(
        algorithm,
        parameters,
        rows=[int(n) for n in rng.integers(1, 600, int(rng.integers(1, 4)))],
        samples=int(rng.integers(1, 9)),
        batch_size=int(rng.integers(1, 5)),
        pooling=pick(rng, (1, 1), (3, 3), (1, 6), (0, 3), (9, 12)),
        seed=seed,
        batches_per_chunk=int(rng.integers(1, 4)),
    )


def random_device(rng: np.random.Generator) -> Device:
    return make_device(
        channels=pick(rng, 1, 2, 4),
        ranks=pick(rng, 1, 2),
        bankgroups=pick(rng, 1, 2),
        banks_per_group=2,
        rows=1024,
        bursts_per_row=8,
    )


def random_system(rng: np.random.Generator) -> SystemSpec:
    mapping = pick(rng, *["duplicate"] * 5, "interleave", "table", "hot", "duplicate-hot", "updlrm")
    policy = pick(rng, "scratchpad", "scratchpad", "scratchpad", "lru", "none")
    prefetch = (
        "none" if "duplicate" not in mapping or policy == "lru" else pick(rng, *PREFETCHES.names(), "table")
    )
    system = make_system(
        level=pick(rng, "channel", "rank", "bankgroup", "bank"),
        frontend=pick(rng, "per-channel", "global"),
        transfer=pick(rng, "all", "non-empty"),
        prefetch=prefetch,
        prefetch_used=prefetch in choosing() and pick(rng, True, False),
        prefetch_subtables=pick(rng, ("r", "core1"), ("r", "core1", "core3")),
        policy=policy,
        cache_bytes=pick(rng, 0, 200, 400, 600, 600, 1000, 40_960) if policy != "lru" else 8192,
        cache_line_bytes=pick(rng, 0, 0, 192) if policy != "lru" else 0,
        cache_ways=pick(rng, 0, 1, 2) if policy == "lru" else 0,
        macs=pick(rng, 1, 7, 64),
        mac_ghz=pick(rng, 0.0, 0.5),
        tt_reorder=pick(rng, True, True, False),
        tt_reuse=pick(rng, True, True, False),
    )
    spec = PlacementSpec(
        mapping=mapping,
        placement="hash" if mapping == "table" else pick(rng, "hash", "hash", "page"),
        placement_page=pick(rng, 1, 1, 3),
        page_bytes=pick(rng, 200, 4096),
        stripe_bytes=pick(rng, 64, 500),
        placement_seed=int(rng.integers(100)),
        hot_by=pick(rng, "accesses", "entries"),
        hot_fraction=pick(rng, 0.0, 0.1, 0.3, 1.0),
    )
    below = pick(np.random.default_rng(spec.placement_seed), 0, 2, 3) if policy == "lru" else 0
    return set_leaves(SystemSpec(**{**vars(system), "placement": spec}), cache_bypass_below=below)


VARIATIONS = ("in-order", "accumulators", "collect", "once", "collect once", "host", "vertical")


def vary(rng: np.random.Generator, system: SystemSpec, trace: SmallTrace) -> SystemSpec:
    """The same system, half the time with one of the settings that exclude others."""
    chosen = pick(rng, *["none"] * len(VARIATIONS), *VARIATIONS)
    if chosen == "in-order":
        return set_leaves(system, deliver="in-order")
    if chosen == "accumulators":
        limit = pick(rng, 1, 1, 2, 5)
        return set_leaves(system, frontend="per-channel", transfer="non-empty", unit_accumulators=limit)
    if "collect" in chosen:
        level = system.pim.level
        buffers = {"rank": ["dimm"], "bankgroup": ["rank", "dimm"], "bank": ["rank", "dimm"]}.get(level, [])
        system = set_leaves(
            system, collect=pick(rng, "base-die", "tree", *buffers, *buffers), ranks_per_dimm=1
        )
    if "once" in chosen:
        dedup = pick(np.random.default_rng(system.placement.placement_seed), "turn", "rows")
        system = set_leaves(system, dedup=dedup, tt_reorder=False, tt_reuse=False)
    if chosen == "host":
        choice = {"policy": "none", "transfer": "non-empty", "consumer": "host"}
        return set_leaves(system, prefetch="none", prefetch_used=False, **choice)
    if chosen == "vertical" and trace.meta.algorithm != "tt-rec":
        choice = {"mapping": "vertical", "placement": "hash", "cache_bypass_below": 0}
        return set_leaves(system, prefetch="none", prefetch_used=False, **choice)
    return system


def set_leaves(system: SystemSpec, **leaves: Any) -> SystemSpec:
    """The system with these parameters, by name, wherever they are."""
    changed = {}
    for section in ("pim", "placement", "cache", "prefetch", "compute"):
        record = getattr(system, section)
        own = {item.name for item in dataclasses.fields(record)} & leaves.keys()
        changed[section] = dataclasses.replace(record, **{name: leaves[name] for name in own})
    return dataclasses.replace(system, **changed)


def sum_name(row: np.ndarray) -> SumName:
    turn, bag, channel, unit = row[[i.SUM_TURN, i.SUM_BAG, i.SUM_CHANNEL, i.SUM_UNIT]].tolist()
    return turn, bag, channel, unit


def step(program: WholeProgram, row: np.ndarray) -> Step:
    """An instruction in the twin's words."""
    kind, first, n_sums = int(row[i.KIND]), int(row[i.SUM]), int(row[i.N_SUMS])
    has_place = kind not in (i.HIT, i.TRANSFER, i.DELIVER)
    return Step(
        kind=kind,
        channel=int(row[i.CHANNEL]),
        unit=int(row[i.UNIT]),
        turn=int(row[i.TURN]),
        address=int(row[i.ADDRESS]) if has_place else 0,
        bursts=int(row[i.BURSTS]) if kind != i.HIT else 0,
        lookup=int(row[i.LOOKUP]) if row[i.LOOKUP] != i.NONE else None,
        sharers=int(row[i.SHARERS]) if row[i.LOOKUP] != i.NONE else 0,
        sums=tuple(sum_name(row) for row in program.sums[first : first + n_sums] if kind == i.TRANSFER),
        order=int(row[i.ORDER]) if kind in (i.READ_OUT, i.DELIVER) else None,
        step=int(row[i.STEP]),
    )


def case(seed: int) -> tuple[SmallTrace, Device, SystemSpec]:
    rng = np.random.default_rng([seed, 0x9409])
    trace, device, system = random_trace(rng, seed), random_device(rng), random_system(rng)
    held = "shared" if seed % 3 == 0 else "all"
    return trace, device, set_leaves(keeping(seed, vary(rng, system, trace)), cache_subtables=held)


def keeping(seed: int, system: SystemSpec) -> SystemSpec:
    """The same system; often one whose units keep rows that they have read, of subtables that are not prefetched."""
    has_copies = system.placement.mapping in ("duplicate", "duplicate-hot")
    if (
        seed % 4 == 0
        or not has_copies
        or system.cache.policy != "scratchpad"
        or system.pim.consumer == "host"
    ):
        return system
    names = {"r", "core1", "core3"}
    if system.prefetch.prefetch != "none":
        names -= set(system.prefetch.prefetch_subtables)
        if not names:
            return set_leaves(system, prefetch_subtables=("core1",), demand_subtables=("r", "core3"))
    return set_leaves(system, demand_subtables=tuple(sorted(names)))


def case_of_parts(seed: int) -> tuple[SmallTrace, Device, SystemSpec]:
    """A tensor train whose second-core rows lie in parts, on a system like those of other cases."""
    rng = np.random.default_rng([seed, 0x9A27])
    factors = pick(rng, "balanced", "cube-root")
    trace = small_trace(
        "tt-rec",
        {
            "vector_bytes": pick(rng, 32, 96),
            **pick(rng, {"tt_rank": 2}, {"tt_rank": 3}, {"tt_rank": 4}, {"tt_rank": 8}, {"tt_ranks": [6, 3]}),
            "factorisation": factors,
            "dense_below": pick(rng, 0, 0, 50),
        },
        rows=(400, 37, 60),
        samples=pick(rng, 3, 7),
        batch_size=pick(rng, 2, 4),
        pooling=(0, pick(rng, 3, 9)),
        skew=pick(rng, 1.0, 3.0),
        seed=seed,
        batches_per_chunk=pick(rng, 1, 2),
    )
    system = random_system(rng)
    if system.placement.mapping not in ("duplicate", "interleave"):
        system = set_leaves(system, mapping="interleave", prefetch="none", prefetch_used=False)
    if rng.random() < 0.3:
        system = set_leaves(system, collect=pick(rng, "base-die", "tree"))
    return (
        trace,
        random_device(rng),
        set_leaves(
            keeping(seed, system),
            deliver=pick(rng, "ahead", "in-order"),
            tt_split=pick(rng, "bankgroups", "bankgroups", "all", "none"),
            tt_granularity=pick(rng, "slice", "matrix"),
            cache_subtables=pick(rng, "all", "shared"),
            cache_bypass_below=0,  # refused where rows lie in parts
        ),
    )


def case_of_rows(seed: int) -> tuple[SmallTrace, Device, SystemSpec]:
    """A system whose units get each row once in a turn, most of them without copies."""
    trace, device, system = case(seed)
    system = set_leaves(
        system,
        mapping="interleave" if seed % 4 else "hot",
        placement="hash",
        prefetch="none",
        prefetch_used=False,
        demand_subtables=(),
        consumer="unit",
        unit_accumulators=0,
        dedup="rows",
        tt_reorder=False,
        tt_reuse=False,
        deliver=("ahead", "in-order")[seed % 2],
    )
    return trace, device, system


def run_both(seed: int) -> tuple[WholeProgram, TwinProgram]:
    return run_case(seed, *case(seed))


def run_case(
    seed: int, trace: SmallTrace, device: Device, system: SystemSpec
) -> tuple[WholeProgram, TwinProgram]:
    # Half of the programs find the owners of lookups beforehand, as parts that run beside each other do.
    program = build_whole(trace, device, system, shares=max(seed % 6 - 2, 0))
    prepared = program.prepared
    twin = build_twin(
        trace, prepared.geometry, prepared.placement, system, device.timing.tCK, device.organization.ranks
    )
    return program, twin


def check_instructions(program: WholeProgram, twin: TwinProgram) -> None:
    """The same instructions in every stream."""
    for stream, (rows, expected) in enumerate(zip(program.streams, twin.streams, strict=True)):
        got = [step(program, row) for row in rows]
        for position, (have, want) in enumerate(zip(got, expected, strict=False)):
            assert have == want, f"stream {stream}, instruction {position}"
        assert len(got) == len(expected), f"stream {stream}"
    assert program.turn_batch.tolist() == twin.turn_batch


def check_lookups_and_sums(program: WholeProgram, twin: TwinProgram) -> None:
    """The same lookups, sums of units and sums of collectors."""
    for row, x in zip(program.lookups, twin.lookups, strict=True):
        assert sum_name(program.sums[row[i.LOOKUP_SUM]]) == x.sum
        if isinstance(x, ReceiverStep):
            columns = [i.RECEIVER_MARK, i.RECEIVER_LOOKUP, i.RECEIVER_SHARERS]
            assert row[columns].tolist() == [i.NONE, x.lookup, x.sharers]
        else:
            columns = [i.LOOKUP_OPERANDS, i.LOOKUP_COMPUTE, i.LOOKUP_BURSTS]
            assert row[columns].tolist() == [x.operands, x.compute_cycles, x.bursts]
    of_units = program.sums[:, i.SUM_UNIT] != i.NONE
    sums, collected = program.sums[of_units], program.sums[~of_units]
    assert {sum_name(row): row[i.SUM_LOOKUPS] for row in sums} == twin.sums
    assert {sum_name(row): row[i.SUM_ORDINAL] for row in sums} == twin.ordinals
    assert len(sums) == len(twin.sums)
    assert (sums[:, i.SUM_SENT] == i.NONE).all()
    # Sums of collectors wait for those of the bag in their units, leave over their channel, and need no slot.
    recipe = program.prepared.recipe
    parts: dict[int, list[SumName]] = {}
    for row in sums[sums[:, i.SUM_PARENT] != i.NONE]:
        parts.setdefault(int(row[i.SUM_PARENT]), []).append(sum_name(row))
    got_collected = sorted(
        (*program.sums[n, [i.SUM_TURN, i.SUM_BAG, i.SUM_CHANNEL]].tolist(), sorted(names))
        for n, names in parts.items()
    )
    assert got_collected == sorted(
        (turn, bag, channel, sorted(names)) for (turn, bag, (channel, _)), names in twin.collected.items()
    )
    assert len(collected) == len(twin.collected)
    for n, names in parts.items():
        assert program.sums[n, i.SUM_LOOKUPS] == len(names)
    for row in collected:
        assert row[[i.SUM_SENT, i.SUM_ORDER, i.SUM_READY]].tolist() == [0, 0, 0]
        assert row[[i.SUM_BURSTS, i.SUM_PARENT]].tolist() == [recipe.vector_bursts, i.NONE]
    for row in sums:
        if twin.collected:
            parent = program.sums[row[i.SUM_PARENT]]
            assert parent[[i.SUM_TURN, i.SUM_BAG]].tolist() == row[[i.SUM_TURN, i.SUM_BAG]].tolist()
            assert parent[i.SUM_UNIT] == i.NONE
        else:
            assert row[i.SUM_PARENT] == i.NONE


def lookups_served(program: WholeProgram, x: Step) -> int:
    """Lookups that an instruction brings an operand: one in each unit that it reaches, and sharers."""
    geometry = program.prepared.geometry
    units = 1
    if x.step == i.LISTED:
        assert x.lookup is not None
        receivers = program.lookups[x.lookup : x.lookup + 1 + x.sharers]
        return int((1 + receivers[:, i.RECEIVER_SHARERS]).sum())
    if x.unit == i.ALL:
        units = geometry.units if x.channel == i.ALL else geometry.units_per_channel
    return units * (1 + x.sharers)


def check_counts(program: WholeProgram, twin: TwinProgram) -> None:
    """The same counts by channel and unit, and as much for each turn to wait for."""
    for name, column in COUNTS.items():
        assert program.counts[:, column].tolist() == twin.counts[name], name
    assert program.unit_accesses.tolist() == twin.unit_accesses
    # Where there is another memory, a turn waits for its part there too.
    waits = [program.prepared.recipe.tied] * len(twin.turn_batch)
    for turn, _, _ in twin.collected:
        waits[turn] += 1
    for steps in twin.streams:
        for x in steps:
            if x.kind not in (i.PREFETCH, i.DELIVER):
                waits[x.turn] += lookups_served(program, x) if x.lookup is not None else max(len(x.sums), 1)
    assert program.turn_left.tolist() == waits


@pytest.mark.matrix(7)
@pytest.mark.parametrize("check", [check_instructions, check_lookups_and_sums, check_counts])
@pytest.mark.parametrize("seed", SEEDS)
def test_same_program(seed: int, check: Callable[[WholeProgram, TwinProgram], None]) -> None:
    check(*run_both(seed))


@pytest.mark.matrix(5)
@pytest.mark.parametrize("check", [check_instructions, check_lookups_and_sums, check_counts])
@pytest.mark.parametrize("seed", PART_SEEDS)
def test_same_program_of_parts(seed: int, check: Callable[[WholeProgram, TwinProgram], None]) -> None:
    check(*run_case(seed, *case_of_parts(seed)))


@pytest.mark.matrix(5)
@pytest.mark.parametrize("seed", ROW_SEEDS)
def test_same_program_of_rows_read_once(seed: int) -> None:
    program, twin = run_case(seed, *case_of_rows(seed))
    for check in (check_instructions, check_lookups_and_sums, check_counts):
        check(program, twin)


def test_the_seeds_reach_every_way_of_rows() -> None:
    found: Counter[str] = Counter()
    for seed in ROW_SEEDS:
        _, twin = run_case(seed, *case_of_rows(seed))
        receivers = [x for x in twin.lookups if isinstance(x, ReceiverStep)]
        found["with receivers"] += bool(receivers)
        found["with equal lookups"] += any(x.sharers for x in receivers)
        steps = [x for steps in twin.streams for x in steps if x.kind == i.READ_OUT]
        found["listed and not"] += len({x.step for x in steps}) == 2
    assert min(found.values()) >= 5


def test_the_seeds_reach_every_way_of_parts() -> None:
    found: Counter[str] = Counter()
    for seed in PART_SEEDS:
        program, twin = run_case(seed, *case_of_parts(seed))
        if not program.prepared.recipe.parts:
            continue
        found["cases"] += 1
        for x in (x for steps in twin.streams for x in steps if x.lookup is not None):
            reach = {i.ALL: "all" if x.channel == i.ALL else "channel"}.get(x.unit, "unit")
            shared = " for several" if x.sharers or x.step else ""
            found[f"{x.kind} to {reach}{shared}"] += 1
    for kind, reach in ((i.READ, "channel"), (i.READ, "all"), (i.HIT, "channel")):
        assert found[f"{kind} to {reach} for several"] > 0
    assert min(found[f"{i.READ_OUT} to unit for several"], found[f"{i.DELIVER} to unit"]) > 0
    assert found["cases"] > len(PART_SEEDS) // 2


@pytest.mark.slow
def test_the_seeds_reach_everything() -> None:
    kinds, merged, left_out, outs, empty, shared, reused, for_host, early = set(), 0, 0, 0, 0, 0, 0, 0, 0
    collected, once, on_demand, rows_once = 0, 0, 0, 0
    placed: Counter[tuple[str, str, bool]] = Counter()
    for seed in SEEDS:
        system = case(seed)[2]
        program, twin = run_both(seed)
        kinds |= {(x.kind, system.pim.frontend) for steps in twin.streams for x in steps}
        outs = max(outs, program.prepared.delivers_per_lookup)
        left_out += system.prefetch.prefetch != "none" and sum(twin.counts["cache_misses"]) > 0
        has_hot_rows = bool(program.prepared.placement.copy_mask)
        placed[system.placement.mapping, system.placement.placement, has_hot_rows] += 1
        for_host += system.pim.consumer == "host"
        collected += bool(twin.collected)
        once += system.pim.dedup != "none" and any(
            x.kind == i.READ_OUT and x.sharers for steps in twin.streams for x in steps
        )
        steps_of_hits = [x for steps in twin.streams for x in steps if x.kind == i.HIT]
        rows_once += system.pim.dedup == "rows" and any(not x.sharers for x in steps_of_hits)
        on_demand += bool(system.cache.demand_subtables) and sum(twin.counts["sram_reads"]) > 0
        shared += any(x.sharers for steps in twin.streams for x in steps)
        costs = {(x.sum[0], x.compute_cycles) for x in twin.lookups if isinstance(x, LookupStep)}
        reused += len(costs) > len(twin.turn_batch)
        limited = system.compute.unit_accumulators
        early += any(
            a.kind == i.TRANSFER and c.kind == i.READ and a.turn == c.turn
            for steps in twin.streams
            for a, c in itertools.pairwise(steps)
            if limited
        )
        for steps in twin.streams:
            pairs = list(itertools.pairwise(steps))
            merged += any(a.kind == i.TRANSFER and c.kind == i.PREFETCH for a, c in pairs)
            empty += any(x.kind == i.TRANSFER and not x.sums for x in steps)
    every = (i.READ, i.READ_OUT, i.HIT, i.PREFETCH, i.TRANSFER, i.DELIVER)
    assert kinds == {(kind, frontend) for kind in every for frontend in ("per-channel", "global")}
    assert outs > 2
    assert min(merged, left_out, empty, shared, reused, for_host, early, collected, once, on_demand) >= 5
    assert rows_once >= 5
    spread = {(name, how, False) for name in ("interleave", "duplicate") for how in ("hash", "page")}
    vertical = ("vertical", "hash", False)
    assert placed.keys() >= spread | {
        vertical,
        ("hot", "hash", True),
        ("hot", "page", True),
        ("duplicate-hot", "hash", True),
        ("duplicate-hot", "page", True),
        ("table", "hash", False),
        ("updlrm", "hash", False),
        ("updlrm", "page", False),
    }
