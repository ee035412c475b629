"""Tables fit the width they are given, lose nothing, and are the same facts for people and for programs."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, strategies as st

from ppim.tables import (
    LEAST_WIDTH,
    Description,
    Table,
    as_csv,
    as_json,
    as_lines,
    as_markdown,
    as_text,
    table_lines,
)

WORDS = st.lists(st.text("abcxyz", min_size=1, max_size=15), max_size=12).map(" ".join)
CELLS = st.one_of(WORDS, st.integers(-(10**6), 10**9), st.none())


@st.composite
def tables(draw: st.DrawFn) -> Table:
    n = draw(st.integers(1, 9))
    row = st.tuples(*[CELLS] * n)
    names = st.lists(st.text("pqr", min_size=1, max_size=12), min_size=n, max_size=n)
    return Table("rows", tuple(draw(names)), tuple(draw(st.lists(row, max_size=5))))


@given(tables(), st.integers(LEAST_WIDTH, 130))
def test_no_line_is_too_long_and_no_word_is_lost(table: Table, width: int) -> None:
    lines = list(table_lines(table, width))
    assert max(map(len, lines)) <= width
    shown = "".join("".join(lines).split())
    cells = [str(cell) if cell is not None else "-" for row in table.rows for cell in row]
    for cell in [*table.headings, *cells]:
        for word in cell.split():
            assert set(word) <= set(shown)
    # Nothing is lost: each column's letters are all there, whatever wraps.
    assert sum(map(len, "".join(cells).split())) <= len(shown)


@given(tables())
def test_wide_tables_have_a_line_a_row(table: Table) -> None:
    lines = list(table_lines(table, None))
    assert len(lines) == 1 + len(table.rows)
    for line, row in zip(lines[1:], table.rows, strict=True):
        assert line.split() == " ".join("-" if cell is None else str(cell) for cell in row).split()


def test_words_wrap_in_their_column_and_figures_stand_on_the_right() -> None:
    table = Table("rows", ("name", "n", "says"), (("a", 7, "one two three four five six"), ("b", 1234, "x")))
    assert list(table_lines(table, 27)) == [
        "name     n  says",
        "a        7  one two three",
        "            four five six",
        "b     1234  x",
    ]


def test_columns_without_room_go_on_below_beside_the_first_one() -> None:
    table = Table("rows", ("name", "first", "second"), (("a", "x" * 20, "y" * 20), ("b", "1", "2")))
    assert list(table_lines(table, 40)) == [
        "name  first",
        f"a     {'x' * 20}",
        "b     1",
        "",
        "name  second",
        f"a     {'y' * 20}",
        "b     2",
    ]


def test_lines_of_a_cell_are_kept() -> None:
    table = Table("rows", (), (("name", "meaning\n= source"),), indent=2)
    assert list(table_lines(table, 80)) == ["  name  meaning", "        = source"]


def test_text_wraps_with_its_indent() -> None:
    assert list(as_lines(["  one two three four"], 12)) == ["  one two", "    three", "    four"]
    assert list(as_lines(["  one two three four"], None)) == ["  one two three four"]


DESCRIPTION = Description(
    ("a title", Table("people", (), (("x", "1 GiB"),))),
    (Table("values", ("name", "bytes"), (("x", 1 << 30), ("a|b", None))), Table("more", ("k",), ((True,),))),
    {"kind": "thing"},
)


def test_programs_get_plain_values() -> None:
    assert json.loads(as_json(DESCRIPTION)) == {
        "kind": "thing",
        "values": [{"name": "x", "bytes": 1 << 30}, {"name": "a|b", "bytes": None}],
        "more": [{"k": True}],
    }
    assert list(csv.reader(io.StringIO(as_csv(DESCRIPTION)))) == [
        ["name", "bytes"],
        ["x", "1073741824"],
        ["a|b", ""],
    ]
    assert as_markdown(DESCRIPTION).splitlines() == [
        "* kind: thing",
        "",
        "| name | bytes |",
        "| --- | --- |",
        "| x | 1073741824 |",
        "| a\\|b |  |",
        "",
        "| k |",
        "| --- |",
        "| yes |",
    ]
    assert as_text(DESCRIPTION, 80) == "a title\nx  1 GiB\n"


def test_a_table_alone_is_a_list_in_json() -> None:
    table = Table("devices", ("name",), (("x",),))
    assert json.loads(as_json(Description((table,), (table,)))) == [{"name": "x"}]


@pytest.mark.parametrize("width", [40, 80])
def test_an_empty_table_is_its_headings(width: int) -> None:
    assert list(table_lines(Table("rows", ("a", "b"), ()), width)) == ["a  b"]
    assert list(table_lines(Table("rows", (), ()), width)) == []
