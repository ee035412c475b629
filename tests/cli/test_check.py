"""`ppim check`: exit status, the three forms of the report, two memories, and runs of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from ppim.cli import main
from tests.conftest import ROOT, complaints

SAMPLE = ROOT / "traces" / "sample-qr.parquet"
LEGAL = "10 activate 0 0 0 5 -1\n24 read 0 0 0 5 1\n44 precharge 0 0 0 -1 -1\n"
BROKEN = LEGAL.replace("24 read", "23 read")


def run(*arguments: object) -> int:
    """Exit status of the command line."""
    try:
        main(list(map(str, arguments)))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "channel-0.cmd"
    path.write_text(LEGAL)
    return path


def test_legal_and_illegal(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", trace) == 0
    text = capsys.readouterr().out
    assert "legal: 3 commands of 1 channel up to cycle 44, hbm2-4gb (ppim)" in text
    assert "never came up: other" not in text
    trace.write_text(BROKEN)
    assert run("check", trace) == 1
    text = capsys.readouterr().out.splitlines()
    assert text[0] == (
        "channel 0, cycle 23: tRCD read of 14 cycles, margin -1: read (rank 0, bank 0.0, row 5; line 2) "
        "after activate (rank 0, bank 0.0, row 5; line 1) at 10"
    )
    assert any(line.startswith("1 violation: ") for line in text)
    assert run("check", trace, "--set", "tRCDRD=13") == 0


def test_nothing_is_not_called_legal(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace.write_text("")
    assert run("check", trace) == 0
    assert capsys.readouterr().out.startswith("nothing to check: 0 commands of 0 channels")


def test_csv_and_json(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace.write_text(BROKEN)
    table = tmp_path / "violations.csv"
    assert run("check", trace, "--format", "csv", "-o", table) == 1
    assert capsys.readouterr().out == ""
    (row,) = pd.read_csv(table).to_dict("records")
    assert (row["constraint"], row["distance"], row["margin"], row["channel"]) == ("tRCD read", 14, -1, 0)
    assert (row["cycle"], row["later_command"], row["later_line"]) == (23, "read", 2)
    assert (row["earlier_cycle"], row["earlier_command"], row["earlier_row"]) == (10, "activate", 5)
    assert run("check", trace, "--format", "json", "-o", "-") == 1
    (memory,) = json.loads(capsys.readouterr().out)
    assert (memory["commands"], memory["n_violations"]) == (3, 1)
    (violation,) = memory["violations"]
    assert violation["later"]["cycle"] - violation["earlier"]["cycle"] == 13
    rules = {rule["constraint"]: rule for rule in memory["rules"]}
    assert rules["tRCD read"]["violations"] == 1
    assert (rules["tRAS"]["checked"], rules["tRAS"]["tight"], rules["tRAS"]["least_margin"]) == (1, 1, 0)


def test_only_so_many_are_listed(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace.write_text("".join(f"{k} read 0 0 0 5 1\n" for k in range(0, 1000, 10)))
    assert run("check", trace, "--limit", 3) == 1
    text = capsys.readouterr().out.splitlines()
    assert sum("closed bank: " in line for line in text) == 3
    assert "... and 97 more" in text


def test_bad_input(trace: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        [tmp_path / "none"],
        [trace, "--device", "hbm7"],
        [trace, "--form", "vcd"],
        [trace, "-o", trace],
        [trace, "--system", "proactivepim", "--set", "tFAW=x"],
    ):
        assert run("check", *arguments) == 2
        assert len(complaints(capsys.readouterr().err)) == 1
    assert trace.read_text() == LEGAL


@pytest.mark.matrix(3)
@pytest.mark.parametrize("system", ["proactivepim", "space"])
def test_runs_of_ours_are_legal(tmp_path: Path, system: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Under their own rules; under stricter ones they are not."""
    folder = tmp_path / "commands"
    assert run("simulate", SAMPLE, "--system", system, "--command-trace", folder) == 0
    capsys.readouterr()
    assert run("check", folder, "--system", system) == 0
    legal = capsys.readouterr().out
    assert run("check", folder, "--system", system, "--set", "tRP=15") == 1
    broken = capsys.readouterr().out
    assert "of 15 cycles, margin -1" in broken
    if system == "space":
        assert "hbm: legal" in legal
        assert "dimm: legal" in legal
        assert run("check", folder) == 2
