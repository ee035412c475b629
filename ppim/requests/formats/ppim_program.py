"""This project's own programs: known here by their first word, read in `ppim.program.listing`."""

from collections.abc import Iterator
from pathlib import Path

from ppim.errors import InputError
from ppim.requests import base, text

NAME = "ppim-program"
FIRST_LINE = f"{NAME} 1"


def _recognises(words: list[bytes]) -> bool:
    return words[0] == NAME.encode()


def _chunks(path: Path) -> Iterator[base.Requests]:
    if text.first_words(path):
        raise InputError(f"{path}: has instructions for PIM units, not plain requests")
    yield base.Requests.empty()


base.FORMATS.register("ppim-program")(
    base.RequestFormat(NAME, FIRST_LINE, _recognises, _chunks, is_program=True)
)
