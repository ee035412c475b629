"""`ppim sweep`: tables that do not depend on how the sweep went, and mistakes that are found before it goes."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
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
        ("[grid]\nmapping = ['duplicate', 'dupliacte']\n", "run with mapping = dupliacte: unknown mapping"),
        ("[grid]\nprefetch = ['none', 'tabel']\n", "run with prefetch = tabel: "),
        ("[grid]\ndevice = ['hbm2-4gb', 'hbm2-4bg']\n", "run with device = hbm2-4bg: "),
        ("[grid]\ncollisions = [4, 0]\n", "run with collisions = 0: "),
        ("[grid]\nseed = [0, -1]\n", "run with seed = -1: "),
        ("[grid]\nseed = [0, 1e400]\n", "run with seed = inf: "),
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


def children(pid: int) -> set[int]:
    """Processes that a process of Linux has started, and theirs."""
    own = {
        int(each)
        for file in Path(f"/proc/{pid}/task").glob("*/children")
        for each in file.read_text().split()
    }
    return own.union(*map(children, own))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="the system has no /proc")
def test_workers_of_a_killed_sweep_end(sweep_file: Path, tmp_path: Path) -> None:
    process = started(sweep_file, tmp_path / "out")
    deadline = time.monotonic() + 240
    while not list((tmp_path / "out").glob("traces/*.parquet")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.01)
    workers = children(process.pid)
    assert len(workers) >= 2
    process.kill()
    process.communicate()
    while any(Path(f"/proc/{each}").exists() for each in workers):
        assert time.monotonic() < deadline, "workers of a killed sweep are still there"
        time.sleep(0.1)


def test_what_killed_sweeps_left_is_removed(sweep_file: Path, undisturbed: Path) -> None:
    left = undisturbed / ".seen-1-0123456789abcdef"
    left.touch()
    next((undisturbed / "runs").iterdir()).unlink()
    assert ppim("sweep", sweep_file, "-o", undisturbed, "--jobs", 1) == 0
    assert not left.exists()


def test_a_dry_run_does_nothing(sweep_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ppim("sweep", sweep_file, "-o", tmp_path / "out", "--dry-run") == 0
    said = capsys.readouterr().out
    assert f"{RUNS} runs, 0 of them done; 2 traces to make" in said
    assert "placement_seed (3 values, averaged): 0, 1, 2" in said
    assert re.search(r"about \d+ s of processor time, by the accesses of a sample alone", said)
    assert not (tmp_path / "out").exists()


def test_a_dry_run_says_what_is_left(
    sweep_file: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ppim("sweep", sweep_file, "-o", undisturbed, "--dry-run") == 0
    said = capsys.readouterr().out
    assert f"{RUNS} runs, {RUNS} of them done; 0 traces to make\nnothing is left to do" in said


def test_a_record_that_was_cut_counts_as_not_done(sweep_file: Path, undisturbed: Path) -> None:
    victim = next((undisturbed / "runs").iterdir())
    content = victim.read_bytes()
    victim.write_bytes(content[: len(content) // 2])
    assert ppim("sweep", sweep_file, "-o", undisturbed, "--jobs", 1) == 0
    assert json.loads(victim.read_text())["rows"] == json.loads(content)["rows"]


# --- on a cluster --------------------------------------------------------------------------------


class Cluster:
    """A Dask scheduler and workers, each a process of this machine, in a folder of their own.

    Parameters
    ----------
    folder : Path
    workers : int
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        options = ["--scheduler-file", str(self.file), "--no-dashboard"]
        self.processes = [self._dask("scheduler", "--host", "127.0.0.1", "--port", "0", *options)]
        self._wait(self.file.exists)
        self.address = str(json.loads(self.file.read_text())["address"])
        for _ in range(workers):
            self.processes.append(
                self._dask("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
            )
        self._wait(lambda: self._count() == workers)

    def _dask(self, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *arguments], cwd=self.folder, stdout=log, stderr=log
            )

    def _count(self) -> int:
        from distributed import Client

        with Client(self.address, timeout=30) as client:
            return len(client.scheduler_info()["workers"])

    def _wait(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not is_so():
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.1)

    def close(self) -> None:
        for process in reversed(self.processes):
            process.kill()
            process.wait()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    pytest.importorskip("distributed", reason="Dask is optional")
    (tmp_path / "cluster").mkdir()
    found = Cluster(tmp_path / "cluster", workers=2)
    yield found
    found.close()


def check_tables(folder: Path, expected: Path) -> None:
    for name in TABLES:
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the cluster's libraries
@pytest.mark.parametrize("shares", [True, False], ids=["shared folder", "nothing shared"])
def test_a_cluster_gives_the_same_table(
    sweep_file: Path,
    undisturbed: Path,
    tmp_path: Path,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
    shares: bool,
) -> None:
    from ppim.sweep import pools

    seen = []

    class Pool(pools.DaskPool):
        def __init__(self, address: str, folder: Path, token: str) -> None:
            super().__init__(address, folder, token)
            seen.append((self.shares_folder, self.workers))
            self.shares_folder = shares  # the workers of the test see all folders

    monkeypatch.setattr(pools, "DaskPool", Pool)
    monkeypatch.chdir(tmp_path)  # a name from here is none in the folder of the workers
    assert ppim("sweep", sweep_file, "-o", "out", "--scheduler", cluster.address) == 0
    assert seen == [(True, 2)]
    check_tables(tmp_path / "out", undisturbed)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_loses_a_worker_loses_no_run(
    sweep_file: Path, undisturbed: Path, tmp_path: Path, cluster: Cluster
) -> None:
    folder = tmp_path / "out"
    command = [sys.executable, "-m", "ppim", "sweep", str(sweep_file), "-o", str(folder)]
    sweep = subprocess.Popen([*command, "--scheduler", cluster.address], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 240
    while not list((folder / "runs").glob("*.json")) and sweep.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert sweep.poll() is None, "the sweep was over before a worker could be killed"
    cluster.processes[1].kill()
    _, error = sweep.communicate(timeout=300)
    assert sweep.returncode == 0, error
    assert b"10 done, 0 done before, 0 failed" in error
    check_tables(folder, undisturbed)


def test_no_scheduler_where_one_was_named(
    sweep_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="Dask is optional")
    monkeypatch.setattr("ppim.sweep.pools.CONNECT_SECONDS", 1)
    assert ppim("sweep", sweep_file, "-o", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:1") == 2
    assert "no scheduler answers at tcp://127.0.0.1:1" in capsys.readouterr().err


# --- a large one that is killed again and again ---------------------------------------------------

MANY = """
seeds = ["placement_seed"]
[constants]
dataset = "synthetic"
max_samples = 2
[grid]
system = ["pim-base", "proactivepim"]
unit_window = [2, 4, 8, 16, 32]
collisions = [4, 8]
placement_seed = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
[baselines]
base = {system = "pim-base"}
"""
KILLS = 5


@pytest.mark.slow
def test_two_hundred_runs_killed_five_times_give_the_same_table(tmp_path: Path) -> None:
    path = tmp_path / "many.toml"
    path.write_text(MANY)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert ppim("sweep", path, "-o", whole, "--jobs", 2) == 0
    numbers = random.Random(int.from_bytes(os.urandom(4)))
    # Runs that are done when the sweep is killed; enough are left that it cannot be over before.
    marks = sorted(numbers.sample(range(1, 150), KILLS))
    kept: dict[str, bytes] = {}
    for mark in marks:
        process = started(path, killed)
        deadline = time.monotonic() + 240
        while len(list((killed / "runs").glob("*.json"))) < mark and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert process.poll() is None, f"over before it was killed at {marks}"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        records = {each.name: each.read_bytes() for each in (killed / "runs").glob("*.json")}
        assert all(records[name] == content for name, content in kept.items()), (
            f"done twice; kills at {marks}"
        )
        kept = records
    assert ppim("sweep", path, "-o", killed, "--jobs", 2) == 0
    assert len(pd.read_csv(killed / "runs.csv")) == 200
    records = {each.name: each.read_bytes() for each in (killed / "runs").glob("*.json")}
    assert all(records[name] == content for name, content in kept.items()), f"done twice; kills at {marks}"
    check_tables(killed, whole)
