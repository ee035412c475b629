"""Errors whose text is meant for the user: what is wrong, where, and the mend."""

import difflib
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

MOST_FILES = 1000
"""Files of a folder among which a mistyped one is looked for."""


def near_names(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """A question with the known names that are near to a mistyped one; nothing if none is."""
    near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(near)}?" if near else ""


class PpimError(Exception):
    """Base of every error that the command line prints as one line (exit status 1)."""

    exit_code = 1


class InputError(PpimError):
    """Bad input or wrong usage: a file, a row, a key or a value (exit status 2)."""

    exit_code = 2


class OutputError(PpimError):
    """An output that could not be written to its end: a full disk, a folder that went away (exit status 1)."""


def unreadable(path: str | Path, error: OSError, mend: str = "", also: Iterable[str] = ()) -> InputError:
    """The error of a file that cannot be opened: near names beside it where there is none, else the mend.

    Parameters
    ----------
    path : path
    error : OSError
    mend : str
    also : iterable of str
        Words that may have been meant instead of a file.
    """
    hint = mend
    if isinstance(error, FileNotFoundError):
        hint = _near_files(Path(path), also) or mend
    return InputError(f"{path}: cannot be read ({error.strerror or error}){'; ' if hint else ''}{hint}")


def _near_files(path: Path, also: Iterable[str]) -> str:
    try:
        beside = [str(path.parent / file.name) for file in islice(path.parent.iterdir(), MOST_FILES)]
    except (OSError, ValueError):
        beside = []
    return near_names(str(path), [*beside, *also], cutoff=0.8)


class UnknownNameError(InputError):
    """A name that is not among the known ones; the message offers near matches, else all (or where they are)."""

    def __init__(self, kind: str, name: str, known: Iterable[str], elsewhere: str = "") -> None:
        choices = sorted(known)
        hint = near_names(name, choices) or elsewhere or f"known: {', '.join(choices)}"
        super().__init__(f"unknown {kind} {name!r}; {hint}")
        self.kind = kind
        self.name = name
