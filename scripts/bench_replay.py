"""Speed of the host engine: requests per second from arrays, six patterns on three devices.

Where PPIM_DRAMSIM3 names DRAMsim3's program `dramsim3main` (its `configs` folder two levels up), or
PPIM_RAMULATOR2 the root of a built Ramulator 2.1, that peer runs the same trace right after, and the
ratio of the requests per second is printed. A peer's time is that of its process, trace included.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.dram.load import load_device
from ppim.engine.host import HostReplay, HostResult

DEVICES = {
    "hbm2-4gb": "HBM2_4Gb_x128.ini",
    "ddr4-8gb-x8-3200": "DDR4_8Gb_x8_3200.ini",
    "gddr6-8gb-x16": "GDDR6_8Gb_x16.ini",
}
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
PEER_REQUESTS = {"sparse": 1000}  # DRAMsim3 steps through every idle cycle
BURST_BYTES = 64

Trace = tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]


def patterns(n: int, device: Device) -> Iterator[tuple[str, Trace]]:
    """Name and (address, is_write, cycle) of each pattern."""
    rng = np.random.default_rng(0)
    at_once, reads = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    uniform = rng.integers(0, 2**26, n) * BURST_BYTES
    yield "uniform random read", (uniform, reads, at_once)
    yield "sequential read", (np.arange(n) * BURST_BYTES, reads, at_once)
    arrivals = np.cumsum(rng.integers(0, 5, n))
    yield "70/30 mix", (rng.integers(0, 2**26, n) * BURST_BYTES, rng.random(n) < 0.3, arrivals)
    weights = 1 / np.arange(1, 1_000_001) ** 1.05
    ranks = rng.choice(1_000_000, n // 2, p=weights / weights.sum())
    vectors = ranks * 2_654_435_761 % 2**22 * (2 * BURST_BYTES)
    yield "zipf gather 128 B", ((vectors[:, None] + [0, BURST_BYTES]).ravel(), reads, at_once)
    yield "sparse", (uniform[: n // 4], reads[: n // 4], np.arange(n // 4) * 1000)
    row_stride = device.organization.capacity_bytes // device.organization.rows
    rows = np.arange(n // 4) * 7 % device.organization.rows
    yield "row conflict", (rows * row_stride, reads[: n // 4], at_once[: n // 4])


def run_engine(device: Device, trace: Trace, repeats: int) -> tuple[float, HostResult]:
    """Best time in seconds of a drained run, and its result."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        run = HostReplay(device)
        run.feed(*trace)
        result = run.finish()
        best = min(best, time.perf_counter() - start)
    return best, result


def run_dramsim3(program: Path, config: str, trace: Trace, cycles: int) -> float:
    """Time of DRAMsim3's process on the trace, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "requests.trace")
        with path.open("w") as file:
            for address, is_write, cycle in zip(*(column.tolist() for column in trace), strict=True):
                file.write(f"0x{address:X} {'WRITE' if is_write else 'READ'} {cycle}\n")
        ini = program.resolve().parent.parent / "configs" / config
        start = time.perf_counter()
        command = [program, ini, "-c", str(cycles), "-t", path, "-o", folder]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def run_ramulator(root: Path, device: str, trace: Trace) -> float:
    """Time of Ramulator 2.1's process on the trace (its format has no arrival cycles), in seconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".trace") as file:
        for address, is_write in zip(trace[0].tolist(), trace[1].tolist(), strict=True):
            file.write(f"{'ST' if is_write else 'LD'} 0x{address:X}\n")
        file.flush()
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", RAMULATOR_RUN, file.name, device],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(root / "python")},
        )
        return time.perf_counter() - start


def say(line: str) -> None:
    """One line of the report."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def peer_columns(device_name: str, pattern: str, trace: Trace, rate: float, cycles: int) -> str:
    """What the peers that are there need for the same trace."""
    text = ""
    n = min(len(trace[0]), PEER_REQUESTS.get(pattern, len(trace[0])))
    trace = (trace[0][:n], trace[1][:n], trace[2][:n])
    if dramsim3 := os.environ.get("PPIM_DRAMSIM3"):
        steps = cycles if pattern not in PEER_REQUESTS else int(trace[2][-1]) + 1000
        peer = n / run_dramsim3(Path(dramsim3), DEVICES[device_name], trace, steps)
        text += f"  DRAMsim3 {peer / 1e6:6.4f} M/s, {rate / peer:6.0f}x"
    ramulator = os.environ.get("PPIM_RAMULATOR2")
    if ramulator and device_name != "gddr6-8gb-x16" and not trace[2].any():
        peer = n / run_ramulator(Path(ramulator), device_name, trace)
        text += f"  Ramulator 2.1 {peer / 1e6:6.4f} M/s, {rate / peer:6.0f}x"
    return text


def first_call(device: Device) -> None:
    """Report the time of the first call: compilation, or loading from the cache."""
    start = time.perf_counter()
    none = np.zeros(0, np.int64)
    run = HostReplay(device)
    run.feed(none, none, none)
    run.finish()
    say(f"kernels compiled or loaded in {time.perf_counter() - start:.2f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=7, help="the best of so many runs is shown")
    options = parser.parse_args()
    first_call(load_device("hbm2-4gb"))
    say(f"{'device':18}{'pattern':21}{'M req/s':>9}{'ns/req':>8}{'ns/command':>12}{'cycles':>12}")
    for name in DEVICES:
        device = load_device(name)
        for pattern, trace in patterns(options.requests, device):
            seconds, result = run_engine(device, trace, options.repeats)
            n, commands = len(trace[0]), int(result.commands.sum())
            line = f"{name:18}{pattern:21}{n / seconds / 1e6:9.2f}{seconds / n * 1e9:8.0f}"
            line += f"{seconds / commands * 1e9:12.1f}{result.cycles:12}"
            say(line + peer_columns(name, pattern, trace, n / seconds, result.cycles))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
