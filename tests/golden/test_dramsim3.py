"""Every golden case: the same commands at the same cycles, the same counts and the same energies.

By default a sample runs: every device variant and every special case, on the kernel that a user gets.
`make golden` runs all cases, and all of them on the general kernel as well.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from ppim.dram.energy import channel_energy_v_ma_cycles
from ppim.dram.timing import COMMANDS
from ppim.engine.host import CommandStream, HostReplay, HostResult
from ppim.engine.host.replay import has_fast_kernel
from tests.conftest import SHARED
from tests.golden.devices import DRAMSIM3, golden_device

pytestmark = pytest.mark.skipif(not DRAMSIM3.is_dir(), reason="the shared golden data is not here")

SAMPLE_PATTERNS = ("mix70", "bursty", "zipf_gather")


@cache
def _cases() -> dict[str, dict[str, Any]]:
    if not SHARED.is_dir():
        return {}
    cases = json.loads((DRAMSIM3 / "cases.json").read_text())["cases"]
    return {case["id"]: case for case in cases}


def golden_case(name: str) -> dict[str, Any]:
    """One entry of cases.json."""
    return _cases()[name]


def _in_sample(case: dict[str, Any]) -> bool:
    special = "+" in case["config"] or case["pattern"] in ("unaligned", "eof_newline", "livelock_demo")
    return special or case["pattern"] in SAMPLE_PATTERNS or case["id"] == "HBM2_4Gb_x128__sparse"


def _parameters() -> list[Any]:
    parameters = []
    for name, case in _cases().items():
        fast = has_fast_kernel(golden_device(case["config"])) and case["unfinished"] is None
        sample = _in_sample(case)
        if fast:
            marks = () if sample else (pytest.mark.golden,)
            parameters.append(pytest.param(name, False, id=name, marks=marks))
        marks = () if sample and not fast else (pytest.mark.golden,)
        parameters.append(pytest.param(name, True, id=f"{name}-general", marks=marks))
    return parameters


def read_trace(case: dict[str, Any]) -> tuple[Any, Any, Any]:
    with gzip.open(DRAMSIM3 / case["trace"], "rt") as lines:
        rows = [line.split() for line in lines]
    address = np.array([int(row[0], 16) for row in rows], np.int64)
    is_write = np.array([row[1] == "WRITE" for row in rows])
    return address, is_write, np.array([int(row[2]) for row in rows], np.int64)


def run_case(case: dict[str, Any], *, general_kernel: bool) -> HostResult:
    address, is_write, cycle = read_trace(case)
    run = HostReplay(
        golden_device(case["config"]),
        n_cycles=case["cycles"],
        follow_defects=case["unfinished"] is not None,
        command_trace=True,
        general_kernel=general_kernel,
    )
    run.feed(address, is_write, cycle)
    if case["end_of_trace"] == "newline":
        run.offer_last_line_again(int(address[-1]))
    return run.finish()


def stream_sha256(stream: CommandStream) -> str:
    columns = (
        stream.cycle,
        stream.command,
        stream.rank,
        stream.bankgroup,
        stream.bank,
        stream.row,
        stream.column,
    )
    digest = hashlib.sha256()
    for line in zip(*(column.tolist() for column in columns), strict=True):
        digest.update((",".join(map(str, line)) + "\n").encode())
    return digest.hexdigest()


def _counts(result: HostResult, k: int) -> dict[str, Any]:
    of = result.commands[k]
    by_name = dict(zip(COMMANDS, of.tolist(), strict=True))
    return {
        "num_cycles": result.cycles,
        "num_reads_done": result.reads_done[k],
        "num_writes_done": result.writes_done[k],
        "num_read_cmds": by_name["read"] + by_name["read_p"],
        "num_write_cmds": by_name["write"] + by_name["write_p"],
        "num_act_cmds": by_name["activate"],
        "num_pre_cmds": by_name["precharge"],
        "num_ref_cmds": by_name["refresh"],
        "num_refb_cmds": by_name["refresh_bank"],
        "num_srefe_cmds": by_name["self_refresh_enter"],
        "num_srefx_cmds": by_name["self_refresh_exit"],
        "num_ondemand_pres": result.demand_precharges[k],
        "num_read_row_hits": result.read_row_hits[k],
        "num_write_row_hits": result.write_row_hits[k],
        "hbm_dual_cmds": result.dual_commands[k],
        "all_bank_idle_cycles": result.idle_cycles[k].tolist(),
        "rank_active_cycles": result.active_cycles[k].tolist(),
        "sref_cycles": result.self_refresh_cycles[k].tolist(),
        "read_latency_sum": result.read_latency_sum[k],
        "read_latency_count": result.reads_done[k],
        "write_latency_sum": result.write_latency_sum[k],
        "write_latency_count": by_name["write"] + by_name["write_p"],
        "interarrival_latency_sum": result.interarrival_sum[k],
        "interarrival_latency_count": result.reads[k] + result.writes[k],
    }


def _check_energy(case: dict[str, Any], result: HostResult, k: int) -> None:
    stats = case["channels"][k]["stats"]
    energy = channel_energy_v_ma_cycles(golden_device(case["config"]), result.energy_counts(k))
    background = [sum(stats[f"{name}_energy"]) for name in ("act_stb", "pre_stb", "sref")]
    expected = {
        "activate": stats["act_energy"],
        "read": stats["read_energy"],
        "write": stats["write_energy"],
        "refresh": stats["ref_energy"],
        "refresh_bank": stats["refb_energy"],
        "background": sum(background),
        "total": stats["total_energy"],
    }
    assert vars(energy) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("name", "general_kernel"), _parameters())
def test_golden_case(name, general_kernel):
    case = golden_case(name)
    result = run_case(case, general_kernel=general_kernel)
    assert result.command_streams is not None
    for k, expected in enumerate(case["channels"]):
        stream = result.command_streams[k]
        counts = {COMMANDS[code]: int(n) for code, n in enumerate(result.commands[k]) if n}
        assert counts == expected["commands"]
        assert {**expected["stats"], **_counts(result, k)} == expected["stats"]
        assert stream_sha256(stream) == expected["command_sha256"]
        for kind, cycle in (("read", result.last_read_cycle[k]), ("write", result.last_write_cycle[k])):
            assert cycle == (-1 if expected[f"last_{kind}_cycle"] is None else expected[f"last_{kind}_cycle"])
        _check_energy(case, result, k)
    assert result.reads_done.sum() == case["reads_done"]
    assert result.writes_done.sum() == case["writes_done"]
    assert result.last_command_cycle.max() == case["last_rw_cycle"]
