"""The engine against the twin that ticks every cycle: every command at its cycle, every count."""

from __future__ import annotations

import pytest

from ppim.dram.device import Device
from ppim.engine.codes import ACTIVATE, PRECHARGE, READ, REFRESH
from ppim.engine.pim import state as s
from ppim.engine.pim.engine import Commands
from tests.reference import pim_twin
from tests.reference.pim_programs import Case, random_case
from tests.unit.engine_pim.feed import EngineResult, run_program

NAMES = {READ: "read", ACTIVATE: "activate", PRECHARGE: "precharge", REFRESH: "refresh"}
COUNTS = {
    "instructions": s.INSTRUCTIONS,
    "reads": s.READS,
    "activates": s.ACTIVATES,
    "precharges": s.PRECHARGES,
    "refreshes": s.REFRESHES,
    "row_hits": s.ROW_HITS,
    "prefetch_reads": s.PREFETCH_READS,
    "read_out_bursts": s.READ_OUT_BURSTS,
    "delivered_bursts": s.DELIVER_BURSTS,
    "transfer_bursts": s.TRANSFER_BURSTS,
    "compute_cycles": s.COMPUTE_CYCLES,
}


def lines(device: Device, commands: Commands, cycles: int) -> list[tuple[int, ...]]:
    """The engine's commands in the twin's words."""
    org = device.organization
    found = []
    for i in range(len(commands.cycle)):
        name, lane = NAMES[int(commands.command[i])], int(commands.lane[i])
        rank, in_rank = divmod(lane, org.banks_per_rank)
        group, bank = divmod(in_rank, org.banks_per_group)
        if name == "refresh":
            group = bank = -1
        if commands.cycle[i] < cycles:
            found.append(
                (
                    int(commands.cycle[i]),
                    name,
                    rank,
                    group,
                    bank,
                    int(commands.row[i]),
                    int(commands.column[i]),
                )
            )
    return sorted(found)


def assert_same(case: Case) -> None:
    """Run both and compare."""
    twin = pim_twin.simulate(case.device, case.system, case.program)
    engine: EngineResult = run_program(case.device, case.system, case.program)
    for channel, expected in enumerate(twin.channels):
        wanted = sorted(
            (c.cycle, c.command.lower(), c.rank, c.bankgroup, c.bank, c.row, c.column)
            for c in expected.commands
        )
        got = lines(case.device, engine.commands[channel], engine.cycles)
        for want, have in zip(wanted, got, strict=False):
            assert have == want, f"seed {case.seed}, channel {channel}"
        assert len(got) == len(wanted), f"seed {case.seed}, channel {channel}"
        for name, column in COUNTS.items():
            assert engine.counters[channel, column] == getattr(expected, name), (
                f"seed {case.seed}, channel {channel}: {name}"
            )
    assert engine.cycles == twin.cycles, f"seed {case.seed}"


@pytest.mark.parametrize("seed", range(60))
def test_random_programs(seed: int) -> None:
    assert_same(random_case(seed))
