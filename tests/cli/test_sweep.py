"""`ppim sweep`: tables that do not depend on how the sweep went, and mistakes that are found before it goes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from ppim.cli import main

TABLES = ("runs.csv", "channels.csv", "means.csv", "runs.parquet", "channels.parquet", "means.parquet")
SWEEP = """
seeds = ["placement_seed"]
[constants]
dataset = "synthetic"
max_samples = 8
[grid]
collisions = [4, 8]
system = ["pim-base", "proactivepim"]
placement_seed = [0, 1, 2]
[[exclude]]
collisions = 8
placement_seed = 2
[baselines]
base = {system = "pim-base"}
"""
RUNS = 10


def ppim(*arguments: object) -> int:
    """Exit status of the command."""
    try:
        main([str(each) for each in arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def started(sweep: Path, folder: Path) -> subprocess.Popen[bytes]:
    """The command in a process of its own, and in a group with its workers."""
    command = [sys.executable, "-m", "ppim", "sweep", str(sweep), "-o", str(folder), "--jobs", "2"]
    return subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


@pytest.fixture(scope="module")
def sweep_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweep") / "sweep.toml"
    path.write_text(SWEEP)
    return path


@pytest.fixture(scope="module")
def undisturbed(sweep_file: Path) -> Path:
    """The folder of a sweep that nothing happened to."""
    folder = sweep_file.parent / "undisturbed"
    assert ppim("sweep", sweep_file, "-o", folder, "--jobs", 1) == 0
    return folder


def test_tables_have_a_row_a_run_with_its_settings_and_speed_up(undisturbed: Path) -> None:
    runs = pd.read_csv(undisturbed / "runs.csv").fillna({"settings": ""})
    assert len(runs) == RUNS
    assert list(runs.columns[:4]) == ["id", "collisions", "system", "placement_seed"]
    assert set(runs["status"]) == {"done"}
    assert runs["id"].is_unique
    base = runs[runs["system"] == "pim-base"].set_index(["collisions", "placement_seed"])["time_ns"]
    for row in runs.itertuples():
        assert row.speed_up_base == pytest.approx(base[row.collisions, row.placement_seed] / row.time_ns)
        assert row.settings == ("" if row.placement_seed == 0 else f"placement_seed={row.placement_seed}")
    channels = pd.read_csv(undisturbed / "channels.csv")
    assert len(channels) == RUNS * 8
    assert channels.groupby("id")["accesses"].sum().to_dict() == runs.set_index("id")["accesses"].to_dict()


def test_means_are_over_the_seeds(undisturbed: Path) -> None:
    runs, means = (pd.read_csv(undisturbed / f"{name}.csv") for name in ("runs", "means"))
    assert list(means["seeds"]) == [3, 3, 2, 2]
    for row in means.itertuples():
        own = runs[(runs["collisions"] == row.collisions) & (runs["system"] == row.system)]
        assert row.time_ns_mean == pytest.approx(own["time_ns"].mean())
        assert row.time_ns_std == pytest.approx(own["time_ns"].std())
        assert row.speed_up_base_mean == pytest.approx(own["speed_up_base"].mean())


def test_parquet_has_the_same_table(undisturbed: Path) -> None:
    for name in ("runs", "channels", "means"):
        table = pd.read_parquet(undisturbed / f"{name}.parquet")
        text = table.to_csv(index=False, float_format="%.12g", lineterminator="\n")
        assert text == (undisturbed / f"{name}.csv").read_text()


def test_what_is_done_is_not_done_again(sweep_file: Path, undisturbed: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (undisturbed / "runs").iterdir()}
    assert ppim("sweep", sweep_file, "-o", undisturbed) == 0
    assert {path: path.stat().st_mtime_ns for path in (undisturbed / "runs").iterdir()} == before
    assert len(list((undisturbed / "traces").iterdir())) == 2, "a trace is made once for all its runs"


def test_a_killed_sweep_goes_on_to_the_same_table(
    sweep_file: Path, undisturbed: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    process = started(sweep_file, folder)
    deadline = time.monotonic() + 240
    while (
        not list((folder / "runs").glob("*.json")) and process.poll() is None and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    kept = {path.name: path.read_bytes() for path in (folder / "runs").glob("*.json")}
    assert kept
    assert ppim("sweep", sweep_file, "-o", folder, "--jobs", 1) == 0
    assert all((folder / "runs" / name).read_bytes() == content for name, content in kept.items())
    for name in TABLES:
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_one_sweep_at_a_time(sweep_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from ppim.sweep.store import Store

    store = Store(tmp_path)
    store.prepare()
    with store.locked():
        assert ppim("sweep", sweep_file, "-o", tmp_path) == 2
    assert "another sweep is at work in it" in capsys.readouterr().err


def test_a_run_that_fails_is_recorded_and_the_others_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sweep.toml"
    # dense tables at 512 B do not fit in 4 GiB
    path.write_text(
        '[constants]\ndataset = "synthetic"\nmax_samples = 4\nalgorithm = "dense"\n[grid]\nvector_bytes = [64, 512]\n'
    )
    assert ppim("sweep", path, "-o", tmp_path / "out", "--jobs", 1) == 1
    assert "2 runs: 1 done, 0 done before, 1 failed" in capsys.readouterr().err
    runs = pd.read_csv(tmp_path / "out" / "runs.csv").set_index("vector_bytes")
    assert runs.loc[64, "status"] == "done"
    assert runs.loc[512, "status"] == "failed"
    assert "bytes" in runs.loc[512, "error"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[grid]\nalgorithm = ['qr', 'qqr']\n", "run with algorithm = qqr: "),
        ("[grid]\nsystem = ['cpu', 'gpu']\n", "run with system = gpu: "),
        ("[grid]\nbarrier = ['none', 'nun']\n", "run with barrier = nun: "),
        ("[grid]\nbarier = ['none']\n", "run with barier = none: "),
        ("[grid]\ncollisions = [4, 0]\n", "run with collisions = 0: "),
    ],
)
def test_mistakes_are_found_before_anything_runs(
    tmp_path: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sweep.toml"
    path.write_text('[constants]\ndataset = "synthetic"\nmax_samples = 4\n' + text)
    assert ppim("sweep", path, "-o", tmp_path / "out") == 2
    error = capsys.readouterr().err.strip()
    assert words in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_trace_that_cannot_be_read_is_found_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    path = tmp_path / "sweep.toml"
    path.write_text('[constants]\nrun.trace = "broken.parquet"\n[grid]\nsystem = ["cpu"]\n')
    assert ppim("sweep", path, "-o", tmp_path / "out") == 2
    assert "broken.parquet" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_dry_run_does_nothing(sweep_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ppim("sweep", sweep_file, "-o", tmp_path / "out", "--dry-run") == 0
    assert f"{RUNS} runs, 0 of them done; 2 traces to make" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()


def test_a_record_that_was_cut_counts_as_not_done(sweep_file: Path, undisturbed: Path) -> None:
    victim = next((undisturbed / "runs").iterdir())
    content = victim.read_bytes()
    victim.write_bytes(content[: len(content) // 2])
    assert ppim("sweep", sweep_file, "-o", undisturbed, "--jobs", 1) == 0
    assert json.loads(victim.read_text())["rows"] == json.loads(content)["rows"]
