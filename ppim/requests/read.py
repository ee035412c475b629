"""Open a request trace: recognise its format, stream its requests."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ppim.errors import InputError
from ppim.requests import base, text

LONGEST_QUOTE = 60


class RequestTrace(NamedTuple):
    """A request trace that has been opened."""

    path: Path
    format: str  # "empty" for a file without any line
    chunks: Iterator[base.Requests]

    def read_all(self) -> base.Requests:
        """All requests in one set of arrays."""
        return base.Requests.concatenate(list(self.chunks))


def open_requests(path: Path, format_name: str | None = None) -> RequestTrace:
    """Open `path`, plain or gzip, in the format named or recognised from its first line.

    Raises
    ------
    InputError
        No such file, unknown format name, or no format recognises the content. Errors of single lines
        come while the chunks are read.
    """
    variant = find_format(path, format_name)
    if variant is None:
        return RequestTrace(path, "empty", iter(()))
    return RequestTrace(path, variant.name, variant.chunks(path))


def find_format(path: Path, format_name: str | None = None) -> base.RequestFormat | None:
    """The format named or recognised from the first line of `path`; None for a file without any.

    Raises
    ------
    InputError
        No such file, unknown format name, or no format recognises the content.
    """
    if format_name is not None:
        return base.FORMATS.get(format_name)
    words = text.first_words(path)
    return _recognise(path, words) if words else None


def _recognise(path: Path, words: list[bytes]) -> base.RequestFormat:
    variants = [base.FORMATS.get(name) for name in base.FORMATS.names()]
    for variant in variants:
        if variant.recognises(words):
            return variant
    line = b" ".join(words)[:LONGEST_QUOTE].decode("ascii", errors="backslashreplace")
    known = "; ".join(f"{variant.name}: `{variant.example}`" for variant in variants)
    raise InputError(f"{path}: first line {line!r} is of no known format ({known}); or give --format")
