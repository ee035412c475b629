"""Lines of `ppim-program` -> numbers, and back, compiled."""

import numpy as np

from ppim.jit import njit
from ppim.program import instruction as i, words
from ppim.program.listing import form as f
from ppim.requests import kernels
from ppim.requests.text import LINE_END

FINE, BAD_WORD, BAD_PAIR, BAD_KEY, GIVEN_TWICE, BAD_VALUE = range(6)

COMMENT = ord("#")
EQUALS = ord("=")
STAR = ord("*")
KEY_ENDS = np.array([EQUALS, COMMENT], np.uint8)
MOST_DIGITS = 18  # of a value: numbers stay inside 63 bits


def _letters(of: tuple[str, ...]) -> np.ndarray:
    """Letters of words, one row a word, zeros behind the shorter ones."""
    return np.array([list(word.encode().ljust(kernels.WORD_BYTES, b"\0")) for word in of], dtype=np.uint8)


WORD_KEYS = words.keys_of(f.WORDS)
KEY_KEYS = words.keys_of(f.KEYS)
WORD_LETTERS, KEY_LETTERS = _letters(f.WORDS), _letters(f.KEYS)
# At most: the word, and for each key that a line may have a blank, the key, a sign and a number.
LINE_BYTES = (
    kernels.WORD_BYTES
    + 1
    + max(
        sum(len(key) + 3 + MOST_DIGITS for key in (*must, *may))
        for must, may in zip(f.MUST, f.MAY, strict=True)
    )
)


@njit(cache=False)
def _read_value(data, at):
    """(value, position after it, whether it is one): a decimal number, or * for all."""
    if data[at] == STAR:
        return np.int64(i.ALL), at + 1, True
    value, end = kernels.read_decimal(data, at)
    return np.int64(value), end, end > at and kernels.fits(data, at, end, MOST_DIGITS)


@njit(cache=False)
def _ends_word(data, at):
    return data[at] <= kernels.BLANK or data[at] == COMMENT


@njit(cache=False)
def _read_line(data, at, line):
    """Fill one row from the line at `at` (its first letter): (position from which its end can be looked for, status)."""
    line[:] = 0
    key, at = words.read_key(data, at, KEY_ENDS)
    line[f.LINE_WORD] = words.find_key(WORD_KEYS, key)
    if line[f.LINE_WORD] < 0 or not _ends_word(data, at):
        return at, BAD_WORD
    at = kernels.skip_blanks(data, at)
    while data[at] != LINE_END and data[at] != COMMENT:
        key, at = words.read_key(data, at, KEY_ENDS)
        if data[at] != EQUALS:
            return at, BAD_PAIR
        index = words.find_key(KEY_KEYS, key)
        if index < 0:
            return at, BAD_KEY
        if line[f.LINE_GIVEN] >> index & 1:
            return at, GIVEN_TWICE
        line[f.LINE_GIVEN] |= 1 << index
        line[f.FIRST_KEY + index], at, fine = _read_value(data, at + 1)
        if not fine or not _ends_word(data, at):
            return at, BAD_VALUE
        at = kernels.skip_blanks(data, at)
    return at, FINE


@njit
def parse_lines(data, first_line, lines):
    """Fill `lines`, a row for each line of `data` that says something: (rows, status, start and number of the bad line).

    `data` ends in a line end.
    """
    at, n, number = 0, 0, first_line
    while at < data.size:
        start = at
        at = kernels.skip_blanks(data, at)
        if data[at] != LINE_END and data[at] != COMMENT:
            at, status = _read_line(data, at, lines[n])
            if status != FINE:
                return n, status, start, number
            lines[n, f.LINE_NUMBER] = number
            n += 1
        while data[at] != LINE_END:
            at += 1
        number += 1
        at += 1
    return n, FINE, at, number


@njit(cache=False)
def _put_letters(text, at, letters):
    for letter in letters:
        if letter == 0:
            break
        text[at] = letter
        at += 1
    return at


@njit(cache=False)
def _put_value(text, at, value):
    """Write decimal digits, or * for all; position after them."""
    if value == i.ALL:
        text[at] = STAR
        return at + 1
    return words.put_digits(text, at, value)


@njit
def format_lines(lines, text):
    """Write rows as lines into `text` (LINE_BYTES a row), with the keys that LINE_GIVEN names; bytes written."""
    at = 0
    for n in range(len(lines)):
        at = _put_letters(text, at, WORD_LETTERS[lines[n, f.LINE_WORD]])
        for index in range(len(KEY_LETTERS)):
            if lines[n, f.LINE_GIVEN] >> index & 1:
                text[at] = kernels.BLANK
                at = _put_letters(text, at + 1, KEY_LETTERS[index])
                text[at] = EQUALS
                at = _put_value(text, at + 1, lines[n, f.FIRST_KEY + index])
        text[at] = LINE_END
        at += 1
    return at
