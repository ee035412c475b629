"""The reference says what the program declares today, of everything there is."""

from __future__ import annotations

import click
import pytest

from ppim.cli import cli
from ppim.dram.load import device_names
from ppim.stats.counters import COLUMNS, IDENTITY, REPLAY_COLUMNS
from ppim.systems.load import parameters_of, system_names
from ppim.systems.spec import SystemSpec
from tests.docs.new_files import excuse
from tests.unit.scripts.load import script

reference = script("document_reference")


def written(name: str) -> str:
    return (reference.FOLDER / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", reference.PAGES)
def test_pages_are_those_of_todays_code(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    today = reference.page(name)
    if written(name) != today:
        excuse(name)
    assert written(name) == today, "`make docs` writes them anew"


def test_everything_is_there() -> None:
    commands = written("command-line.md")
    for name in cli.list_commands(click.Context(cli)):
        assert f"\n## ppim {name}\n" in commands
    assert "## ppim systems show" in commands
    parameters = written("parameters.md")
    for dotted in parameters_of(SystemSpec):
        section, _, name = dotted.rpartition(".")
        chapter = parameters.split(f"\n## `[{section}]`\n")[1].split("\n## ")[0]
        assert f"* **`{name}`** = " in chapter, dotted
    columns = written("columns.md")
    for name in (*IDENTITY, *COLUMNS, *REPLAY_COLUMNS):
        assert f"* **`{name}`**" in columns
    for page, names in (("systems.md", system_names()), ("devices.md", device_names())):
        missing = [name for name in names if name not in written(page)]
        if missing:
            excuse(page)
        assert missing == []


def test_a_changed_meaning_changes_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tuple(
        each
        if each.name != "reads"
        else type(each)(each.name, each.unit, "something else", each.pim, each.host)
        for each in reference.SIMULATION
    )
    monkeypatch.setattr(reference, "SIMULATION", changed)
    assert reference.page("columns.md") != written("columns.md")
