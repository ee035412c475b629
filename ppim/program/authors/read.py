"""Read a program in the authors' text format: check all of it first, then stream its turns."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.errors import InputError
from ppim.program.authors import form as f, text as t
from ppim.program.authors.text import parse_lines
from ppim.requests.formats.authors import DEVICES, LINE_FORM
from ppim.requests.text import NEWLINE, count_lines, line_blocks

LONGEST_QUOTE = 60
HEAM_WORDS = 6  # of a line of the traces of 2023: device, address, type, burst, table, vector


class Lines(NamedTuple):
    """Consecutive lines of a file."""

    rows: NDArray[np.int64]  # shape (n, LINE_COLUMNS)
    first: int  # number of the first, from 1


class Turns(NamedTuple):
    """Whole turns: turn k is items[starts[k]:starts[k + 1]]."""

    items: NDArray[np.int64]  # shape (n, ITEM_COLUMNS)
    starts: NDArray[np.int64]


@dataclass
class Survey:
    """What a whole file holds."""

    lines: NDArray[np.int64]  # by command, in the order of COMMANDS
    dimm_lines: int = 0
    most_bursts: int = 1  # of one instruction
    beyond_device: int = 0  # lines whose address has bits above the device

    @property
    def has_delivers(self) -> bool:
        return bool(self.lines[f.DELIVER_LINE])

    @property
    def has_prefetches(self) -> bool:
        return bool(self.lines[f.PREFETCH_LINE])

    @property
    def instructions(self) -> int:
        return int(self.lines.sum())


def read_lines(path: Path) -> Iterator[Lines]:
    """The lines of a file, plain or gzip.

    Raises
    ------
    InputError
        With file and line of the first line that is not of the format.
    """
    for block, first_line, n_lines in line_blocks(path):
        rows = np.empty((n_lines, t.LINE_COLUMNS), np.int64)
        n, status, start = parse_lines(block, rows)
        if status != t.FINE:
            number = first_line + count_lines(block[:start])
            line = block[start:].tobytes().split(NEWLINE, 1)[0]
            raise InputError(f"{path}:{number}: {_complaint(status, line)}")
        yield Lines(rows[:n], first_line)


def _complaint(status: int, line: bytes) -> str:
    text = line.decode("ascii", errors="backslashreplace").strip()
    quote = repr(text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}...")
    words = text.split()
    if len(words) == HEAM_WORDS and words[0] in DEVICES and words[1].isdigit():
        return (
            f"{quote} is a line of the authors' older traces (2023: device, address, type, burst, table, vector), "
            "which name no instruction; only the format with RD, DR, TR, PR can be replayed"
        )
    what = {
        t.BAD_DEVICE: f"an unknown device (known: {', '.join(DEVICES)})",
        t.BAD_COMMAND: f"an unknown command (known: {', '.join(f.COMMANDS)})",
        t.BAD_ADDRESS: "no decimal byte address below 2^63 where one is needed",
        t.BAD_BURSTS: f"no number of bursts from 0 to {t.MOST_BURSTS} where one is needed",
        t.EXTRA_WORD: "something follows the number of bursts",
    }[status]
    return f"{what} in {quote}; a line is `{LINE_FORM}`"


def survey_program(path: Path, units: f.UnitAddresses) -> Survey:
    """Read a whole file, checking every line.

    Raises
    ------
    InputError
        With file and line: not of the format, a deliver without its read, a burst outside its unit.
    """
    survey = Survey(lines=np.zeros(len(f.COMMANDS), dtype=np.int64))
    before = np.array([f.BLANK_LINE, 0, 0], dtype=np.int64)
    for lines in read_lines(path):
        rows = lines.rows
        kinds = rows[:, t.LINE_KIND]
        _check_lines(path, lines, before, units)
        survey.lines += np.bincount(kinds, minlength=f.DIMM_LINE + 1)[: len(f.COMMANDS)]
        survey.dimm_lines += int(np.count_nonzero(kinds == f.DIMM_LINE))
        survey.most_bursts = max(
            survey.most_bursts, int(rows[kinds < f.BLANK_LINE, t.LINE_BURSTS].max(initial=1))
        )
        survey.beyond_device += units.first.count_beyond(rows[kinds < f.BLANK_LINE, t.LINE_ADDRESS])
        before = rows[-1]
    return survey


def _check_lines(path: Path, lines: Lines, before: NDArray[np.int64], units: f.UnitAddresses) -> None:
    rows = lines.rows
    kinds, bursts = rows[:, t.LINE_KIND], rows[:, t.LINE_BURSTS]
    previous = np.concatenate([before[np.newaxis], rows[:-1]])
    delivers = kinds == f.DELIVER_LINE
    follows = (previous[:, t.LINE_KIND] == f.READ_LINE) & (previous[:, t.LINE_BURSTS] == bursts)
    local = _items(rows, units)[:, f.ITEM_ADDRESS]
    reads = (kinds == f.READ_LINE) | (kinds == f.PREFETCH_LINE)
    checks = (
        (
            delivers & ~follows,
            "a deliver (DR) does not follow the read (RD) of as many bursts that it delivers",
        ),
        (
            (bursts == 0) & (kinds != f.READ_LINE) & (kinds < f.BLANK_LINE),
            "an instruction of no bursts; only a read (RD) may have none",
        ),
        (
            reads & (local + bursts > units.geometry.unit_bursts),
            "an access runs over the end of its PIM unit",
        ),
    )
    for wrong, what in checks:
        if wrong.any():
            raise InputError(f"{path}:{lines.first + int(np.argmax(wrong))}: {what}")


def _items(rows: NDArray[np.int64], units: f.UnitAddresses) -> NDArray[np.int64]:
    """Lines with their addresses taken apart; prefetches by the second map."""
    items = np.empty((len(rows), f.ITEM_COLUMNS), dtype=np.int64)
    kinds, addresses = rows[:, t.LINE_KIND], rows[:, t.LINE_ADDRESS]
    items[:, f.ITEM_KIND] = kinds
    items[:, f.ITEM_BURSTS] = rows[:, t.LINE_BURSTS]
    places = np.stack(units.decode(units.first, addresses), axis=1)
    prefetches = kinds == f.PREFETCH_LINE
    places[prefetches] = np.stack(units.decode(units.second, addresses[prefetches]), axis=1)
    items[:, f.ITEM_CHANNEL : f.ITEM_ADDRESS + 1] = places
    return items


def read_turns(path: Path, units: f.UnitAddresses) -> Iterator[Turns]:
    """The turns of a checked file; lines for the DIMM are left out.

    A turn is a run of reads and delivers that nothing interrupts, no empty line and no other instruction, with
    the transfers and prefetches behind it. What comes before the first read belongs to the first turn.
    """
    kept: list[NDArray[np.int64]] = []  # of the turn whose end has not been seen
    in_turn, after_demand = False, False
    for lines in read_lines(path):
        rows = lines.rows[lines.rows[:, t.LINE_KIND] != f.DIMM_LINE]
        if not len(rows):
            continue
        kinds = rows[:, t.LINE_KIND]
        demand = (kinds == f.READ_LINE) | (kinds == f.DELIVER_LINE)
        begins = np.flatnonzero(demand & ~np.concatenate(([after_demand], demand[:-1])))
        if len(begins) and not in_turn:
            in_turn, begins = True, begins[1:]
        after_demand = bool(demand[-1])
        items = _items(rows, units)
        if not len(begins):
            kept.append(items)
            continue
        yield _one_turn([*kept, items[: begins[0]]])
        if len(begins) > 1:
            yield Turns(items[begins[0] : begins[-1]], begins - begins[0])
        kept = [items[begins[-1] :]]
    if kept:
        yield _one_turn(kept)


def _one_turn(parts: list[NDArray[np.int64]]) -> Turns:
    items = np.concatenate(parts)
    return Turns(items, np.array([0, len(items)]))
