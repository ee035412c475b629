"""Real numbers through the program: what PIM units reduce is what a plain gather-and-reduce gives.

Subtables get random weights, the placement puts them into a memory, the program's instructions fetch them
from there, units compose and add, transfers carry partial sums out, the host adds those of a bag. The
engine's own READ commands are held against the same instructions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from ppim.errors import InputError
from ppim.program import instruction as i
from ppim.program.builder import recipe as b
from ppim.systems.spec import PlacementSpec, SystemSpec
from tests.functional.machine import Memory, Units, compose, random_weights
from tests.reference.pim_programs import make_device, make_system
from tests.reference.small_traces import SmallTrace, small_trace
from tests.reference.whole_program import WholeProgram, build_whole, run_whole

DEVICE = make_device(channels=2, bankgroups=2, banks_per_group=2, rows=512, bursts_per_row=8, tREFI=700)
ALGORITHMS: dict[str, tuple[str, dict[str, Any]]] = {
    "dense": ("dense", {}),
    "hash": ("hash", {"collisions": 4}),
    "qr mult": ("qr", {"collisions": 7}),
    "qr mult pooled": ("qr", {"collisions": 7, "composition": "pooled"}),
    "qr add": ("qr", {"collisions": 7, "operation": "add"}),
    "qr concat": ("qr", {"collisions": 7, "operation": "concat"}),
    "qr beside dense tables": ("qr", {"collisions": 7, "dense_below": 100}),
    "tt-rec": ("tt-rec", {"tt_rank": 4}),
    "tt-rec, factors of the authors": ("tt-rec", {"tt_rank": 2, "factorisation": "cube-root"}),
    "tt-rec of two ranks": ("tt-rec", {"tt_ranks": [3, 5]}),
    "tt-rec of two shared cores": ("tt-rec", {"tt_rank": 2, "cores": 2}),
    "kqr": ("kqr", {}),
    "memcom": ("memcom", {}),
}
EAGER = {"adaptive_batches": 1, "adaptive_gain": 0.0, "barrier": "batch"}
"""Rows move after every batch, whether it pays or not."""
PLACEMENTS: dict[str, dict[str, Any]] = {
    "interleave": {"mapping": "interleave"},
    "interleave in pages": {"mapping": "interleave", "page": 3},
    "interleave in random pages": {"mapping": "interleave", "placement": "page", "page_bytes": 512},
    "table": {"mapping": "table"},
    "hot": {"mapping": "hot", "hot_fraction": 0.4},
    "updlrm": {"mapping": "updlrm"},
    "updlrm in random pages": {"mapping": "updlrm", "placement": "page", "page_bytes": 512},
    "hot rows beside shared subtables": {
        "mapping": "duplicate-hot",
        "hot_fraction": 0.4,
        "prefetch": "table",
        "cache_bytes": 600,
    },
    "duplicate": {"mapping": "duplicate"},
    "prefetch a table": {"mapping": "duplicate", "prefetch": "table"},
    "prefetch a table as far as it fits": {
        "mapping": "duplicate",
        "prefetch": "table",
        "cache_bytes": 400,
    },
    "prefetch used rows": {"mapping": "duplicate", "prefetch": "used", "cache_bytes": 600},
    "prefetch double buffered": {"mapping": "duplicate", "prefetch": "next", "cache_bytes": 900},
    "prefetch all": {"mapping": "duplicate", "prefetch": "all"},
    "rows kept when they were read": {"mapping": "duplicate", "demand_subtables": ("core3",)},
    "rows kept when they were read, all shared ones as far as they fit": {
        "mapping": "duplicate",
        "cache_bytes": 300,
        "demand_subtables": ("r", "core1", "core3"),
    },
    "lru": {"mapping": "duplicate", "policy": "lru", "cache_bytes": 4096},
    "lru, rare rows past it": {
        "mapping": "interleave",
        "policy": "lru",
        "cache_bytes": 4096,
        "cache_bypass_below": 2,
    },
    "delivers in program order": {"mapping": "interleave", "deliver": "in-order"},
    "an accumulator": {"mapping": "interleave", "unit_accumulators": 1},
    "two accumulators": {
        "mapping": "duplicate",
        "prefetch": "table",
        "cache_bytes": 400,
        "unit_accumulators": 2,
    },
    "equal lookups once": {"mapping": "interleave", "dedup": "turn", "tt_reorder": False, "tt_reuse": False},
    "equal rows once": {"mapping": "interleave", "dedup": "rows", "tt_reorder": False, "tt_reuse": False},
    "equal rows once, in order": {
        "mapping": "interleave",
        "dedup": "rows",
        "deliver": "in-order",
        "collect": "tree",
        "tt_reorder": False,
        "tt_reuse": False,
    },
    "collected in the base die": {"mapping": "duplicate", "prefetch": "table", "collect": "base-die"},
    "equal lookups once, collected in a tree": {
        "mapping": "duplicate",
        "policy": "lru",
        "cache_bytes": 4096,
        "dedup": "turn",
        "tt_reorder": False,
        "tt_reuse": False,
        "collect": "tree",
    },
    "collected in the buffer chips of ranks": {"mapping": "duplicate", "collect": "rank"},
    "collected in the buffer chips of DIMMs": {
        "mapping": "hot",
        "hot_fraction": 0.2,
        "level": "bank",
        "collect": "dimm",
        "ranks_per_dimm": 1,
    },
    "the host adds": {"mapping": "interleave", "policy": "none", "consumer": "host"},
    "vertical": {"mapping": "vertical"},
    "vertical with a cache": {"mapping": "vertical", "policy": "lru", "cache_bytes": 4096},
    "lru without copies": {"mapping": "interleave", "policy": "lru", "cache_bytes": 4096},
    "adaptive": {"mapping": "adaptive", **EAGER},
    "adaptive, few guests, and a cache": {
        "mapping": "adaptive",
        **EAGER,
        "guest_rows": 2,
        "policy": "lru",
        "cache_bytes": 4096,
    },
    "adaptive, prefetch a table": {"mapping": "adaptive", **EAGER, "prefetch": "table", "cache_bytes": 600},
    "adaptive in random pages, equal lookups once": {
        "mapping": "adaptive",
        **EAGER,
        "placement": "page",
        "page_bytes": 512,
        "dedup": "turn",
        "tt_reorder": False,
        "tt_reuse": False,
    },
    "adaptive, the host adds": {
        "mapping": "adaptive",
        **EAGER,
        "policy": "none",
        "consumer": "host",
    },
    "oracle": {"mapping": "oracle", "guest_rows": 3},
}


def a_trace(algorithm: str) -> SmallTrace:
    name, parameters = ALGORITHMS[algorithm]
    return small_trace(
        name,
        {"vector_bytes": 96, **parameters},
        rows=(300, 37, 90),
        samples=10,
        batch_size=4,
        pooling=(0, 6),
        seed=len(algorithm),
    )


def a_system(placement: str | dict[str, Any], frontend: str) -> SystemSpec:
    chosen = PLACEMENTS[placement] if isinstance(placement, str) else placement
    choice = {"prefetch": "none", **chosen}
    of_placement = {field.name for field in fields(PlacementSpec)} - {"mapping"}
    where = {name: choice.pop(name) for name in of_placement & choice.keys()}
    spec = PlacementSpec(
        mapping=choice.pop("mapping"), placement_page=choice.pop("page", 1), placement_seed=3, **where
    )
    system = make_system(
        frontend=frontend,
        prefetch_subtables=("r", "core1", "core3") if frontend == "global" else ("r", "core1"),
        **choice,
    )
    return SystemSpec(**{**vars(system), "placement": spec})


def plain_results(trace: SmallTrace, weights: list[list[np.ndarray]]) -> dict[tuple[int, int], np.ndarray]:
    """Gather and reduce of the uncompressed rows, by (sample, table)."""
    return {
        (sample, table): scheme.reduce_bag(weights[table], scheme.split(bags[table]).astype(np.int64))
        for sample, bags in enumerate(trace.bags)
        for table, scheme in enumerate(trace.schemes)
        if len(bags[table])
    }


def computed_results(
    trace: SmallTrace, program: WholeProgram, units: Units, *, prefetch_all: bool
) -> dict[tuple[int, int], np.ndarray]:
    """What units compute from the operands that the program brings, added up over the transferred sums."""
    pooled = trace.meta.parameters.get("composition") == "pooled"
    slices = program.prepared.recipe.slices
    # A unit has slices of all parts of a vector that is joined from them: the host puts them in order.
    is_joined = trace.meta.parameters.get("operation") == "concat" or trace.meta.algorithm == "robe"
    pooled |= bool(slices) and is_joined
    partial: dict[int, Any] = {}
    tables: dict[int, int] = {}
    for lookup in range(len(program.lookups)):
        if units.is_receiver(lookup):
            continue
        number = int(program.lookups[lookup, i.LOOKUP_SUM])
        table = units.accesses[lookup][0][0]
        parts = units.parts(lookup, prefetch_all=prefetch_all)
        # Pooled composition adds up each part of the vector by itself; the host composes the sums.
        numbers = parts if pooled else [compose(trace, table, parts)]
        earlier = partial.get(number, [0.0] * len(numbers))
        partial[number] = [a + b for a, b in zip(earlier, numbers, strict=True)]
        tables[number] = table
    of_units = program.sums[:, i.SUM_UNIT] != i.NONE
    if program.prepared.recipe.host_consumes:
        # What the host has read it adds up by itself.
        assert units.moved == []
        units.moved = list(range(len(program.sums)))
    assert sorted(units.moved) == np.flatnonzero(of_units).tolist()
    # A collector waits for as many partial sums as name it, all of its own bag.
    children = Counter(program.sums[of_units, i.SUM_PARENT].tolist())
    for collected in np.flatnonzero(~of_units).tolist():
        assert program.sums[collected, i.SUM_LOOKUPS] == children.pop(collected)
        bag = program.sums[program.sums[:, i.SUM_PARENT] == collected][:, [i.SUM_TURN, i.SUM_BAG]]
        assert (bag == program.sums[collected, [i.SUM_TURN, i.SUM_BAG]]).all()
    assert children.keys() <= {i.NONE}
    bags: dict[tuple[int, int], list[list[np.ndarray]]] = defaultdict(list)
    # By unit, so that slices come in their order.
    for number in sorted(units.moved, key=lambda n: tuple(program.sums[n, [i.SUM_CHANNEL, i.SUM_UNIT]])):
        row = program.sums[number]
        sample = int(program.turn_batch[row[i.SUM_TURN]]) * trace.meta.batch_size + int(row[i.SUM_BAG])
        bags[sample, tables[number]].append(partial[number])
    results = {}
    for (sample, table), sums in bags.items():
        assert not slices or len(sums) == slices
        # Partial sums are added up, slices stand side by side.
        gather = np.concatenate if slices else partial_sum
        total = [gather(part) for part in zip(*sums, strict=True)]
        results[sample, table] = compose(trace, table, total) if pooled else total[0]
    return results


def partial_sum(vectors: Sequence[np.ndarray]) -> np.ndarray:
    return np.sum(vectors, axis=0)


def bursts_of(program: WholeProgram) -> list[Counter]:
    """(command, bank group, bank, row, column) of every burst that the instructions name, by channel (model §3)."""
    geometry = program.prepared.geometry
    org = DEVICE.organization
    found = [Counter() for _ in range(geometry.channels)]
    for stream in program.streams:
        for row in stream:
            if row[i.KIND] not in (i.READ, i.READ_OUT, i.PREFETCH, i.MOVE_OUT, i.MOVE_IN):
                continue
            command = "write" if row[i.KIND] == i.MOVE_IN else "read"
            channels = range(geometry.channels) if row[i.CHANNEL] == i.ALL else [row[i.CHANNEL]]
            units = range(geometry.units_per_channel) if row[i.UNIT] == i.ALL else [row[i.UNIT]]
            for channel in channels:
                for unit in units:
                    for address in range(row[i.ADDRESS], row[i.ADDRESS] + row[i.BURSTS]):
                        line, column = divmod(int(address), geometry.bursts_per_row)
                        dram_row, bank = divmod(line, geometry.banks_per_unit)
                        group, bank = divmod(int(unit) * geometry.banks_per_unit + bank, org.banks_per_group)
                        found[channel][command, group, bank, dram_row, column] += 1
    return found


@pytest.mark.matrix(7)
@pytest.mark.parametrize("frontend", ["per-channel", "global"])
@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_reduced_vectors(algorithm: str, placement: str, frontend: str) -> None:
    trace, system = a_trace(algorithm), a_system(placement, frontend)
    if system.compute.unit_accumulators and frontend == "global":
        with pytest.raises(InputError, match="transfer of its own"):
            build_whole(trace, DEVICE, system)
        return
    if system.placement.mapping == "vertical" and algorithm.startswith("tt-rec"):
        with pytest.raises(InputError, match="mapping vertical: tt-rec multiplies matrices"):
            build_whole(trace, DEVICE, system)
        return
    check_vectors(trace, system)


SPLITS: dict[str, dict[str, Any]] = {
    "over a channel": {"mapping": "duplicate", "tt_split": "bankgroups"},
    "over a channel, without copies": {"mapping": "interleave", "tt_split": "bankgroups"},
    "over a channel, delivers in program order": {
        "mapping": "interleave",
        "tt_split": "bankgroups",
        "deliver": "in-order",
    },
    "over a channel, in pages": {
        "mapping": "interleave",
        "tt_split": "bankgroups",
        "placement": "page",
        "page_bytes": 512,
    },
    "over a channel, row by row": {
        "mapping": "duplicate",
        "tt_split": "bankgroups",
        "tt_reorder": False,
        "prefetch": "table",
        "cache_bytes": 400,
    },
    "over a channel, with a cache": {
        "mapping": "duplicate",
        "tt_split": "bankgroups",
        "policy": "lru",
        "cache_bytes": 4096,
    },
    "over a channel, collected in the base die": {
        "mapping": "duplicate",
        "tt_split": "bankgroups",
        "prefetch": "table",
        "collect": "base-die",
    },
    "over a channel, third cores kept when they were read": {
        "mapping": "duplicate",
        "tt_split": "bankgroups",
        "cache_bytes": 500,
        "demand_subtables": ("core1", "the last core"),
    },
    "over all units": {"mapping": "duplicate", "tt_split": "all", "prefetch": "used"},
    "over all units, without copies": {"mapping": "interleave", "tt_split": "all"},
    "in matrices": {"mapping": "duplicate", "tt_split": "none", "tt_granularity": "matrix"},
    "in matrices over a channel": {
        "mapping": "interleave",
        "tt_split": "bankgroups",
        "tt_granularity": "matrix",
    },
    "in matrices over a channel, prefetched": {
        "mapping": "duplicate",
        "tt_split": "bankgroups",
        "tt_granularity": "matrix",
        "prefetch": "table",
    },
    "in matrices over all units": {
        "mapping": "duplicate",
        "tt_split": "all",
        "tt_granularity": "matrix",
        "prefetch": "all",
    },
}
TRAINS: dict[str, dict[str, Any]] = {
    "rank 4": {"tt_rank": 4},
    "rank 3, factors of the authors": {"tt_rank": 3, "factorisation": "cube-root"},
    "rank 8 beside a dense table": {"tt_rank": 8, "dense_below": 50},
    "four cores": {"tt_rank": 4, "cores": 4},
    "two ranks": {"tt_ranks": [6, 3]},
    "two ranks, factors given": {"tt_ranks": [2, 5], "row_factors": [5, 9, 7], "element_factors": [2, 3, 4]},
}


@pytest.mark.matrix(7)
@pytest.mark.parametrize("frontend", ["per-channel", "global"])
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("train", TRAINS)
def test_second_cores_in_parts(train: str, split: str, frontend: str) -> None:
    parameters = {"vector_bytes": 96, **TRAINS[train]}
    trace = small_trace(
        "tt-rec", parameters, rows=(300, 37, 90), samples=6, batch_size=4, pooling=(0, 6), seed=len(split)
    )
    choice = dict(SPLITS[split])
    last = f"core{parameters.get('cores', 3)}"
    if "demand_subtables" in choice:
        choice["demand_subtables"] = ("core1", last)
    where = {name: choice.pop(name) for name in ("tt_split", "tt_granularity") if name in choice}
    system = a_system(choice, frontend)
    held = ("core1", last) if frontend == "global" else ("core1",)
    system = replace(
        system,
        placement=replace(system.placement, **where),
        prefetch=replace(system.prefetch, prefetch_subtables=held),
    )
    program = check_vectors(trace, system)
    assert program.prepared.recipe.parts


LONG_ROWS: dict[str, dict[str, Any]] = {
    "dense": {},
    "qr": {"collisions": 7, "operation": "concat"},
    "memcom": {"bias": True},
    "robe": {"compression": 10, "block_elements": 40},
}


@pytest.mark.parametrize("vector_bytes", [320, 640])
@pytest.mark.parametrize("algorithm", LONG_ROWS)
def test_slices_of_long_rows_and_of_parts(algorithm: str, vector_bytes: int) -> None:
    parameters = {"vector_bytes": vector_bytes, **LONG_ROWS[algorithm]}
    trace = small_trace(algorithm, parameters, rows=(120, 9), samples=5, batch_size=2, pooling=(0, 5))
    program = check_vectors(trace, a_system("vertical", "per-channel"))
    assert program.prepared.placement.row_bursts[0, 0] > 1


def check_vectors(trace: SmallTrace, system: SystemSpec) -> WholeProgram:
    """Units compute what a plain gather and reduce does, and the engine reads what they read."""
    weights = random_weights(trace, np.random.default_rng(11))
    program = build_whole(trace, DEVICE, system)
    rank = trace.meta.parameters.get("tt_rank", 0)
    ranks = trace.meta.parameters.get("tt_ranks", [rank, rank])
    units = Units(
        trace,
        program,
        Memory(
            program.prepared.placement,
            weights,
            DEVICE.organization.burst_bytes,
            (ranks[0], ranks[1]),
            system.placement.mapping,
        ),
    )
    units.run()
    got = computed_results(trace, program, units, prefetch_all=bool(program.prepared.recipe.fetch_at_start))
    expected = plain_results(trace, weights)
    assert got.keys() == expected.keys()
    for bag, vector in expected.items():
        np.testing.assert_allclose(got[bag], vector, rtol=1e-9, atol=1e-9, err_msg=str(bag))
    # The engine reads exactly those bursts.
    run = run_whole(program, DEVICE)
    for channel, bursts in enumerate(bursts_of(program)):
        reads = [x for x in run.commands[channel] if x.command in ("read", "write")]
        assert Counter((x.command, x.bankgroup, x.bank, x.row, x.column) for x in reads) == bursts
    return program


@pytest.mark.parametrize(
    ("placement", "kind"),
    [
        ("interleave", i.READ_OUT),
        ("lru", i.HIT),
        ("lru without copies", i.HIT),
        ("prefetch a table", i.PREFETCH),
        ("prefetch a table as far as it fits", i.PREFETCH),
        ("prefetch all", i.PREFETCH),
        ("delivers in program order", i.DELIVER),
    ],
)
def test_every_way_to_an_operand_is_taken(placement: str, kind: int) -> None:
    program = build_whole(a_trace("qr mult"), DEVICE, a_system(placement, "per-channel"))
    assert any((stream[:, i.KIND] == kind).any() for stream in program.streams)
    hits, misses = program.counts[:, [b.CACHE_HITS, b.CACHE_MISSES]].sum(axis=0)
    assert (hits > 0) == (kind not in (i.READ_OUT, i.DELIVER))
    assert (misses > 0) == ("fits" in placement or "lru" in placement)


@pytest.mark.parametrize("placement", [name for name in PLACEMENTS if name.startswith("adaptive")])
def test_rows_move_in_them(placement: str) -> None:
    program = build_whole(a_trace("dense"), DEVICE, a_system(placement, "per-channel"))
    kinds = np.concatenate(program.streams)[:, i.KIND]
    assert (kinds == i.MOVE_OUT).sum() == (kinds == i.MOVE_IN).sum() == program.counts[:, b.MOVES].sum() > 0


@pytest.mark.parametrize("placement", ["equal lookups once", "equal lookups once, collected in a tree"])
def test_equal_lookups_go_together(placement: str) -> None:
    program = build_whole(a_trace("qr mult"), DEVICE, a_system(placement, "per-channel"))
    rows = np.concatenate(program.streams)
    shared = rows[(rows[:, i.SHARERS] > 0) & (rows[:, i.LOOKUP] != i.NONE)]
    assert {i.READ} <= set(shared[:, i.KIND].tolist())
    # They are of several bags, and counted as accesses that no DRAM serves.
    bags = [
        {
            int(program.sums[program.lookups[n, i.LOOKUP_SUM], i.SUM_BAG])
            for n in range(first, first + more + 1)
        }
        for first, more in shared[:, [i.LOOKUP, i.SHARERS]].tolist()
    ]
    assert max(len(found) for found in bags) > 1
    assert program.counts[:, b.CACHE_HITS].sum() >= shared[:, i.SHARERS].sum()


@pytest.mark.parametrize("placement", ["equal rows once", "equal rows once, in order"])
@pytest.mark.parametrize("algorithm", ["qr mult", "tt-rec"])
def test_a_row_that_units_need_is_read_once_in_a_turn(placement: str, algorithm: str) -> None:
    trace = a_trace(algorithm)
    program = build_whole(trace, DEVICE, a_system(placement, "per-channel"))
    rows = np.concatenate(program.streams)
    reads = rows[np.isin(rows[:, i.KIND], (i.READ, i.READ_OUT))]
    places, times = np.unique(reads[:, [i.TURN, i.CHANNEL, i.UNIT, i.ADDRESS]], axis=0, return_counts=True)
    out = reads[:, i.KIND] == i.READ_OUT
    assert (reads[out, i.STEP] == i.LISTED).any()
    # Only a row that its own unit needs as well is read there besides.
    own = {tuple(row) for row in reads[~out][:, [i.TURN, i.CHANNEL, i.UNIT, i.ADDRESS]].tolist()}
    assert all(
        n == 1 or (n == 2 and tuple(place) in own) for place, n in zip(places.tolist(), times, strict=True)
    )


def test_a_wrong_number_in_memory_is_noticed() -> None:
    """The proof can fail: one unit's copies of one shared subtable are changed."""
    trace, system = a_trace("qr mult"), a_system("prefetch a table", "per-channel")
    weights = random_weights(trace, np.random.default_rng(11))
    program = build_whole(trace, DEVICE, system)
    memory = Memory(program.prepared.placement, weights, DEVICE.organization.burst_bytes)
    for (unit, address), burst in memory.bursts.items():
        if unit == 1 and (burst.table, burst.subtable) == (0, 1):
            memory.bursts[unit, address] = replace(burst, numbers=burst.numbers + 1.0)
    units = Units(trace, program, memory)
    units.run()
    got = computed_results(trace, program, units, prefetch_all=False)
    wrong = {
        bag for bag, vector in plain_results(trace, weights).items() if not np.allclose(got[bag], vector)
    }
    assert wrong
    assert {table for _, table in wrong} == {0}
