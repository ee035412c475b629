"""The engine that goes unit by unit where rows travel: against the twin and the other engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ppim.engine.pim.by_unit import cycles, setup
from tests.reference.pim_programs import Case, RandomProgram, RandomProgramWithLists, pick
from tests.unit.engine_pim.compare import assert_equal_results
from tests.unit.engine_pim.feed import by_cycle, run_program
from tests.unit.engine_pim.test_by_unit import SEEDS, assert_all_agree, in_order, random_case


def case_with_read_outs(seed: int) -> Case:
    """As `random_case`, with rows that travel, of a third of the cases some to several units."""
    case = random_case(seed)
    rng = np.random.default_rng([seed, 77])
    system = replace(case.system, prefetch=replace(case.system.prefetch, prefetch="none"))
    program = (RandomProgramWithLists if seed % 3 == 0 else RandomProgram)(rng, case.device, system)
    program.read_out_share = pick(rng, 0.2, 0.6, 0.95)
    program.turns, program.bags = pick(rng, 2, 8), pick(rng, 2, 8)
    return Case(seed, case.device, system, program.build())


def case_with_open_turns(seed: int) -> Case:
    """As `random_case`, where turns overlap or sums have to wait for accumulators, most with rows that travel."""
    case = random_case(seed)
    rng = np.random.default_rng([seed, 79])
    few = pick(rng, 0, 1, 2, 4)
    system = replace(
        case.system,
        pim=replace(
            case.system.pim,
            barrier=pick(rng, "none", "none", "none", "table"),
            turns_open=pick(rng, 0, 1, 1, 2, 3),
        ),
        prefetch=replace(case.system.prefetch, prefetch="none"),
        compute=replace(case.system.compute, unit_accumulators=few),
    )
    listed = seed % 3 == 0 and few == 0
    program = (RandomProgramWithLists if listed else RandomProgram)(rng, case.device, system)
    program.read_out_share = pick(rng, 0.0, 0.2, 0.6, 0.95)
    program.turns, program.bags = pick(rng, 2, 8), pick(rng, 2, 8)
    return Case(seed, case.device, system, program.build())


# With 18, 57 and 192 a refresh closes a row that a READ for the host waits with, which may be activated earlier
# than the bus is free. With 0, 33, 115, 267 and 330 in pieces a stream lacks what it gets next of a turn that is begun.
@pytest.mark.matrix(7)
@pytest.mark.parametrize("seed", sorted({*SEEDS, 57, 115, 192, 267, 330}))
def test_rows_that_travel(seed: int) -> None:
    assert_all_agree(case_with_read_outs(seed), delivers=1)


@pytest.mark.matrix(7)
@pytest.mark.parametrize("seed", SEEDS)
def test_turns_that_overlap_and_few_accumulators(seed: int) -> None:
    assert_all_agree(case_with_open_turns(seed), delivers=1)


@pytest.mark.parametrize("make_case", [case_with_read_outs, case_with_open_turns])
@pytest.mark.parametrize("span", [40, 90])
def test_buses_that_lag_far_behind_get_more_bits(
    make_case: Callable[[int], Case], span: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few cycles there are bits for at first, nothing else comes out; of a dozen programs some need more."""
    grown = []
    more_bits = setup.with_more_bits
    monkeypatch.setattr(setup, "with_more_bits", lambda by_unit: grown.append(1) or more_bits(by_unit))
    for seed in range(12):
        case = make_case(seed)
        with by_cycle():
            expected = run_program(case.device, case.system, case.program)
        monkeypatch.setattr(cycles, "SPAN", span)
        for pieces in ({}, {"piece": 1 + seed % 7}):
            found = run_program(case.device, case.system, case.program, **pieces)
            assert_equal_results(found, expected)
            for have, want in zip(found.commands, expected.commands, strict=True):
                assert in_order(have) == in_order(want)
    assert grown
