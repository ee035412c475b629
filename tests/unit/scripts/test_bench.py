"""What `make bench` makes of its measurements."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ppim.systems.load import system_names
from tests.conftest import ROOT
from tests.unit.scripts.load import script

bench = script("bench")
figures, tools = script("benchmark.figures"), script("benchmark.tools")
systems, replays = script("benchmark.systems"), script("benchmark.replays")


def _figure(value: float, unit: str, ratio: float | None) -> object:
    return figures.Figure("speed", "cpu", value, unit, ratio, "proactivepim")


class _Group:
    """Costs as they were measured: of each tree, one dictionary a turn."""

    def __init__(self, costs: dict[Path, list[dict[str, float]]]) -> None:
        self._costs, self.prepared = costs, []

    def prepare(self, ppim: object) -> None:
        self.prepared.append(ppim.python)

    def turn(self, ppim: object) -> dict[str, float]:
        return self._costs[ppim.python].pop(0)

    def figures(self, best: dict[str, float]) -> list[object]:
        return [figures.Figure("start", name, value, "s", None, "-") for name, value in best.items()]


def test_trees_take_turns_and_the_least_of_all_rounds_counts() -> None:
    ours, theirs = Path("ours"), Path("theirs")
    group = _Group({ours: [{"cpu": 3.0}, {"cpu": 2.0}], theirs: [{"cpu": 4.0}, {"cpu": 5.0}]})
    made = bench.measure(group, [tools.Ppim(ours), tools.Ppim(theirs)], 2)
    assert group.prepared == [ours, theirs]
    assert [[row.value for row in rows] for rows in made] == [[2.0], [4.0]]


def test_the_last_release_and_another_tree_stand_beside_today() -> None:
    rows = [_figure(2e6, "accesses/s", 0.4), _figure(3.0, "s", None)._replace(figure="start")]
    others = {("speed", "cpu"): 1e6, ("start", "cpu"): 1.5}
    head, speed, start = figures.report(rows, {("speed", "cpu"): 0.25}, others)
    assert head.split()[:6] == ["figure", "of", "value", "unit", "ratio", "released"]
    assert speed.split() == [
        "speed",
        "cpu",
        "2,000,000",
        "accesses/s",
        "0.4",
        "0.25",
        "proactivepim;",
        "2.00",
    ]
    assert start.split() == ["start", "cpu", "3", "s", "-", "-", "proactivepim;", "0.50"]


def test_a_csv_comes_back_without_ratios_that_are_not_known(tmp_path: Path) -> None:
    path = tmp_path / "new" / "bench.csv"
    figures.write([_figure(2e6, "accesses/s", 0.4), _figure(3.0, "s", None)._replace(figure="start")], path)
    assert figures.read_ratios(path) == {("speed", "cpu"): 0.4}


def test_a_process_is_measured_and_its_failure_told(tmp_path: Path) -> None:
    cost = tools.Ppim().run("devices")
    assert cost.seconds > 0.01
    assert cost.mebibytes > 10
    assert "hbm2-4gb" in cost.output
    with pytest.raises(tools.subprocess.CalledProcessError):
        tools.Ppim().run("simulate", tmp_path / "nowhere")


def test_systems_are_beside_the_default_and_net_of_their_start(tmp_path: Path) -> None:
    group = systems.Systems(tools.Traces(tmp_path), ["cpu"])
    accesses = (systems.LONG - systems.SHORT) * 520  # 26 tables, pooling 10, two subtables
    found = group.figures(
        {
            "short proactivepim": 1.0,
            "long proactivepim": 3.0,
            "memory proactivepim": 300.0,
            "short cpu": 0.5,
            "long cpu": 1.5,
            "memory cpu": 330.0,
        }
    )
    assert {row.key: (row.value, row.ratio) for row in found} == {
        ("speed", "proactivepim"): (accesses / 2, 1.0),
        ("speed", "cpu"): (accesses / 1, 2.0),
        ("memory", "proactivepim"): (300.0, 1.0),
        ("memory", "cpu"): (330.0, pytest.approx(1.1)),
        ("start", "proactivepim"): (1.0, 1.0),
        ("start", "cpu"): (0.5, 0.5),
    }


def test_replays_run_beside_a_peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that reads the requests stands for DRAMsim3."""
    program = tmp_path / "build" / "dramsim3main"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys\nassert len(open(sys.argv[5]).readlines()) in (100, 400)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PPIM_DRAMSIM3", str(program))
    monkeypatch.delenv("PPIM_RAMULATOR2", raising=False)
    monkeypatch.setattr(replays, "CONFIGS", {replays.FULL: replays.CONFIGS[replays.FULL]})
    group = replays.Replays(tools.Traces(tmp_path), requests=400)
    [found] = bench.measure(group, [tools.Ppim()], 1)
    *patterns, command = found
    assert [row.of for row in patterns][:2] == [replays.RANDOM_FULL, "sequential reads, HBM2"]
    assert len(patterns) == 6
    assert all(row.value > 0 and row.ratio is not None and row.ratio > 0 for row in patterns)
    assert command.of == replays.COMMAND  # so few requests are lost in the noise of its start


def test_the_committed_figures_have_all_systems() -> None:
    released = figures.read_ratios(ROOT / "docs" / "bench.csv")
    assert {of for figure, of in released if figure == "speed"} == set(system_names())
