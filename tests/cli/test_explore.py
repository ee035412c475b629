"""`ppim explore`: a front that random designs do not beat, the same for a seed, and mistakes found before it goes."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import ppim as package
from ppim.cli import main
from ppim.search.costs import costs_of
from ppim.search.designs import Design, Designs
from ppim.search.front import dominates, pareto_front
from ppim.search.space import read_space
from ppim.systems.load import load_system
from tests.conftest import ROOT

TRACE = ROOT / "traces" / "sample-qr.parquet"
SEARCH = """
[constants]
system = "proactivepim"
[space]
mapping = ["duplicate", "duplicate-hot"]
hot_fraction = {from = 0.02, to = 0.6, points = 8, scale = "log"}
cache_bytes = {from = 256, to = 65536, points = 9, scale = "log"}
prefetch = ["none", "table", "used"]
placement = ["hash", "page"]
"""
RUNS = 24
MORE_RUNS = 100
COSTS = ["ns_per_lookup", "sram_bytes", "copied_bytes"]
TABLES = ("designs", "front", "runs", "channels")


def ppim(*arguments: object) -> int:
    """Exit status of the command."""
    try:
        main([str(each) for each in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def explore(search: Path, folder: Path, *options: object) -> int:
    return ppim("explore", TRACE, search, "-o", folder, "--runs", RUNS, "--seed", 3, *options)


def digests(folder: Path) -> dict[str, str]:
    names = [f"{table}.{kind}" for table in TABLES for kind in ("csv", "parquet")]
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explore") / "search.toml"
    path.write_text(SEARCH)
    return path


@pytest.fixture(scope="module")
def undisturbed(search: Path) -> Path:
    folder = search.parent / "undisturbed"
    assert explore(search, folder, "--jobs", 1) == 0
    return folder


def random_designs(search: Path, count: int) -> list[Design]:
    designs = Designs(read_space(search))
    rng = np.random.default_rng(17)
    found: dict[str, Design] = {}
    while len(found) < count:
        design = designs.design(
            tuple(int(rng.integers(len(each.values))) for each in designs.space.parameters)
        )
        found.setdefault(design.key, design)
    return list(found.values())


@pytest.mark.slow
def test_random_designs_of_the_same_budget_do_not_beat_the_front(search: Path, tmp_path: Path) -> None:
    from ppim.stats.summary import summary

    front = package.explore(TRACE, search, tmp_path, runs=MORE_RUNS, seed=3).front[COSTS].to_numpy(float)
    found = []
    for design in random_designs(search, MORE_RUNS):
        run = package.simulate(TRACE, settings=design.settings, **design.options)
        found.append(costs_of(summary(run), design.spec, "time", 128).row)
    costs = np.array(found)
    assert not any(dominates(row, other) for row in costs for other in front)
    # And it is a search: most of what is best among the random ones is beaten.
    best = costs[pareto_front(costs)]
    beaten = sum(any(dominates(other, row) for other in front) for row in best)
    assert beaten > len(best) / 2


def test_tables_say_what_was_tried(undisturbed: Path, search: Path) -> None:
    designs = pd.read_csv(undisturbed / "designs.csv")
    front = pd.read_csv(undisturbed / "front.csv")
    assert designs.shape[0] > RUNS, "shorter traces let more designs be tried than the budget has runs"
    assert set(designs["status"]) == {"done", "cut short"}
    assert set(designs[designs["status"] == "done"]["batches"]) == {16}
    assert set(designs[designs["status"] == "cut short"]["batches"]) == {5}
    assert designs["id"].is_unique
    start = designs[designs["is_start"]].iloc[0]
    assert (start["sram_bytes"], start["start_over_this"]) == (32 * 40_960, 1)
    # Each row says what its design gives, run by itself.
    done = designs[designs["status"] == "done"]
    costs = done[COSTS].to_numpy(float)
    assert front["id"].tolist() == done["id"].iloc[pareto_front(costs)].tolist()
    assert set(done[done["is_on_front"]]["id"]) == set(front["id"])
    row = front.iloc[0]
    axes = [each.name for each in read_space(search).parameters]
    settings: dict[str, Any] = {name: row[name] for name in axes if not pd.isna(row[name])}
    settings["cache_bytes"] = int(settings["cache_bytes"])
    result = package.simulate(TRACE, mapping=settings.pop("mapping"), settings=settings)
    assert result.time_ns / result.totals["lookups"] == pytest.approx(row["ns_per_lookup"], rel=1e-9)
    assert result.footprint is not None
    assert result.footprint.duplicated_bytes == row["copied_bytes"]
    parquet = pd.read_parquet(undisturbed / "front.parquet")
    assert parquet["ns_per_lookup"].tolist() == pytest.approx(front["ns_per_lookup"].tolist())


def test_the_front_is_printed_in_lines_that_fit(
    search: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert explore(search, undisturbed, "--jobs", 1) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    front = pd.read_csv(undisturbed / "front.csv")
    assert any(line.startswith("start ") and "1.25 MiB" in line for line in lines)
    for number, time_ns in enumerate(front["ns_per_lookup"], 1):
        assert any(line.startswith(f"{number} ") and f"{time_ns:.4g}" in line for line in lines)


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_number_of_jobs(
    search: Path, undisturbed: Path, tmp_path: Path
) -> None:
    assert explore(search, tmp_path / "out", "--jobs", 2) == 0
    assert digests(tmp_path / "out") == digests(undisturbed)


@pytest.mark.slow
def test_another_seed_tries_others(search: Path, undisturbed: Path, tmp_path: Path) -> None:
    assert ppim("explore", TRACE, search, "-o", tmp_path / "out", "--runs", RUNS, "--seed", 4) == 0
    assert digests(tmp_path / "out")["designs.csv"] != digests(undisturbed)["designs.csv"]


@pytest.mark.slow
def test_a_killed_search_goes_on_to_the_same_tables(search: Path, undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "ppim",
        "explore",
        TRACE,
        search,
        "-o",
        folder,
        "--runs",
        RUNS,
        "--seed",
        3,
    ]
    kept: dict[str, bytes] = {}
    for mark in (3, 20):
        process = subprocess.Popen(
            [str(each) for each in [*command, "--jobs", 2]],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 240
        while len(list((folder / "runs").glob("*.json"))) < mark:
            assert time.monotonic() < deadline
            assert process.poll() is None, "over before it was killed"
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        records = {each.name: each.read_bytes() for each in (folder / "runs").glob("*.json")}
        assert all(records[name] == content for name, content in kept.items()), "done twice"
        kept = records
    assert explore(search, folder, "--jobs", 2) == 0
    assert all((folder / "runs" / name).read_bytes() == content for name, content in kept.items()), (
        "done twice"
    )
    assert digests(folder) == digests(undisturbed)


def test_a_small_space_is_tried_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "search.toml"
    path.write_text("[space]\nmapping = ['duplicate', 'duplicate-hot']\nhot_fraction = [0.1, 0.3]\n")
    assert ppim("explore", TRACE, path, "-o", tmp_path / "out", "--runs", 30, "--jobs", 1) == 0
    assert "nothing new is left to try" in capsys.readouterr().out
    designs = pd.read_csv(tmp_path / "out" / "designs.csv")
    assert len(designs) == 3, "hot_fraction does not act with duplicate, which is the start"


def test_energy_and_systems_of_two_kinds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "search.toml"
    path.write_text("[space]\nsystem = ['cpu', 'pim-base', 'proactivepim']\nmacs = [16, 64]\n")
    found = package.explore(TRACE, path, tmp_path / "out", objective="energy", runs=12, jobs=1)
    assert capsys.readouterr().out == ""
    done = found.designs[found.designs["status"] == "done"]
    assert done["pj_per_lookup"].min() == found.front["pj_per_lookup"].iloc[0]
    # A host has no multiply-accumulate units, so that cpu goes with no value of theirs.
    assert set(found.designs["system"]) == {"pim-base", "proactivepim"}
    assert set(done["macs"]) == {16, 64}
    result = package.simulate(TRACE, "pim-base")
    energy = result.totals["energy_total_pj"] / result.totals["lookups"]
    assert found.front["pj_per_lookup"].tolist() == [pytest.approx(energy, rel=1e-9)]


def test_designs_that_do_not_run_are_told_and_the_others_go_on(tmp_path: Path) -> None:
    path = tmp_path / "search.toml"
    path.write_text("[space]\nmapping = ['duplicate', 'interleave']\ncache_bytes = [1024, 4096]\n")
    found = package.explore(TRACE, path, tmp_path / "out", runs=12, jobs=1)
    failed = found.designs[found.designs["status"] == "failed"]
    assert set(failed["mapping"]) == {"interleave"}
    assert failed["error"].str.contains("a prefetch reads copies").all()
    assert set(found.front["mapping"]) == {"duplicate"}


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("[space]\nmac = [4, 8]\n", [], "did you mean macs"),
        ("[space]\nmacs = [4, 'eight']\n", [], "space.macs: "),
        ("[space]\nmacs = []\n", [], "space.macs: has no value"),
        ("[space]\n", [], "nothing varies"),
        ("[spac]\nmacs = [4, 8]\n", [], "did you mean space?"),
        ("[space]\nmacs = [4, 8]\n", ["--objective", "tiem"], "--objective: unknown objective 'tiem'"),
        ("[space]\nmapping = ['duplicate', 'table']\n[constants]\nprefetch = 'nun'\n", [], "constants: "),
        ("[space]\nmacs = [4, 8]\n", ["--scheduler", "tcp://127.0.0.1:9"], "--scheduler: "),
    ],
)
def test_mistakes_are_found_before_anything_runs(
    tmp_path: Path, text: str, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "search.toml"
    path.write_text(text)
    assert ppim("explore", TRACE, path, "-o", tmp_path / "out", *options) == 2
    output = capsys.readouterr()
    assert words in output.err
    assert len(output.err.strip().splitlines()) == 1
    assert output.out == ""
    assert not list(tmp_path.glob("out/runs/*"))


def test_a_trace_that_is_none(search: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ppim("explore", search, search, "-o", tmp_path / "out") == 2
    assert "not a Parquet file" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_start_that_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "search.toml"
    path.write_text("[constants]\nmapping = 'interleave'\n[space]\nmacs = [4, 8]\n")
    assert ppim("explore", TRACE, path, "-o", tmp_path / "out", "--jobs", 1) == 2
    error = capsys.readouterr().err
    assert "the system to start from does not run: mapping interleave: a prefetch reads copies" in error
    assert len(error.strip().splitlines()) == 1


def test_without_optuna(
    search: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "optuna" else found(name, *more)
    )
    assert explore(search, tmp_path / "out") == 2
    assert "pip install 'ppim[explore]'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_one_search_or_sweep_at_a_time(
    search: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from ppim.sweep.store import Store

    with Store(undisturbed).locked():
        assert explore(search, undisturbed) == 2
    assert "is at work in it" in capsys.readouterr().err


def test_a_figure_and_a_report_of_a_search(
    undisturbed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ppim("plot", undisturbed, "-o", tmp_path / "front.svg") == 0
    drawn = (tmp_path / "front.svg").read_text(encoding="utf-8")
    assert "<svg" in drawn
    assert (
        ppim("plot", undisturbed, "--kind", "time", "--where", "placement=page", "-o", tmp_path / "t.svg")
        == 0
    )
    capsys.readouterr()
    assert ppim("report", undisturbed, "-o", tmp_path / "report.html") == 0
    assert f"{len(pd.read_csv(undisturbed / 'runs.csv'))} runs -> " in capsys.readouterr().err


def test_the_start_is_the_system_as_it_is(undisturbed: Path) -> None:
    runs = pd.read_csv(undisturbed / "runs.csv")
    start = runs.iloc[0]
    assert start["time_ns"] == package.simulate(TRACE, "proactivepim").time_ns
    assert start["speed_up_start"] == 1
    assert start["cache_bytes"] == load_system("proactivepim").cache.cache_bytes
    assert runs["speed_up_start"].tolist() == pytest.approx((start["time_ns"] / runs["time_ns"]).tolist())
