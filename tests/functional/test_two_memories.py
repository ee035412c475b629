"""Real numbers through two memories: hot rows, cold rows and kept vectors give what one plain gather-and-reduce does."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ppim.errors import InputError
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.program import instruction as i
from ppim.systems.spec import CacheSpec, DimmSpec, PimSpec, PlacementSpec, SystemSpec, TiersSpec
from tests.functional.machine import Burst, Memory, Units, Weights, compose, random_weights
from tests.functional.test_numbers import ALGORITHMS, a_system, a_trace, plain_results
from tests.reference.pim_programs import make_device
from tests.reference.small_traces import SmallTrace
from tests.reference.split_twin import Kept, Part, divide, hottest, kept_sums, tiered_subtable
from tests.reference.whole_program import WholeProgram, build_parts

FIRST = make_device(channels=2, bankgroups=2, banks_per_group=2, rows=512, bursts_per_row=8)
SECOND = make_device(
    "DDR4", channels=1, ranks=2, bankgroups=2, banks_per_group=2, rows=1024, bursts_per_row=8
)
BY_HOST = DimmSpec(
    pim=PimSpec(level="channel", consumer="host"),
    placement=PlacementSpec(mapping="interleave"),
    cache=CacheSpec(policy="none"),
)
BY_UNITS = replace(BY_HOST, pim=PimSpec(level="rank"))
WITH_COPIES = replace(BY_UNITS, placement=PlacementSpec(mapping="duplicate"))
SYSTEMS: dict[str, dict[str, Any]] = {
    "tiers, prefetch": {"placement": "prefetch a table", "dimm": BY_HOST},
    "tiers, no copies": {"placement": "interleave", "dimm": BY_UNITS},
    "tiers, copies, kept": {"placement": "duplicate", "dimm": WITH_COPIES, "kept": 0.4},
    "tiers, double buffered, kept": {"placement": "prefetch double buffered", "dimm": BY_HOST, "kept": 0.3},
    "tiers, used rows, kept": {"placement": "prefetch used rows", "dimm": BY_HOST, "kept": 0.5},
    "tiers, collected": {"placement": "collected in the base die", "dimm": BY_HOST, "kept": 0.2},
    "tiers, copies of hot rows": {"placement": "hot", "dimm": BY_HOST, "kept": 0.2},
    "tiers, few hot rows": {"placement": "lru", "dimm": BY_HOST, "share": 0.3},
    "kept": {"placement": "prefetch a table", "kept": 0.4},
    "all kept": {"placement": "interleave", "kept": 1.0},
    "pairs": {"placement": "prefetch a table", "kept": 0.4, "of": "pair"},
    "tiers, pairs, collected": {
        "placement": "collected in the base die",
        "dimm": BY_HOST,
        "kept": 0.3,
        "of": "pair",
    },
    "tiers, pairs of few lookups, in order": {
        "placement": "delivers in program order",
        "dimm": BY_UNITS,
        "kept": 1.0,
        "of": "pair",
        "candidates": 40,
    },
    "kept, delivered in order": {"placement": "delivers in program order", "kept": 0.4},
}


def two_memories(name: str, frontend: str) -> SystemSpec:
    choice = SYSTEMS[name]
    system = a_system(choice["placement"], frontend)
    return replace(
        system,
        placement=replace(
            system.placement,
            partial_sum_fraction=choice.get("kept", 0.0),
            partial_sum_of=choice.get("of", "lookup"),
            partial_sum_candidates=choice.get("candidates", 4096),
        ),
        tiers=TiersSpec(hot_fraction=choice.get("share", 0.6)),
        dimm=choice.get("dimm"),
    )


class PartUnits(Units):
    """The units of one memory; what the host holds is at hand for a memory that it reads."""

    def __init__(
        self, part: Part, program: WholeProgram, memory: Memory, weights: Weights, in_host: bool
    ) -> None:
        self.part, self.weights, self.in_host = part, weights, in_host
        super().__init__(part.trace, program, memory)

    def _accesses_by_lookup(self) -> list[list[tuple[int, int, int]]]:
        found = []
        for _, table, bags in self.part.turns:
            scheme = self.trace.schemes[table]
            kept_subtable = len(self.trace.meta.tables[table].subtables) - 1
            is_chain = not self.in_host and len(getattr(scheme, "element_factors", ())) > 2
            for lookups in bags:
                ordered = lookups
                if is_chain and self.program.prepared.system.compute.tt_reorder:
                    kept = [rows for rows in lookups if isinstance(rows, Kept)]
                    others = [rows for rows in lookups if not isinstance(rows, Kept)]
                    ordered = sorted(others, key=lambda rows: rows[1]) + kept
                for rows in ordered:
                    subtables = [kept_subtable] if isinstance(rows, Kept) else scheme.access_subtables
                    found.append([(table, s, row) for s, row in zip(subtables, rows, strict=True)])
        return found

    def _held(
        self, scratchpad: dict[int, Burst], lookup: int, table: int, subtable: int, row: int
    ) -> np.ndarray:
        if self.in_host:
            assert self.trace.meta.tables[table].subtables[subtable].shared
            return self.weights[table][subtable][row]
        return super()._held(scratchpad, lookup, table, subtable, row)


def first_weights(trace: SmallTrace, system: SystemSpec, weights: Weights) -> Weights:
    """What the first memory holds: hot rows closely packed, and composed vectors."""
    geometry = UnitGeometry.of(FIRST, system.pim.level)
    hot = hottest(trace, system, geometry) if system.dimm is not None else None
    kept = kept_sums(trace, system)
    found = []
    for t, subtables in enumerate(weights):
        rows = list(subtables)
        large = tiered_subtable(trace.meta, t)
        if hot is not None and large is not None:
            rows[large] = rows[large][hot[t]] if hot[t] else np.zeros_like(rows[large][:1])
        if kept[t]:
            rows.append(
                np.array(
                    [
                        np.sum(
                            [
                                compose(trace, t, [subtables[s][r] for s, r in enumerate(one)])
                                for one in lookups
                            ],
                            axis=0,
                        )
                        for lookups in kept[t]
                    ]
                )
            )
        found.append(rows)
    return found


def computed(trace: SmallTrace, system: SystemSpec, weights: Weights) -> dict[tuple[int, int], np.ndarray]:
    """Sums over all units of both memories, by (sample, table)."""
    devices = [FIRST] if system.dimm is None else [FIRST, SECOND]
    programs = build_parts(trace, system, devices)
    parts = divide(trace, system, UnitGeometry.of(FIRST, system.pim.level))
    pooled = trace.meta.parameters.get("composition") == "pooled"
    sums: dict[tuple[int, int], list[np.ndarray]] = defaultdict(list)
    for memory, (part, program, device) in enumerate(zip(parts, programs, devices, strict=True)):
        held = weights if memory else first_weights(trace, system, weights)
        contents = Memory(program.prepared.placement, held, device.organization.burst_bytes)
        units = PartUnits(part, program, contents, held, in_host=program.prepared.recipe.host_consumes > 0)
        units.run()
        assert len(units.accesses) == len(program.lookups)
        prefetch_all = bool(program.prepared.recipe.fetch_at_start)
        for lookup, accesses in enumerate(units.accesses):
            table, subtable = accesses[0][:2]
            numbers = units.parts(lookup, prefetch_all=prefetch_all)
            is_kept = subtable == len(trace.meta.tables[table].subtables)
            if not is_kept and not pooled:
                numbers = [compose(trace, table, numbers)]
            row = program.sums[program.lookups[lookup, i.LOOKUP_SUM]]
            batch = int(program.turn_batch[row[i.SUM_TURN]])
            name = batch * trace.meta.batch_size + int(row[i.SUM_BAG]), table
            before = sums.get(name, [np.zeros(1)] * len(numbers))
            sums[name] = [a + b for a, b in zip(before, numbers, strict=True)]
    return {
        name: compose(trace, name[1], numbers) if pooled else numbers[0] for name, numbers in sums.items()
    }


@pytest.mark.matrix(7)
@pytest.mark.parametrize("frontend", ["per-channel", "global"])
@pytest.mark.parametrize("name", SYSTEMS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_reduced_vectors(algorithm: str, name: str, frontend: str) -> None:
    trace, system = a_trace(algorithm), two_memories(name, frontend)
    weights = random_weights(trace, np.random.default_rng(11))
    if system.placement.partial_sum_fraction and trace.meta.parameters.get("composition") == "pooled":
        with pytest.raises(InputError, match="composition=lookup"):
            computed(trace, system, weights)
        return
    got = computed(trace, system, weights)
    expected = plain_results(trace, weights)
    assert got.keys() == expected.keys()
    for bag, vector in expected.items():
        np.testing.assert_allclose(got[bag], vector, rtol=1e-9, atol=1e-9, err_msg=str(bag))


def test_the_systems_use_what_they_are_for() -> None:
    trace = a_trace("qr mult")
    for name, choice in SYSTEMS.items():
        system = two_memories(name, "per-channel")
        parts = divide(trace, system, UnitGeometry.of(FIRST, system.pim.level))
        served = [[rows for _, _, bags in part.turns for bag in bags for rows in bag] for part in parts]
        assert all(served), name
        assert any(isinstance(rows, Kept) for rows in served[0]) == bool(choice.get("kept"))


def test_a_wrong_kept_vector_is_noticed() -> None:
    """The proof can fail."""
    trace, system = a_trace("qr mult"), two_memories("kept", "per-channel")
    weights = random_weights(trace, np.random.default_rng(11))
    expected = plain_results(trace, weights)
    weights[0][1] = weights[0][1] + 1.0
    got = computed(trace, system, weights)
    wrong = {bag for bag in expected if not np.allclose(got[bag], expected[bag])}
    assert wrong
    assert all(table == 0 for _, table in wrong)
