"""Requests a second of `ppim replay`, beside DRAMsim3 and Ramulator 2.1 on the same requests.

PPIM_DRAMSIM3 names DRAMsim3's program `dramsim3main` (its `configs` folder two levels up), PPIM_RAMULATOR2 the root of
a built Ramulator 2.1. A peer's time is that of its process, reading the trace included; a peer that is not there
leaves ratios out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark.figures import Figure
from benchmark.requests import RANDOM, SPARSE, patterns, write_loads, write_text
from benchmark.tools import Costs, Ppim, Traces, run
from ppim.dram.load import load_device

REQUESTS = 200_000
REPEATS = 5
SHORT = 100  # requests of the command whose time is the start
PEER_REQUESTS = {SPARSE: 1000}
"""DRAMsim3 steps through every idle cycle."""
FULL = "hbm2-4gb"
CONFIGS = {
    FULL: "HBM2_4Gb_x128.ini",
    "ddr4-8gb-x8-3200": "DDR4_8Gb_x8_3200.ini",
    "gddr6-8gb-x16": "GDDR6_8Gb_x16.ini",
}
SHORT_NAMES = {FULL: "HBM2", "ddr4-8gb-x8-3200": "DDR4-3200", "gddr6-8gb-x16": "GDDR6"}
IN_RAMULATOR = (FULL, "ddr4-8gb-x8-3200")
DRAMSIM3, RAMULATOR = "DRAMsim3", "Ramulator 2.1"
RANDOM_FULL = f"{RANDOM}, {SHORT_NAMES[FULL]}"
COMMAND = f"{RANDOM_FULL}, command"
RAMULATOR_RUN = """
import sys, ramulator as r
if sys.argv[2] == "hbm2-4gb":
    dram = lambda: r.dram.HBM2(org_preset="HBM2_4Gb", timing_preset="HBM2_2000Mbps", channel_width=128,
                               pseudochannel=1, row=1 << 14, nRCDWR=14, nFAW=30, nRRDL=6)
    controller, channels = r.controller.HBM12, 8
else:
    dram = lambda: r.dram.DDR4(org_preset="DDR4_8Gb_x8", timing_preset="DDR4_3200AA", rank=2)
    controller, channels = r.controller.GenericDDR, 1
memory = r.memory_system.GenericDRAM(clock_ratio=1, channel_mapper=r.channel_mapper.CacheLineInterleave(),
    controllers=[controller(dram=dram(), scheduler=r.scheduler.FRFCFS(), row_policy=r.row_policy.Open(),
        refresh_manager=r.refresh_manager.AllBank(), addr_mapper=r.addr_mapper.RoBaRaCoCh())
        for _ in range(channels)])
r.Simulation(r.frontend.LoadStoreTrace(clock_ratio=1, path=sys.argv[1]), memory).run()
"""


class Replays:
    """Six patterns on three devices."""

    name: ClassVar[str] = "replays"

    def __init__(self, traces: Traces, requests: int = REQUESTS) -> None:
        self._folder = traces.folder
        self._sizes: dict[str, int] = {}
        self._cases: dict[str, tuple[str, str]] = {}  # device and pattern
        for device in CONFIGS:
            for pattern, made in patterns(requests, load_device(device)):
                name = f"{pattern}, {SHORT_NAMES[device]}"
                self._cases[name] = device, pattern
                self._sizes[name] = len(made[0])
                address, is_write, cycle = made
                np.savez(self._path(name, "npz"), address=address, is_write=is_write, cycle=cycle)
                few = PEER_REQUESTS.get(pattern, len(address))
                asked = address[:few], is_write[:few], cycle[:few]
                write_text(asked, self._path(name, "trace"))
                if device in IN_RAMULATOR and not cycle.any():
                    write_loads(asked, self._path(name, "loads"))
                if name == RANDOM_FULL:
                    write_text(
                        (address[:SHORT], is_write[:SHORT], cycle[:SHORT]), self._path("short", "trace")
                    )
        self._cycles: dict[str, float] = {}

    def _path(self, name: str, kind: str) -> Path:
        return self._folder / f"{name.replace('/', '-')}.{kind}"

    def prepare(self, ppim: Ppim) -> None:
        """Have the kernels compiled, and learn how long DRAMsim3 has to run."""
        for name, (device, _) in self._cases.items():
            self._cycles[name] = ppim.worker("replay_worker", self._path(name, "npz"), device, 0)["cycles"]
        self._commands(ppim)

    def turn(self, ppim: Ppim) -> Costs:
        """Seconds of all, by turns."""
        costs: Costs = {}
        for name, (device, pattern) in self._cases.items():
            costs[name] = ppim.worker("replay_worker", self._path(name, "npz"), device, REPEATS)["seconds"]
            few = min(PEER_REQUESTS.get(pattern, self._sizes[name]), self._sizes[name])
            scale = self._sizes[name] / few
            if program := os.environ.get("PPIM_DRAMSIM3"):
                costs[f"{DRAMSIM3} {name}"] = self._dramsim3(Path(program), name, pattern) * scale
            root = os.environ.get("PPIM_RAMULATOR2")
            if root and self._path(name, "loads").exists():
                costs[f"{RAMULATOR} {name}"] = self._ramulator(Path(root), name, device) * scale
        return costs | self._commands(ppim)

    def _commands(self, ppim: Ppim) -> Costs:
        """Seconds of the whole command on many requests as text, and on few."""
        stats = self._folder / "stats.csv"
        return {
            f"command {name}": ppim.run(
                "replay", self._path(name, "trace"), "--device", FULL, "-o", stats
            ).seconds
            for name in (RANDOM_FULL, "short")
        }

    def _dramsim3(self, program: Path, name: str, pattern: str) -> float:
        cycles = int(self._cycles[name])
        if pattern in PEER_REQUESTS:
            cycles = (PEER_REQUESTS[pattern] + 1) * 1000
        ini = program.resolve().parent.parent / "configs" / CONFIGS[self._cases[name][0]]
        command = [program, ini, "-c", cycles, "-t", self._path(name, "trace"), "-o", self._folder]
        return run(command, {}).seconds

    def _ramulator(self, root: Path, name: str, device: str) -> float:
        command = [sys.executable, "-c", RAMULATOR_RUN, self._path(name, "loads"), device]
        return run(command, {"PYTHONPATH": str(root / "python")}).seconds

    def figures(self, best: Costs) -> list[Figure]:
        """Requests a second beside each peer's."""
        found = []
        for name, n in self._sizes.items():
            for peer in (DRAMSIM3, RAMULATOR):
                theirs = best.get(f"{peer} {name}")
                if theirs is not None or peer == DRAMSIM3:
                    ratio = None if theirs is None else theirs / best[name]
                    kind = "replay" if peer == DRAMSIM3 else "replay again"
                    found.append(Figure(kind, name, n / best[name], "requests/s", ratio, peer))
        net = best[f"command {RANDOM_FULL}"] - best["command short"]
        theirs = best.get(f"{DRAMSIM3} {RANDOM_FULL}")
        ratio = None if theirs is None else theirs / net
        found.append(Figure("replay", COMMAND, self._sizes[RANDOM_FULL] / net, "requests/s", ratio, DRAMSIM3))
        return found
