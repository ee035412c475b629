"""`ppim simulate --program FILE.ppim`, and `ppim replay` of it: the same run again."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

import ppim
from ppim.cli import main
from ppim.stats.counters import IDENTITY
from ppim.systems.load import load_system
from tests.conftest import ROOT, complaints

SAMPLE = ROOT / "traces" / "sample-qr.parquet"
ONE_MEMORY = [
    name for name in ppim.systems() if (system := load_system(name)).kind == "pim" and system.dimm is None
]


def run(*arguments: object) -> int:
    """Exit status of the command line."""
    try:
        main(list(map(str, arguments)))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def figures(path: Path) -> pd.DataFrame:
    return pd.read_csv(path).drop(columns=list(IDENTITY))


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("traces")
    return {
        algorithm: ppim.generate_trace(
            "synthetic", folder / algorithm, algorithm=algorithm, max_samples=12, tables=[0, 1, 2], pooling=4
        ).path
        for algorithm in ("dense", "qr", "tt-rec")
    }


@pytest.mark.matrix(13)
@pytest.mark.parametrize("system", ONE_MEMORY)
@pytest.mark.parametrize("algorithm", ["dense", "qr", "tt-rec"])
def test_a_replay_of_every_system_repeats_the_simulation(
    tmp_path: Path, traces: dict[str, Path], system: str, algorithm: str
) -> None:
    if (system, algorithm) == ("tensordimm", "tt-rec"):
        pytest.skip("no unit can compute with slices of matrices")
    program, simulated, replayed = tmp_path / "p.ppim", tmp_path / "s.csv", tmp_path / "r.csv"
    assert run("simulate", traces[algorithm], "--system", system, "--program", program, "-o", simulated) == 0
    assert run("replay", program, "-o", replayed) == 0
    pd.testing.assert_frame_equal(figures(simulated), figures(replayed), check_exact=True)
    identity = pd.read_csv(replayed)
    assert identity["system"][0] == system
    assert identity["algorithm"][0] == "program"


@pytest.mark.parametrize(
    "settings",
    [
        ["barrier=none"],
        ["barrier=batch"],
        ["prefetch=next"],
        ["prefetch=all"],
        ["prefetch=used"],
        ["mapping=vertical", "collect=host", "prefetch=none", "device=hbm2-4gb", "rows=131072"],
        ["mapping=interleave", "prefetch=none", "deliver=in-order"],
        ["consumer=host", "collect=host", "prefetch=none"],
        ["unit_accumulators=2", "transfer=non-empty"],
        ["collect=base-die", "frontend=global"],
        ["device=hbm2-8gb", "tRCDRD=20"],
    ],
)
def test_settings_come_back(tmp_path: Path, settings: list[str]) -> None:
    options = [word for setting in settings for word in ("--set", setting)]
    program, simulated, replayed = tmp_path / "p.ppim.gz", tmp_path / "s.csv", tmp_path / "r.csv"
    assert run("simulate", SAMPLE, *options, "--program", program, "-o", simulated) == 0
    assert run("replay", program, "-o", replayed) == 0
    pd.testing.assert_frame_equal(figures(simulated), figures(replayed), check_exact=True)


def test_other_settings_act(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "p.ppim"
    assert run("simulate", SAMPLE, "--set", "barrier=table", "--program", program) == 0
    for name, options in (
        ("own", []),
        ("changed", ["--set", "barrier=none"]),
        ("named", ["--system", "pim-base"]),
    ):
        capsys.readouterr()
        assert run("replay", program, *options, "-o", tmp_path / name) == 0
    assert "prefetch=none has no effect here: the program was made with table" in capsys.readouterr().err
    cycles = {name: figures(tmp_path / name)["cycles"][0] for name in ("own", "changed", "named")}
    assert cycles["changed"] < cycles["own"]
    simulated = ppim.simulate(SAMPLE, settings={"barrier": "none"})
    assert cycles["changed"] == simulated.cycles


def test_another_device_goes_before_that_of_the_program(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "p.ppim"
    assert run("simulate", SAMPLE, "--device", "hbm2-8gb", "--program", program) == 0
    assert run("replay", program, "--device", "hbm2-8gb", "--set", "pim.barrier=none") == 0
    capsys.readouterr()
    assert run("replay", program, "--device", "hbm2-4gb") == 2
    assert "rows=32768 (here 16384)" in capsys.readouterr().err


def test_only_what_a_user_sets_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "p.ppim"
    settings = ["--set", "mapping=interleave", "--set", "prefetch=none"]
    assert run("simulate", SAMPLE, *settings, "--program", program) == 0
    capsys.readouterr()
    assert run("replay", program) == 0
    assert "no effect" not in capsys.readouterr().err
    assert run("replay", program, "--set", "placement_seed=3") == 0
    assert "placement_seed has no effect here: the program" in capsys.readouterr().err


def test_the_name_says_the_format_unless_it_is_given(tmp_path: Path) -> None:
    first = {}
    for name, options in (
        ("a.ppim", []),
        ("b.PPIM.gz", []),
        ("c.txt", []),
        ("d.txt", ["--program-format", "ppim-program"]),
        ("e.ppim", ["--program-format", "authors"]),
    ):
        path = tmp_path / name
        assert run("simulate", SAMPLE, "--system", "proactivepim-paper", "--program", path, *options) == 0
        content = path.read_bytes()
        first[name] = (gzip.decompress(content) if name.endswith(".gz") else content).split()[0].decode()
    assert first == {
        "a.ppim": "ppim-program", "b.PPIM.gz": "ppim-program", "c.txt": "HBM", "d.txt": "ppim-program", "e.ppim": "HBM",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--system", "heam", "--program", "p.ppim"], "no second memory"),
        (["--mapping", "adaptive", "--program", "p.ppim"], "a program file has no writes"),
        (["--system", "cpu", "--program", "p.ppim"], "has no PIM units"),
        (["--program-format", "authors"], "--program-format: is of a program; give --program FILE too"),
    ],
)
def test_what_is_not_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("simulate", SAMPLE, *options) == 2
    captured = capsys.readouterr().err
    assert message in captured
    assert len(complaints(captured)) == 1
    assert not list(tmp_path.iterdir())


def test_a_broken_program_is_one_line_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "p.ppim"
    assert run("simulate", SAMPLE, "--program", program) == 0
    text = program.read_text()
    program.write_text(text.replace(" bursts=2", " bursts=two", 1))
    capsys.readouterr()
    assert run("replay", program, "-o", tmp_path / "s.csv", "--command-trace", tmp_path / "c") == 2
    captured = capsys.readouterr().err
    assert "p.ppim:5: a value that is no whole number" in captured
    assert len(complaints(captured)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["p.ppim"]


def test_commands_and_timeline_are_those_of_the_simulation(tmp_path: Path) -> None:
    program = tmp_path / "p.ppim"
    assert run("simulate", SAMPLE, "--program", program, "--command-trace", tmp_path / "a") == 0
    assert run("replay", program, "--command-trace", tmp_path / "b", "--timeline", tmp_path / "t.json") == 0
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(names) == 8
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "t.json").stat().st_size > 0
