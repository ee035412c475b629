"""Drawings are those that the model makes today."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import ROOT
from tests.docs.new_files import excuse

FOLDER = ROOT / "docs" / "drawings"
NAMES = sorted(path.name for path in FOLDER.glob("*.svg"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All drawings, made without the compiler, which takes longer than the drawings."""
    folder = tmp_path_factory.mktemp("drawings")
    done = subprocess.run(
        [sys.executable, "-W", "ignore::RuntimeWarning", "scripts/draw_model.py", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def test_all_are_there(drawn: Path) -> None:
    assert sorted(path.name for path in drawn.iterdir()) == NAMES
    pages = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md"))
    for name in NAMES:
        assert f"drawings/{name})" in pages


@pytest.mark.parametrize("name", NAMES)
def test_a_drawing_is_that_of_todays_model(drawn: Path, name: str) -> None:
    is_same = (FOLDER / name).read_bytes() == (drawn / name).read_bytes()
    if not is_same:
        excuse(name)
    assert is_same, "`make docs` draws it anew"


@pytest.mark.parametrize("name", NAMES)
def test_nothing_leaves_the_drawing(name: str) -> None:
    """As far as boxes and the places of words tell."""
    root = ElementTree.parse(FOLDER / name).getroot()
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for shape in root.iter():
        if "x" in shape.attrib:
            x, y = float(shape.attrib["x"]), float(shape.attrib["y"])
            assert 0 <= x <= width - float(shape.attrib.get("width", 0))
            assert 0 <= y <= height - float(shape.attrib.get("height", 0))
