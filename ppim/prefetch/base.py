"""What a prefetch policy says: which rows come into the scratchpads ahead of use, and when (docs/model.md §1, §5)."""

from dataclasses import dataclass
from enum import IntEnum

from ppim.registry import Registry

MOST_BUFFERS = 2


class Phase(IntEnum):
    """When rows are fetched. No prefetch waits for a barrier."""

    NEVER = 0
    EACH_TURN = 1  # one to one with the transfers of a turn before; the next turn in that buffer forgets them
    AT_START = 2  # of all tables, before everything else; kept


@dataclass(frozen=True)
class PrefetchPolicy:
    """One way to fill the scratchpads; a file of this folder registers it in `PREFETCHES`.

    Attributes
    ----------
    meaning : str
        In a few words, for `ppim systems show`.
    phase : Phase
    only_used : bool
        Of the prefetched subtables only the rows that a lookup of the turn uses, else all; as far as they fit.
    buffers : int
        Parts of a scratchpad that turns use one after the other. With two, rows are fetched a turn earlier: while
        the turn before computes.

    Raises
    ------
    ValueError
        A description that no phase has.
    """

    meaning: str
    phase: Phase
    only_used: bool = False
    buffers: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.buffers <= MOST_BUFFERS:
            raise ValueError(f"buffers: {self.buffers} is not in 1 to {MOST_BUFFERS}")
        if self.phase != Phase.EACH_TURN and (self.only_used or self.buffers > 1):
            raise ValueError(
                f"{self.phase.name}: only rows that are fetched each turn are chosen, or buffered"
            )

    @property
    def turns_ahead(self) -> int:
        """Turns between those whose transfers and whose demand a prefetch goes with, less one."""
        return self.buffers - 1


PREFETCHES: Registry[PrefetchPolicy] = Registry("prefetch", "ppim.prefetch")
NO_PREFETCH = "none"
"""Name of the policy that fetches nothing."""


def fetching() -> tuple[str, ...]:
    """Names of the policies that fetch something."""
    return tuple(name for name in PREFETCHES.names() if PREFETCHES.get(name).phase != Phase.NEVER)


def choosing() -> tuple[str, ...]:
    """Names of the policies that could as well fetch only the rows that a turn uses."""
    policies = ((name, PREFETCHES.get(name)) for name in PREFETCHES.names())
    return tuple(
        name for name, policy in policies if policy.phase == Phase.EACH_TURN and not policy.only_used
    )
