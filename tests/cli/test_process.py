"""A process of the command ends with the right status, and with all of its output."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

SAMPLE = str(ROOT / "traces" / "sample-qr.parquet")
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def ppim(*arguments: str, shell_end: str = "") -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with its output behind a buffer as it is by default."""
    command = [sys.executable, "-m", "ppim", *arguments]
    if shell_end:
        command = ["sh", "-c", f'"$@" {shell_end}', "sh", *command]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=BUFFERED)


@pytest.mark.parametrize(
    ("arguments", "status", "error"),
    [
        (["devices"], 0, ""),
        (["--version"], 0, ""),
        (["simulate", "nowhere.parquet"], 2, "ppim: nowhere.parquet: cannot be read"),
        (["simulate", "--threads", "0", SAMPLE], 2, "Error: Invalid value for '--threads'"),
        (["nothing"], 2, "Error: No such command 'nothing'"),
    ],
)
def test_the_status_is_that_of_the_command(arguments: list[str], status: int, error: str) -> None:
    done = ppim(*arguments)
    assert done.returncode == status
    assert error in done.stderr
    assert "Traceback" not in done.stderr


def test_all_output_is_there(tmp_path: Path) -> None:
    to_file = ppim("simulate", SAMPLE, "-o", str(tmp_path / "stats.csv"))
    assert to_file.returncode == 0
    lines = (tmp_path / "stats.csv").read_text().splitlines()
    assert len(lines) == 1 + 8  # channels of HBM2
    assert "accesses/s" in to_file.stderr + to_file.stdout
    assert ppim("simulate", SAMPLE, "-o", "-").stdout.splitlines() == lines


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_output_that_goes_nowhere_is_told() -> None:
    done = ppim("devices", shell_end="> /dev/full")
    assert done.returncode != 0
    assert "No space left on device" in done.stderr


@pytest.mark.parametrize(("kibibytes", "status"), [(128, 1), (256, 0)])
def test_a_small_stack_is_told_of(kibibytes: int, status: int, tmp_path: Path) -> None:
    """Without a word the process ended by a segmentation fault; with 64 KiB Python itself does not start."""
    stats = tmp_path / "stats.csv"
    command = [sys.executable, "-m", "ppim", "simulate", SAMPLE, "-o", str(stats)]
    limited = ["sh", "-c", f'ulimit -s {kibibytes}; exec "$@"', "sh", *command]
    done = subprocess.run(limited, capture_output=True, text=True, check=False, env=BUFFERED)
    assert done.returncode == status
    assert ("the stack is limited to 128 KiB" in done.stderr) == (status == 1)
    assert stats.exists() == (status == 0)


@pytest.mark.parametrize("mebibytes", [200, 256])
@pytest.mark.parametrize(
    "arguments",
    [
        ["info", SAMPLE],
        ["simulate", SAMPLE, "--system", "cpu", "-o", "out"],
        ["gen-trace", "synthetic", "--max-samples", "9", "-o", "out"],
        ["plot", SAMPLE, "-o", "out"],
    ],
)
def test_a_small_address_space_is_told_of(arguments: list[str], mebibytes: int, tmp_path: Path) -> None:
    """Libraries are larger: what the loader, llvmlite or CPython itself say then helps nobody."""
    command = [sys.executable, "-m", "ppim", *arguments]
    limited = ["sh", "-c", f'ulimit -v {mebibytes << 10}; exec "$@"', "sh", *command]
    done = subprocess.run(limited, capture_output=True, text=True, check=False, env=BUFFERED, cwd=tmp_path)
    assert done.returncode in (1, 2)
    (line,) = done.stderr.splitlines()
    assert f"its memory is limited to {mebibytes} MiB: raise that (ulimit -v unlimited)" in line
    assert not list(tmp_path.iterdir())


LOCALES = [
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "POSIX"},
    {"LC_ALL": "C.UTF-8"},
    {"LC_ALL": "xx_YY.nonsense"},
    {"PYTHONIOENCODING": "latin-1"},
    {"LANG": "", "LC_ALL": "", "TERM": "", "HOME": "/nonexistent"},
]


@pytest.mark.matrix(7)
@pytest.mark.parametrize("locale", LOCALES, ids=str)
def test_any_locale_and_any_path(locale: dict[str, str], tmp_path: Path) -> None:
    """Names of files, columns and systems that the terminal cannot show are shown as well as it can."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/a b\n\xff\xc3\xa9" + b"x" * 200))
    folder.mkdir()
    data = folder / "\u65e5\u672c -x.csv"
    data.write_text("caf\u00e9,\u8868\n1,2\n", encoding="utf-8")
    environment = {name: value for name, value in BUFFERED.items() if not name.startswith(("LC_", "LANG"))}
    environment |= locale

    def run(*words: str | Path) -> str:
        command = [sys.executable, "-m", "ppim", *words]
        done = subprocess.run(
            command, capture_output=True, check=False, env=environment, cwd=folder, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, done.stderr
        assert b"Traceback" not in done.stderr
        return done.stdout.decode("utf-8", "replace")

    trace, stats, summary = (
        folder / os.fsdecode(name) for name in (b"t\xff.parquet", b"s\xff.csv", b"s.json")
    )
    run("gen-trace", data, "--dataset", "csv", "-o", trace)
    assert "caf" in run("info", trace)
    run("simulate", trace, "--system", "cpu", "-o", stats, "--summary", summary)
    lines = csv.DictReader(stats.read_text(encoding="utf-8").splitlines())
    assert {line["trace"] for line in lines} == {"t\ufffd.parquet"}
    assert "cpu" in run("compare", summary)
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize(
    ("limit", "arguments", "statuses"),
    [
        ("-n 6", ["info", SAMPLE], (0, 1, 2)),
        ("-n 10", ["simulate", SAMPLE, "--threads", "2", "-o", "out"], (0, 1, 2)),
        ("-n 16", ["gen-trace", "synthetic", "--max-samples", "9", "-o", "out"], (0, 1, 2)),
    ],
)
def test_few_open_files(limit: str, arguments: list[str], statuses: tuple[int, ...], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ppim", *arguments]
    limited = ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *command]
    done = subprocess.run(limited, capture_output=True, text=True, check=False, env=BUFFERED, cwd=tmp_path)
    assert done.returncode in statuses, done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == (
        ["out"] if done.returncode == 0 and "-o" in arguments else []
    )


@pytest.mark.parametrize(
    "arguments", [["info", SAMPLE], ["systems"], ["simulate", "--help"], ["simulate", SAMPLE]]
)
def test_a_reader_that_leaves_after_a_line(arguments: list[str]) -> None:
    done = ppim(*arguments, shell_end="| head -n 1")
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_a_kernel_that_was_compiled_with_another_one_from_the_disk_runs_again(tmp_path: Path) -> None:
    """Requests in a closed loop run in a kernel that holds the one of those that come at known times."""
    requests, kernels = tmp_path / "r.trace", tmp_path / "kernels"
    requests.write_text("".join(f"0x{number * 0x12345C0 % (1 << 32):X} READ 0\n" for number in range(100)))
    for options in ([], ["--outstanding", "8"], ["--outstanding", "8"]):
        command = [
            sys.executable,
            "-m",
            "ppim",
            "replay",
            str(requests),
            *options,
            "-o",
            str(tmp_path / "stats.csv"),
        ]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=os.environ | {"NUMBA_CACHE_DIR": str(kernels)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "compiling" not in done.stderr
