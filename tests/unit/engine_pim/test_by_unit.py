"""The engine that goes unit by unit: against the twin and the other engine where it can run; where it cannot."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from ppim.dram.device import Device
from ppim.engine.pim.by_unit import cycles
from ppim.engine.pim.engine import Commands, PimEngine
from ppim.program.state import make_rings
from ppim.systems.spec import SystemSpec
from tests.reference.pim_account import CLASSES, simulate_and_classify
from tests.reference.pim_programs import (
    Case,
    ProgramBuilder,
    RandomProgram,
    make_device,
    make_system,
    pick,
)
from tests.reference.pim_words import in_words
from tests.unit.engine_pim.compare import assert_equal_results, assert_same
from tests.unit.engine_pim.feed import by_cycle, run_program

SEEDS = range(40)


def random_case(seed: int, collect: str = "host") -> Case:
    """A small case for units that are bank groups apart, in which refreshes, phases and queues meet."""
    rng = np.random.default_rng(seed)
    device = make_device(
        pick(rng, "HBM2", "HBM2", "DDR4"),
        channels=pick(rng, 1, 2, 4),
        bankgroups=pick(rng, 2, 4),
        banks_per_group=pick(rng, 2, 4),
        rows=8,
        bursts_per_row=pick(rng, 2, 4, 8),
        refresh_policy=pick(rng, "RANK_LEVEL_STAGGERED", "RANK_LEVEL_SIMULTANEOUS"),
        tREFI=int(rng.integers(300, 900)),
        tRFC=int(rng.integers(20, 150)),
        tFAW=int(rng.integers(16, 80)),
    )
    system = make_system(
        level="bankgroup",
        instruction_interval=Fraction(pick(rng, "1", "2", "3", "8", "1/2", "85/28", "7/3")),
        host_latency=pick(rng, 0, 0, 5, 60),
        unit_queue=pick(rng, -1, 2, 4, 16),
        unit_window=pick(rng, 1, 2, 4, 8),
        unit_read_latency=pick(rng, -1, -1, int(rng.integers(8, 70))),
        cross_unit_timing=pick(rng, "physical", "physical", "faw-only", "none"),
        barrier=pick(rng, "table", "table", "batch", "none"),
        transfer=pick(rng, "non-empty", "all"),
        cache_latency=pick(rng, 1, 4),
        prefetch=pick(rng, "none", "table", "table", "all"),
        collect=collect,
        collect_cycles=seed % 4,
    )
    program = RandomProgram(rng, device, system)
    program.read_out_share = 0.0
    program.turns, program.bags = pick(rng, 2, 8), pick(rng, 2, 8)
    return Case(seed, device, system, program.build())


def has_fast_engine(device: Device, system: SystemSpec, delivers: int = 0) -> bool:
    streams = device.organization.channels if system.pim.frontend == "per-channel" else 1
    rings = make_rings(streams, 2, 2, 2, 2)
    engine = PimEngine(device, system, rings, delivers_per_lookup=delivers, max_row_bursts=2)
    return engine.by_unit is not None


@pytest.mark.matrix(7)
@pytest.mark.parametrize("collect", ["host", "base-die"])
@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs(seed: int, collect: str) -> None:
    assert_all_agree(random_case(seed, collect))


# In the last two a channel waits for a later turn than others, so that its cycles are known ahead of theirs.
@pytest.mark.parametrize("seed", [4, 5, 13, 20, 96, 194])
@pytest.mark.parametrize("span", [40, 90, 200])
def test_channels_that_meet_in_the_base_die_count_their_cycles_together(
    seed: int, span: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However few cycles a channel may be ahead of what is known of the others' sums, nothing else comes out."""
    case = random_case(seed, "base-die")
    with by_cycle():
        expected = run_program(case.device, case.system, case.program)
    monkeypatch.setattr(cycles, "SPAN", span)
    for pieces in ({}, {"piece": 1 + seed % 7}, {"keep_commands": 1 + seed}):
        found = run_program(case.device, case.system, case.program, **pieces)
        assert_equal_results(found, expected)
        for have, want in zip(found.commands, expected.commands, strict=True):
            assert in_order(have) == in_order(want)


def in_order(commands: Commands) -> list[tuple[int, ...]]:
    """Commands by cycle and bank."""
    columns = (commands.cycle, commands.lane, commands.command, commands.row, commands.column)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


def assert_all_agree(case: Case, delivers: int = 0) -> None:
    """A program at once, in pieces and with a small log: as the twin has it, and the other engine."""
    seed = case.seed
    assert has_fast_engine(case.device, case.system, delivers)
    twin, classes = simulate_and_classify(case.device, case.system, case.program)
    with by_cycle():
        general = run_program(case.device, case.system, case.program)
        assert_equal_results(run_program(case.device, case.system, case.program, piece=1 + seed % 7), general)
    for pieces in ({}, {"piece": 1 + seed % 7}, {"keep_commands": 1 + seed}):
        result = run_program(case.device, case.system, case.program, **pieces)
        assert_same(case, twin, result)
        assert_equal_results(result, general)
        for have, want in zip(result.commands, general.commands, strict=True):
            assert in_order(have) == in_order(want)
        for expected, found in zip(classes, result.classes, strict=True):
            assert {name: expected[name] for name in CLASSES} == dict(
                zip(CLASSES, found.tolist(), strict=True)
            )


@pytest.mark.parametrize("piece", [None, 1])
def test_a_unit_that_reads_prefetches_ahead_knows_its_last_bank(piece: int | None) -> None:
    """Banks 0 and 3 of unit 1 may activate in one cycle; bank 1 was read last, so bank 3 comes first."""
    bank_1, row_1 = 32, 128
    builder = ProgramBuilder()
    builder.turn()
    builder.lone_read(0, 1, bank_1)
    following = builder.turn()
    # Of the row that is open, so the unit reads it ahead; then the end of bank 3's row and the start of bank 0's next.
    builder.prefetch(bank_1 + 1, following)
    builder.prefetch(row_1 - 1, following, bursts=2)
    device, system = make_device(), make_system(prefetch="table", instruction_interval=40)
    assert has_fast_engine(device, system)
    case = Case(0, device, system, builder.build())
    found = run_program(device, system, case.program, piece=piece)
    with by_cycle():
        assert in_order(found.commands[0]) == in_order(run_program(device, system, case.program).commands[0])
    unit = [word for word in in_words(device, found.commands[0], found.cycles) if word.bankgroup == 1]
    assert [word.bank for word in unit if word.command == "activate"] == [1, 3, 0]


@pytest.mark.parametrize(
    "changes",
    [
        {"frontend": "global"},  # with a barrier
        {"level": "bank"},
        {"level": "channel"},
        {"prefetch": "next"},
        {"unit_buffer_bursts": 4},
        {"unit_read_latency": 1},
        {"unit_accumulators": 1, "prefetch": "table"},
        {"unit_accumulators": 1, "collect": "base-die"},
        {"collect": "tree"},
        {"consumer": "host"},
    ],
)
def test_other_systems_run_on_the_general_engine(changes: dict[str, Any]) -> None:
    assert not has_fast_engine(make_device(), make_system(**changes))


def test_other_devices_and_read_outs_run_on_the_general_engine() -> None:
    assert has_fast_engine(make_device(), make_system())
    assert has_fast_engine(make_device(), make_system(collect="base-die"))
    assert has_fast_engine(make_device(), make_system(), delivers=1)
    assert has_fast_engine(make_device(), make_system(unit_queue=0))
    assert has_fast_engine(make_device(), make_system(frontend="global", barrier="none"))
    assert not has_fast_engine(make_device(), make_system(frontend="global", barrier="none"), delivers=1)
    assert not has_fast_engine(make_device(), make_system(deliver="in-order"), delivers=1)
    assert not has_fast_engine(make_device(), make_system(prefetch="table"), delivers=1)
    assert not has_fast_engine(make_device(), make_system(collect="base-die"), delivers=1)
    assert not has_fast_engine(make_device(ranks=2), make_system())
    assert not has_fast_engine(make_device("GDDR6"), make_system())
    assert not has_fast_engine(make_device("LPDDR4"), make_system())
    assert not has_fast_engine(make_device(banks_per_group=1), make_system())
    assert not has_fast_engine(make_device(bankgroups=1), make_system())
