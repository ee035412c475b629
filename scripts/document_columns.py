"""The tables of columns in docs/formats.md, from the counters that the program declares.

`python scripts/document_columns.py` writes them anew between their marks; a test compares them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from ppim.stats.counters import IDENTITY, ON_REPLAY_LINES, REPLAY, SIMULATION, Counter

PAGE = Path(__file__).parents[1] / "docs" / "formats.md"
BEGIN, END = "<!-- columns of {}: made by scripts/document_columns.py -->", "<!-- end of columns -->"


def tables() -> dict[str, str]:
    """Command -> its table."""
    return {
        "ppim simulate": "\n".join(_table(IDENTITY, SIMULATION, sources=True)),
        "ppim replay": "\n".join(_table(ON_REPLAY_LINES, REPLAY, sources=False)),
    }


def _table(identity: dict[str, str], counters: Iterable[Counter], *, sources: bool) -> Iterator[str]:
    heads = ["column", "unit", "meaning", *(["PIM units", "host"] if sources else [])]
    yield _line(heads)
    yield _line(["---"] * len(heads))
    for name, meaning in identity.items():
        yield _line([f"`{name}`", "", meaning, *([""] * 2 if sources else [])])
    for each in counters:
        origin = [f"`{source}`" if source else "" for source in (each.pim, each.host)]
        yield _line([f"`{each.name}`", each.unit, each.meaning, *(origin if sources else [])])


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def with_tables(page: str) -> str:
    """The page with the tables of today's code between their marks."""
    for command, table in tables().items():
        begin = BEGIN.format(command)
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(END)
        page = f"{before}{begin}\n\n{table}\n\n{END}{after}"
    return page


def main() -> None:
    """Write the page."""
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
