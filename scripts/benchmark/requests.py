"""Patterns of reads and writes for memories, as arrays and as text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device

BURST_BYTES = 64
RANDOM = "uniform random reads"
SPARSE = "sparse reads"

Requests = tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]
"""Address, whether it is a write, cycle of arrival."""


def patterns(n: int, device: Device) -> Iterator[tuple[str, Requests]]:
    """Name and requests of each pattern; slow ones have a quarter of `n`."""
    rng = np.random.default_rng(0)
    at_once, reads = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    uniform = rng.integers(0, 2**26, n) * BURST_BYTES
    yield RANDOM, (uniform, reads, at_once)
    yield "sequential reads", (np.arange(n) * BURST_BYTES, reads, at_once)
    arrivals = np.cumsum(rng.integers(0, 5, n))
    yield "70/30 mix", (rng.integers(0, 2**26, n) * BURST_BYTES, rng.random(n) < 0.3, arrivals)
    weights = 1 / np.arange(1, 1_000_001) ** 1.05
    ranks = rng.choice(1_000_000, n // 2, p=weights / weights.sum())
    vectors = ranks * 2_654_435_761 % 2**22 * (2 * BURST_BYTES)
    yield "zipf gather of 128 B", ((vectors[:, None] + [0, BURST_BYTES]).ravel(), reads, at_once)
    yield SPARSE, (uniform[: n // 4], reads[: n // 4], np.arange(n // 4) * 1000)
    row_stride = device.organization.capacity_bytes // device.organization.rows
    rows = np.arange(n // 4) * 7 % device.organization.rows
    yield "row conflicts", (rows * row_stride, reads[: n // 4], at_once[: n // 4])


def write_text(requests: Requests, path: Path) -> None:
    """As DRAMsim3 reads them, and `ppim replay`."""
    columns = (column.tolist() for column in requests)
    with path.open("w", encoding="ascii") as stream:
        for address, is_write, cycle in zip(*columns, strict=True):
            stream.write(f"0x{address:X} {'WRITE' if is_write else 'READ'} {cycle}\n")


def write_loads(requests: Requests, path: Path) -> None:
    """As Ramulator 2.1 reads them: without cycles of arrival."""
    with path.open("w", encoding="ascii") as stream:
        for address, is_write in zip(requests[0].tolist(), requests[1].tolist(), strict=True):
            stream.write(f"{'ST' if is_write else 'LD'} 0x{address:X}\n")
