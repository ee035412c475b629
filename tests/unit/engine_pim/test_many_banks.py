"""Channels of 64 and 128 banks: the last bank's bit is the sign of a mask, and a mask has one word or two."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import ppim
from ppim.engine.pim.parameters import make_parameters
from ppim.engine.pim.parts import whole
from ppim.errors import InputError
from tests.reference import pim_twin
from tests.reference.pim_programs import (
    Case,
    ProgramBuilder,
    RandomProgram,
    make_device,
    make_system,
    pick,
    random_system,
    units_per_channel,
)
from tests.reference.pim_twin import Command, TwinResult
from tests.unit.engine_pim.compare import assert_same
from tests.unit.engine_pim.feed import run_program

PROGRAM = "import sys, ppim; print(ppim.simulate(sys.argv[1], 'recnmp', settings={'organization.ranks': int(sys.argv[2])}).cycles)"
SEEDS = range(10)
SHAPES = [(8, 4, 4), (2, 16, 4), (4, 2, 16), (16, 4, 2), (1, 16, 8), (2, 8, 8)]  # ranks, bank groups, banks


@pytest.mark.matrix(5)
@pytest.mark.parametrize("ranks", [4, 8])
@pytest.mark.parametrize("disabled", ["0", "1"])
def test_plain_python_takes_the_last_bank_too(tmp_path: Path, disabled: str, ranks: int) -> None:
    trace = tmp_path / "trace.parquet"
    ppim.generate_trace("synthetic", output=trace, algorithm="qr", max_samples=16, tables="0,1,2,3")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, str(trace), str(ranks)],
        env={**os.environ, "NUMBA_DISABLE_JIT": disabled},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    compiled = ppim.simulate(trace, "recnmp", settings={"organization.ranks": ranks}).cycles
    assert int(done.stdout.split()[-1]) == compiled


def wide_case(seed: int) -> Case:
    """A case of a hundred and twenty-eight banks, most of which have work, and refreshes that meet it."""
    rng = np.random.default_rng(seed)
    ranks, groups, banks = pick(rng, *SHAPES)
    device = make_device(
        pick(rng, "HBM2", "DDR4", "GDDR6"),
        channels=pick(rng, 1, 1, 2),
        ranks=ranks,
        bankgroups=groups,
        banks_per_group=banks,
        rows=8,
        bursts_per_row=pick(rng, 2, 4),
        refresh_policy=pick(rng, "RANK_LEVEL_STAGGERED", "RANK_LEVEL_SIMULTANEOUS"),
        tREFI=int(rng.integers(100, 900)),
        tRFC=int(rng.integers(20, 90)),
        tRTRS=int(rng.integers(0, 5)),
        tFAW=int(rng.integers(16, 80)),
    )
    system = random_system(rng, device)
    while device.organization.banks // units_per_channel(device, system.pim.level) > 64:
        system = random_system(rng, device)
    program = RandomProgram(rng, device, system)
    program.turns, program.bags, program.most_lookups = pick(rng, 1, 2), 4, 8
    return Case(seed, device, system, program.build())


def word_of(case: Case, command: Command) -> int:
    """The word of a mask that has the command's bank, or the first of its rank."""
    org = case.device.organization
    group = command.rank * org.bankgroups + max(command.bankgroup, 0)
    return (group * org.banks_per_group + max(command.bank, 0)) // 64


@cache
def run_twin(seed: int) -> tuple[Case, TwinResult]:
    case = wide_case(seed)
    return case, pim_twin.simulate(case.device, case.system, case.program)


@pytest.mark.matrix(11)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_programs_over_two_words(seed: int) -> None:
    case, twin = run_twin(seed)
    assert_same(case, twin, run_program(case.device, case.system, case.program))


def test_programs_reach_both_words() -> None:
    """The cases above have commands in both halves of the banks, in one cycle too."""
    both, at_once = 0, 0
    for seed in SEEDS:
        for channel in run_twin(seed)[1].channels:
            words = {(command.cycle, word_of(run_twin(seed)[0], command)) for command in channel.commands}
            both += {word for _, word in words} == {0, 1}
            at_once += len(words) > len({cycle for cycle, _ in words})
    assert both >= len(SEEDS) // 2
    assert at_once >= len(SEEDS) // 3


def test_units_of_both_words_act_in_one_cycle() -> None:
    """Eight ranks of sixteen banks: one READ in the first and in the last rank, sent two a cycle."""
    device = make_device("DDR4", ranks=8, tREFI=10**6)
    system = make_system(level="rank", instruction_interval="1/2")
    program = ProgramBuilder()
    program.turn()
    sums = [program.lone_read(0, unit, 0) for unit in (0, 7)]
    for unit, sum_ in zip((0, 7), sums, strict=True):
        program.transfer(0, unit, sum_)
    case = Case(0, device, system, program.build())
    twin = pim_twin.simulate(case.device, case.system, case.program)
    # Sent in cycle 0: ACTIVATE in 2, and READ tRCD = 22 later, in each of the two ranks.
    seen = [(command.cycle, command.command, command.rank) for command in twin.channels[0].commands]
    assert sorted(seen) == [(2, "activate", 0), (2, "activate", 7), (24, "read", 0), (24, "read", 7)]
    assert_same(case, twin, run_program(case.device, case.system, case.program))


@pytest.mark.parametrize(
    ("shape", "level", "words"),
    [
        ((16, 4, 4), "rank", "256 banks a channel; PIM mode takes at most 128"),
        ((8, 4, 4), "channel", "a unit of level channel has 128 banks; a unit takes at most 64"),
        ((1, 16, 8), "rank", "a unit of level rank has 128 banks; a unit takes at most 64"),
    ],
)
def test_what_does_not_fit_is_refused(shape: tuple[int, int, int], level: str, words: str) -> None:
    ranks, groups, banks = shape
    device = make_device("DDR4", ranks=ranks, bankgroups=groups, banks_per_group=banks)
    with pytest.raises(InputError, match=words):
        make_parameters(device, make_system(level=level), whole(device.organization.channels))
