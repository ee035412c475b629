"""A run in parts: groups of channels, each with its own engine on its own thread, that meet at barriers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ppim.engine.pim.board import make_board
from ppim.errors import PpimError

if TYPE_CHECKING:
    from ppim.systems.spec import SystemSpec


class GivenUp(PpimError):
    """Another part of the run has failed, so that this one cannot go on."""


@dataclass(frozen=True)
class Part:
    """Consecutive channels of a memory.

    Attributes
    ----------
    channels : range
    number, of : int
        Which of how many parts it is.
    board : ndarray of int64
        Shared by all parts of a run (`board.make_board`).
    """

    channels: range
    number: int
    of: int
    board: NDArray[np.int64]


def divide(channels: int, parts: int) -> list[Part]:
    """So many parts, or one a channel if there are fewer, of about as many channels each."""
    n = min(parts, channels)
    board = make_board(n)
    starts = [number * channels // n for number in range(n + 1)]
    return [Part(range(starts[number], starts[number + 1]), number, n, board) for number in range(n)]


def channels_depend(system: SystemSpec, delivers_per_lookup: int) -> bool:
    """Whether channels depend on each other within a turn, and not only at barriers."""
    return bool(
        delivers_per_lookup
        or system.pim.frontend == "global"
        or system.compute.unit_accumulators
        or system.pim.collect != "host"
    )
