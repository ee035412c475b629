"""Request text of one grammar -> arrays.

A line holds an address, a word that says read or write, and in some formats a cycle, in an order that
the format's `Grammar` gives. Blanks, tabs and carriage returns separate; lines without words are skipped.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.errors import InputError
from ppim.requests import base, kernels
from ppim.requests.text import NEWLINE, count_lines, line_blocks


class Grammar(NamedTuple):
    """How a format writes a request."""

    line: str  # the form of a line, for messages
    reads: tuple[str, ...]  # words that mean a read
    writes: tuple[str, ...]
    word_first: bool  # the word stands before the address
    has_cycle: bool  # a decimal cycle ends the line; otherwise every request is due at cycle 0
    always_hex: bool  # addresses are hexadecimal even without 0x


def _word_keys(words: tuple[str, ...]) -> NDArray[np.uint64]:
    return np.array([int.from_bytes(word.encode(), "big") for word in words], np.uint64)


def parse_file(path: Path, grammar: Grammar) -> Iterator[base.Requests]:
    """Requests of a text file, block by block.

    Raises
    ------
    InputError
        With file and line of the first line that is not of the grammar.
    """
    words = _word_keys(grammar.reads + grammar.writes)
    for block, first_line, n_lines in line_blocks(path):
        address, is_write = np.empty(n_lines, np.uint64), np.empty(n_lines, np.bool_)
        cycle = np.empty(n_lines, np.int64)
        n_requests, status, line_start = kernels.parse_block(
            block,
            words,
            len(grammar.reads),
            grammar.word_first,
            grammar.has_cycle,
            grammar.always_hex,
            address,
            is_write,
            cycle,
        )
        if status != kernels.FINE:
            line_number = first_line + count_lines(block[:line_start])
            line = block[line_start:].tobytes().split(NEWLINE, 1)[0]
            raise InputError(f"{path}:{line_number}: {_complaint(status, line, grammar)}")
        yield base.Requests(address[:n_requests], is_write[:n_requests], cycle[:n_requests])


LONGEST_QUOTE = 60


def _complaint(status: int, line: bytes, grammar: Grammar) -> str:
    text = line.decode("ascii", errors="backslashreplace").strip()
    quote = repr(text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}...")
    known = ", ".join(grammar.reads + grammar.writes)
    number = "hexadecimal" if grammar.always_hex else "decimal, or hexadecimal after 0x,"
    what = {
        kernels.BAD_ADDRESS: f"no {number} address where one is needed",
        kernels.ADDRESS_TOO_LARGE: "an address is too large",
        kernels.BAD_WORD: f"an unknown operation (known: {known})",
        kernels.BAD_CYCLE: "no cycle (a whole number from 0 on) where one is needed",
        kernels.CYCLE_TOO_LARGE: "a cycle is above 2^60",
        kernels.EXTRA_WORD: "something follows the request",
    }[status]
    return f"{what} in {quote}; a line is `{grammar.line}`"
