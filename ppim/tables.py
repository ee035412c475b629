"""Tables and lines, written for a terminal (as wide as it is), as CSV, as JSON or as Markdown."""

import csv
import io
import json
import re
import shutil
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

GAP = "  "
LEAST_WIDTH = 40
"""Characters of the narrowest terminal that is written for."""

LONGEST_WORD = 24
"""Characters of a word that a column is kept wide enough for; longer ones are broken."""

_FIGURE = re.compile(r"[-+]?[\d,]*\.?\d+(e[-+]?\d+)?( ?%)?|-|", re.ASCII)
_PIECES = re.compile(r"\s+|\+?[^\s;+]+;?|[;+]+")
"""Of a cell's line, between which it may be broken: words, and parts of NAME+KEY=VALUE;KEY=VALUE."""

_WITH_UNIT = re.compile(r"[-+]?[\d,.]+ \S{1,3}", re.ASCII)


@dataclass(frozen=True)
class Table:
    """Rows under headings.

    Attributes
    ----------
    name : str
        What its rows are, in one word; JSON calls it so.
    headings : tuple of str
        May be none in a table for people.
    rows : tuple of tuple
        Cells: text (lines are kept), numbers, or None for nothing.
    indent : int
        Characters before each line, for people.
    """

    name: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    indent: int = 0

    def records(self) -> list[dict[str, Any]]:
        """A mapping a row."""
        return [dict(zip(self.headings, row, strict=True)) for row in self.rows]


@dataclass(frozen=True)
class Description:
    """The same for people and for programs.

    Attributes
    ----------
    lines : tuple of str or Table
        For people, in order.
    tables : tuple of Table
        For programs; CSV has the first of them.
    facts : mapping
        What stands in no table, for JSON and Markdown.
    """

    lines: tuple[str | Table, ...]
    tables: tuple[Table, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __iter__(self) -> Iterator[str]:
        """Its lines, as wide as they are."""
        return as_lines(self.lines, None)


def terminal_width() -> int:
    """Characters of a line: the terminal's, COLUMNS where that is set, and 80 where there is no terminal."""
    return max(shutil.get_terminal_size((80, 24)).columns, LEAST_WIDTH)


def as_lines(parts: Iterable[str | Table], width: int | None) -> Iterator[str]:
    """Text and tables as lines of at most `width` characters; None: a line a row, however long."""
    for part in parts:
        if isinstance(part, Table):
            yield from table_lines(part, width)
        else:
            yield from wrapped(part, width)


def wrapped(text: str, width: int | None) -> list[str]:
    """A line as lines of at most `width` characters; those behind the first are indented."""
    if width is None or len(text) <= width:
        return [text]
    indent = " " * (len(text) - len(text.lstrip(" ")) + 2)
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False)


def table_lines(table: Table, width: int | None) -> Iterator[str]:
    """A table with aligned columns.

    Columns of words wrap inside; where that is not enough, columns go on below, beside the first one again.
    """
    body = [[_text(cell) for cell in row] for row in table.rows]
    rows = [list(table.headings), *body] if table.headings else body
    if not rows:
        return
    right = [all(_is_figure(row[column]) for row in body) for column in range(len(rows[0]))]
    natural = [max(_width(row[column]) for row in rows) for column in range(len(rows[0]))]
    least = [max(_longest_word(row[column]) for row in rows) for column in range(len(rows[0]))]
    room = None if width is None else width - table.indent
    for number, columns in enumerate(_blocks(least, room)):
        if number:
            yield ""
        widths = _fitted([natural[c] for c in columns], [least[c] for c in columns], room)
        for row in rows:
            yield from (
                f"{' ' * table.indent}{line}".rstrip()
                for line in _row_lines([row[c] for c in columns], widths, [right[c] for c in columns])
            )


def _text(cell: Any) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return str(cell)


def _is_figure(cell: str) -> bool:
    return bool(_FIGURE.fullmatch(cell) or _WITH_UNIT.fullmatch(cell))


def _width(cell: str) -> int:
    return max(map(len, cell.split("\n")))


def _longest_word(cell: str) -> int:
    """What must stay in one line: a word, or a figure with its unit."""
    if _WITH_UNIT.fullmatch(cell):
        return len(cell)
    return min(max((len(piece.strip()) for piece in _PIECES.findall(cell)), default=0), LONGEST_WORD)


def _blocks(least: Sequence[int], room: int | None) -> Iterator[list[int]]:
    """Columns that find room beside each other; each block begins with the first column."""
    if room is None:
        yield list(range(len(least)))
        return
    block = [0]
    for column in range(1, len(least)):
        if len(block) > 1 and sum(least[c] for c in [*block, column]) + len(GAP) * len(block) > room:
            yield block
            block = [0]
        block.append(column)
    yield block


def _fitted(natural: Sequence[int], least: Sequence[int], room: int | None) -> list[int]:
    """Widths of columns: the widest give way first."""
    widths = list(natural)
    if room is None:
        return widths
    while sum(widths) + len(GAP) * (len(widths) - 1) > room:
        spare = [column for column in range(len(widths)) if widths[column] > least[column]]
        if not spare:
            break
        widths[max(spare, key=lambda column: widths[column])] -= 1
    return widths


def _row_lines(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> Iterator[str]:
    """One row, in as many lines as its highest cell has."""
    columns = [_cell_lines(cell, width) for cell, width in zip(cells, widths, strict=True)]
    for number in range(max(map(len, columns))):
        words = (lines[number] if number < len(lines) else "" for lines in columns)
        yield GAP.join(
            word.rjust(width) if is_right else word.ljust(width)
            for word, width, is_right in zip(words, widths, right, strict=True)
        )


def _cell_lines(cell: str, width: int) -> list[str]:
    """Lines of a cell; what goes on in the next line is indented, where there is room for that."""
    indent = "  " if width > LONGEST_WORD else ""
    return [part for line in cell.split("\n") for part in _broken(line, max(width, 1), indent)]


def _broken(line: str, width: int, indent: str) -> Iterator[str]:
    """A line of a cell in parts that fit."""
    part = ""
    for piece in _PIECES.findall(line):
        if len(part) + len(piece.rstrip()) > width and part.strip():
            yield part.rstrip()
            part, piece = indent, piece.lstrip()
        while len(part) + len(piece.rstrip()) > width:
            room = width - len(part)
            yield part + piece[:room]
            part, piece = indent, piece[room:]
        part += piece
    if part.strip() or not line:
        yield part.rstrip()


def as_text(description: Description, width: int | None) -> str:
    """For people."""
    return "".join(f"{line}\n" for line in as_lines(description.lines, width))


def as_csv(description: Description) -> str:
    """The first table."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(description.tables[0].headings)
    writer.writerows(description.tables[0].rows)
    return text.getvalue()


def as_json(description: Description) -> str:
    """Facts, and a list of rows for each table; a table alone is its list."""
    tables = {table.name: table.records() for table in description.tables}
    content = {**description.facts, **tables}
    return json.dumps(content if len(content) > 1 else next(iter(tables.values())), indent=2) + "\n"


def as_markdown(description: Description) -> str:
    """Facts as a list, and a pipe table for each table."""
    lines = [f"* {name}: {_text(value)}" for name, value in description.facts.items()]
    for table in description.tables:
        lines += ["", *markdown_table(table)]
    return "\n".join(lines).strip() + "\n"


def markdown_table(table: Table) -> Iterator[str]:
    """Lines of a pipe table."""
    yield f"| {' | '.join(table.headings)} |"
    yield f"|{' --- |' * len(table.headings)}"
    for row in table.rows:
        cells = ("" if cell is None else _text(cell) for cell in row)
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), '<br>') for cell in cells)} |"


WRITERS: dict[str, Callable[[Description], str]] = {"csv": as_csv, "json": as_json, "md": as_markdown}
"""Name -> description as text for programs."""
