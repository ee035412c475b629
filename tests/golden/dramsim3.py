"""Run DRAMsim3 itself, where the environment variable PPIM_DRAMSIM3 names its program `dramsim3main`."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ppim.dram.device import Device
from ppim.dram.ini import DEFAULTS

PROGRAM = os.environ.get("PPIM_DRAMSIM3")
NEVER_REACHED = 4_000_000_000
Requests = Iterable[tuple[int, bool, int]]  # byte address, is a write, first cycle


@dataclass(frozen=True)
class Answer:
    """What DRAMsim3 says of one channel."""

    stats: dict[str, Any]
    commands: list[list[str]] | None  # fields of its command trace's lines; None: built without CMD_TRACE


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


def run(folder: Path, device: Device, requests: Requests, n_cycles: int) -> list[Answer]:
    """DRAMsim3's answer by channel; `folder` takes its files. A last line that is never due ends the trace."""
    lines = [f"{a:#x} {'WRITE' if w else 'READ'} {c}" for a, w, c in requests]
    (folder / "device.ini").write_text(ini_of(device))
    (folder / "trace").write_text("\n".join([*lines, f"0x0 READ {NEVER_REACHED}", ""]))
    arguments = [str(PROGRAM), "device.ini", "-c", str(n_cycles), "-t", "trace", "-o", "."]
    subprocess.run(arguments, cwd=folder, check=True, capture_output=True, timeout=120)
    stats = json.loads((folder / "dramsim3.json").read_text())
    answers = []
    for channel in range(device.organization.channels):
        trace = folder / f"dramsim3ch_{channel}cmd.trace"
        commands = [line.split() for line in trace.read_text().splitlines()] if trace.exists() else None
        answers.append(Answer(stats[str(channel)], commands))
    return answers
