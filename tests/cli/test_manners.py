"""Completion, doctor, warm-up, colours, and what is offered where something is mistyped."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ppim.cli import main
from ppim.cli.completion import SHELLS
from ppim.cli.words import coloured
from ppim.systems.load import system_names
from tests.conftest import ROOT

SAMPLE = str(ROOT / "traces" / "sample-qr.parquet")


def ppim(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ppim", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


class TestCompletion:
    @pytest.mark.parametrize("shell", SHELLS)
    def test_a_script_for_each_shell(self, shell: str, capsys: pytest.CaptureFixture[str]) -> None:
        main(["completion", shell])
        script = capsys.readouterr().out
        assert f"_PPIM_COMPLETE={shell}_complete" in script

    @pytest.mark.parametrize(
        ("line", "expected"),
        [
            ("ppim sim", {"simulate"}),
            ("ppim simulate --sys", {"--system"}),
            ("ppim simulate --system proactivepim-", {n for n in system_names() if "pim-" in n[-12:]}),
            ("ppim devices show hbm2", {"hbm2-4gb", "hbm2-8gb", "hbm2-pim-4gb"}),
            ("ppim gen-trace x --algorithm tt", {"tt-rec"}),
            ("ppim info cpu-i", {"cpu-ideal"}),
        ],
    )
    def test_words_are_completed(self, line: str, expected: set[str]) -> None:
        words = line.split()
        if "proactivepim-" in line:
            expected = {name for name in system_names() if name.startswith("proactivepim-")}
        done = ppim(
            _PPIM_COMPLETE="bash_complete", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1)
        ).stdout.split()
        assert {word.removeprefix("plain,") for word in done if word.startswith("plain,")} == expected


class TestDoctor:
    def test_what_is_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        main(["doctor", "--format", "json"])
        found = json.loads(capsys.readouterr().out)
        what = {row["what"]: row["value"] for row in found["findings"]}
        assert what["Python"] == sys.version.split()[0]
        assert {"ppim", "numba", "processors", "kernel cache", "kernels", "temporary files"} <= what.keys()
        assert found["problems"] == []

    def test_a_cache_that_cannot_be_written_is_a_problem(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        done = ppim("doctor", NUMBA_CACHE_DIR=str(tmp_path / "file"))
        assert done.returncode == 1
        assert "kernel cache: " in done.stdout.splitlines()[-1]
        assert "set NUMBA_CACHE_DIR" in done.stdout

    def test_a_compiler_that_is_off_is_a_problem(self) -> None:
        done = ppim("doctor", NUMBA_DISABLE_JIT="1")
        assert done.returncode == 1
        assert "hundreds of times slower" in done.stdout


class TestWarmUp:
    @pytest.mark.slow
    def test_later_runs_find_their_kernels(self, tmp_path: Path) -> None:
        """With a cache of its own: what it has compiled, no run compiles again."""
        cache = {"NUMBA_CACHE_DIR": str(tmp_path)}
        done = ppim("warm-up", "cpu-ideal", "--algorithm", "qr", **cache)
        assert done.returncode == 0, done.stderr
        assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["gen-trace", "cpu-ideal"]
        assert "compiling" in done.stderr
        again = ppim("simulate", SAMPLE, "--system", "cpu-ideal", **cache)
        assert again.returncode == 0
        assert "compil" not in again.stderr

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["proactivpim"], "did you mean proactivepim"),
            (["--all", "cpu"], "leave the names out"),
            (["--algorithm", "qrr"], "did you mean qr"),
        ],
    )
    def test_mistakes_are_told_before_anything_is_compiled(self, arguments: list[str], words: str) -> None:
        done = ppim("warm-up", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1


class TestMistypedNames:
    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["simulat"], "did you mean simulate?"),
            (["simulate", SAMPLE, "--sytem", "cpu"], "--system"),
            (["systems", "shw"], "show"),
            (["info", "hbm2-4bg"], "did you mean hbm2-4gb"),
            (["devices", "show", "hbm2-4bg"], "did you mean hbm2-4gb"),
            (["simulate", SAMPLE, "--system", "proactivpim"], "did you mean proactivepim"),
            (["simulate", SAMPLE, "--mapping", "dupliate"], "did you mean duplicate or duplicate-hot?"),
            (["simulate", SAMPLE.removesuffix("t")], f"did you mean {SAMPLE}?"),
            (["replay", SAMPLE.removesuffix("t")], f"did you mean {SAMPLE}?"),
            (["gen-trace", "synthetc", "-o", "x"], "did you mean synthetic?"),
            (["gen-trace", "synthetic", "-o", "x", "--dataset-option", "profil=x"], "did you mean profile?"),
        ],
    )
    def test_the_right_one_is_offered(
        self, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert stop.value.code == 2
        assert words in capsys.readouterr().err

    def test_of_a_baseline(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        stats = tmp_path / "stats.csv"
        main(["simulate", SAMPLE, "-o", str(stats)])
        with pytest.raises(SystemExit):
            main(["compare", str(stats), "--baseline", "proactivpim"])
        assert "did you mean proactivepim?" in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals_that_want_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert coloured("warning: mind") == "warning: mind"
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert coloured("warning: mind").endswith(" mind")
    assert "\x1b[" in coloured("warning: mind")
    assert coloured("simulated in 1 s") == "simulated in 1 s"
    monkeypatch.setenv("NO_COLOR", "1")
    assert coloured("warning: mind") == "warning: mind"


def test_sizes_have_units_where_you_like(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["gen-trace", "synthetic", "--max-samples", "4"]
    main([*options, "--vector-bytes", "1KiB", "-o", str(tmp_path / "a")])
    main([*options, "--vector-bytes", "1024", "-o", str(tmp_path / "b")])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with pytest.raises(SystemExit):
        main([*options, "--vector-bytes", "oneKiB", "-o", str(tmp_path / "c")])
    assert "write it as 64KiB" in capsys.readouterr().err


def test_lists_need_no_quotes(tmp_path: Path) -> None:
    (tmp_path / "clicks.csv").write_text("user,item,shop\n1,2,3\n4,5,6\n")
    for name, columns in (("a", "user,item"), ("b", '["user", "item"]')):
        options = ["--dataset", "csv", "--dataset-option", f"columns={columns}"]
        main(["gen-trace", str(tmp_path / "clicks.csv"), *options, "-o", str(tmp_path / name)])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
