"""A trace's chunks as each memory of a system sees them (docs/model.md §11)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ppim.errors import InputError
from ppim.jit import helper, njit
from ppim.mapping.placing.index import NOT_THERE, find
from ppim.program.builder.chunk import EMPTY_TURN
from ppim.program.tiers import NO_SUBTABLE, Split
from ppim.trace import lookups, schema
from ppim.trace.reader import TraceChunk, TraceReader

UNREAD_ROW = 15 << 28
"""Rows from here on stand for accesses that a kept vector saves."""

# Columns of `seen`, by kept pair: the last bag, from 1, that has its first lookup and its second,
USED = (
    2  # and which of them its sum has served: USES times the last bag that uses it, and 0, 1, or 2 for both.
)
SEEN_COLUMNS = 3
USES = 3

# What serves a lookup that is in a kept pair.
ITSELF = 0
SUM = 1
NOTHING = 2


@helper
def _mark_empty(out, n, turn_began, batch, table):  # type: ignore[no-untyped-def]
    """End a memory's part of a turn; where nothing was written, an access that stands for an empty turn."""
    if n > turn_began:
        return n
    out.batch[n] = batch
    out.table[n] = table
    out.sample[n] = EMPTY_TURN
    out.lookup[n] = 0
    out.subtable[n] = 0
    out.row[n] = 0
    return n + 1


@helper
def _copy(chunk, out, i, n, width):  # type: ignore[no-untyped-def]
    """One lookup as it is."""
    for k in range(width):
        out.batch[n + k] = chunk.batch[i + k]
        out.table[n + k] = chunk.table[i + k]
        out.sample[n + k] = chunk.sample[i + k]
        out.lookup[n + k] = chunk.lookup[i + k]
        out.subtable[n + k] = chunk.subtable[i + k]
        out.row[n + k] = chunk.row[i + k]


@helper
def _note_pairs(chunk, width, rows, first_number, kept, start, stop, bag, seen):  # type: ignore[no-untyped-def]
    """Note which lookups of kept pairs the bag at start..stop-1 has, in `seen`; the place of a broken lookup, or -1."""
    i = start
    while i < stop:
        number = lookups.number_of(width, rows, first_number, chunk, i)
        if number == lookups.NO_NUMBER:
            return i
        member = find(kept, kept.shape[0] - 1, number)
        if member != NOT_THERE:
            seen[member >> 1, member & 1] = bag
        i += width[np.int64(chunk.table[i])]
    return -1


@helper
def _use_pair(seen, member, bag):  # type: ignore[no-untyped-def]
    """What serves a lookup that is in a kept pair: SUM, NOTHING as its partner's sum has it, or ITSELF.

    A bag that has both uses the sum once, in place of the first of its lookups that is one of the two.
    """
    row, own = member >> 1, member & 1
    if seen[row, 0] < bag or seen[row, 1] < bag:
        return ITSELF
    used = seen[row, USED]
    if used < USES * bag:
        seen[row, USED] = USES * bag + own
        return SUM
    if used == USES * bag + 1 - own:
        seen[row, USED] = USES * bag + 2
        return NOTHING
    return ITSELF


@njit
def split_chunk(  # type: ignore[no-untyped-def]
    chunk,
    width,
    rows,
    first_number,
    first_subtable,
    first_row,
    tiered,
    hot,
    kept,
    kept_lookups,
    seen,
    first,
    second,
):
    """Write a chunk's lookups to the chunks of the first and the second memory.

    The accesses of a lookup whose vector is kept all name the subtable of kept vectors, behind the table's
    own: the first one the vector; the others, which are not made, rows from UNREAD_ROW on that no two lookups
    of a bag share. Of two lookups whose sum is kept one is written so, and the other not at all.

    Returns
    -------
    tuple of int
        Accesses written to each; NO_NUMBER as the first where a lookup is not as the metadata says.
    """
    n, m = 0, 0
    i, bag, stop = 0, 0, 0
    while i < chunk.row.size:
        table = np.int64(chunk.table[i])
        turn_n, turn_m = n, m
        start = i
        while (
            i < chunk.row.size
            and chunk.table[i] == chunk.table[start]
            and chunk.batch[i] == chunk.batch[start]
        ):
            if kept_lookups > 1 and i >= stop:
                bag, stop = bag + 1, lookups.end_of_bag(chunk, i)
                broken = _note_pairs(chunk, width, rows, first_number, kept, i, stop, bag, seen)
                if broken >= 0:
                    return lookups.NO_NUMBER, broken
            number = lookups.number_of(width, rows, first_number, chunk, i)
            if number == lookups.NO_NUMBER:
                return lookups.NO_NUMBER, i
            accesses = width[table]
            vector, how = NOT_THERE, SUM
            if kept_lookups > 1 or (kept_lookups and accesses > 1):
                vector = find(kept, kept.shape[0] - 1, number)
            if kept_lookups > 1 and vector != NOT_THERE:
                how = _use_pair(seen, vector, bag)
                vector >>= 1
            if vector != NOT_THERE and how != ITSELF:
                if how == SUM:
                    _copy(chunk, first, i, n, accesses)
                    for k in range(accesses):
                        first.subtable[n + k] = accesses
                        first.row[n + k] = UNREAD_ROW + np.int64(chunk.lookup[i])
                    first.row[n] = vector
                    n += accesses
            elif tiered[table] == NO_SUBTABLE:
                _copy(chunk, first, i, n, accesses)
                n += accesses
            else:
                large = tiered[table]
                flat = first_row[first_subtable[table] + large] + np.int64(chunk.row[i + large])
                place = find(hot, hot.shape[0] - 1, flat)
                if place == NOT_THERE:
                    _copy(chunk, second, i, m, accesses)
                    m += accesses
                else:
                    _copy(chunk, first, i, n, accesses)
                    first.row[n + large] = place
                    n += accesses
            i += accesses
        n = _mark_empty(first, n, turn_n, chunk.batch[start], chunk.table[start])
        m = _mark_empty(second, m, turn_m, chunk.batch[start], chunk.table[start])
    return n, m


def split(chunk: TraceChunk, how: Split) -> list[TraceChunk]:
    """The part of a chunk that each memory serves; both have all its turns, if need be empty ones.

    Raises
    ------
    InputError
        A lookup that does not read each subtable once.
    """
    # A memory's part of a turn is no longer than the turn.
    parts = [TraceChunk(*(np.empty_like(column) for column in chunk)) for _ in range(2)]
    written = split_chunk(
        chunk,
        *how.numbers,
        *how.flat,
        how.tiered,
        how.hot,
        how.kept,
        how.kept_lookups,
        np.zeros((how.kept_vectors if how.kept_lookups > 1 else 0, SEEN_COLUMNS), dtype=np.int64),
        *parts,
    )
    if written[0] == lookups.NO_NUMBER:
        raise InputError(
            f"access {written[1]} of a part of the trace: a lookup that does not read each subtable once; "
            "make the trace again"
        )
    return [
        TraceChunk(*(column[:n] for column in part))
        for part, n in zip(parts, written[: len(how.metas)], strict=False)
    ]


class SplitReader:
    """The trace as one memory sees it, without turns that are empty there: for counting its accesses."""

    def __init__(self, reader: TraceReader, how: Split, memory: int) -> None:
        self._reader, self._how, self._memory = reader, how, memory
        self.meta: schema.TraceMeta = how.metas[memory]
        self.path: Path = reader.path

    def chunks(self) -> Iterator[TraceChunk]:
        """The memory's accesses, chunk by chunk."""
        for chunk in self._reader.chunks():
            part = split(chunk, self._how)[self._memory]
            # A subtable behind the table's own is that of kept vectors.
            is_kept = part.subtable == self._how.numbers.width[part.table]
            served = (part.sample != EMPTY_TURN) & ~(is_kept & (part.row >= UNREAD_ROW))
            yield TraceChunk(*(column[served] for column in part))
