"""Lines of request text -> arrays, in one compiled pass over the bytes (the kernels of `parse.py`)."""

import numpy as np

from ppim.jit import njit
from ppim.requests import base, text

BLANK = 32  # this and everything below it separates words
DECIMAL_BASE = 10
HEX_DIGIT_BITS = 4
MOST_HEX_DIGITS = 16  # of a 64-bit number
MOST_DECIMAL_DIGITS = 19  # every number of so many digits fits in 64 bits
NO_DIGIT = 255
DIGIT_ZERO = ord("0")
LETTER_X = ord("x")
LOWER_CASE_BIT = 0x20
WORD_BYTES = 8  # longest word that a 64-bit number can hold
BYTE_BITS = 8

FINE, BAD_ADDRESS, ADDRESS_TOO_LARGE, BAD_WORD, BAD_CYCLE, CYCLE_TOO_LARGE, EXTRA_WORD = range(7)

DIGITS = np.full(256, NO_DIGIT, np.uint8)
for _value, _letters in enumerate(
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "aA", "bB", "cC", "dD", "eE", "fF"]
):
    for _letter in _letters:
        DIGITS[ord(_letter)] = _value


@njit(cache=False)
def skip_blanks(data, at):
    while data[at] <= BLANK and data[at] != text.LINE_END:
        at += 1
    return at


@njit(cache=False)
def _read_hexadecimal(data, at):
    """Digits from `at` on: (value, position after them)."""
    value = np.uint64(0)
    digit = DIGITS[data[at]]
    while digit != NO_DIGIT:
        value = (value << np.uint64(HEX_DIGIT_BITS)) | np.uint64(digit)
        at += 1
        digit = DIGITS[data[at]]
    return value, at


@njit(cache=False)
def read_decimal(data, at):
    """Digits from `at` on: (value, position after them)."""
    value = np.uint64(0)
    digit = DIGITS[data[at]]
    while digit < DECIMAL_BASE:
        value = value * np.uint64(DECIMAL_BASE) + np.uint64(digit)
        at += 1
        digit = DIGITS[data[at]]
    return value, at


@njit(cache=False)
def fits(data, start, end, most_digits):
    """Whether the digits in start..end, leading zeros aside, are at most `most_digits`."""
    if end - start > most_digits:
        while start < end and data[start] == DIGIT_ZERO:
            start += 1
    return end - start <= most_digits


@njit(cache=False)
def _read_address(data, at, always_hex):
    """(value, position after it, status) of an address with or without 0x."""
    prefixed = data[at] == DIGIT_ZERO and (data[at + 1] | LOWER_CASE_BIT) == LETTER_X
    if prefixed:
        at += 2
    is_hex = prefixed or always_hex
    value, end = _read_hexadecimal(data, at) if is_hex else read_decimal(data, at)
    if end == at or data[end] > BLANK:
        return value, end, BAD_ADDRESS
    is_small = fits(data, at, end, MOST_HEX_DIGITS if is_hex else MOST_DECIMAL_DIGITS)
    return value, end, FINE if is_small else ADDRESS_TOO_LARGE


@njit(cache=False)
def _read_word(data, at, words, n_reads):
    """(is a write, position after the word, status); `words` holds the reads' words, then the writes'."""
    key, start = np.uint64(0), at
    while data[at] > BLANK:
        key = (key << np.uint64(BYTE_BITS)) | np.uint64(data[at])
        at += 1
    if at - start <= WORD_BYTES:
        for index in range(words.size):
            if words[index] == key:
                return index >= n_reads, at, FINE
    return False, at, BAD_WORD


@njit(cache=False)
def _read_cycle(data, at):
    value, end = read_decimal(data, at)
    if end == at or data[end] > BLANK:
        return np.int64(0), end, BAD_CYCLE
    if not fits(data, at, end, MOST_DECIMAL_DIGITS) or value > np.uint64(base.LARGEST_CYCLE):
        return np.int64(0), end, CYCLE_TOO_LARGE
    return np.int64(value), end, FINE


@njit(cache=False)
def _read_address_and_word(data, at, words, n_reads, word_first, always_hex):
    """(address, is a write, position after both, status)."""
    if word_first:
        is_write, at, status = _read_word(data, at, words, n_reads)
        if status != FINE:
            return np.uint64(0), False, at, status
        address, at, status = _read_address(data, skip_blanks(data, at), always_hex)
        return address, is_write, at, status
    address, at, status = _read_address(data, at, always_hex)
    if status != FINE:
        return address, False, at, status
    is_write, at, status = _read_word(data, skip_blanks(data, at), words, n_reads)
    return address, is_write, at, status


@njit
def parse_block(data, words, n_reads, word_first, has_cycle, always_hex, address, is_write, cycle):
    """Fill the arrays from `data`, which ends in a line end: (requests, status, start of the bad line)."""
    at, n_requests = 0, 0
    while at < data.size:
        line_start = at
        at = skip_blanks(data, at)
        if data[at] != text.LINE_END:
            address[n_requests], is_write[n_requests], at, status = _read_address_and_word(
                data, at, words, n_reads, word_first, always_hex
            )
            cycle[n_requests] = 0
            if status == FINE and has_cycle:
                cycle[n_requests], at, status = _read_cycle(data, skip_blanks(data, at))
            if status == FINE:
                at = skip_blanks(data, at)
                if data[at] != text.LINE_END:
                    status = EXTRA_WORD
            if status != FINE:
                return n_requests, status, line_start
            n_requests += 1
        at += 1
    return n_requests, FINE, at
