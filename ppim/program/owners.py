"""Owners of lookups, found once for all parts of a program that are built beside each other.

Each part needs only its own lookups, but would have to find the owners of all to know which these are.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np

from ppim.jit import helper, njit
from ppim.jit.pack import pack
from ppim.jit.tables import bare
from ppim.program import instruction as i
from ppim.program.builder.chunk import Turn, end_of_turn
from ppim.program.builder.owners import find_owners
from ppim.program.builder.recipe import Accesses, Recipe
from ppim.program.prepare import Prepared

# What a turn brings to every channel, prefetches and transfers, in lookups. Measured; it decides about speed only.
WORK_OF_TURN = 2


class Owners:
    """Finds the owners of the lookups of one stretch of a trace after the other.

    Parameters
    ----------
    prepared : Prepared
    shares : int
        Into how many jobs, of as many accesses each, a stretch is divided.
    nothing : Accesses
        A stretch without accesses, with which the kernel is loaded or compiled.
    """

    def __init__(self, prepared: Prepared, shares: int, nothing: Accesses) -> None:
        self.prepared, self.shares = prepared, shares
        self._owner, self._address = np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64)
        for job in self.jobs(nothing)[1]:
            job()

    def jobs(self, accesses: Accesses) -> tuple[Accesses, list[Callable[[], object]]]:
        """The same accesses with their owners, which these jobs find: to be used until the next ones are asked for."""
        if len(self._owner) < len(accesses.row):
            self._owner = np.empty(len(accesses.row), dtype=np.int32)
            self._address = np.empty(len(accesses.row), dtype=np.int64)
        ends = [accesses.n * share // self.shares for share in range(self.shares + 1)]
        found = accesses._replace(owner=self._owner, address=self._address, found=1)
        return found, [partial(self._find, found, *share) for share in pairwise(ends)]

    def _find(self, accesses: Accesses, first: int, stop: int) -> None:
        recipe, placement = self.prepared.recipe, self.prepared.placement
        find_all_owners(
            pack(recipe), pack(placement), pack(accesses), accesses.owner, accesses.address, first, stop
        )


def loads_of_channels(recipe: Recipe, accesses: Accesses) -> list[int]:
    """About what each channel has to do in a stretch whose owners are found, in lookups."""
    table, batch = accesses.table[: accesses.n], accesses.batch[: accesses.n]
    starts = np.flatnonzero(np.r_[accesses.n > 0, (table[1:] != table[:-1]) | (batch[1:] != batch[:-1])])
    lookups = np.diff(starts, append=accesses.n) // recipe.accesses[table[starts]]
    nth = np.arange(lookups.sum()) - np.repeat(np.cumsum(lookups) - lookups, lookups)
    owner = accesses.owner[np.repeat(starts, lookups) + nth]
    owned = np.bincount(owner[owner != i.NONE] // recipe.units_per_channel, minlength=recipe.channels)
    return [WORK_OF_TURN * len(starts) + int(n) for n in owned]


@helper
def begins_turn(chunk, position):
    """Whether an access is the first of its turn."""
    before = position - 1
    return position == 0 or (
        chunk.table[before] != chunk.table[position] or chunk.batch[before] != chunk.batch[position]
    )


@njit
def find_all_owners(recipe, placement, chunk, owned_owners, owned_addresses, first, stop):
    """Write owners and addresses of the lookups of all turns that begin at accesses first..stop-1; none is empty."""
    owners, addresses = bare(owned_owners), bare(owned_addresses)
    position = first
    while position < stop and not begins_turn(chunk, position):
        position += 1
    while position < stop:
        end = end_of_turn(recipe, chunk, position, chunk.n)
        table = np.int64(chunk.table[position])
        width = recipe.accesses[table]
        turn = Turn(i.NONE, table, position, width, (end - position) // width)
        find_owners(recipe, placement, chunk, turn, owners, addresses, position)
        position = end
