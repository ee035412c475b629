"""The evaluation page has the tables that its script makes, with the numbers of today's code."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from ppim.errors import InputError
from tests.conftest import ROOT
from tests.unit.scripts.load import script

PAGE = ROOT / "docs" / "evaluation.md"


@pytest.fixture(scope="module")
def evaluate() -> ModuleType:
    return script("evaluate")


def tables_of(evaluate: ModuleType, page: str) -> dict[str, str]:
    """Tables between their marks."""
    return {
        match["name"]: match[0].split("-->\n", 1)[1].rsplit("<!--", 1)[0]
        for match in evaluate.MARKS.finditer(page)
    }


def test_the_page_has_every_table_once(evaluate: ModuleType) -> None:
    page = PAGE.read_text(encoding="utf-8")
    names = [match["name"] for match in evaluate.MARKS.finditer(page)]
    assert sorted(names) == sorted(evaluate.MAKERS)
    assert all(table.startswith("| ") for table in tables_of(evaluate, page).values())


def test_tables_replace_what_stands_between_their_marks(evaluate: ModuleType) -> None:
    page = (
        "before\n<!-- table: time -->\nold\n<!-- end -->\n<!-- table: rank -->\nkept\n<!-- end -->\nafter\n"
    )
    filled = evaluate.fill(page, {"time": evaluate.markdown(["a", "b"], [[1, 2]])})
    assert filled == page.replace("old\n", "| a | b |\n| --- | ---: |\n| 1 | 2 |\n")
    with pytest.raises(InputError, match="<!-- table: pooling -->"):
        evaluate.fill(page, {"pooling": ""})


def test_another_dataset_is_refused(evaluate: ModuleType, shared: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"movielens.*criteo-kaggle"):
        evaluate.Bench(shared / "data" / "movielens_100k_u.data.gz", tmp_path)


@pytest.mark.parametrize("name", ["instructions", "collisions"])  # the quickest
def test_the_page_has_the_numbers_of_this_code(
    evaluate: ModuleType, shared: Path, tmp_path: Path, name: str
) -> None:
    """If this fails and the change is meant: `make evaluate`."""
    bench = evaluate.Bench(shared / "data" / "criteo_kaggle_999.txt", tmp_path)
    assert tables_of(evaluate, PAGE.read_text(encoding="utf-8"))[name] == evaluate.MAKERS[name](bench)
