"""DDR5 and HBM3 beside Ramulator 2.1: the distances that docs/reliability.md states, of its figures and requests."""

from __future__ import annotations

import csv
from pathlib import Path

import numba
import numpy as np
import pytest

from ppim.dram.load import load_device
from ppim.engine.host import replay
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without compilation")

LINES = (Path(__file__).parent / "ramulator2.csv").read_text(encoding="utf-8").splitlines()
ROWS = list(csv.DictReader(line for line in LINES if not line.startswith("#")))
DOCUMENT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
BURSTS = 2**26
HASH = 2654435761  # spreads the ids of the zipf distribution over addresses
MAPPING = {"ddr5-16gb-x8-4800": "robabgracoch", "hbm3-16gb-6400": "robabgrachco"}  # Ramulator's RoBaRaCoCh
CHANNELS = 2  # of HBM3: the pseudo channels of one channel; DDR5: the subchannels of a module side


def requests(pattern: str, count: int, burst: int) -> tuple[np.ndarray, np.ndarray]:
    """Byte addresses, and which of them are written."""
    is_write = np.zeros(count, np.bool_)
    if pattern == "sequential":
        return np.arange(count) * burst, is_write
    if pattern == "zipf":
        ids = np.random.default_rng(2).zipf(1.2, count).astype(np.uint64)
        return (ids * np.uint64(HASH) % np.uint64(BURSTS)).astype(np.int64) * burst, is_write
    if pattern == "mixed":
        is_write = np.random.default_rng(1).random(count) < 0.3
    return np.random.default_rng(0).integers(0, BURSTS, count) * burst, is_write


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(list(row.values())[:5]))
def test_the_distance_is_as_stated(row: dict[str, str]) -> None:
    name, count = row["device"], int(row["requests"])
    device = load_device(
        name,
        {
            "address_mapping": MAPPING[name],
            "organization.channels": CHANNELS,
            "organization.ranks": int(row["ranks"]),
        },
    )
    address, is_write = requests(row["pattern"], count, device.organization.burst_bytes)
    cycles = replay(device, address, is_write, np.zeros(count, np.int64), merge=False).cycles
    distance = 100 * (cycles / int(row["ramulator_cycles"]) - 1)
    assert distance == pytest.approx(float(row["percent"]), abs=0.1)
    for figure in (cycles, int(row["ramulator_cycles"])):
        assert f"{figure:,}" in DOCUMENT


def test_random_reads_agree_where_both_see_equally_far() -> None:
    """What banks and activates allow: the rules, not the queues."""
    long_queues = [row for row in ROWS if row["pattern"] == "random" and int(row["queue"]) > 32]
    assert {row["device"] for row in long_queues} == set(MAPPING)
    assert all(abs(float(row["percent"])) < 2 for row in long_queues)
