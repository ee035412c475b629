"""One bank, one unit, no cache: PIM mode takes the same reads in the same cycles as host mode does."""

from __future__ import annotations

import numpy as np
import pytest

from ppim.engine.host import replay
from tests.reference.pim_programs import ProgramBuilder, make_device, make_system, pick
from tests.reference.pim_words import in_words
from tests.unit.engine_pim.feed import run_program


def some_reads(rng: np.random.Generator, bursts: int) -> np.ndarray:
    """Bursts to read: at random, in order, or a few rows again and again; none twice while it may wait."""
    kind = pick(rng, "random", "sequential", "hot")
    if kind == "sequential":
        return np.arange(200)
    if kind == "random":
        return rng.permutation(bursts)[:300]
    return rng.permutation(3 * 32)


@pytest.mark.parametrize("level", ["channel", "rank", "bankgroup", "bank"])
@pytest.mark.parametrize("seed", range(6))
def test_one_bank(level: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    protocol = pick(rng, "HBM2", "DDR4", "GDDR6")
    device = make_device(
        protocol, bankgroups=1, banks_per_group=1, rows=64, tREFI=int(rng.integers(500, 1500)), tRFC=70
    )
    addresses = some_reads(rng, 64 * 32)
    host = replay(
        device,
        addresses * device.organization.burst_bytes,
        np.zeros(len(addresses), dtype=np.bool_),
        np.zeros(len(addresses), dtype=np.int64),
        command_trace=True,
        merge=False,
    )
    program = ProgramBuilder()
    program.turn()
    for address in addresses.tolist():
        program.lone_read(0, 0, address)
    # As in host mode a request is accepted every cycle, and selection sees the 8 oldest of the bank.
    system = make_system(level=level, instruction_interval=1, unit_queue=0, unit_window=8)
    pim = run_program(device, system, program.build())
    assert host.command_streams is not None
    stream = host.command_streams[0]
    expected = [
        (int(cycle), int(row), int(column))
        for cycle, row, column in zip(stream.cycle, stream.row, stream.column, strict=True)
        if cycle < host.cycles
    ]
    commands = in_words(device, pim.commands[0], pim.cycles)
    assert [x.cycle for x in commands] == [cycle for cycle, _, _ in expected]
    reads = [(x.cycle, x.row, x.column) for x in commands if x.command == "read"]
    assert reads == [entry for entry in expected if entry[2] >= 0]
    # Data is there at the end of its last cycle; host mode counts the cycle in which it is handed over, too.
    assert pim.cycles == host.cycles - 1
