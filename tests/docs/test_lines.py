"""Pages can be read in a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.unit.scripts.load import script

wrap = script("wrap_docs")
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), ROOT / "traces" / "README.md"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_lines_are_not_too_long(page: Path) -> None:
    """Rows of tables are made shorter by hand; all else is wrapped by `python scripts/wrap_docs.py`."""
    assert wrap.too_long(page.read_text(encoding="utf-8")) == []


def test_long_lines_are_found_and_wrapped() -> None:
    text = f"# Title\n\n{'word ' * 40}\n\n| {'cell ' * 40} |\n"
    assert wrap.too_long(text) == [3, 5]
    new = wrap.wrapped(text)
    assert [new.splitlines()[number - 1] for number in wrap.too_long(new)] == [text.splitlines()[-1]]
    assert new.split() == text.split()
    assert new.splitlines()[-1] == text.splitlines()[-1]


@pytest.mark.parametrize(
    "text",
    [
        f"* {'entry ' * 30}\n    * below\n",
        f"{'word ' * 22}- no entry {'word ' * 10}\n",
        f"{'word ' * 22}1. no number {'word ' * 10}\n",
        f"    {'code ' * 30}\n",
        f"```sh\n{'code ' * 30}\n```\n",
        f"term\n:   {'meaning ' * 25}\n",
    ],
)
def test_wrapping_changes_no_meaning(text: str) -> None:
    """What Markdown makes of the page stays the same."""
    markdown = pytest.importorskip("markdown")

    def made(page: str) -> list[str]:
        return str(markdown.markdown(page, extensions=["def_list", "fenced_code"])).split()

    text = text.replace(" \n", "\n")
    assert made(wrap.wrapped(text)) == made(text)
