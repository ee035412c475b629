"""No command replaces what it reads, nor one output by another; what is no file stays what it is."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from ppim.cli import main
from ppim.dram.load import PRESET_FOLDER as DEVICES
from ppim.systems.load import PRESET_FOLDER as SYSTEMS
from tests.conftest import ROOT, complaints

SAMPLE = ROOT / "traces" / "sample-qr.parquet"


def run(*arguments: object) -> int:
    try:
        main([str(word) for word in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture
def inputs(tmp_path: Path) -> dict[str, Path]:
    """One of everything that a command reads."""
    found = {
        "trace": tmp_path / "trace.parquet",
        "system": tmp_path / "system.toml",
        "device": tmp_path / "device.toml",
        "requests": tmp_path / "requests.trace",
        "program": tmp_path / "program.txt",
        "csv": tmp_path / "data.csv",
        "npz": tmp_path / "data.npz",
        "counts": tmp_path / "counts.npz",
        "histogram": tmp_path / "histogram.toml",
        "links": tmp_path / "links",
    }
    shutil.copy(SAMPLE, found["trace"])
    shutil.copy(DEVICES / "hbm2-4gb.toml", found["device"])
    text = (SYSTEMS / "proactivepim.toml").read_text()
    found["system"].write_text(text.replace('"hbm2-4gb"', f'"{found["device"]}"'))
    assert str(found["device"]) in found["system"].read_text()
    found["requests"].write_text("0x40 READ 0\n0x80 WRITE 5\n")
    found["program"].write_text("HBM RD 64 1\n")
    found["csv"].write_text("a,b\n1,2\n")
    np.savez(found["npz"], X_cat=np.array([[1, 2]]))
    np.savez(found["counts"], counts=np.array([5, 6]))
    found["histogram"].write_text('source = "s"\n[[reuse]]\naccesses = 1.0\nlow = 1\nhigh = 1\n')
    found["links"].mkdir()
    return found


# Command, and the inputs that no output of it may replace.
COMMANDS = {
    "profile": (["profile", "{trace}"], ["-o"], ["trace"]),
    "profile plot": (["profile", "{trace}"], ["--plot"], ["trace"]),
    "simulate": (
        ["simulate", "{trace}", "--system", "{system}"],
        ["-o", "--units", "--summary", "--program", "--command-trace"],
        ["trace", "system", "device"],
    ),
    "simulate on a device": (
        ["simulate", "{trace}", "--device", "{device}"],
        ["-o", "--units", "--summary", "--program"],
        ["trace", "device"],
    ),
    "replay": (
        ["replay", "{requests}", "--device", "{device}"],
        ["-o", "--command-trace"],
        ["requests", "device"],
    ),
    "replay a program": (
        ["replay", "{program}", "--format", "authors", "--system", "{system}"],
        ["-o"],
        ["program", "system", "device"],
    ),
    "gen-trace": (["gen-trace", "{csv}", "--dataset", "csv"], ["-o"], ["csv"]),
    "gen-trace with counts": (
        ["gen-trace", "{npz}", "--dataset-option", "counts={counts}"],
        ["-o"],
        ["npz", "counts"],
    ),
    "gen-trace of a histogram": (
        [
            "gen-trace",
            "synthetic",
            "--dataset-option",
            "popularity=histogram",
            "--dataset-option",
            "histogram={histogram}",
        ],
        ["-o"],
        ["histogram"],
    ),
}
CASES = [
    (name, option, which, link)
    for name, (_, options, read) in COMMANDS.items()
    for option in options
    for which in read
    for link in ("itself", "symbolic", "hard")
]


@pytest.mark.parametrize(("name", "option", "which", "link"), CASES)
def test_no_input_is_replaced(
    inputs: dict[str, Path], capsys: pytest.CaptureFixture[str], name: str, option: str, which: str, link: str
) -> None:
    words, _, _ = COMMANDS[name]
    words = [word.format(**inputs) for word in words]
    target = inputs[which]
    if link != "itself":
        target = inputs["links"] / "name.png"
        (target.symlink_to if link == "symbolic" else target.hardlink_to)(inputs[which])
    if option == "--command-trace":
        if link == "itself":
            return  # a file is no folder
        target = inputs["links"] / "channel-1.cmd"
        (inputs["links"] / "name.png").rename(target)
        option, target = "--command-trace", target.parent
    before = {path: path.read_bytes() for path in inputs.values() if path.is_file()}
    assert run(*words, option, target) == 2
    (line,) = complaints(capsys.readouterr().err)
    assert "is an input too" in line
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize(
    "outputs",
    [
        ["-o", "{x}", "--units", "{x}"],
        ["-o", "{x}", "--summary", "{x}"],
        ["--units", "{x}", "--program", "{x}"],
        ["-o", "{x}", "--command-trace", "{x}"],
        ["-o", "{x}/channel-3.cmd", "--command-trace", "{x}"],
        ["--summary", "{x}/../x/channel-0.cmd", "--command-trace", "{x}"],
    ],
)
def test_no_output_is_replaced_by_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], outputs: list[str]
) -> None:
    place = tmp_path / "x"
    if any("/" in word for word in outputs):
        place.mkdir()
    assert run("simulate", SAMPLE, *(word.format(x=place) for word in outputs)) == 2
    (line,) = complaints(capsys.readouterr().err)
    assert "is another output too" in line
    assert not place.exists() or not list(place.iterdir())


def test_profile_has_two_outputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("profile", SAMPLE, "-o", tmp_path / "x.png", "--plot", tmp_path / "x.png") == 2
    assert "is another output too" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["profile", str(SAMPLE), "-o"],
        ["gen-trace", "synthetic", "--max-samples", "3", "-o"],
        ["replay", "{requests}", "-o"],
    ],
    ids=["csv", "trace", "stats"],
)
@pytest.mark.parametrize("kind", ["device", "pipe", "link"])
def test_outputs_that_are_no_files(
    inputs: dict[str, Path], tmp_path: Path, words: list[str], kind: str
) -> None:
    plain = tmp_path / "plain"
    words = [word.format(**inputs) for word in words]
    assert run(*words, plain) == 0
    if kind == "device":
        assert run(*words, "/dev/null") == 0
        assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    if kind == "link":
        target, link = tmp_path / "target", tmp_path / "link"
        target.write_text("earlier")
        link.symlink_to(target)
        assert run(*words, link) == 0
        assert link.is_symlink()
        assert target.read_bytes() == plain.read_bytes()
    if kind == "pipe":
        pipe, found = tmp_path / "pipe", []
        os.mkfifo(pipe)
        reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
        reader.start()
        assert run(*words, pipe) == 0
        reader.join(timeout=30)
        assert found == [plain.read_bytes()]
        assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.parametrize("command", ["info", "profile"])
def test_rows_whose_numbers_would_wrap_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    trace = tmp_path / "t.parquet"
    many = ("--pooling", "2", "--collisions")
    assert run("gen-trace", "synthetic", "-o", trace, *many, 2**63 - 1, "--max-samples", "9") == 2
    assert "rows together, more than fit in 64 bits" in capsys.readouterr().err
    assert not trace.exists()
    assert (
        run("gen-trace", "synthetic", "-o", trace, *many, 2**54, "--max-samples", "9", "--tables", "0") == 0
    )
    assert run(command, trace, *(["-o", "-"] if command == "profile" else [])) == 2
    (line,) = complaints(capsys.readouterr().err)
    assert "too many to count each in memory" in line


@pytest.mark.parametrize("option", ["-o", "--summary", "--units"])
def test_a_full_disk_is_one_line(capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert run("simulate", SAMPLE, option, "/dev/full") == 1
    (line,) = complaints(capsys.readouterr().err)
    assert line.startswith("ppim: /dev/full: cannot be written: the disk is full")


def test_a_reader_that_leaves_is_no_traceback() -> None:
    code = f"from ppim.cli import run; import sys; sys.argv = ['ppim', 'profile', {str(SAMPLE)!r}, '-o', '-']; run()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()
        assert process.wait(timeout=60) == 1
