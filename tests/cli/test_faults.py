"""Disks that fill up, folders that go away, files cut short while read: one line, status 1 or 2, whole files only."""

from __future__ import annotations

import contextlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ppim import files
from ppim.cli import main
from ppim.errors import InputError
from ppim.trace.reader import TraceReader
from tests.conftest import ROOT, complaints

SAMPLE = ROOT / "traces" / "sample-qr.parquet"
SWEEP = """
[constants]
trace = "{trace}"
[grid]
system = ["cpu", "pim-base"]
"""
SEARCH = """
[constants]
system = "proactivepim"
[space]
mapping = ["duplicate", "table"]
"""


class Writer(NamedTuple):
    """A kind of output: the words that make it, and the name it gets."""

    name: str
    words: list[str]
    output: str


CPU = ["simulate", "{trace}", "--system", "cpu"]
REPLAY = ["replay", "{requests}"]
# Every kind of output: what makes it, and the name it gets.
WRITERS = {
    "trace": (["gen-trace", "{csv}", "--dataset", "csv", "-o"], "out"),
    "stats": ([*CPU, "-o"], "out.csv"),
    "units": (["simulate", "{trace}", "--system", "pim-base", "--units"], "out.csv"),
    "summary": ([*CPU, "--summary"], "out.json"),
    "program": (["simulate", "{trace}", "--program"], "out.txt"),
    "packed program": (["simulate", "{trace}", "--program"], "out.txt.gz"),
    "commands": ([*CPU, "--command-trace"], "out"),
    "timeline": ([*CPU, "--timeline"], "out.json"),
    "packed timeline": ([*CPU, "--timeline"], "out.json.gz"),
    "replay": ([*REPLAY, "-o"], "out.csv"),
    "replayed commands": ([*REPLAY, "--command-trace"], "out"),
    "latencies": ([*REPLAY, "--latencies"], "out.csv"),
    "latencies in Parquet": ([*REPLAY, "--latencies"], "out.parquet"),
    "replay's timeline": ([*REPLAY, "--timeline"], "out.json"),
    "profile": (["profile", "{trace}", "-o"], "out.csv"),
    "profile's figure": (["profile", "{trace}", "--plot"], "out.png"),
    "check": (["check", "{commands}", "--device", "hbm2-4gb", "-o"], "out.txt"),
    "comparison": (["compare", "{stats}", "--format", "json", "-o"], "out.json"),
    "figure": (["plot", "{timeline}", "-o"], "out.svg"),
    "figure in PDF": (["plot", "{timeline}", "-o"], "out.pdf"),
    "report": (["report", "{stats}", "-o"], "out.html"),
    "sweep": (["sweep", "{sweep}", "--jobs", "1", "-o"], "out"),
    "search": (["explore", "{trace}", "{search}", "--runs", "3", "--jobs", "1", "-o"], "out"),
}
FOLDERS = {"commands", "replayed commands"}
STUDIES = {"sweep", "search"}


def run(*arguments: object) -> int:
    try:
        main([str(word) for word in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One of everything that a command reads."""
    folder = tmp_path_factory.mktemp("inputs")
    names = {"csv": "d.csv", "requests": "r.trace", "sweep": "s.toml", "search": "e.toml", "commands": "c"}
    found = {"trace": SAMPLE} | {key: folder / name for key, name in names.items()}
    found["csv"].write_text("a,b\n" + "".join(f"{n},{n * n}\n" for n in range(5000)))
    found["requests"].write_text("".join(f"0x{n * 64:x} READ {n}\n" for n in range(2000)))
    found["sweep"].write_text(SWEEP.format(trace=SAMPLE))
    found["search"].write_text(SEARCH)
    assert run("replay", found["requests"], "--command-trace", folder / "c") == 0
    found["commands"] = folder / "c" / "channel-0.cmd"
    found["stats"], found["timeline"] = folder / "stats.csv", folder / "t.json"
    options = ["--system", "cpu", "-o", found["stats"], "--timeline", found["timeline"]]
    assert run("simulate", SAMPLE, *options) == 0
    return found


@contextmanager
def files_of_at_most(n_bytes: int) -> Iterator[None]:
    """What a full disk looks like, without one: every file that grows beyond fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=WRITERS)
def writer(request: pytest.FixtureRequest, things: dict[str, Path]) -> Writer:
    words, output = WRITERS[request.param]
    return Writer(request.param, [word.format(**things) for word in words], output)


@pytest.mark.matrix(5)
def test_no_room_is_one_line_and_what_was_there_stays(
    writer: Writer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / writer.output
    first = tmp_path / "first" if writer.name in STUDIES else output  # studies go on from what is there
    assert run(*writer.words, first) == 0  # compiled kernels are kept, which needs room, too
    before = content(tmp_path)
    capsys.readouterr()
    with files_of_at_most(200):
        assert run(*writer.words, output) == 1
    (line,) = complaints(capsys.readouterr().err)
    assert str(output) in line
    assert "larger than the limit on files" in line
    left = content(tmp_path)
    assert before.items() <= left.items()
    assert not [path for path in left if path.suffix == ".part"]
    assert writer.name in STUDIES or left == before
    assert run(*writer.words, output) == 0


@pytest.mark.matrix(5)
@pytest.mark.parametrize("instead", ["nothing", "a file"])
def test_a_folder_that_goes_away_is_one_line(
    writer: Writer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    instead: str,
) -> None:
    """The folder of the output goes while the output is written, at whatever signal check comes first then."""
    folder = tmp_path / "folder"
    folder.mkdir()
    output = folder / writer.output
    gone = output if writer.name in FOLDERS | STUDIES else folder
    taking_place = files._take_place

    def take_place(*paths: Path) -> None:
        shutil.rmtree(gone, ignore_errors=True)
        if instead == "a file" and not gone.exists():
            gone.write_text("in the way")
        taking_place(*paths)

    monkeypatch.setattr(files, "_take_place", take_place)
    assert run(*writer.words, output) in (1, 2)
    (line,) = complaints(capsys.readouterr().err)
    assert str(output) in line
    assert {path.name for path in tmp_path.rglob("*")} <= {"folder", writer.output}
    assert sum(path.is_file() for path in tmp_path.rglob("*")) == (instead == "a file")


@pytest.mark.skipif(not Path("/sys/kernel").is_dir(), reason="a folder where not even root can write")
def test_a_folder_that_cannot_be_written_is_one_line(
    writer: Writer, capsys: pytest.CaptureFixture[str]
) -> None:
    output = Path("/sys/kernel") / writer.output
    assert run(*writer.words, output) == 2
    (line,) = complaints(capsys.readouterr().err)
    assert str(output) in line


@pytest.mark.slow
def test_two_writers_of_one_output(things: dict[str, Path], tmp_path: Path) -> None:
    """Each writes a file of its own; the last one's takes the place, whole."""
    words = ["gen-trace", str(things["csv"]), "--dataset", "csv", "-o"]
    assert run(*words, tmp_path / "alone") == 0
    command = [sys.executable, "-m", "ppim", *words, str(tmp_path / "both")]
    writers = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(3)]
    assert [writer.wait(timeout=300) for writer in writers] == [0, 0, 0]
    assert (tmp_path / "both").read_bytes() == (tmp_path / "alone").read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"alone", "both"}


@pytest.mark.slow
@pytest.mark.parametrize("command", ["gen-trace", "simulate", "replay"])
def test_signals_at_any_moment(things: dict[str, Path], tmp_path: Path, command: str) -> None:
    """The output is whole or not there, the status is the signal's, and the next run removes what a killed one left."""
    words = {
        "gen-trace": ["gen-trace", str(things["csv"]), "--dataset", "csv", "-o", str(tmp_path / "out")],
        "simulate": ["simulate", str(SAMPLE), "--system", "cpu", "-o", str(tmp_path / "out")],
        "replay": ["replay", str(things["requests"]), "-o", str(tmp_path / "out")],
    }[command]
    start = time.monotonic()
    assert subprocess.run([sys.executable, "-m", "ppim", *words], capture_output=True, check=True)
    usual, whole = time.monotonic() - start, (tmp_path / "out").read_bytes()
    moments = random.Random(command)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL) * 2:
        (tmp_path / "out").unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-m", "ppim", *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=usual * moments.uniform(0.4, 1))
            process.send_signal(number)
            assert process.stderr is not None
            told = process.stderr.read()
        statuses = {signal.SIGINT: (130, -2), signal.SIGTERM: (143, -15), signal.SIGKILL: (-9,)}[number]
        assert process.returncode in (0, *statuses)
        assert process.returncode < 0 or "Traceback" not in told
        if process.returncode != 0:
            left = {path.name for path in tmp_path.iterdir()} - {"out"}
            assert number == signal.SIGKILL or not left
        if (tmp_path / "out").exists():
            assert (tmp_path / "out").read_bytes() == whole
    assert run(*words) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"out": whole}


@pytest.mark.parametrize("keep", [0, 4, 3000])
def test_a_trace_cut_short_while_it_is_read(tmp_path: Path, keep: int) -> None:
    trace = tmp_path / "t.parquet"
    whole = pq.read_table(SAMPLE)
    with pq.ParquetWriter(trace, whole.schema) as writer:
        for batch in whole["batch"].unique().to_pylist():
            writer.write_table(whole.filter(pc.equal(whole["batch"], batch)))
    with trace.open("r+b") as stream, TraceReader(trace) as reader:
        chunks = reader.chunks()
        next(chunks)
        stream.truncate(keep)
        with pytest.raises(InputError, match=rf"{trace}: row group \d+ is damaged"):
            list(chunks)


def test_no_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "not there")])
    assert run("gen-trace", "synthetic", "--max-samples", 9, "-o", "-") == 1
    (line,) = complaints(capsys.readouterr().err)
    assert "No usable temporary directory" in line
