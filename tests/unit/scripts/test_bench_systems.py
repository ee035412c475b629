"""What `make bench` makes of its measurements."""

from __future__ import annotations

from pathlib import Path

import pytest

from ppim.systems.load import system_names
from tests.conftest import ROOT
from tests.unit.scripts.load import script

bench = script("bench_systems")


def test_figures_stand_beside_the_default() -> None:
    figures = bench.figures_of(
        {"proactivepim": 5e6, "cpu": 2e6},
        {"proactivepim": 300.0, "cpu": 330.0},
        {"proactivepim": 1.0, "cpu": 0.5},
    )
    assert [(row.figure, row.system, row.of_default) for row in figures] == [
        ("speed", "proactivepim", 1.0),
        ("speed", "cpu", 0.4),
        ("memory", "proactivepim", 1.0),
        ("memory", "cpu", pytest.approx(1.1)),
        ("start", "proactivepim", 1.0),
        ("start", "cpu", 0.5),
    ]


def test_the_last_release_stands_beside_today(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.csv"
    figures = bench.figures_of(
        {"proactivepim": 5e6, "cpu": 2e6},
        {"proactivepim": 3.0, "cpu": 1.0},
        {"proactivepim": 1.0, "cpu": 0.5},
    )
    bench.write(figures, path)
    assert bench.read(path)["speed", "cpu"] == 0.4
    lines = bench.report(figures, {("speed", "cpu"): 0.25})
    assert lines[2].split() == ["speed", "cpu", "2,000,000", "accesses/s", "0.40", "0.25"]
    assert lines[4].split() == ["memory", "cpu", "1.00", "MiB", "0.33"]


def test_a_process_is_measured_and_its_failure_told(tmp_path: Path) -> None:
    cost = bench.run(["devices"])
    assert cost.seconds > 0.01
    assert cost.mebibytes > 10
    with pytest.raises(bench.subprocess.CalledProcessError):
        bench.run(["simulate", tmp_path / "nowhere"])


def test_the_committed_figures_have_all_systems() -> None:
    figures = bench.read(ROOT / "docs" / "bench.csv")
    assert {system for figure, system in figures if figure == "speed"} == set(system_names())
