"""Imports are found as Python finds them, whatever they look like."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from ppim.jit import sources
from tests.conftest import ROOT

FILES = sorted((ROOT / "ppim").rglob("*.py"))

FORMS = """
import ppim.a, ppim.b as b; import ppim.c
from ppim import d as e, f
from ppim.g import (h,
    i as j,  # a comment with a )
)
from . import k
from .l import m
from .. import n
from ..o.p import *
from ppim.q \\
    import r
if True: from ppim.s import t
def inside():
    from ppim.u import v
"""


def by_python(text: bytes, name: str, is_package: bool) -> Iterator[tuple[str, list[str]]]:
    """The same from Python's own parser."""
    package = name if is_package else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                base = package.split(".")
                module = ".".join([*base[: len(base) - node.level + 1], *([module] if module else [])])
            yield module, [alias.name for alias in node.names]


def missing(text: bytes, name: str, is_package: bool) -> list[object]:
    found = list(sources.imported_names(text, name, is_package))
    return [one for one in by_python(text, name, is_package) if one not in found]


@pytest.mark.parametrize("is_package", [False, True])
def test_every_form_of_import_is_found(is_package: bool) -> None:
    assert missing(FORMS.encode(), "ppim.x.y", is_package) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_import_of_the_package_is_found(path: Path) -> None:
    parts = path.relative_to(ROOT).with_suffix("").parts
    assert missing(path.read_bytes(), ".".join(parts), path.name == "__init__.py") == []


def test_a_kernel_depends_on_what_it_is_compiled_from() -> None:
    from ppim.engine.pim.drive import build_and_run

    found = sources.closure(build_and_run.py_func if hasattr(build_and_run, "py_func") else build_and_run)
    assert found is not None
    needed = ["drive", "run", "board", "state", "by_cycle.issue", "by_unit.units", "rules.transfers"]
    assert {f"ppim.engine.pim.{name}" for name in needed} <= set(found)
    assert {"ppim.engine.banks", "ppim.jit.lanes", "ppim.jit.atomics", "ppim.mapping.placing.locate"} <= set(
        found
    )
    assert not [name for name in found if name.startswith(("ppim.cli", "ppim.stats", "ppim.datasets"))]
    assert all(file.is_file() for file in found.values())
