"""What a request trace is once read, and what a format has to provide."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.registry import Registry

LARGEST_CYCLE = 2**60
"""Arrival cycles above this (36 years at 1 GHz) are refused: later cycles must stay inside 64 bits."""


class Requests(NamedTuple):
    """Plain memory requests in the order of the file; three arrays of one length."""

    address: NDArray[np.uint64]  # byte address
    is_write: NDArray[np.bool_]
    cycle: NDArray[np.int64]  # memory cycle before which the request is not offered

    @classmethod
    def empty(cls) -> Requests:
        return cls(np.empty(0, np.uint64), np.empty(0, np.bool_), np.empty(0, np.int64))

    @classmethod
    def concatenate(cls, chunks: list[Requests]) -> Requests:
        """One `Requests` of all chunks, in their order."""
        if not chunks:
            return cls.empty()
        if len(chunks) == 1:
            return chunks[0]
        return cls(
            np.concatenate([chunk.address for chunk in chunks]),
            np.concatenate([chunk.is_write for chunk in chunks]),
            np.concatenate([chunk.cycle for chunk in chunks]),
        )


@dataclass(frozen=True)
class RequestFormat:
    """One text format of plain requests."""

    name: str
    example: str  # one line, for messages
    recognises: Callable[[list[bytes]], bool]  # from the words of the first line that has any
    chunks: Callable[[Path], Iterator[Requests]]  # streams a file, plain or gzip
    is_program: bool = False  # instructions for PIM units: nothing that a plain memory can serve


FORMATS: Registry[RequestFormat] = Registry("request format", "ppim.requests.formats")
