"""What a command is called with: pipes, closed streams, names and numbers that nobody expects."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ppim import files
from ppim.cli import cli, main
from ppim.errors import InputError
from ppim.trace.reader import TraceReader
from ppim.trace.schema import METADATA_KEY
from ppim.weight_sharing.tt_rec import MOST_ROWS, balanced_rows, factorisations
from tests.conftest import ROOT, complaints

SAMPLE = ROOT / "traces" / "sample-qr.parquet"


def run(*arguments: object) -> int:
    try:
        main([str(word) for word in arguments])
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


@pytest.mark.parametrize("command", ["gen-trace", "replay"])
def test_a_pipe_is_read_as_a_file_is(tmp_path: Path, command: str) -> None:
    text = {"gen-trace": "user,item,timestamp\n1,2,3\n1,3,2\n", "replay": "0x40 READ 0\n0x80 WRITE 3\n"}[
        command
    ]
    plain, pipe = tmp_path / "plain", tmp_path / "pipe"
    plain.write_text(text)
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(text))
    writer.start()
    assert run(command, pipe, "-o", tmp_path / "a") == 0
    writer.join(timeout=30)
    assert run(command, plain, "-o", tmp_path / "b") == 0
    if command == "replay":
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    else:
        assert pq.read_table(tmp_path / "a").equals(pq.read_table(tmp_path / "b"))


@pytest.mark.parametrize("most", ["bound", "half of what is free"])
@pytest.mark.parametrize("command", ["gen-trace", "replay"])
def test_a_pipe_without_end_stops(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    most: str,
) -> None:
    pipe, temporary = tmp_path / "pipe", tmp_path / "tmp"
    os.mkfifo(pipe)
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    if most == "bound":
        monkeypatch.setattr(files, "MOST_PIPED_BYTES", 3 << 20)
    else:
        monkeypatch.setattr(files.shutil, "disk_usage", lambda _: SimpleNamespace(free=6 << 20))

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), pipe.open("wb") as stream:
            while True:
                stream.write(b"0x40 READ 0\n" * 1000)

    writer = threading.Thread(target=write)
    writer.start()
    assert run(command, pipe, "-o", tmp_path / "out") == 2
    writer.join(timeout=30)
    (line,) = complaints(capsys.readouterr().err)
    assert f"{pipe}: a pipe of more than 3 MiB, too much for a copy in {temporary}" in line
    assert not list(temporary.iterdir())
    assert sorted(tmp_path.iterdir()) == [pipe, temporary]


def test_a_trace_is_no_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="is no file, but a trace is read from its end"):
        TraceReader(tmp_path / "pipe")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a result of each kind."""
    folder = tmp_path_factory.mktemp("results")
    outputs = {"-o": "st.csv", "--units": "units.csv", "--summary": "run.json", "--timeline": "window.json"}
    words = [word for option, name in outputs.items() for word in (option, folder / name)]
    assert run("simulate", SAMPLE, *words, "--command-trace", folder / "commands") == 0
    return folder


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("simulate", "{}", "-o", "{out}.csv"), SAMPLE),
        (("profile", "{}", "-o", "{out}.csv"), SAMPLE),
        (("compare", "{}", "--systems", "pim-base", "-o", "{out}.csv"), SAMPLE),
        (("compare", "{}", "-o", "{out}.csv"), "st.csv"),
        (("compare", "{}", "-o", "{out}.csv"), "run.json"),
        (("plot", "{}", "-o", "{out}.svg"), "st.csv"),
        (("plot", "{}", "-o", "{out}.svg"), "units.csv"),
        (("plot", "{}", "-o", "{out}.svg"), "window.json"),
        (("plot", "{}", "-o", "{out}.svg"), SAMPLE),
        (("report", "{}", "-o", "{out}.html"), "run.json"),
        (("check", "{}", "--system", "proactivepim", "-o", "{out}.txt"), "commands/channel-0.cmd"),
        (("info", "{}"), SAMPLE),
        (("info", "{}"), "st.csv"),
    ],
    ids=str,
)
def test_every_input_may_be_a_pipe(
    results: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    name: str | Path,
) -> None:
    def output_of(path: Path, out: str) -> tuple[str, dict[str, bytes]]:
        capsys.readouterr()
        assert run(*(word.format(path, out=tmp_path / out) for word in words)) == 0
        shown = capsys.readouterr().out
        return shown, {file.suffix: file.read_bytes() for file in tmp_path.glob(f"{out}.*")}

    plain, pipe = results / name, tmp_path / "pipes" / Path(name).name
    pipe.parent.mkdir()
    os.mkfifo(pipe)
    content = plain.read_bytes()
    writer = threading.Thread(target=lambda: pipe.write_bytes(content))
    writer.start()
    shown, files_of_pipe = output_of(pipe, "a")
    writer.join(timeout=30)
    expected, files_of_file = output_of(plain, "b")
    assert files_of_pipe.keys() == files_of_file.keys()
    if words[0] == "info":
        # The title of what is described may be its path.
        assert shown.splitlines()[1:] == expected.splitlines()[1:]
    elif words[-1].endswith("csv"):
        assert files_of_pipe == files_of_file
    else:
        assert all(files_of_pipe.values())


def test_a_pipe_is_called_by_its_own_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text("no trace\n"))
    writer.start()
    assert run("profile", pipe, "-o", "-") == 2
    writer.join(timeout=30)
    (line,) = complaints(capsys.readouterr().err)
    assert line.startswith(f"ppim: {pipe}: ")
    assert tempfile.gettempdir() + "/ppim-run" not in line


@pytest.mark.parametrize(
    "words",
    [
        ("replay", "{}"),
        ("simulate", "{}"),
        ("info", "{}"),
        ("check", "{}"),
        ("compare", "{}"),
        ("report", "{}", "-o", "x.html"),
        ("sweep", "{}", "-o", "x"),
        ("gen-trace", "{}", "-o", "x"),
        ("simulate", SAMPLE, "--system", "{}/x.toml"),
        ("simulate", SAMPLE, "-o", "{}"),
        ("simulate", SAMPLE, "-o", "{}/x.csv"),
        ("simulate", SAMPLE, "--command-trace", "{}/x"),
    ],
    ids=str,
)
def test_links_that_lead_to_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[object, ...]
) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.symlink_to(other)
    other.symlink_to(one)
    assert run(*(str(word).format(one) for word in words)) == 2
    (line,) = complaints(capsys.readouterr().err)
    assert str(one) in line
    assert "Too many levels of symbolic links" in line
    assert sorted(tmp_path.iterdir()) == [one, other]


@pytest.mark.parametrize("option", ["--device", "--system"])
def test_a_recipe_is_no_pipe(tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert run("simulate", SAMPLE, option, tmp_path / "pipe") == 2
    (line,) = complaints(capsys.readouterr().err)
    assert f"{tmp_path / 'pipe'}: no name of a {option[2:]}; its file has a name that ends in .toml" in line


def numbers_of_options() -> list[tuple[str, str]]:
    """Each command with each of its options that takes a whole number."""
    return [
        (name, parameter.opts[0])
        for name in cli.list_commands(click.Context(cli))
        for parameter in getattr(cli.get_command(click.Context(cli), name), "params", ())
        if isinstance(parameter.type, click.types.IntParamType)
    ]


def test_options_with_numbers_are_found() -> None:
    assert {"gen-trace", "replay", "simulate", "check", "explore", "sweep"} <= dict(
        numbers_of_options()
    ).keys()


@pytest.mark.parametrize(
    "text", ["1_000", "\u0665", "\uff15", "\u00b2", "+5", " 5", "5\n", "0x10", "1e3", "5.0", ""]
)
@pytest.mark.parametrize(("name", "option"), numbers_of_options())
def test_a_whole_number_is_digits(name: str, option: str, text: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    parameter = next(each for each in command.params if option in each.opts)
    with pytest.raises(click.BadParameter, match="whole number"):
        parameter.type.convert(text, parameter, click.Context(command))


@pytest.mark.parametrize(("close", "status"), [(">&-", 1), ("2>&-", 0), (">&- 2>&-", 1), ("<&-", 0)])
def test_closed_streams_are_no_traceback(close: str, status: int) -> None:
    code = f"from ppim.cli import run; import sys; sys.argv = ['ppim', 'profile', {str(SAMPLE)!r}, '-o', '-']; run()"
    found = subprocess.run(
        ["sh", "-c", f'"$0" -c "$1" {close}', sys.executable, code],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert "Traceback" not in found.stderr
    assert found.returncode == status


@pytest.mark.parametrize(
    "words",
    [
        ("replay", "{requests}", "--cycles", 2**63 - 1),
        ("replay", "{requests}", "--cycles", "9" * 30),
        ("replay", "{requests}", "--inject", 2**63),
        ("simulate", SAMPLE, "--threads", 2**31),
        ("simulate", SAMPLE, "--set", "macs=" + "9" * 5000),
        ("simulate", SAMPLE, "--set", "macs=" + "[" * 5000),
        ("gen-trace", "synthetic", "-o", "{out}", "--threads", 2**31),
        ("gen-trace", "synthetic", "-o", "{out}", "--collisions", 2**64),
        ("gen-trace", "synthetic", "-o", "{out}", "--batch-size", 2**40),
        ("gen-trace", "synthetic", "-o", "{out}", "--max-samples", 2**64),
        ("gen-trace", "synthetic", "-o", "{out}", "--algorithm", "tt-rec", "--tt-rank", 2**40),
        ("gen-trace", "synthetic", "-o", "{out}", "--algorithm", "tt-rec", "--vector-bytes", 2**62),
        ("gen-trace", "synthetic", "-o", "{out}", "--algorithm", "robe", "--vector-bytes", 2**30),
        (
            "gen-trace",
            "synthetic",
            "-o",
            "{out}",
            "--dataset-option",
            "popularity=zipf",
            "--dataset-option",
            "exponent=nan",
        ),
        (
            "gen-trace",
            "synthetic",
            "-o",
            "{out}",
            "--dataset-option",
            "popularity=zipf",
            "--dataset-option",
            "exponent=inf",
        ),
        (
            "gen-trace",
            "synthetic",
            "-o",
            "{out}",
            "--dataset-option",
            "popularity=zipf",
            "--dataset-option",
            "rows=[9223372036854775807]",
        ),
        (
            *(
                "gen-trace",
                "synthetic",
                "-o",
                "{out}",
                "--algorithm",
                "tt-rec",
                "--dataset-option",
                "popularity=uniform",
            ),
            *("--dataset-option", "rows=[2305843009213693951]"),
        ),
    ],
    ids=str,
)
def test_numbers_beyond_use_are_one_line_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[object, ...]
) -> None:
    (tmp_path / "r.trace").write_text("0x40 READ 0\n")
    start = time.process_time()
    assert run(*(str(word).format(requests=tmp_path / "r.trace", out=tmp_path / "t") for word in words)) == 2
    error = capsys.readouterr().err
    assert len(complaints(error)) == 1 or error.startswith("Usage")
    assert time.process_time() - start < 30
    assert [path.name for path in tmp_path.iterdir()] == ["r.trace"]


@pytest.mark.parametrize(
    ("option", "key", "algorithm"), [("--collisions", "collisions", "qr"), ("--tt-rank", "tt_rank", "tt-rec")]
)
def test_a_parameter_is_given_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, key: str, algorithm: str
) -> None:
    words = ("gen-trace", "synthetic", "-o", tmp_path / "t", "--algorithm", algorithm, option, 4)
    assert run(*words, "--algorithm-option", f"{key}=8") == 2
    (line,) = complaints(capsys.readouterr().err)
    assert f"{option} and --algorithm-option {key}" in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [1, 7, 64, 5040, 10_131_227, 9_999_991, 30_030])
@pytest.mark.parametrize("parts", [2, 3, 4])
def test_factorisations_are_all_there(number: int, parts: int) -> None:
    def all_of(rest: int, left: int, least: int) -> list[tuple[int, ...]]:
        if left == 1:
            return [(rest,)] if rest >= least else []
        found, factor = [], least
        while factor**left <= rest:
            if rest % factor == 0:
                found += [(factor, *tail) for tail in all_of(rest // factor, left - 1, factor)]
            factor += 1
        return found

    assert list(factorisations(number, parts)) == all_of(number, parts, 1)


def test_large_tables_are_factorised_in_no_time() -> None:
    start = time.process_time()
    for rows in (MOST_ROWS, MOST_ROWS - 5, 2**35 + 7):
        for cores in (2, 3, 4):
            balanced_rows(rows, cores)
    assert time.process_time() - start < 60
    with pytest.raises(ValueError, match="are more than the"):
        balanced_rows(MOST_ROWS + 1, 3)


def test_names_of_tables_in_a_csv_are_quoted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "x.csv"
    path.write_text('"a,""b""",c\n1,2\n')
    assert run("gen-trace", path, "--dataset", "csv", "-o", tmp_path / "t") == 0
    capsys.readouterr()
    assert run("profile", tmp_path / "t", "-o", "-") == 0
    lines = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert {line["name"] for line in lines} == {'a,"b"', "c"}
    assert all(None not in line for line in lines)


def test_names_that_speak_to_a_terminal_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a\x1b[31m,c\n1,2\n")
    assert run("gen-trace", path, "--dataset", "csv", "-o", tmp_path / "t") == 2
    (line,) = complaints(capsys.readouterr().err)
    assert line.isprintable()
    assert "control characters" in line


def test_a_file_of_any_name_gives_a_trace_that_can_be_read(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\n x\x1b.csv"))
    path.write_text("a,c\n1,2\n")
    assert run("gen-trace", path, "--dataset", "csv", "-o", tmp_path / "t") == 0
    with TraceReader(tmp_path / "t") as reader:
        assert reader.meta.command_line.isprintable()


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"format_version":1,"seed":' + "9" * 5000 + "}", "\\ud800", "NaN"]
)
def test_metadata_without_end_are_one_line(tmp_path: Path, text: str) -> None:
    table = pq.read_table(SAMPLE)
    pq.write_table(table.replace_schema_metadata({METADATA_KEY: text}), tmp_path / "t")
    with pytest.raises(InputError) as caught:
        TraceReader(tmp_path / "t")
    assert len(str(caught.value)) < 400


def test_a_row_group_that_promises_more_than_it_has_is_refused(tmp_path: Path) -> None:
    content = json.loads(pq.read_schema(SAMPLE).metadata[METADATA_KEY])
    n = 12_000_000
    content |= {"samples": 4, "batches": 1, "lookups": n // 2, "accesses": n}
    kinds = pq.read_schema(SAMPLE)
    zeros = {field.name: pa.repeat(pa.scalar(0, field.type), n) for field in kinds}
    schema = kinds.with_metadata({METADATA_KEY: json.dumps(content)})
    pq.write_table(pa.table(zeros, schema=schema), tmp_path / "t", row_group_size=n)
    assert (tmp_path / "t").stat().st_size < 400_000
    with pytest.raises(InputError, match="promises 12,000,000 accesses in"):
        TraceReader(tmp_path / "t")


@pytest.mark.parametrize("value", ["nan", "inf", "1e999", "x"])
def test_stats_that_are_no_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str], value: str) -> None:
    (tmp_path / "r.trace").write_text("0x40 READ 0\n")
    assert run("replay", tmp_path / "r.trace", "-o", tmp_path / "s.csv") == 0
    lines = list(csv.DictReader((tmp_path / "s.csv").read_text().splitlines()))
    for line in lines:
        line["cycles"] = value
    with (tmp_path / "s.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    capsys.readouterr()
    assert run("info", tmp_path / "s.csv") == 2
    assert "column cycles" in capsys.readouterr().err
