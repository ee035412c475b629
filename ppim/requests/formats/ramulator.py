"""Ramulator's traces: `LD|ST ADDRESS` (load/store) or `ADDRESS R|W`; requests are due at once, in order."""

from collections.abc import Iterator
from pathlib import Path

from ppim.requests import base, parse, text

LOAD_STORE = parse.Grammar(
    line="LD|ST ADDRESS",
    reads=("LD",),
    writes=("ST",),
    word_first=True,
    has_cycle=False,
    always_hex=False,
)
READ_WRITE = parse.Grammar(
    line="ADDRESS R|W",
    reads=("R",),
    writes=("W",),
    word_first=False,
    has_cycle=False,
    always_hex=False,
)


def _recognises(words: list[bytes]) -> bool:
    return len(words) == 2 and (words[0] in (b"LD", b"ST") or words[1] in (b"R", b"W"))


def _chunks(path: Path) -> Iterator[base.Requests]:
    words = text.first_words(path)
    word_first = bool(words) and words[0] in (b"LD", b"ST")
    return parse.parse_file(path, LOAD_STORE if word_first else READ_WRITE)


base.FORMATS.register("ramulator")(
    base.RequestFormat("ramulator", f"{LOAD_STORE.line} or {READ_WRITE.line}", _recognises, _chunks)
)
