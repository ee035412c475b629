"""Numbers in text: digits 0 to 9, one rule for all files and options.

Python's own `int` and `float` read more: `1_000`, digits of other scripts, blanks around. What is written so by mistake
would become a number that nobody meant. Values of TOML (`--set` as well) follow TOML's rules.
"""

import re

_WHOLE = re.compile(r"-?[0-9]{1,20}")
_REAL = re.compile(r"[-+]?([0-9]{1,400}(\.[0-9]{0,400})?|\.[0-9]{1,400})([eE][-+]?[0-9]{1,4})?")
_SHOWN = 40


def whole_number(text: str) -> int:
    """A whole number: digits, with a minus before them or not.

    Raises
    ------
    ValueError
        Anything else; the text says what.
    """
    if _WHOLE.fullmatch(text) is None:
        raise ValueError(f"{text[:_SHOWN]!r} is no whole number; write it in digits 0 to 9")
    return int(text)


def real_number(text: str) -> float:
    """A number with or without a decimal point and an exponent; no NaN, no infinity, unless it is too large.

    Raises
    ------
    ValueError
        Anything else; the text says what.
    """
    if _REAL.fullmatch(text) is None:
        raise ValueError(f"{text[:_SHOWN]!r} is no number; write it in digits 0 to 9")
    return float(text)
