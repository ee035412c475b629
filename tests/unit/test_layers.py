"""The shape of the package: imports flow one way, and a command costs nothing until it is called."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from importlinter.application.use_cases import SUCCESS, lint_imports
from importlinter.configuration import configure

from tests.conftest import ROOT

MOST_NAMES = 25
"""That a file imports: with more it has two jobs, or wants a module instead of its names."""

MOST_IMPORTS = 6
"""Lines of import statements in a hundred of the package."""

COMMANDS = sorted(
    file for file in (ROOT / "ppim" / "cli").glob("[!_]*.py") if file.stem not in ("options", "words")
)


def test_imports_flow_one_way(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    configure()
    passed = lint_imports(cache_dir=None) == SUCCESS
    assert passed, capsys.readouterr().out


def test_every_folder_has_its_layer() -> None:
    """A package that no contract names could import whatever it likes."""
    text = (ROOT / "pyproject.toml").read_text()
    for module in (ROOT / "ppim").iterdir():
        if module.suffix == ".py" or (module / "__init__.py").exists():
            name = module.stem
            assert name == "__init__" or f"ppim.{name}" in text, (
                f"ppim.{name} stands in no layer of pyproject.toml"
            )


@pytest.mark.parametrize("path", COMMANDS, ids=lambda path: path.stem)
def test_commands_import_only_what_help_needs(path: Path) -> None:
    allowed = {
        "__future__",
        "click",
        "pathlib",
        "typing",
        "collections.abc",
        "ppim.errors",
        "ppim.cli.options",
    }
    tops = [
        node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    modules = {node.module or "" for node in tops if isinstance(node, ast.ImportFrom)}
    modules |= {alias.name for node in tops if isinstance(node, ast.Import) for alias in node.names}
    assert modules <= allowed


def imports_of(path: Path) -> list[ast.Import | ast.ImportFrom]:
    """All import statements of a file, those inside functions too."""
    return [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]


def test_no_file_imports_more_names_than_a_reader_can_hold() -> None:
    names = {
        str(path.relative_to(ROOT)): sum(len(node.names) for node in imports_of(path))
        for path in (ROOT / "ppim").rglob("*.py")
    }
    assert len(names) > 100
    assert {path: number for path, number in names.items() if number > MOST_NAMES} == {}


def test_imports_are_a_small_part_of_the_code() -> None:
    imports = lines = 0
    for path in (ROOT / "ppim").rglob("*.py"):
        lines += len(path.read_text().splitlines())
        imports += sum(node.end_lineno - node.lineno + 1 for node in imports_of(path) if node.end_lineno)
    assert round(100 * imports / lines) <= MOST_IMPORTS
