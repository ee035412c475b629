"""Runs of devices and PIM systems: a command a cycle earlier is blamed by name, and no other one is."""

from __future__ import annotations

from pathlib import Path

import numba
import pytest

import ppim
from ppim.check.judge import Memory
from ppim.dram.load import load_device
from tests.unit.check import moved_runs

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without compilation")


@pytest.mark.matrix(5)
@pytest.mark.parametrize("name", ["ddr5-16gb-x8-4800", "gddr6-8gb-x16", "hbm3-16gb-6400"])
@pytest.mark.parametrize("settings", moved_runs.MODES, ids=lambda mode: "".join(mode.values()) or "usual")
def test_moved_commands_of_a_device(tmp_path: Path, name: str, settings: dict[str, str]) -> None:
    found = moved_runs.host_run(tmp_path, name, settings)
    assert found is not None
    assert found.is_good
    assert found.tried >= 10


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "trace.parquet"
    ppim.generate_trace("synthetic", path, max_samples=moved_runs.SAMPLES, seed=moved_runs.SEED)
    return path


@pytest.mark.parametrize("system", ["proactivepim", "recnmp", "upmem"])
def test_moved_commands_of_units(tmp_path: Path, trace: Path, system: str) -> None:
    found = moved_runs.pim_run(tmp_path, trace, system)
    assert found is not None
    assert found.is_good
    assert found.tried >= 10


@pytest.mark.parametrize("key", ["tRP", "tRCD", "tRAS", "tFAW", "tCCD_L", "tWTR_S", "tRTP", "tWR", "tRFC"])
def test_a_device_a_cycle_slower_finds_the_run_too_fast(tmp_path: Path, key: str) -> None:
    """So that a check that never blames anybody would not pass."""
    name = "ddr4-8gb-x8-3200"
    device = load_device(name)
    commands = moved_runs.host_commands(device, moved_runs.SEED)
    slower = load_device(name, {key: getattr(device.timing, key) + 1})
    assert moved_runs.judge(tmp_path, Memory(device), commands).n_violations == 0
    assert moved_runs.judge(tmp_path, Memory(slower), commands).n_violations > 0
