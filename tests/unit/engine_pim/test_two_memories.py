"""Two engines in step against two slow twins: every command of both memories at its cycle, every count."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from ppim.engine.pim import memory, state as s
from ppim.engine.pim.pair import clock_ratio, convert
from ppim.errors import InputError
from ppim.jit import njit
from tests.reference import pim_twin
from tests.reference.pim_programs import (
    Case,
    ProgramBuilder,
    RandomProgram,
    make_device,
    make_system,
    pick,
    random_device,
    random_system,
)
from tests.reference.pim_twin import TwinResult
from tests.reference.tier_twin import simulate_pair
from tests.unit.engine_pim.compare import assert_equal_results, assert_same
from tests.unit.engine_pim.feed import by_cycle, run_programs
from tests.unit.engine_pim.test_by_unit import has_fast_engine, random_case

SEEDS = range(60)
CLOCKS = (1.0, 0.63, 0.714, 1.37, 2.5, 0.9999)


class ProgramWithGaps(RandomProgram):
    """Turns in which a memory has no lookup."""

    def emit_demand(self) -> dict[tuple[int, int, int], int]:
        return {} if self.rng.random() < 0.25 else super().emit_demand()


def pair_by_unit(seed: int) -> tuple[Case, Case]:
    """Two memories of which the first one's bank groups run one by one, and every other time the second one's too."""
    rng = np.random.default_rng([seed, 0x0F57])
    collect, barrier = pick(rng, "host", "base-die"), pick(rng, "table", "table", "batch")
    first, second = random_case(seed, collect), random_case(seed + len(SEEDS), collect)
    devices_and_systems = [(first.device, first.system), (second.device, second.system)]
    if seed % 2 == 0:
        device = random_device(rng)
        devices_and_systems[1] = device, random_system(rng, device)
    n_turns = int(rng.integers(1, 9))
    batches = np.cumsum(rng.random(n_turns) < 0.4).astype(np.int64)
    cases = []
    for number, (device, system) in enumerate(devices_and_systems):
        device = replace(device, timing=replace(device.timing, tCK=pick(rng, *CLOCKS)))
        system = replace(system, pim=replace(system.pim, barrier=barrier))
        drawn = ProgramWithGaps(rng, device, system)
        if number == 0 or seed % 2:
            drawn.read_out_share = 0.0
        drawn.turns = n_turns
        cases.append(Case(seed, device, system, drawn.build()._replace(turn_batch=batches)))
    return cases[0], cases[1]


def random_pair(seed: int) -> tuple[Case, Case]:
    """Two memories with the same turns and the same barrier."""
    rng = np.random.default_rng([seed, 0x71E5])
    n_turns = int(rng.integers(1, 7))
    batches = np.cumsum(rng.random(n_turns) < 0.4).astype(np.int64)
    barrier, turns_open = pick(rng, "table", "table", "batch", "none"), pick(rng, 0, 1, 2, 3)
    cases = []
    for _ in range(2):
        device = random_device(rng)
        device = replace(device, timing=replace(device.timing, tCK=pick(rng, *CLOCKS)))
        system = random_system(rng, device)
        system = replace(system, pim=replace(system.pim, barrier=barrier, turns_open=turns_open))
        drawn = ProgramWithGaps(rng, device, system)
        drawn.turns = n_turns
        cases.append(Case(seed, device, system, drawn.build()._replace(turn_batch=batches)))
    return cases[0], cases[1]


@cache
def run_twin(seed: int) -> tuple[tuple[Case, Case], list[TwinResult]]:
    """A pair, and the twin's results with the common end as `cycles`."""
    cases = random_pair(seed)
    results, ends = simulate_pair(cases)
    return cases, [replace(result, cycles=end) for result, end in zip(results, ends, strict=True)]


def check(seed: int, piece: int | None = None, keep_commands: int = 200_000) -> int:
    """Hold a run to the twin's; the calls that it took."""
    cases, twins = run_twin(seed)
    engines = run_programs(cases, piece=piece, keep_commands=keep_commands)
    for case, twin, engine in zip(cases, twins, engines, strict=True):
        assert_same(case, twin, engine)
        assert (engine.classes.sum(axis=1) == engine.cycles).all()
        assert max(engine.limits.values()) <= engine.cycles
    return engines[0].calls


@pytest.mark.matrix(7)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs(seed: int) -> None:
    check(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_units_one_by_one(seed: int) -> None:
    """Memories that run by unit wait for another one as by cycle, whatever of their programs is known."""
    cases = pair_by_unit(seed)
    assert has_fast_engine(cases[0].device, cases[0].system)
    with by_cycle():
        expected = run_programs(cases)
    twins, ends = simulate_pair(cases)
    for pieces in ({}, {"piece": 1 + seed % 7}, {"keep_commands": 1 + seed}):
        engines = run_programs(cases, **pieces)
        for case, twin, end, found, want in zip(cases, twins, ends, engines, expected, strict=True):
            assert_same(case, replace(twin, cycles=end), found)
            assert_equal_results(found, want)


@pytest.mark.slow
@pytest.mark.parametrize("piece", [1, 7])
def test_programs_that_arrive_in_pieces(piece: int) -> None:
    assert sum(check(seed, piece=piece) for seed in SEEDS) > len(SEEDS) * 10


def test_pools_that_have_to_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "INITIAL_ENTRIES", 1)
    for seed in SEEDS:
        check(seed, piece=3)


@pytest.mark.slow
def test_commands_taken_in_small_portions() -> None:
    assert sum(check(seed, keep_commands=1) for seed in SEEDS) > len(SEEDS) * 10


@pytest.mark.parametrize("engine", [nullcontext, by_cycle])
def test_the_last_refreshes_count_when_the_log_is_taken_between(
    engine: Callable[[], AbstractContextManager[None]],
) -> None:
    """The second memory has nothing to do in the last turn, but is refreshed up to the end of the first one's."""
    cases = []
    for reads in (2, 1):
        builder = ProgramBuilder()
        for turn in range(2):
            builder.turn()
            if turn < reads:
                builder.lone_read(0, 0, turn)
        device, system = make_device(tREFI=600), make_system(barrier="table", host_latency=3000)
        cases.append(Case(0, device, system, builder.build()))
    with engine():
        expected = run_programs(cases, keep_commands=0)
        found = run_programs(cases, keep_commands=1)
    assert found[1].counters[0, s.REFRESHES] == 5
    assert found[1].calls > expected[1].calls + 2
    for have, want in zip(found, expected, strict=True):
        assert_equal_results(have, want)


@pytest.mark.slow
def test_the_seeds_tie_memories() -> None:
    """Some runs wait for the other memory; some turns are empty in one memory; prefetches go on meanwhile."""
    waited, gaps, fetched = 0, 0, 0
    for seed in SEEDS:
        cases, twins = run_twin(seed)
        untied = [pim_twin.simulate(case.device, case.system, case.program) for case in cases]
        waited += any(
            apart.turn_complete != twin.turn_complete for apart, twin in zip(untied, twins, strict=True)
        )
        for case, twin in zip(cases, twins, strict=True):
            is_empty = [complete == 0 for complete in twin.turn_complete]
            gaps += any(is_empty) and not all(is_empty)
            fetched += (
                case.system.prefetch.prefetch in ("table", "next") and case.system.pim.barrier != "none"
            )
    assert waited > len(SEEDS) // 3
    assert gaps > 10
    assert fetched > 10


@njit
def convert_all(cycles, numerator, denominator):  # type: ignore[no-untyped-def]
    return [convert(cycle, numerator, denominator) for cycle in cycles]


def test_cycles_of_another_clock_are_rounded_up() -> None:
    numerator, denominator = clock_ratio(0.63, 1.0)
    assert (numerator, denominator) == (63, 100)
    cycles = np.array([0, 1, 100, 101, 10**15 + 1])
    assert convert_all(cycles, numerator, denominator) == [0, 1, 63, 64, 63 * 10**13 + 1]
    # Products of 64 bits would overflow.
    numerator, denominator = clock_ratio(1.000000007, 0.999999937)
    large = [10**12 + 7, 10**14 + 3]
    exact = [-(-cycle * numerator // denominator) for cycle in large]
    assert convert_all(np.array(large), numerator, denominator) == exact


def test_clocks_without_a_simple_ratio_are_refused() -> None:
    with pytest.raises(InputError, match="fewer digits"):
        clock_ratio(0.12345678901234, 1.0)
