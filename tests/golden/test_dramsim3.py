"""Every golden case: the same commands at the same cycles, the same counts and the same energies.

By default a sample runs: every device variant and every special case, on the kernel that a user gets.
`make golden` runs all cases, and all of them on the general kernel as well.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from ppim.engine.host import HostReplay, HostResult
from ppim.engine.host.replay import has_fast_kernel
from tests.conftest import SHARED
from tests.golden.compare import check_channel
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


@pytest.mark.parametrize(("name", "general_kernel"), _parameters())
def test_golden_case(name, general_kernel):
    case = golden_case(name)
    result = run_case(case, general_kernel=general_kernel)
    for channel, expected in enumerate(case["channels"]):
        check_channel(golden_device(case["config"]), result, channel, expected)
    assert result.reads_done.sum() == case["reads_done"]
    assert result.writes_done.sum() == case["writes_done"]
    assert result.last_command_cycle.max() == case["last_rw_cycle"]
