"""A run in parts: groups of channels, each with its own engine on its own thread, that meet at barriers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppim.engine.pim.board import make_board
from ppim.errors import PpimError
from ppim.systems.spec import SystemSpec


class GivenUp(PpimError):
    """Another part of the run has failed, so that this one cannot go on."""


@dataclass(frozen=True)
class Part:
    """Some of a memory's channels.

    Attributes
    ----------
    channels : tuple of int
        Ascending.
    number, of : int
        Which of how many parts it is.
    board : ndarray of int64
        Shared by all parts of a run (`board.make_board`).
    """

    channels: tuple[int, ...]
    number: int
    of: int
    board: NDArray[np.int64]


def divide(loads: Sequence[int], parts: int) -> list[Part]:
    """So many parts of about the same load, or one a channel if there are fewer of those.

    Parameters
    ----------
    loads : sequence of int
        Work of each channel, in any unit. The largest ones are dealt out first, each to the part that has least.
    """
    n = min(parts, len(loads))
    members: list[list[int]] = [[] for _ in range(n)]
    totals = [0] * n
    for channel in sorted(range(len(loads)), key=lambda channel: -loads[channel]):
        least = min(range(n), key=lambda part: (totals[part], len(members[part])))
        members[least].append(channel)
        totals[least] += loads[channel]
    board = make_board(n)
    return [Part(tuple(sorted(channels)), number, n, board) for number, channels in enumerate(members)]


def whole(channels: int) -> Part:
    """All channels."""
    return divide([1] * channels, 1)[0]


def channels_depend(system: SystemSpec, delivers_per_lookup: int) -> bool:
    """Whether channels depend on each other within a turn, and not only at barriers."""
    return system.pim.collect != "host" or _tied_by_demand(system, delivers_per_lookup)


def parts_can_meet(system: SystemSpec, delivers_per_lookup: int) -> bool:
    """Whether sums that the base die adds up are all that channels depend on, and only barriers wait for them."""
    return (
        system.pim.collect == "base-die"
        and system.pim.barrier != "none"
        and system.pim.transfer == "non-empty"
        and not _tied_by_demand(system, delivers_per_lookup)
    )


def _tied_by_demand(system: SystemSpec, delivers_per_lookup: int) -> bool:
    return bool(
        delivers_per_lookup
        or system.pim.frontend == "global"
        or system.compute.unit_accumulators
        or (system.pim.turns_open and system.pim.barrier == "none")
    )
