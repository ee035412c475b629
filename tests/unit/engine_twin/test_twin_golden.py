"""The slow twin is itself held to DRAMsim3's recorded commands, one short case for each mode."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.golden.devices import golden_device
from tests.reference.host_twin import run_twin

CASES = (
    "DDR4_8Gb_x8_3200__eof_newline",
    "DDR3_8Gb_x8_1600__mix70",
    "GDDR6_8Gb_x16__samebg_pingpong",
    "GDDR6_8Gb_x16__livelock_demo",
    "LPDDR4_8Gb_x16_2400__samebg_pingpong",
    "DDR4_8Gb_x8_3200+per_rank__mix70",
    "DDR4_8Gb_x8_3200+unified__mix70",
    "DDR4_8Gb_x8_3200+close_page__mix70",
    "DDR4_8Gb_x8_3200+small_q__mix70",
    "DDR4_8Gb_x8_3200+bank_refresh__mix70",
    "DDR4_8Gb_x8_3200+sref__late",
    "HBM2_4Gb_x128+no_dual__rand_read",
    "HBM2_4Gb_x128+ch4_rank2__mix70",
)


@pytest.fixture(scope="module")
def golden(shared: Path) -> tuple[Path, dict[str, Any]]:
    folder = shared / "golden" / "dramsim3"
    cases = json.loads((folder / "cases.json").read_text())["cases"]
    return folder, {case["id"]: case for case in cases}


@pytest.mark.matrix(13)
@pytest.mark.parametrize("case_id", CASES)
def test_twin_issues_the_recorded_commands(case_id: str, golden: tuple[Path, dict[str, Any]]) -> None:
    folder, cases = golden
    case = cases[case_id]
    with gzip.open(folder / case["trace"], "rt") as lines:
        requests = [line.split() for line in lines]
    run = run_twin(
        golden_device(case["config"]),
        [int(address, 16) for address, _, _ in requests],
        [word == "WRITE" for _, word, _ in requests],
        [int(cycle) for _, _, cycle in requests],
        case["cycles"],
        newline_at_end=case["end_of_trace"] == "newline",
    )
    for index, expected in enumerate(case["channels"]):
        stats = run.stats(index)
        assert run.channels[index].command_sha256() == expected["command_sha256"]
        assert stats == {name: expected["stats"][name] for name in stats}
