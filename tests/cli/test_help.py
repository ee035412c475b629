"""Help is there, documented, true and quick."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest

from ppim.cli import cli, main
from tests.conftest import ROOT

COMMANDS = cli.list_commands(click.Context(cli))
HEAVY = ("distributed", "matplotlib", "numba", "numpy", "pandas", "plotly", "pyarrow", "tqdm")


def help_of(name: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Text of `ppim NAME --help`."""
    main([name, "--help"])
    return capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert len(command.help or "") > 40
    short = command.get_short_help_str(limit=80)
    assert short.endswith("."), f"the one-line help of {name} is cut: {short}"
    text = help_of(name, capsys)
    assert text.startswith(f"Usage: ppim {name}")
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help or option.name in ("seed",), f"{name} --{option.name} has no help"


def test_the_list_of_commands_cuts_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    assert "..." not in capsys.readouterr().out.split("Commands:")[1]


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Importing numba alone takes longer than help may."""
    code = f"""
import sys
from ppim.cli import main
main({arguments!r})
sys.stderr.write(' '.join(sorted(sys.modules.keys() & set({HEAVY!r}))))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def choices_in_help(command: str, option: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    """Names that the help of an option lists."""
    text = help_of(command, capsys)
    words = re.search(rf"^  {option} NAME +(.*?)\n  -", text, re.DOTALL | re.MULTILINE)
    assert words is not None
    listed = re.sub(r"-\s+", "-", words[1]).split(":", 1)[1].split(".")[0]
    return set(re.split(r",\s+|\s+or\s+", listed.strip()))


def test_help_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Help may not import what knows the names; it finds them in the files."""
    from ppim.datasets.base import DATASETS
    from ppim.mapping.base import MAPPINGS
    from ppim.prefetch.base import PREFETCHES
    from ppim.weight_sharing.base import ALGORITHMS

    assert choices_in_help("simulate", "--mapping", capsys) == set(MAPPINGS.names())
    assert choices_in_help("simulate", "--prefetch", capsys) == set(PREFETCHES.names())
    assert choices_in_help("gen-trace", "--algorithm", capsys) == set(ALGORITHMS.names())
    assert choices_in_help("gen-trace", "--dataset", capsys) == set(DATASETS.names())


def test_every_name_on_the_command_line_is_offered_when_mistyped(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["simulat"])
    assert stop.value.code == 2
    assert "simulat" in capsys.readouterr().err


def test_make_targets_of_the_pages_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    targets = set(re.findall(r"^    make ([a-z-]+)|`make ([a-z-]+)[^`]*`", text, re.MULTILINE))
    names = {first or second for first, second in targets} - {"sweep-"}
    assert {"demo", "test", "lint", "docs", "sweep-cache"} <= names
    for name in names:
        assert re.search(rf"^{name}:.*## ", makefile, re.MULTILINE), f"make {name} has no rule with help"


def test_the_package_runs_as_a_module() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "ppim", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert all(name in shown.stdout for name in COMMANDS)
    assert "Usage: ppim" in shown.stdout
