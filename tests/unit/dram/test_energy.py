"""Energies equal DRAMsim3's printed figures exactly, before the clock period is applied."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ppim.dram.energy import EnergyCounts, channel_energy_pj, channel_energy_v_ma_cycles
from tests.golden.devices import DRAMSIM3, golden_device, preset

CASES = json.loads((DRAMSIM3 / "cases.json").read_text())["cases"] if DRAMSIM3.is_dir() else []


def counts_of(stats: dict[str, Any]) -> EnergyCounts:
    return EnergyCounts(
        activates=stats["num_act_cmds"],
        reads=stats["num_read_cmds"],
        writes=stats["num_write_cmds"],
        refreshes=stats["num_ref_cmds"],
        bank_refreshes=stats["num_refb_cmds"],
        active_cycles=stats["rank_active_cycles"],
        idle_cycles=stats["all_bank_idle_cycles"],
        self_refresh_cycles=stats["sref_cycles"],
    )


@pytest.mark.skipif(not CASES, reason=f"the golden cases are not at {DRAMSIM3} (set PPIM_SHARED)")
def test_every_golden_figure_is_met_exactly() -> None:
    for case in CASES:
        device = golden_device(case["config"])
        for channel in case["channels"]:
            stats = channel["stats"]
            energy = channel_energy_v_ma_cycles(device, counts_of(stats))
            for name, key in (
                ("activate", "act"), ("read", "read"), ("write", "write"),
                ("refresh", "ref"), ("refresh_bank", "refb"), ("total", "total"),
            ):  # fmt: skip
                assert getattr(energy, name) == stats[f"{key}_energy"], (case["id"], name)


def test_picojoules_are_the_figure_times_the_clock_period() -> None:
    device = preset("ddr4-8gb-x8-3200")
    counts = EnergyCounts(10, 20, 30, 1, 0, [500, 0], [500, 1000], [0, 0])
    raw, pj = channel_energy_v_ma_cycles(device, counts), channel_energy_pj(device, counts)
    assert pj.total == raw.total * 0.63
    assert pj.background == (500 * 499.2 + 500 * 355.2 + 1000 * 355.2) * 0.63
