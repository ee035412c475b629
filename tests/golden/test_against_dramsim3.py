"""Every validated preset against DRAMsim3 itself, where PPIM_DRAMSIM3 names its program `dramsim3main`.

A build with command tracing (its CMake option CMD_TRACE) is compared command by command, any other by
its statistics. Without the variable the golden cases stand for it.
"""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ppim.dram.device import Device
from ppim.dram.energy import channel_energy_v_ma_cycles
from ppim.dram.ini import DEFAULTS
from ppim.dram.load import device_names, load_device
from ppim.dram.timing import COMMANDS
from ppim.engine.codes import ACTIVATE, PRECHARGE, REFRESH
from ppim.engine.host import HostResult, replay

PROGRAM = os.environ.get("PPIM_DRAMSIM3")
NEVER_REACHED = 4_000_000_000
N_REQUESTS = 3000
VALIDATED = [name for name in device_names() if load_device(name).validated]

pytestmark = pytest.mark.skipif(not PROGRAM, reason="PPIM_DRAMSIM3 does not name DRAMsim3's program")


def ini_of(device: Device) -> str:
    """The device as DRAMsim3's .ini file."""
    org = device.organization
    factor = 2 if device.is_hbm else org.burst_length if device.is_gddr else 1
    structure = {
        "protocol": device.protocol,
        "bankgroups": org.bankgroups,
        "banks_per_group": org.banks_per_group,
        "rows": org.rows,
        "columns": org.columns // factor,
        "device_width": org.device_width,
        "BL": org.burst_length,
        "hbm_dual_cmd": device.controller.hbm_dual_cmd,
    }
    sections = {
        "dram_structure": structure,
        "timing": {name: getattr(device.timing, name) for name in DEFAULTS["timing"]},
        "power": {name: getattr(device.power, name) for name in DEFAULTS["power"]},
        "system": {
            "channel_size": org.capacity_bytes // org.channels >> 20,
            "channels": org.channels,
            "bus_width": org.bus_width,
            **{item.name: getattr(device.controller, item.name) for item in fields(device.controller)},
        },
        "other": {"output_level": 1},
    }
    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        for key, value in values.items():
            if key not in ("source", "hbm_dual_cmd") or section == "dram_structure":
                lines.append(f"{key} = {str(value).lower() if isinstance(value, bool) else value}")
    return "\n".join(lines) + "\n"


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


def run_dramsim3(folder: Path, device: Device, requests: tuple[Any, Any, Any, int]) -> list[dict[str, Any]]:
    """DRAMsim3's statistics, by channel."""
    *columns, n_cycles = requests
    lines = [f"{a:#x} {'WRITE' if w else 'READ'} {c}" for a, w, c in zip(*columns, strict=True)]
    (folder / "device.ini").write_text(ini_of(device))
    (folder / "trace").write_text("\n".join([*lines, f"0x0 READ {NEVER_REACHED}", ""]))
    arguments = [str(PROGRAM), "device.ini", "-c", str(n_cycles), "-t", "trace", "-o", "."]
    subprocess.run(arguments, cwd=folder, check=True, capture_output=True, timeout=120)
    stats = json.loads((folder / "dramsim3.json").read_text())
    return [stats[str(channel)] for channel in range(device.organization.channels)]


def commands_of(result: HostResult, channel: int) -> list[tuple[int, str]]:
    assert result.command_streams is not None
    stream = result.command_streams[channel]
    return [(int(cycle), COMMANDS[code]) for cycle, code in zip(stream.cycle, stream.command, strict=True)]


@pytest.mark.parametrize("name", VALIDATED)
def test_the_preset_runs_as_in_dramsim3(tmp_path: Path, name: str) -> None:
    device = load_device(name)
    requests = random_requests(device, seed=len(name))
    expected = run_dramsim3(tmp_path, device, requests)
    *columns, n_cycles = requests
    result = replay(device, *columns, n_cycles=n_cycles, command_trace=True)
    for channel, stats in enumerate(expected):
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
        traced = tmp_path / f"dramsim3ch_{channel}cmd.trace"
        if traced.exists():
            lines = [line.split() for line in traced.read_text().splitlines()]
            assert commands_of(result, channel) == [(int(line[0]), line[1]) for line in lines]
