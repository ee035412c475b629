"""Every command of the documentation runs, and prints what stands below it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import click
import pytest

from ppim.cli import cli
from tests.conftest import ROOT
from tests.unit.scripts.load import script

docs = script("run_docs")
PAGES = [
    page
    for page in docs.pages()
    if any(
        docs.is_commands(page.read_text(encoding="utf-8").splitlines(), block)
        for block in docs.blocks(page.read_text(encoding="utf-8"))
    )
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that pages speak of."""
    folder = tmp_path_factory.mktemp("docs") / "prepared"
    folder.mkdir()
    docs.kitchen(folder)
    return folder


@pytest.mark.matrix(21)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_of_a_page(page: Path, prepared: Path, tmp_path: Path) -> None:
    """Pasted into a shell one block after the other; `make docs` writes outputs anew."""
    folder = tmp_path / "page"
    shutil.copytree(prepared, folder)
    text, problems = docs.with_outputs(page, folder)
    assert not problems, "\n".join(problems)
    assert text == page.read_text(encoding="utf-8")


def test_that_a_command_fails_is_seen(prepared: Path, tmp_path: Path) -> None:
    page = ROOT / "docs" / "index.md"
    shutil.copytree(prepared, tmp_path / "page")
    broken = tmp_path / "broken.md"
    broken.write_text(page.read_text(encoding="utf-8").replace("--max-samples", "--most-samples"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(docs, "ROOT", tmp_path)
        problems = docs.with_outputs(broken, tmp_path / "page")[1]
    (problem,) = problems
    assert problem.startswith("broken.md:")
    assert "No such option '--most-samples'" in problem


def command_of(words: list[str]) -> click.Command:
    """The command that words after `ppim` call."""
    found: click.Command = cli
    context = click.Context(cli, info_name="ppim")
    for word in words:
        if not isinstance(found, click.Group):
            break
        below = found.get_command(context, word)
        if below is None:
            break
        found = below
    assert found is not cli, words
    return found


INLINE = sorted(
    {
        " ".join(words.split())
        for page in docs.pages()
        for words in re.findall(r"`ppim ([a-z][^`]*)`", page.read_text(encoding="utf-8"))
    }
)


@pytest.mark.parametrize("words", INLINE)
def test_what_a_sentence_names_is_there(words: str) -> None:
    """Commands in the middle of sentences have placeholders, and are not run; their options exist."""
    command = command_of(words.split())
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    known |= {"--help", "-h"}
    for option in re.findall(r"(?<=\s)(--?[a-z][a-z-]*)", words):
        assert option in known, f"ppim {words}: {option}"
