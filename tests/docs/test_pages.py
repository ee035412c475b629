"""Pages can be read in a terminal, and lead somewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

OUTSIDE_THE_SITE = [
    ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "traces/README.md")
]


@pytest.mark.parametrize("page", OUTSIDE_THE_SITE, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    """Those of the site are checked where it is built."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    """Links, anchors and the list of pages; `make lint` does the same."""
    pytest.importorskip("material", reason="the site needs pip install 'ppim[docs]'")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tutorial.html").exists()


def test_every_page_stands_in_the_list_of_pages() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").split("\nnav:\n")[1]
    listed = re.findall(r": (\S+\.md)$", text, re.MULTILINE)
    there = [str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted(there)


def test_words_of_the_glossary_are_sorted_and_said_once() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    chapters = [re.findall(r"^(\S.*)\n:   ", chapter, re.MULTILINE) for chapter in text.split("\n## ")[1:]]
    words = [word for chapter in chapters for word in chapter]
    assert len(words) == len(set(words)) > 30
    for chapter in chapters:
        assert chapter == sorted(chapter, key=str.lower)
