"""Lines of the authors' format -> numbers, and back, compiled."""

import numpy as np

from ppim.jit import njit
from ppim.program import words
from ppim.program.authors import form as f
from ppim.requests import kernels
from ppim.requests.formats.authors import DEVICES
from ppim.requests.text import LINE_END

FINE, BAD_DEVICE, BAD_COMMAND, BAD_ADDRESS, BAD_BURSTS, EXTRA_WORD = range(6)

MOST_BURSTS = 1 << 20  # 64 MiB in one instruction is no row of a subtable
LARGEST_ADDRESS = np.uint64(2**63 - 1)
LINE_BYTES = 48  # at most: words, two numbers, blanks, line end


DEVICE_KEYS = words.keys_of(DEVICES)
COMMAND_KEYS = words.keys_of(f.COMMANDS)
NO_ENDS = np.empty(0, np.uint8)  # words end with blanks
TO_HBM = np.frombuffer(f"{DEVICES[0]} ".encode(), np.uint8)
COMMAND_LETTERS = np.frombuffer("".join(f.COMMANDS).encode(), np.uint8).reshape(len(f.COMMANDS), -1)

# Columns of parsed lines.
LINE_KIND = 0
LINE_ADDRESS = 1  # bytes
LINE_BURSTS = 2
LINE_COLUMNS = 3


@njit(cache=False)
def _read_number(data, at):
    """(value, position after it, whether it is a decimal number that a signed 64-bit integer holds)."""
    at = kernels.skip_blanks(data, at)
    value, end = kernels.read_decimal(data, at)
    fine = (
        end > at and data[end] <= kernels.BLANK and kernels.fits(data, at, end, kernels.MOST_DECIMAL_DIGITS)
    )
    return np.int64(value), end, fine and value <= LARGEST_ADDRESS


@njit(cache=False)
def _read_line(data, at, line):
    """Fill one row from the line at `at` (its first letter): (position of its end, status)."""
    key, at = words.read_key(data, at, NO_ENDS)
    device = words.find_key(DEVICE_KEYS, key)
    if device < 0:
        return at, BAD_DEVICE
    key, at = words.read_key(data, kernels.skip_blanks(data, at), NO_ENDS)
    command = words.find_key(COMMAND_KEYS, key)
    if command < 0:
        return at, BAD_COMMAND
    line[LINE_KIND] = command if device == 0 else f.DIMM_LINE
    line[LINE_ADDRESS], at, fine = _read_number(data, at)
    if not fine:
        return at, BAD_ADDRESS
    line[LINE_BURSTS], at, fine = _read_number(data, at)
    if not fine or line[LINE_BURSTS] > MOST_BURSTS:
        return at, BAD_BURSTS
    at = kernels.skip_blanks(data, at)
    return at, FINE if data[at] == LINE_END else EXTRA_WORD


@njit
def parse_lines(data, lines):
    """Fill `lines`, one row a line of `data`, which ends in a line end: (rows, status, start of the bad line)."""
    at, n = 0, 0
    while at < data.size:
        start = at
        at = kernels.skip_blanks(data, at)
        if data[at] == LINE_END:
            lines[n, LINE_KIND] = f.BLANK_LINE
            lines[n, LINE_ADDRESS] = 0
            lines[n, LINE_BURSTS] = 0
        else:
            at, status = _read_line(data, at, lines[n])
            if status != FINE:
                return n, status, start
        n += 1
        at += 1
    return n, FINE, at


@njit
def format_lines(lines, text):
    """Write rows as lines into `text` (LINE_BYTES a row); bytes written."""
    at = 0
    for n in range(len(lines)):
        kind = lines[n, LINE_KIND]
        if kind != f.BLANK_LINE:
            for letter in TO_HBM:
                text[at] = letter
                at += 1
            for letter in COMMAND_LETTERS[kind]:
                text[at] = letter
                at += 1
            text[at] = kernels.BLANK
            at = words.put_digits(text, at + 1, lines[n, LINE_ADDRESS])
            text[at] = kernels.BLANK
            at = words.put_digits(text, at + 1, lines[n, LINE_BURSTS])
            text[at] = kernels.BLANK
            at += 1
        text[at] = LINE_END
        at += 1
    return at
