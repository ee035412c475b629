"""Read a `ppim-program`: lines to rows, held to their form, in whole turns."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ppim.errors import InputError
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.program import instruction as i
from ppim.program.listing import form as f, text as t
from ppim.program.listing.header import quote
from ppim.requests.text import NEWLINE, line_blocks

Rows = NDArray[np.int64]
"""Parsed lines, shape (n, LINE_COLUMNS)."""


def refuse(path: Path, rows: Rows, wrong: NDArray[np.bool_], what: str) -> None:
    """Raise an error at the first line that is wrong, if any is.

    Raises
    ------
    InputError
        With file and line.
    """
    if wrong.any():
        raise InputError(f"{path}:{rows[int(np.argmax(wrong)), f.LINE_NUMBER]}: {what}")


def read_rows(path: Path, header: f.Header, geometry: UnitGeometry) -> Iterator[Rows]:
    """Lines behind the header, block by block, each line for itself as the format has it.

    Raises
    ------
    InputError
        With file and line of the first that is not.
    """
    for block, first_line, n_lines in line_blocks(path):
        skipped = max(0, min(header.lines + 1 - first_line, n_lines))
        if skipped:
            ends = np.flatnonzero(block == NEWLINE[0])
            block = block[ends[skipped - 1] + 1 :]
        rows = np.empty((n_lines - skipped, f.LINE_COLUMNS), np.int64)
        n, status, start, number = t.parse_lines(block, first_line + skipped, rows)
        if status != t.FINE:
            line = block[start:].tobytes().split(NEWLINE, 1)[0]
            word = int(rows[n, f.LINE_WORD])
            raise InputError(f"{path}:{number}: {_complaint(status, word, line)}")
        _check_form(path, rows[:n])
        _check_ranges(path, rows[:n], geometry)
        if n:
            yield rows[:n]


def _complaint(status: int, word: int, line: bytes) -> str:
    text = line.decode("utf-8", errors="replace").strip()
    first = text.split()[0] if text.split() else ""
    if status == t.BAD_WORD and first in f.HEADER_WORDS:
        return f"{quote(text)}: a line of the header behind the first line of the program"
    if status == t.BAD_WORD:
        return f"an unknown word in {quote(text)}; known: {', '.join(f.WORDS)}"
    what = {
        t.BAD_PAIR: "words that are no key=value",
        t.BAD_KEY: "an unknown key",
        t.GIVEN_TWICE: "a key that is given twice",
        t.BAD_VALUE: f"a value that is no whole number of at most {t.MOST_DIGITS} digits",
    }[status]
    return f"{what} in {quote(text)}; a line is `{f.form_of(word)}`"


def _check_form(path: Path, rows: Rows) -> None:
    """Each line has the keys that its word needs, no others, and * only where that has a meaning."""
    words, given = rows[:, f.LINE_WORD], rows[:, f.LINE_GIVEN]
    lacks = f.MUST_MASK[words] & ~given
    has_more = given & ~f.MAY_MASK[words]
    wrong = (lacks | has_more) != 0
    if wrong.any():
        at = int(np.argmax(wrong))
        bits = int(lacks[at] or has_more[at])
        key = f.KEYS[(bits & -bits).bit_length() - 1]
        verb = "lacks" if lacks[at] else "has no"
        raise InputError(
            f"{path}:{rows[at, f.LINE_NUMBER]}: a line of {f.WORDS[words[at]]} {verb} {key}=; it is "
            f"`{f.form_of(int(words[at]))}`"
        )
    stars = (rows[:, f.FIRST_KEY :] == i.ALL) & ~f.MAY_BE_ALL[words]
    if stars.any():
        at, key = np.argwhere(stars)[0]
        number = rows[at, f.LINE_NUMBER]
        raise InputError(f"{path}:{number}: {f.KEYS[key]}=* on a line that has one of them only")


def _check_ranges(path: Path, rows: Rows, geometry: UnitGeometry) -> None:
    """Numbers are of the memory, and of a size that one may mean."""
    words = rows[:, f.LINE_WORD]
    most = {
        f.NUMBER: f.LARGEST_NUMBER,
        f.BATCH: f.LARGEST_NUMBER,
        f.BAG: f.LARGEST_NUMBER,
        f.TURN: f.LARGEST_NUMBER,
        f.LOOKUP: f.LARGEST_NUMBER,
        f.SHARERS: f.LARGEST_NUMBER,
        f.STEP: f.LARGEST_NUMBER,
        f.MACS: f.LARGEST_WORK,
        f.BURSTS: f.MOST_BURSTS,
        **dict.fromkeys(range(f.LOOKUPS, f.LINE_COLUMNS), f.LARGEST_WORK),
        f.CHANNEL: geometry.channels - 1,
        f.UNIT: geometry.units_per_channel - 1,
        f.BANK: geometry.banks_per_unit - 1,
        f.ROW: geometry.rows - 1,
        f.COLUMN: geometry.bursts_per_row - 1,
    }
    for column, largest in most.items():
        wrong = rows[:, column] > largest
        name = f.KEYS[column - f.FIRST_KEY]
        refuse(path, rows, wrong, f"{name} is more than {largest:,}, the last one")
    moves = np.isin(words, (f.READ_LINE, f.READ_OUT_LINE, f.PREFETCH_LINE, f.DELIVER_LINE))
    refuse(path, rows, moves & (rows[:, f.BURSTS] == 0), "an instruction of no bursts; a hit needs none")
    reads = moves & (words != f.DELIVER_LINE)
    over = address_of(rows, geometry) + rows[:, f.BURSTS] > geometry.unit_bursts
    refuse(path, rows, reads & over, "an access runs over the end of its PIM unit")
    is_all = rows[:, f.CHANNEL] == i.ALL
    demand = np.isin(words, f.STARS[f.UNIT])
    refuse(
        path,
        rows,
        demand & is_all & (rows[:, f.UNIT] != i.ALL),
        "channel=* needs unit=* here: all units of all channels",
    )


def address_of(rows: Rows, geometry: UnitGeometry) -> NDArray[np.int64]:
    """Unit-local addresses, in bursts: column first, then the unit's banks, then rows."""
    place = rows[:, f.ROW] * geometry.banks_per_unit + rows[:, f.BANK]
    return np.asarray(place * geometry.bursts_per_row + rows[:, f.COLUMN])


def whole_turns(blocks: Iterator[Rows]) -> Iterator[Rows]:
    """The same lines in pieces that end where a turn ends; what stands before the first turn comes with it."""
    kept: list[Rows] = []
    seen_turn = False
    for rows in blocks:
        begins = np.flatnonzero(rows[:, f.LINE_WORD] == f.TURN_LINE)
        if len(begins) and not seen_turn:
            seen_turn, begins = True, begins[1:]
        if not len(begins):
            kept.append(rows)
            continue
        last = begins[-1]
        yield np.concatenate([*kept, rows[:last]])
        kept = [rows[last:]]
    if kept:
        yield np.concatenate(kept)


@dataclass
class Survey:
    """What a whole file holds.

    Attributes
    ----------
    lines : ndarray of int64, shape (len(WORDS),)
        How many of each word.
    counts : ndarray of int64, shape (n, LINE_COLUMNS)
        Lines of `counts`.
    """

    lines: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(f.WORDS), dtype=np.int64))
    counts: Rows = field(default_factory=lambda: np.zeros((0, f.LINE_COLUMNS), dtype=np.int64))
    most_bursts: int = 1
    most_delivers: int = 0  # read-outs of one lookup
    batches: int = 0

    @property
    def instructions(self) -> int:
        return int(self.lines[f.READ_LINE : f.COUNTS_LINE].sum())

    def see(self, rows: Rows) -> None:
        """Take lines into account."""
        words = rows[:, f.LINE_WORD]
        self.lines += np.bincount(words, minlength=len(f.WORDS))
        self.counts = np.concatenate([self.counts, rows[words == f.COUNTS_LINE]])
        self.most_bursts = max(self.most_bursts, int(rows[:, f.BURSTS].max(initial=1)))
        batches = rows[words == f.TURN_LINE, f.BATCH]
        self.batches = int(batches[-1]) + 1 if len(batches) else self.batches
