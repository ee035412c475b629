"""`ppim gen-trace` as a user meets it."""

from __future__ import annotations

import hashlib
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from ppim.cli import main
from ppim.datasets import streams
from ppim.datasets.criteo_kaggle import ROWS as CRITEO_ROWS
from ppim.trace.reader import TraceReader

MAIN = "from ppim.cli import main; main()"
ROW = "\t".join(["1", *map(str, range(13)), *(f"{0xABC00000 + i:08x}" for i in range(26))])


def run(*arguments: object) -> int:
    """Exit status of the command."""
    try:
        main(["gen-trace", *map(str, arguments)])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def criteo_file(folder: Path, n_rows: int = 9) -> Path:
    path = folder / "train.txt"
    path.write_text(f"{ROW}\n" * n_rows)
    return path


@pytest.mark.parametrize(("algorithm", "accesses"), [("dense", 1), ("hash", 1), ("qr", 2), ("tt-rec", 3)])
def test_size_of_the_trace(tmp_path: Path, algorithm: str, accesses: int) -> None:
    out = tmp_path / "t.parquet"
    assert run(criteo_file(tmp_path), "-o", out, "--algorithm", algorithm, "--pooling", 3) == 0
    frame = pd.read_parquet(out)
    assert len(frame) == 9 * 26 * 3 * accesses
    assert frame["batch"].max() == 2
    with TraceReader(out) as reader:
        assert sum(chunk.batch.size for chunk in reader.chunks()) == len(frame)


def test_real_sample_gives_back_the_looked_up_rows(tmp_path: Path, shared: Path) -> None:
    """q * c + r is the hexadecimal value modulo the table's rows, for the id at the head of every bag."""
    sample = shared / "data" / "criteo_kaggle_999.txt"
    out = tmp_path / "t.parquet"
    assert run(sample, "-o", out, "--collisions", 8, "--pooling", 2) == 0
    frame = pd.read_parquet(out)
    with TraceReader(out) as reader:
        meta = reader.meta
    lines = [line for line in sample.read_text().split("\n") if line]
    assert len(frame) == len(lines) * 26 * 2 * 2
    first = frame[frame["lookup"] == 0]
    q = first[first["subtable"] == 0]
    ids = q["row"].to_numpy(dtype="int64") * 8 + first[first["subtable"] == 1]["row"].to_numpy(dtype="int64")
    samples = q["batch"].to_numpy(dtype="int64") * 4 + q["sample"].to_numpy(dtype="int64")
    for number, table, found in zip(samples, q["table"], ids, strict=True):
        word = (lines[number].split("\t") + [""] * 26)[14 + table]
        assert found == (int(word, 16) if word else 0) % meta.tables[table].rows
    assert meta.dataset_sha256 == hashlib.sha256(sample.read_bytes()[: 1 << 20]).hexdigest()
    assert (meta.samples, meta.batches, meta.lookups) == (len(lines), len(lines) // 4, len(lines) * 52)


def test_recognised_format_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(criteo_file(tmp_path), "-o", tmp_path / "t")
    captured = capsys.readouterr()
    assert "recognised as criteo-kaggle" in captured.err
    assert captured.out.startswith("gen-trace: ")
    assert captured.out.count("\n") == 1


def test_synthetic_needs_no_file_and_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert run("synthetic", "-o", tmp_path / name, "--max-samples", 50) == 0
    assert run("synthetic", "-o", tmp_path / "c", "--max-samples", 50, "--seed", 1) == 0
    contents = [(tmp_path / name).read_bytes() for name in "abc"]
    assert contents[0] == contents[1] != contents[2]


def test_more_samples_begin_with_the_same_ones(tmp_path: Path) -> None:
    for name, n in (("a", 40), ("b", 80)):
        run("synthetic", "-o", tmp_path / name, "--max-samples", n, "--pooling", 1)
    few, many = (pd.read_parquet(tmp_path / name) for name in "ab")
    pd.testing.assert_frame_equal(few, many.iloc[: len(few)])


def test_command_line_in_the_metadata_makes_the_trace_again(tmp_path: Path) -> None:
    arguments = [
        "--algorithm",
        "tt-rec",
        "--tt-rank",
        8,
        "--tables",
        "C3,5",
        "--pooling",
        2,
        "--dense-below",
        30,
    ]
    assert run("synthetic", "-o", tmp_path / "a", "--max-samples", 30, *arguments) == 0
    with TraceReader(tmp_path / "a") as reader:
        words = shlex.split(reader.meta.command_line)
    assert words[:3] == ["ppim", "gen-trace", "synthetic"]
    assert run(*words[2:], "-o", tmp_path / "b") == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.txt"], "nowhere.txt: cannot be read"),
        (["{file}", "--algorithm", "qrr"], "unknown algorithm 'qrr'"),
        (["{file}", "--dataset", "criteo"], "unknown dataset 'criteo'; did you mean"),
        (["{file}", "--algorithm", "tt-rec", "--collisions", "4"], "unknown key 'collisions'"),
        (["{file}", "--tables", "27"], "'27' is no table"),
        (["{file}", "--dataset", "synthetic"], "reads no file"),
        (["{file}", "--algorithm-option", "operation"], "write KEY=VALUE"),
        (["{file}", "--algorithm-option", "operation=max"], "operation: 'max' is not one of"),
        (["{file}", "--pooling", "4", "--pooling-distribution", "dataset"], "the bags are the dataset's own"),
        (["{file}", "--rows", "many"], "write dataset, seen or a number"),
        (["{file}", "--pooling-list", "1,2"], "2 sizes for 26 tables"),
        (["{file}", "--pooling-list", "1,x"], "write positive numbers"),
        (["{file}", "--pooling-list", "mlperf", "--pooling", "2"], "give one of them"),
        (["{bad}"], "bad.txt:2: more than the 40 fields"),
        (["{file}", "--vector-bytes", "6"], "multiple of 4"),
    ],
)
def test_bad_input_is_one_line_and_no_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    bad = tmp_path / "bad.txt"
    bad.write_text(f"{ROW}\n{ROW}\tx\n")
    words = [word.format(file=criteo_file(tmp_path), bad=bad) for word in arguments]
    assert run(*words, "-o", tmp_path / "t") == 2
    error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("ppim: ")]
    assert len(error) == 1
    assert message in error[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.txt", "train.txt"]


def test_skipped_rows_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.txt"
    path.write_text(f"{ROW}\n{ROW}\tx\n{ROW}\n")
    assert run(path, "-o", tmp_path / "t", "--on-error", "skip") == 0
    assert "skipped 1 rows, the first: " + f"{path}:2: more than" in capsys.readouterr().err


def test_threads_do_not_change_a_byte(tmp_path: Path) -> None:
    for threads in (1, 3):
        assert (
            run("synthetic", "-o", tmp_path / str(threads), "--max-samples", 3000, "--threads", threads) == 0
        )
    assert (tmp_path / "1").read_bytes() == (tmp_path / "3").read_bytes()


def test_rows_as_first_seen(tmp_path: Path) -> None:
    assert run(criteo_file(tmp_path), "-o", tmp_path / "t", "--rows", "seen", "--algorithm", "dense") == 0
    with TraceReader(tmp_path / "t") as reader:
        assert [table.rows for table in reader.meta.tables] == [1] * 26
    assert run(criteo_file(tmp_path), "-o", tmp_path / "t", "--rows", 50, "--algorithm", "dense") == 0
    with TraceReader(tmp_path / "t") as reader:
        # At most 50: some of Criteo Kaggle's tables have fewer.
        rows = [table.rows for table in reader.meta.tables]
        assert max(rows) == 50
        assert [rows[5], rows[8], rows[12], rows[19]] == [24, 3, 50, 4]


def test_pooling_list(tmp_path: Path) -> None:
    assert run("synthetic", "-o", tmp_path / "t", "--max-samples", 8, "--pooling-list", "mlperf") == 0
    frame = pd.read_parquet(tmp_path / "t")
    assert len(frame) == 8 * 214 * 2
    sizes = frame[frame["subtable"] == 0].groupby("table").size() // 8
    assert sizes.tolist()[:5] == [3, 2, 1, 2, 6]
    assert sizes.max() == 100
    assert (
        run("synthetic", "-o", tmp_path / "t", "--max-samples", 8, "--tables", "3,4", "--pooling-list", "5,7")
        == 0
    )
    sizes = pd.read_parquet(tmp_path / "t").groupby("table").size() // 16
    assert sizes.tolist() == [5, 7]


def test_own_bags(tmp_path: Path) -> None:
    path = tmp_path / "u.data"
    path.write_text("1\t5\t3\t10\n1\t6\t3\t9\n2\t7\t3\t9\n")
    assert run(path, "-o", tmp_path / "t", "--algorithm", "dense") == 0
    assert pd.read_parquet(tmp_path / "t")["row"].tolist() == [6, 5, 7]


def test_trace_on_stdout_when_asked(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAIN, "gen-trace", "synthetic", "--max-samples", "20"]
    piped = subprocess.run([*command, "-o", "-"], check=True, capture_output=True).stdout
    subprocess.run([*command, "-o", str(tmp_path / "t")], check=True, capture_output=True)
    assert piped == (tmp_path / "t").read_bytes()


def test_output_folder_must_exist(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("synthetic", "-o", tmp_path / "no" / "t") == 2
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interruption_leaves_nothing(tmp_path: Path, sent: signal.Signals, status: int) -> None:
    command = [sys.executable, "-c", MAIN, "gen-trace", "synthetic", "--max-samples", "100000000"]
    process = subprocess.Popen([*command, "-o", str(tmp_path / "t")], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size > 100_000 for path in tmp_path.iterdir()):
        assert time.monotonic() < deadline, "nothing was written in a minute"
        assert process.poll() is None
        time.sleep(0.05)
    os.kill(process.pid, sent)
    assert process.wait(60) == status
    assert list(tmp_path.iterdir()) == []


def test_rows_of_a_number_are_at_most_that(tmp_path: Path) -> None:
    """As DLRM's max-ind-range: tables that have fewer keep theirs."""
    assert run("synthetic", "-o", tmp_path / "t", "--rows", "1000", "--max-samples", "5") == 0
    with TraceReader(tmp_path / "t") as reader:
        rows = [table.rows for table in reader.meta.tables]
    assert rows == [min(1000, n) for n in CRITEO_ROWS]


def test_rows_that_would_make_one_of_two_items_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "u.data"
    path.write_text("1\t5000\t3\t10\n1\t6\t3\t9\n")
    assert run(path, "-o", tmp_path / "t", "--rows", "1682") == 2
    assert "table item has ids that need 5,001 rows" in capsys.readouterr().err
    assert run(path, "-o", tmp_path / "t", "--rows", "6000") == 0
    with TraceReader(tmp_path / "t") as reader:
        assert reader.meta.tables[0].rows == 5001


def test_rows_that_were_skipped_are_always_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a\nx\ny\n")
    words = (
        "--dataset",
        "csv",
        "--dataset-option",
        "values=decimal",
        "--on-error",
        "skip",
        "-o",
        tmp_path / "t",
    )
    assert run(path, *words) == 2
    assert "all 2 rows were skipped, the first: " in capsys.readouterr().err
    path.write_text("a\nx\n5\n")
    assert run(path, *words) == 0
    assert "skipped 1 rows" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("--rows", "²"), ("--rows", "9" * 30), ("--pooling-list", "²"), ("--tables", "²")]
)
def test_digits_are_those_of_ascii(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert run("synthetic", "-o", tmp_path / "t", "--max-samples", "5", *words) == 2


@pytest.mark.parametrize("rows", ["seen", "50"])
@pytest.mark.parametrize(
    "then",
    [
        pytest.param("a,b\n" + "1,2\n" * 20, id="shorter"),
        pytest.param("a,b\n" + "1,2\n" * 200, id="longer"),
        pytest.param("a,b\n" + "2,1\n" * 100, id="other values"),
        pytest.param("a,b\n" + "9,9\n" * 100, id="unknown values"),
        pytest.param("b,a\n" + "1,2\n" * 100, id="other names"),
    ],
)
def test_a_dataset_that_changes_while_it_is_read(
    rows: str,
    then: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Between two passes, or after it was opened: no trace is left that is of neither state."""
    data, output = tmp_path / "x.csv", tmp_path / "x.parquet"
    data.write_text("a,b\n" + "1,2\n2,1\n" * 50)
    fingerprint = streams.fingerprint

    def fingerprint_and_change(paths: list[Path]) -> str:
        digest = fingerprint(paths)
        data.write_text(then)
        return digest

    monkeypatch.setattr(streams, "fingerprint", fingerprint_and_change)
    assert run(data, "--dataset", "csv", "--rows", rows, "-o", output) == 2
    assert "run again, on a copy if something writes to it" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [data]
