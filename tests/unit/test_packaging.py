"""What is built can be installed and has all that it needs; recipes name what there is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import click
import pytest
import yaml

from ppim.cli import cli
from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BUILD = "import sys; from setuptools import build_meta as b; print(getattr(b, sys.argv[1])(sys.argv[2]))"


def build(what: str, source: Path, into: Path) -> Path:
    """A wheel or an sdist of a folder, made by setuptools as installers do."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, what, str(into)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return into / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, as for a release."""
    folder = tmp_path_factory.mktemp("build")
    source = folder / "source"
    source.mkdir()
    leave_out = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ppim", source / "ppim", ignore=leave_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.unpack_archive(build("build_sdist", source, folder), folder / "unpacked")
    (unpacked,) = (folder / "unpacked").iterdir()
    return build("build_wheel", unpacked, folder)


def test_the_wheel_has_every_file(wheel: Path) -> None:
    there = {path.relative_to(ROOT).as_posix() for path in (ROOT / "ppim").rglob("*") if path.is_file()}
    there = {name for name in there if "__pycache__" not in name}
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("ppim/")}
    assert packed == there


def test_the_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    for arguments in (["--version"], ["devices", "--format", "csv"], ["systems", "show", "proactivepim"]):
        done = subprocess.run(
            [sys.executable, "-m", "ppim", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_the_lock_has_every_development_tool() -> None:
    lines = (ROOT / "requirements-dev.lock").read_text(encoding="utf-8").splitlines()
    locked = {re.split("==", line)[0].lower().replace("_", "-") for line in lines if "==" in line}
    extras = PROJECT["optional-dependencies"]
    needed = [
        *PROJECT["dependencies"],
        *(each for name in ("docs", "plot", "report", "sweep") for each in extras[name]),
    ]
    needed += [each for each in extras["dev"] if not each.startswith("ppim[")]
    names = {re.split(r"[\[<>=; ]", each)[0].lower().replace("_", "-") for each in needed}
    assert names <= locked
    assert all(re.fullmatch(r"[\w.-]+==[\w.+-]+", line) for line in lines if not line.startswith("#"))


def test_the_container_copies_and_runs_what_there_is() -> None:
    recipe = (ROOT / "Containerfile").read_text(encoding="utf-8")
    copied = [
        name for names in re.findall(r"^COPY (.*) \S+$", recipe, re.MULTILINE) for name in names.split()
    ]
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    for name in copied:
        assert (ROOT / name).exists()
        assert f"!{name}" in allowed
    commands = re.findall(r"^RUN ppim (\S+)", recipe, re.MULTILINE)
    assert commands == ["warm-up"]
    assert set(commands) <= set(cli.list_commands(click.Context(cli)))
    extras = re.findall(r"'\.\[([^]]*)\]'", recipe)[0].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])


def test_hooks_before_a_commit_are_tools_that_are_installed() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    (local,) = config["repos"]
    for hook in local["hooks"]:
        tool, *arguments = hook["entry"].split()
        assert (Path(sys.executable).parent / Path(tool).name).exists(), tool
        for script in (word for word in arguments if word.endswith(".py")):
            assert (ROOT / script).exists()


def test_the_changelog_has_this_version() -> None:
    from ppim import __version__

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(__version__)} \(\d{{4}}-\d\d-\d\d\)$", text, re.MULTILINE)
    assert f"version: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
