"""One new file in a folder adds one variant, and nothing else needs to change."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ppim.datasets.base import DATASETS
from ppim.errors import UnknownNameError
from ppim.mapping.base import MAPPINGS
from ppim.registry import Registry
from ppim.weight_sharing.base import ALGORITHMS

PACKAGE = "variants_of_a_test"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / PACKAGE
    package.mkdir()
    (package / "__init__.py").write_text(
        f"from ppim.registry import Registry\nKINDS = Registry('kind', '{PACKAGE}')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        monkeypatch.delitem(sys.modules, name)
    return package


def add(folder: Path, module: str, name: str) -> None:
    (folder / f"{module}.py").write_text(
        f"from {PACKAGE} import KINDS\n@KINDS.register('{name}')\nclass Variant:\n    word = '{module}'\n"
    )


def kinds() -> Registry[type]:
    import importlib

    registry: Registry[type] = importlib.import_module(PACKAGE).KINDS
    return registry


def test_files_are_found_without_being_listed(folder: Path) -> None:
    add(folder, "one_thing", "one-thing")
    add(folder, "another", "another")
    assert kinds().names() == ("another", "one-thing")
    assert kinds().get("one-thing").word == "one_thing"  # type: ignore[attr-defined]


def test_unknown_names_offer_the_near_ones(folder: Path) -> None:
    add(folder, "interleave", "interleave")
    with pytest.raises(UnknownNameError, match="unknown kind 'interlaced'; did you mean interleave"):
        kinds().get("interlaced")


def test_two_files_may_not_take_one_name(folder: Path) -> None:
    add(folder, "one", "same")
    add(folder, "two", "same")
    with pytest.raises(ValueError, match="'same' is registered twice"):
        kinds().names()


@pytest.mark.parametrize(
    ("registry", "some"),
    [
        (DATASETS, {"criteo-kaggle", "synthetic"}),
        (MAPPINGS, {"duplicate", "interleave"}),
        (ALGORITHMS, {"dense", "qr", "tt-rec"}),
    ],
)
def test_the_package_s_own_folders(registry: Registry[object], some: set[str]) -> None:
    assert some <= set(registry.names())
    for name in registry.names():
        assert registry.get(name) is not None
