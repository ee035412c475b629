"""Instruction traces of ProactivePIM's authors: known here by their look, read in `ppim.program.authors.read`."""

from collections.abc import Iterator
from pathlib import Path

from ppim.errors import InputError
from ppim.requests import base, text

DEVICES = ("HBM", "DIMM")
LINE_FORM = "HBM|DIMM RD|DR|TR|PR ADDRESS BURSTS"


def _recognises(words: list[bytes]) -> bool:
    return words[0].decode("ascii", errors="replace") in DEVICES


def _chunks(path: Path) -> Iterator[base.Requests]:
    if text.first_words(path):
        raise InputError(f"{path}: has instructions for PIM units, not plain requests")
    yield base.Requests.empty()


base.FORMATS.register("authors")(
    base.RequestFormat("authors", LINE_FORM, _recognises, _chunks, is_program=True)
)
