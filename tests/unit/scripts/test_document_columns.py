"""The page of file formats explains every column as the program declares it."""

from __future__ import annotations

import sys

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "scripts"))
try:
    import document_columns
finally:
    sys.path.remove(str(ROOT / "scripts"))


def test_the_page_has_the_tables_of_todays_counters() -> None:
    page = document_columns.PAGE.read_text(encoding="utf-8")
    assert document_columns.with_tables(page) == page
    for name in (*document_columns.IDENTITY, *(each.name for each in document_columns.SIMULATION)):
        assert page.count(f"\n| `{name}` |") >= 1, name


def test_a_changed_meaning_changes_the_page() -> None:
    page = document_columns.PAGE.read_text(encoding="utf-8")
    assert document_columns.with_tables(page.replace("READ, one a burst", "READ")) == page
