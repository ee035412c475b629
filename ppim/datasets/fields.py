"""Kernel that turns delimited text into one 64-bit value per field of interest.

It reads whole lines only and says where it stopped, so a caller can feed it a file block by block.
"""

from enum import IntEnum
from typing import NamedTuple

import numpy as np

from ppim.datasets.base import MISSING
from ppim.jit import njit


class Kind(IntEnum):
    """What a field holds, hence how it becomes a value."""

    SKIP = 0
    """Anything; not looked at."""
    INTEGER = 1
    """A whole number, perhaps negative, perhaps empty; checked, not kept."""
    HEX = 2
    """A hexadecimal number."""
    DECIMAL = 3
    """A whole number, not negative."""
    TEXT = 4
    """Any text; its value is its 64-bit FNV-1a hash."""
    NUMBER = 5
    """A whole number, not negative, that must not be missing."""


class Status(IntEnum):
    """Why the kernel stopped."""

    NEED_MORE = 0
    FULL = 1
    BAD_FIELD = 2
    TOO_MANY = 3
    TOO_FEW = 4
    CUT_OFF = 5
    SHIFTED = 6


class Stop(NamedTuple):
    """Where and why the kernel stopped."""

    status: int
    rows: int
    """Rows written in all."""
    position: int
    """First byte not consumed: the beginning of the line the status speaks of."""
    lines: int
    """Lines consumed by this call."""
    field: int
    """Field that the status speaks of."""
    field_start: int


FNV_OFFSET = np.uint64(0xCBF29CE484222325)
FNV_PRIME = np.uint64(0x100000001B3)
MAX_HEX_DIGITS = 16
MAX_DECIMAL_DIGITS = 19

_SKIP, _INTEGER, _HEX, _DECIMAL = int(Kind.SKIP), int(Kind.INTEGER), int(Kind.HEX), int(Kind.DECIMAL)
_NUMBER = int(Kind.NUMBER)
_NEED_MORE, _FULL, _BAD_FIELD = int(Status.NEED_MORE), int(Status.FULL), int(Status.BAD_FIELD)
_TOO_MANY, _TOO_FEW, _CUT_OFF = int(Status.TOO_MANY), int(Status.TOO_FEW), int(Status.CUT_OFF)
_SHIFTED = int(Status.SHIFTED)
_NEWLINE, _RETURN, _MINUS, _QUOTE, _ZERO = 10, 13, 45, 34, 48
_NO_QUOTE = -1
_DIGIT_ZERO, _DIGITS = np.uint8(_ZERO), np.uint8(10)
_NOT_HEX = np.uint64(1 << 32)
_WORD_DIGITS = 8
_FOUR, _TEN = np.uint64(4), np.uint64(10)


def _hex_digits() -> np.ndarray:
    """Value of each byte as a digit; bit 32 stays above any eight digits shifted together."""
    table = np.full(256, _NOT_HEX, dtype=np.uint64)
    for digit, characters in enumerate("0123456789"):
        table[ord(characters)] = digit
    for digit, letter in enumerate("abcdef", start=10):
        table[ord(letter)] = table[ord(letter.upper())] = digit
    return table


_HEX_DIGIT = _hex_digits()


@njit(cache=False, inline="always")
def _ends(text, n, at, delimiter):  # type: ignore[no-untyped-def]
    """Whether a field ends before byte `at`."""
    if at >= n:
        return True
    byte = text[at]
    if byte in (delimiter, _NEWLINE):
        return True
    return byte == _RETURN and (at + 1 >= n or text[at + 1] == _NEWLINE)


@njit(cache=False, inline="always")
def _read_hex(text, n, at):  # type: ignore[no-untyped-def]
    value = np.uint64(0)
    first = at
    while at < n:
        digit = _HEX_DIGIT[text[at]]
        if digit == _NOT_HEX:
            break
        value = (value << _FOUR) | digit
        at += 1
    # The greatest number stands for a missing value.
    return value, at, at - first <= MAX_HEX_DIGITS and value != MISSING


@njit(cache=False, inline="always")
def _read_eight(text, at):  # type: ignore[no-untyped-def]
    """Eight hexadecimal digits at once; the value exceeds 32 bits where one of them is none."""
    first = np.uint64(at)  # an unsigned index spares numba's test for negative ones
    value = _HEX_DIGIT[text[first]]
    for place in range(1, _WORD_DIGITS):
        value = (value << _FOUR) | _HEX_DIGIT[text[first + np.uint64(place)]]
    return value


@njit(cache=False, inline="always")
def _read_decimal(text, n, at):  # type: ignore[no-untyped-def]
    value = np.uint64(0)
    first = at
    while at < n and _ZERO <= text[at] < _ZERO + 10:
        value = value * _TEN + np.uint64(text[at] - _ZERO)
        at += 1
    return value, at, at - first <= MAX_DECIMAL_DIGITS


@njit(cache=False, inline="always")
def _skip_integer(text, n, at):  # type: ignore[no-untyped-def]
    if at < n and text[at] == _MINUS:
        at += 1
    while at < n and np.uint8(text[np.uint64(at)] - _DIGIT_ZERO) < _DIGITS:
        at += 1
    return at


@njit(cache=False, inline="always")
def _read_text(text, n, at, delimiter):  # type: ignore[no-untyped-def]
    value = FNV_OFFSET
    while not _ends(text, n, at, delimiter):
        value = (value ^ np.uint64(text[at])) * FNV_PRIME
        at += 1
    return value, at, True


@njit(cache=False)
def _read_quoted(text, n, at, quote):  # type: ignore[no-untyped-def]
    """A field between quotes, in which a doubled quote stands for one; `at` is its first byte."""
    value = FNV_OFFSET
    at += 1
    while at < n:
        if text[at] == quote:
            if at + 1 < n and text[at + 1] == quote:
                at += 1
            else:
                return value, at + 1, True
        value = (value ^ np.uint64(text[at])) * FNV_PRIME
        at += 1
    return value, n, False


@njit(cache=False, inline="always")
def _skip_field(text, n, at, delimiter):  # type: ignore[no-untyped-def]
    while at < n and text[at] != delimiter and text[at] != _NEWLINE:
        at += 1
    return at


@njit(cache=False)
def _is_shifted(text, at, delimiter, kinds, digits):  # type: ignore[no-untyped-def]
    """Whether, in the line from `at` on, the field before the first hexadecimal one is a whole hexadecimal one.

    So it is where the line's first field is missing.
    """
    field = 0
    while field + 1 < kinds.size and kinds[field + 1] != _HEX:
        while text[at] != delimiter:
            at += 1
        at += 1
        field += 1
    first = at
    while text[at] != delimiter:
        at += 1
    return field + 1 < kinds.size and at - first == digits


@njit
def parse_rows(text, at, last_block, delimiter, quote, kinds, slots, min_fields, full_digits, values, row):  # type: ignore[no-untyped-def]
    """Parse lines from byte `at` on into `values`, from row `row` on.

    Parameters
    ----------
    text : ndarray of uint8, shape (n,)
        A block of the file.
    last_block : bool
        Whether the file ends with this block, so that its last line may lack an end.
    delimiter, quote : int
        Bytes between fields and around a quoted one (-1: no quoting).
    kinds, slots : ndarrays of int64, shape (n_fields,)
        Kind of each field, and its row in `values` (-1: not kept).
    min_fields : int
        Fewest fields of a line; missing trailing fields are empty ones.
    full_digits : int
        Digits of a hexadecimal field that is whole; a shorter one at the very end of a file that lacks a
        line end is cut off (0: do not ask).
    values : ndarray of uint64, shape (n_slots, capacity)
        Receives one column a line; an empty field is MISSING.

    Returns
    -------
    Stop
    """
    n = text.size
    lines = 0
    while True:
        start = at
        if at >= n:
            return Stop(_NEED_MORE, row, start, lines, 0, start)
        if row == values.shape[1]:
            return Stop(_FULL, row, start, lines, 0, start)
        if text[at] == _NEWLINE or (text[at] == _RETURN and at + 1 < n and text[at + 1] == _NEWLINE):
            at += 1 if text[at] == _NEWLINE else 2
            lines += 1
            continue
        field = 0
        while True:
            if field == kinds.size:
                return Stop(_TOO_MANY, row, start, lines, field, at)
            first = at
            kind = kinds[field]
            if kind == _HEX and at + _WORD_DIGITS < n and text[at + _WORD_DIGITS] == delimiter:
                # Nearly every field of a Criteo row; anything else takes the careful way below.
                value = _read_eight(text, at)
                if value < _NOT_HEX:
                    if slots[field] >= 0:
                        values[slots[field], row] = value
                    at += _WORD_DIGITS + 1
                    field += 1
                    continue
            if kind == _INTEGER:
                past = _skip_integer(text, n, at)
                if past < n and text[past] == delimiter:
                    at = past + 1
                    field += 1
                    continue
            value = MISSING
            good = True
            if kind == _SKIP and not (quote != _NO_QUOTE and at < n and text[at] == quote):
                at = _skip_field(text, n, at, delimiter)
            elif not _ends(text, n, at, delimiter):
                if quote != _NO_QUOTE and text[at] == quote:
                    value, at, good = _read_quoted(text, n, at, quote)
                    if not good and not last_block:
                        return Stop(_NEED_MORE, row, start, lines, field, first)
                elif kind == _HEX:
                    value, at, good = _read_hex(text, n, at)
                elif kind in (_DECIMAL, _NUMBER):
                    value, at, good = _read_decimal(text, n, at)
                elif kind == _INTEGER:
                    if text[at] == _MINUS:
                        at += 1
                    value, at, good = _read_decimal(text, n, at)
                else:
                    value, at, good = _read_text(text, n, at, delimiter)
                if not good or not _ends(text, n, at, delimiter):
                    return Stop(_BAD_FIELD, row, start, lines, field, first)
            if not last_block and (at >= n or (text[at] == _RETURN and at + 1 == n)):
                # What follows says whether the field, and with a carriage return the line, ends here.
                return Stop(_NEED_MORE, row, start, lines, field, first)
            if kind == _NUMBER and at == first:
                return Stop(_BAD_FIELD, row, start, lines, field, first)
            if slots[field] >= 0:
                values[slots[field], row] = value
            if at < n and text[at] == delimiter:
                at += 1
                field += 1
                continue
            break
        unsure = at - first < full_digits if kind == _HEX else field + 1 < kinds.size
        if at >= n and full_digits > 0 and at > first and unsure:
            return Stop(_CUT_OFF, row, start, lines, field, first)
        if (
            full_digits > 0
            and field + 2 == kinds.size
            and _is_shifted(text, start, delimiter, kinds, full_digits)
        ):
            return Stop(_SHIFTED, row, start, lines, field, first)
        if field + 1 < min_fields:
            return Stop(_TOO_FEW, row, start, lines, field, first)
        for rest in range(field + 1, kinds.size):
            if slots[rest] >= 0:
                values[slots[rest], row] = MISSING
        if at < n and text[at] == _RETURN:
            at += 1
        at = min(at + 1, n)
        lines += 1
        row += 1
