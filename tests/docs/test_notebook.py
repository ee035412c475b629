"""The example notebook runs from a CSV file to a figure, and shows what it says it does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.unit.scripts.load import script

notebooks = script("run_notebook")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebook ran."""
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def executed(folder: Path) -> Any:
    """The notebook with today's outputs."""
    return notebooks.run(notebooks.NOTEBOOK, folder)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_shows_what_stands_in_it(executed: Any) -> None:
    kept = nbformat.read(notebooks.NOTEBOOK, as_version=4)
    assert notebooks.text_of(executed) == notebooks.text_of(kept), "`make docs` runs it anew"
    assert len(notebooks.text_of(executed)) >= 4


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_it_ends_with_a_figure(executed: Any, folder: Path) -> None:
    assert (folder / "where-the-time-goes.svg").read_text().rstrip().endswith("</svg>")
    assert any("image/png" in output.get("data", {}) for output in executed.cells[-2]["outputs"])
