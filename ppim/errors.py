"""Errors whose text is meant for the user: what is wrong, where, and the mend."""

import difflib
from collections.abc import Iterable


class PpimError(Exception):
    """Base of every error that the command line prints as one line (exit status 1)."""

    exit_code = 1


class InputError(PpimError):
    """Bad input or wrong usage: a file, a row, a key or a value (exit status 2)."""

    exit_code = 2


class OutputError(PpimError):
    """An output that could not be written to its end: a full disk, a folder that went away (exit status 1)."""


class UnknownNameError(InputError):
    """A name that is not among the known ones; the message offers near matches, else all (or where they are)."""

    def __init__(self, kind: str, name: str, known: Iterable[str], elsewhere: str = "") -> None:
        choices = sorted(known)
        near = difflib.get_close_matches(name, choices, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else elsewhere or f"known: {', '.join(choices)}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")
        self.kind = kind
        self.name = name
