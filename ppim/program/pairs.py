"""Which two lookups of a table are often in one bag, of a trace's most frequent lookups."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.errors import InputError
from ppim.jit import njit
from ppim.mapping.placing.index import NOT_THERE, find, make_index
from ppim.trace.lookups import NO_NUMBER, LookupNumbers, end_of_bag, number_of, profile_lookups

if TYPE_CHECKING:
    from ppim.trace.reader import TraceChunk, TraceReader

LEAST_BAGS = 2
"""A sum that one bag uses is written for as much as it saves."""


class Pairs(NamedTuple):
    """Pairs of lookups of one table, none of which is in two of them.

    Attributes
    ----------
    first, second : ndarray of int64, shape (n,)
        Numbers of the lookups, the lower one first; pairs by rising `first`.
    bags : ndarray of int64, shape (n,)
        That have both.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    bags: NDArray[np.int64]


@njit
def _count_pairs(numbers, chunk, candidates, first, cells, seen, found, counts):  # type: ignore[no-untyped-def]
    """Add to `counts` the bags of a chunk that have both of two candidates; NO_NUMBER if lookups are broken.

    Candidates of a table are neighbours, from `first[table]` on; `counts` has a square for each table, from
    `cells[table]` on. `seen` and `found` are scratch, one entry a candidate; `seen` holds bags from 1 on, `seen[-1]`
    the last one.
    """
    i = 0
    while i < chunk.row.size:
        table, stop = np.int64(chunk.table[i]), end_of_bag(chunk, i)
        bag, n = seen[-1] + 1, 0
        seen[-1] = bag
        while i < stop:
            number = number_of(numbers.width, numbers.rows, numbers.first, chunk, i)
            if number == NO_NUMBER:
                return NO_NUMBER
            place = find(candidates, candidates.shape[0] - 1, number)
            if place != NOT_THERE and seen[place] != bag:
                seen[place] = bag
                found[n] = place - first[table]
                n += 1
            i += numbers.width[table]
        side = first[table + 1] - first[table]
        for one in range(n):
            for other in range(one):
                low, high = min(found[one], found[other]), max(found[one], found[other])
                counts[cells[table] + low * side + high] += 1
    return 0


@njit
def _choose(low, high, bags, taken, limit, chosen):  # type: ignore[no-untyped-def]
    """Choose pairs in their order, none with a lookup that is taken, up to `limit` bags together; how many."""
    n, total = 0, 0
    for pair in range(low.size):
        if taken[low[pair]] or taken[high[pair]]:
            continue
        total += bags[pair]
        if total > limit:
            break
        taken[low[pair]] = taken[high[pair]] = True
        chosen[n] = pair
        n += 1
    return n


def frequent_pairs(
    reader: TraceReader, numbers: LookupNumbers, fraction: float, most_candidates: int
) -> Pairs:
    """Pairs that together are in at most a share of the lookups' number of bags; reads the trace twice.

    Pairs of the `most_candidates` most frequent lookups of all tables, by falling number of bags that have both, ties
    by numbers; a pair with a lookup of one before it is left out, and so are those of fewer bags than LEAST_BAGS.
    Memory is 4 bytes for each pair of candidates of one table, and that of `profile_lookups`.

    Raises
    ------
    InputError
        A trace whose lookups are not as its metadata says.
    """
    profile = profile_lookups(reader, numbers, least_rows=1)
    by_count = np.argsort(-profile.counts, kind="stable")[:most_candidates]
    members = np.sort(profile.numbers[by_count])
    first = np.searchsorted(members, numbers.first)
    cells = np.concatenate(([0], np.cumsum(np.diff(first) ** 2)))
    counts = np.zeros(cells[-1], dtype=np.uint32)
    index = make_index(members, np.arange(len(members)))
    seen, found = np.zeros(len(members) + 1, dtype=np.int64), np.zeros(len(members), dtype=np.int64)
    for chunk in reader.chunks():
        _count_chunk(numbers, chunk, index, first, cells, seen, found, counts)
    cell = np.flatnonzero(counts >= LEAST_BAGS)
    table = np.searchsorted(cells, cell, side="right") - 1
    low, high = np.divmod(cell - cells[table], np.diff(first)[table])
    low, high, bags = low + first[table], high + first[table], counts[cell].astype(np.int64)
    order = np.argsort(-bags, kind="stable")  # cells rise with the numbers of their lookups
    low, high, bags = low[order], high[order], bags[order]
    chosen = np.empty(len(bags), dtype=np.int64)
    taken = np.zeros(len(members), dtype=np.bool_)
    chosen = chosen[: _choose(low, high, bags, taken, fraction * profile.lookups, chosen)]
    chosen = chosen[np.argsort(low[chosen])]
    return Pairs(members[low[chosen]], members[high[chosen]], bags[chosen])


def _count_chunk(
    numbers: LookupNumbers, chunk: TraceChunk, *tables: NDArray[np.int64] | NDArray[np.uint32]
) -> None:
    if _count_pairs(numbers, chunk, *tables) == NO_NUMBER:
        raise InputError("the trace has a lookup that does not read each subtable once; make the trace again")
