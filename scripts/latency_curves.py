"""Latency of reads against load, on six devices: the table of docs/reliability.md and figures/latency.svg."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

import ppim
from ppim.dram.address import Coordinates, address_map
from ppim.dram.device import LARGEST_TIMING_CYCLES, Device
from ppim.dram.load import load_device
from ppim.dram.timing import named_distances
from ppim.engine.activate_window import LONG_WINDOW, SHORT_WINDOW
from ppim.figures import style
from ppim.report.parts import SERIES

DEVICES = (
    "ddr4-8gb-x8-3200",
    "ddr5-16gb-x8-4800",
    "lpddr4-8gb-x16-2400",
    "gddr6-8gb-x16",
    "hbm2-4gb",
    "hbm3-16gb-6400",
)
SETTINGS = {"organization.channels": 1, "timing.tREFI": LARGEST_TIMING_CYCLES}
"""One channel, without refresh, whose waits no closed form has."""
PATTERNS = ("open rows", "new rows", "random rows")
SEED = 0
FRONT_END = 1
"""Cycles from a request's stamp to its first command (docs/host-controller.md, sections 3 and 15)."""
LOADS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2)
REQUESTS = 4_000
APART = 1_000  # cycles between requests that shall not matter to each other
PAGE_INCHES = 7.2

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Unloaded:
    """Cycles from a read's stamp to its last data, in an idle memory: closed forms."""

    open_row: int
    closed_bank: int
    other_row: int


def device_of(name: str) -> Device:
    """One channel of a device, without refresh."""
    return load_device(name, SETTINGS)


def unloaded(device: Device) -> Unloaded:
    """RL + B, before it tRCD where the bank is closed, and tRP where another row is open."""
    timing = device.timing
    open_row = FRONT_END + timing.read_delay
    closed = open_row + (named_distances(device)["activate_to_read"] or 0)
    return Unloaded(open_row, closed, closed + timing.tRP)


def cycles_a_request(device: Device, pattern: str) -> float:
    """What one request of a pattern takes at the peak: the scarcest of bus, activates, banks and commands."""
    timing, org = device.timing, device.organization
    distances = {name: value or 0 for name, value in named_distances(device).items()}
    bus = distances["read_to_read_s" if org.bankgroups > 1 else "read_to_read_l"]
    if pattern == "open rows":
        return bus
    bank = max(distances["tRC"], distances["activate_to_read"] + distances["read_to_precharge"] + timing.tRP)
    return max(
        bus,
        distances["tRRD_S" if org.bankgroups > 1 else "tRRD_L"],
        timing.tFAW / SHORT_WINDOW,
        timing.t32AW / LONG_WINDOW if device.is_gddr else 0,
        bank / org.banks_per_rank,
        2 if device.is_hbm else 3,  # ACTIVATE and PRECHARGE; without a bus of its own READ too
    )


def addresses(device: Device, pattern: str, count: int) -> Ints:
    """Byte addresses of reads in rank 0: columns of rows that stay open, a new row of each bank in turn, or any row."""
    org = device.organization
    number = np.arange(count)
    group, rest = number % org.bankgroups, number // org.bankgroups
    zero = np.zeros(count, np.int64)
    if pattern == "open rows":
        row, bank, column = zero, zero, rest % org.bursts_per_row
    elif pattern == "new rows":
        bank, row, column = rest % org.banks_per_group, rest // org.banks_per_group % org.rows, zero
    else:
        draw = np.random.default_rng(SEED).integers
        group, bank = draw(0, org.bankgroups, count), draw(0, org.banks_per_group, count)
        row, column = draw(0, org.rows, count), draw(0, org.bursts_per_row, count)
    return address_map(device).encode(Coordinates(zero, zero, group, bank, row, column))


def latencies(name: str, address: Ints, cycle: Ints) -> Ints:
    """Cycles of each read, from the cycle for which it is meant to its last data: `ppim replay --latencies`."""
    with tempfile.TemporaryDirectory() as folder:
        requests, result = Path(folder) / "requests.trace", Path(folder) / "latencies.parquet"
        lines = (f"{at:#x} READ {when}" for at, when in zip(address.tolist(), cycle.tolist(), strict=True))
        requests.write_text("\n".join(lines) + "\n", encoding="ascii")
        ppim.replay(requests, device=name, settings=SETTINGS, merge=False, latencies=result)
        table = pq.read_table(result)
    done = np.empty(len(address), np.int64)
    done[table["request"].to_numpy()] = table["done_cycle"].to_numpy()
    return done - cycle - 1


def alone(name: str, pattern: str, count: int = 200) -> Ints:
    """Latencies of requests so far apart that none meets another."""
    return latencies(name, addresses(device_of(name), pattern, count), np.arange(count) * APART)


def peak(name: str, pattern: str, count: int = REQUESTS) -> float:
    """Cycles a request at full speed, behind the first quarter of the requests."""
    done = latencies(name, addresses(device_of(name), pattern, count), np.zeros(count, np.int64))
    done.sort()
    return float(done[-1] - done[count // 4]) / (count - 1 - count // 4)


def mean_latency(name: str, pattern: str, every: float, count: int = REQUESTS) -> float:
    """Mean cycles of a read when one is meant for each `every` cycles, behind the first quarter."""
    cycle = np.floor(np.arange(count) * every).astype(np.int64)
    return float(latencies(name, addresses(device_of(name), pattern, count), cycle)[count // 4 :].mean())


def curve(name: str, pattern: str, loads: Sequence[float] = LOADS) -> list[float]:
    """Mean cycles at each share of the pattern's peak."""
    every = peak(name, pattern) if pattern == "random rows" else cycles_a_request(device_of(name), pattern)
    return [mean_latency(name, pattern, every / load) for load in loads]


def table_line(name: str) -> str:
    """One device's line of the table."""
    device, forms = device_of(name), unloaded(device_of(name))
    words = [name, *(str(value) for value in (forms.open_row, forms.closed_bank, forms.other_row))]
    for pattern in PATTERNS:
        at_peak = peak(name, pattern)
        by_form = "" if pattern == "random rows" else f" ({cycles_a_request(device, pattern):g})"
        means = curve(name, pattern, (0.5, 0.9))
        words += [f"{at_peak:.2f}{by_form}", *(f"{value:.0f}" for value in means)]
    return "| " + " | ".join(words) + " |"


def draw(path: Path) -> None:
    """Curves of two patterns: where the bus is all, and where banks conflict."""
    with style.drawing():
        figure, panels = style.new_figure(PAGE_INCHES, 0.36 * PAGE_INCHES, ncols=2, sharey=True)
        lines: list[Any] = []
        for axes, pattern in zip(panels, ("open rows", "random rows"), strict=True):
            lines = []
            for colour, name in zip(SERIES, DEVICES, strict=False):
                tck = device_of(name).timing.tCK
                values = [cycles * tck for cycles in curve(name, pattern)]
                lines += axes.plot(LOADS, values, color=colour, marker=".")
            axes.axvline(1, color="black", linewidth=0.6, linestyle=":")
            axes.set_yscale("log")
            axes.set_xlabel(f"load: share of the peak of {pattern}")
            axes.grid()
        panels[0].set_ylabel("mean latency of a read (ns)")
        style.legend_above(figure, lines, list(DEVICES))
        style.save(figure, path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", type=Path, help="where the drawing goes")
    figure = parser.parse_args().figure
    for name in DEVICES:
        sys.stdout.write(f"{table_line(name)}\n")
        sys.stdout.flush()
    if figure is not None:
        draw(figure)


if __name__ == "__main__":
    main()
