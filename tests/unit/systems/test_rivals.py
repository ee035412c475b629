"""Systems of other papers, as those have them: their memories, and which of two is faster where both say so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ppim
from ppim.dram.load import load_device
from ppim.systems.load import load_system


@pytest.mark.parametrize(
    ("name", "channels", "ranks", "rows_a_ns"),
    [
        ("recnmp", 1, 8, 8 * 4 / (26 * 0.83)),  # arXiv 1912.12953: 4 DIMMs of 2 ranks in a channel
        ("fafnir", 4, 8, 32 * 4 / (34 * 0.63)),  # HPCA 2021: 32 ranks in 4 channels
        ("trim-bg", 2, 2, 4 * 4 / (32 * 0.416)),  # MICRO 2021: two ranks of DDR5-4800, two subchannels each
    ],
)
def test_memories_are_those_of_the_papers(name: str, channels: int, ranks: int, rows_a_ns: float) -> None:
    memory = load_system(name).memory
    device = load_device(memory.device, memory.overrides)
    org, timing = device.organization, device.timing
    assert (org.channels, org.ranks) == (channels, ranks)
    opened = org.channels * org.ranks * 4 / (max(timing.tFAW, 4 * timing.tRRD_S) * timing.tCK)
    assert opened == pytest.approx(rows_a_ns)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 4, "pooling": 10, "max_samples": 100},
        {"batch_size": 4, "max_samples": 40, "dataset_options": {"profile": "production"}},
    ],
    ids=["Criteo-like", "production"],
)
def test_trim_is_faster_than_recnmp_on_dense_vectors(tmp_path: Path, options: dict[str, Any]) -> None:
    """Each with the DIMMs of its paper, and both with TRiM's; dense, 128 B, sum of three placements.

    With the same DIMMs the cache decides: of Criteo-like rows it has two thirds, and RecNMP is faster.
    """
    trace = tmp_path / "trace.parquet"
    ppim.generate_trace("synthetic", output=trace, algorithm="dense", vector_bytes=128, **options)

    def time(system: str, **run: Any) -> float:
        settings = run.pop("settings", {})
        runs = [
            ppim.simulate(trace, system, settings={**settings, "placement_seed": seed}, **run)
            for seed in range(3)
        ]
        return sum(run.time_ns for run in runs)

    trim = time("trim-bg")
    assert trim < time("recnmp")
    same_dimms = {"organization.ranks": 2, "command_bits_per_cycle": 78}
    assert trim < time("recnmp", device="ddr5-16gb-x8-4800", settings={**same_dimms, "policy": "none"})
    cached = time("recnmp", device="ddr5-16gb-x8-4800", settings=same_dimms)
    assert (trim < cached) == ("dataset_options" in options)
