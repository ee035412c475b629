"""The engine that goes unit by unit under one stream for all channels, and with queues without a limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ppim.engine.pim.by_unit import setup
from tests.reference.pim_programs import Case, RandomProgram, pick
from tests.unit.engine_pim.compare import assert_equal_results
from tests.unit.engine_pim.feed import by_cycle, run_program
from tests.unit.engine_pim.test_by_unit import SEEDS, assert_all_agree, has_fast_engine, in_order, random_case
from tests.unit.engine_pim.test_rows_that_travel import case_with_read_outs


def case_with_one_stream(seed: int) -> Case:
    """As `random_case`, with one stream for all channels and no barrier."""
    case = random_case(seed)
    rng = np.random.default_rng([seed, 78])
    system = replace(case.system, pim=replace(case.system.pim, frontend="global", barrier="none"))
    program = RandomProgram(rng, case.device, system)
    program.read_out_share = 0.0
    program.turns, program.bags = pick(rng, 2, 8), pick(rng, 2, 8)
    return Case(seed, case.device, system, program.build())


@pytest.mark.matrix(7)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs(seed: int) -> None:
    assert_all_agree(case_with_one_stream(seed))


@pytest.mark.parametrize("make_case", [random_case, case_with_one_stream, case_with_read_outs])
def test_queues_without_a_limit_grow(
    make_case: Callable[[int], Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few places they have at first; of a dozen programs some need more."""
    grown = []
    longer = setup.with_longer_queues
    monkeypatch.setattr(setup, "with_longer_queues", lambda by_unit: grown.append(1) or longer(by_unit))
    for seed in range(12):
        case = make_case(seed)
        system = replace(case.system, pim=replace(case.system.pim, unit_queue=0))
        assert has_fast_engine(case.device, system)
        with by_cycle():
            expected = run_program(case.device, system, case.program)
        for places in (1, 2, 32):
            monkeypatch.setattr(setup, "FIRST_QUEUE_ENTRIES", places)
            for pieces in ({}, {"piece": 1 + seed % 7}):
                found = run_program(case.device, system, case.program, **pieces)
                assert_equal_results(found, expected)
                for have, want in zip(found.commands, expected.commands, strict=True):
                    assert in_order(have) == in_order(want)
    assert len(grown) > 12
