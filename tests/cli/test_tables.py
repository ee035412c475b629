"""Whatever prints a table fits the terminal, and speaks to programs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from ppim.cli import main
from ppim.dram.load import device_names
from ppim.systems.load import system_names
from tests.conftest import ROOT

SAMPLE = str(ROOT / "traces" / "sample-qr.parquet")
COMMANDS = (
    ["devices"],
    ["devices", "show", "hbm2-4gb"],
    ["systems"],
    ["systems", "show", "heam"],
    ["info", SAMPLE],
    ["info", "cpu"],
    ["doctor"],
)


@pytest.fixture
def stats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Two runs, as files."""
    files = []
    for system in ("pim-base", "proactivepim"):
        files.append(str(tmp_path / f"{system}.csv"))
        main(["simulate", SAMPLE, "--system", system, "-o", files[-1]])
    capsys.readouterr()
    return files


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    main(arguments)
    return capsys.readouterr().out


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("columns", [None, 60, 120])
def test_tables_fit_the_terminal(
    arguments: list[str],
    columns: int | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where there is no terminal, 80 characters."""
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns is not None:
        monkeypatch.setenv("COLUMNS", str(columns))
    lines = printed(arguments, capsys).splitlines()
    assert max(map(len, lines)) <= (columns or 80)
    wide = printed([*arguments, "--wide"], capsys)
    assert max(map(len, wide.splitlines())) > 80
    assert len(wide.splitlines()) <= len(lines)


def test_results_fit_the_terminal(
    stats: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    for arguments in (["compare", *stats], ["info", stats[0]], ["simulate", SAMPLE]):
        text = printed(arguments, capsys)
        assert max(map(len, text.splitlines())) <= 80
        assert "proactivepim" in text or "pim-base" in text


def test_lists_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    for command, names in (("devices", device_names()), ("systems", system_names())):
        rows = json.loads(printed([command, "--format", "json"], capsys))
        assert [row[command.removesuffix("s")] for row in rows] == list(names)
        lines = list(csv.DictReader(io.StringIO(printed([command, "--format", "csv"], capsys))))
        assert [{key: value or None for key, value in line.items()} for line in lines] == [
            {key: str(value) if value is not None else None for key, value in row.items()} for row in rows
        ]
        assert printed([command, "--format", "md"], capsys).count("\n| ") == 1 + len(names)


def test_a_trace_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(["info", SAMPLE, "--format", "json"], capsys))
    assert (found["samples"], found["accesses"], found["algorithm"]) == (64, 13_312, "qr")
    assert [row["table"] for row in found["tables"]] == [*map(str, range(26)), "all"]
    assert found["tables"][2]["before_bytes"] == 10_131_227 * 128
    assert found["tables"][2]["shared"] == 0.5
    assert {row["subtable"]: row["shared"] for row in found["subtables"]} == {"q": False, "r": True}


def test_a_system_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(["systems", "show", "proactivepim", "--format", "json"], capsys))
    barrier = next(row for row in found["parameters"] if row["parameter"] == "barrier")
    assert (barrier["section"], barrier["value"], barrier["choices"]) == ("pim", "table", "table|batch|none")


def test_devices_show_is_info(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(["devices", "show", "hbm2-4gb"], capsys) == printed(["info", "hbm2-4gb"], capsys)
