"""Lines of a command trace -> numbers, in one compiled pass over the bytes."""

from ppim.jit import helper, njit

LINE_END = ord("\n")
BLANK = 32  # this and everything below it separates words
COMMA, COLON, MINUS = ord(","), ord(":"), ord("-")
ZERO, NINE = ord("0"), ord("9")
LOWER = 0x20  # makes a letter a small one
LETTER_A, LETTER_F, LETTER_X = ord("a"), ord("f"), ord("x")
DECIMAL, HEXADECIMAL = 10, 16
LARGEST = 1 << 60

FINE, TOO_FEW, TOO_MANY, NOT_A_NUMBER, TOO_LARGE, NO_COMMAND = range(6)
NO_WORD = -1
MISSING = -1


@helper(forceinline=True)
def _is_separator(byte):
    return (byte <= BLANK and byte != LINE_END) or byte in (COMMA, COLON)


@helper(forceinline=True)
def _number(data, start, end):
    """(value, status) of the word in start..end."""
    at = start
    negative = data[at] == MINUS
    if negative:
        at += 1
    base = DECIMAL
    if at + 1 < end and data[at] == ZERO and (data[at + 1] | LOWER) == LETTER_X:
        base = HEXADECIMAL
        at += 2
    if at == end:
        return 0, NOT_A_NUMBER
    value = 0
    while at < end:
        byte = int(data[at])  # uncompiled, eight bits would overflow
        if ZERO <= byte <= NINE:
            digit = byte - ZERO
        elif base == HEXADECIMAL and LETTER_A <= (byte | LOWER) <= LETTER_F:
            digit = (byte | LOWER) - LETTER_A + DECIMAL
        else:
            return 0, NOT_A_NUMBER
        value = value * base + digit
        if value > LARGEST:
            return 0, TOO_LARGE
        at += 1
    return (-value if negative else value), FINE


@helper(forceinline=True)
def _kind(data, start, end, spellings, lengths, kinds):
    """Number of the command spelt in start..end; NO_WORD if there is none."""
    for index in range(len(lengths)):
        if lengths[index] == end - start:
            same = True
            for offset in range(end - start):
                if data[start + offset] != spellings[index, offset]:
                    same = False
                    break
            if same:
                return kinds[index]
    return NO_WORD


@njit
def parse_lines(data, meanings, least_words, kind_word, spellings, lengths, kinds, out, lines):
    """Fill `out` (commands, meanings) and `lines` (from 0) from lines of text that end in a line end.

    Returns
    -------
    (commands, status, line, start and end of the bad word)
    """
    at, line, found = 0, 0, 0
    n_words = len(meanings)
    while at < len(data):
        word = 0
        for meaning in range(out.shape[1]):
            out[found, meaning] = MISSING
        while True:
            while _is_separator(data[at]):
                at += 1
            if data[at] == LINE_END:
                break
            start = at
            while data[at] != LINE_END and not _is_separator(data[at]):
                at += 1
            if word == n_words:
                return found, TOO_MANY, line, start, at
            if word == kind_word:
                value = _kind(data, start, at, spellings, lengths, kinds)
                status = NO_COMMAND if value == NO_WORD else FINE
            else:
                value, status = _number(data, start, at)
            if status != FINE:
                return found, status, line, start, at
            out[found, meanings[word]] = value
            word += 1
        if word:
            if word < least_words:
                return found, TOO_FEW, line, at, at
            lines[found] = line
            found += 1
        at += 1
        line += 1
    return found, FINE, line, at, at
