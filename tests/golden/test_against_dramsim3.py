"""Every validated preset against DRAMsim3 itself, where PPIM_DRAMSIM3 names its program `dramsim3main`.

A build with command tracing (its CMake option CMD_TRACE) is compared command by command, any other by
its statistics. Without the variable the golden cases stand for it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppim.dram.device import Device
from ppim.dram.energy import channel_energy_v_ma_cycles
from ppim.dram.load import device_names, load_device
from ppim.dram.timing import COMMANDS
from ppim.engine.codes import ACTIVATE, PRECHARGE, REFRESH
from ppim.engine.host import HostResult, replay
from tests.golden.dramsim3 import PROGRAM, run

N_REQUESTS = 3000
VALIDATED = [name for name in device_names() if load_device(name).validated]

pytestmark = pytest.mark.skipif(not PROGRAM, reason="PPIM_DRAMSIM3 does not name DRAMsim3's program")


def random_requests(device: Device, seed: int) -> tuple[Any, Any, Any, int]:
    """Half scattered, half near a few hot rows, 30 % writes to addresses of their own, with idle gaps."""
    random = np.random.default_rng(seed)
    org = device.organization
    scattered = random.integers(0, org.capacity_bytes, N_REQUESTS)
    hot = random.integers(0, org.capacity_bytes, 8)[random.integers(0, 8, N_REQUESTS)]
    near = hot + random.integers(0, 64, N_REQUESTS) * org.burst_bytes
    address = np.where(random.random(N_REQUESTS) < 0.5, scattered, near) % org.capacity_bytes
    is_write = random.random(N_REQUESTS) < 0.3
    # Writes keep off the reads' addresses: DRAMsim3 can stand still for ever when they meet.
    burst = address // org.burst_bytes // 2 * 2 + is_write
    cycle = np.cumsum(random.integers(0, 12, N_REQUESTS))
    n_cycles = int(cycle[-1]) + max(6000, 2 * device.refresh_interval_cycles)
    return burst * org.burst_bytes, is_write, cycle, n_cycles


def commands_of(result: HostResult, channel: int) -> list[tuple[int, str]]:
    assert result.command_streams is not None
    stream = result.command_streams[channel]
    return [(int(cycle), COMMANDS[code]) for cycle, code in zip(stream.cycle, stream.command, strict=True)]


@pytest.mark.parametrize("name", VALIDATED)
def test_the_preset_runs_as_in_dramsim3(tmp_path: Path, name: str) -> None:
    device = load_device(name)
    requests = random_requests(device, seed=len(name))
    *columns, n_cycles = requests
    expected = run(tmp_path, device, zip(*columns, strict=True), n_cycles)
    result = replay(device, *columns, n_cycles=n_cycles, command_trace=True)
    for channel, answer in enumerate(expected):
        stats = answer.stats
        energy = channel_energy_v_ma_cycles(device, result.energy_counts(channel))
        assert energy.total == stats["total_energy"]
        assert result.average_read_latency[channel] == pytest.approx(stats["average_read_latency"], rel=1e-12)
        issued = result.commands[channel]
        assert [issued[ACTIVATE], issued[PRECHARGE], issued[REFRESH], result.row_hits[channel]] == [
            stats["num_act_cmds"],
            stats["num_pre_cmds"],
            stats["num_ref_cmds"],
            stats["num_read_row_hits"] + stats["num_write_row_hits"],
        ]
        if answer.commands is not None:
            lines = [(int(line[0]), line[1]) for line in answer.commands]
            assert commands_of(result, channel) == lines
