"""Kernels that check a chunk of a trace: every id inside its table, everything in order."""

from concurrent.futures import Executor
from enum import IntEnum
from functools import partial
from typing import Any

import numpy as np

from ppim.jit import helper, njit
from ppim.jit.tables import bare


class Fault(IntEnum):
    """What is wrong with an access."""

    NONE = 0
    TABLE = 1
    SUBTABLE = 2
    ROW = 3
    BATCH_ORDER = 4
    ORDER = 5
    ACCESSES = 6
    SAMPLE = 7
    LOOKUP = 8


_NONE = int(Fault.NONE)
_TABLE = int(Fault.TABLE)
_SUBTABLE = int(Fault.SUBTABLE)
_ROW = int(Fault.ROW)
_BATCH_ORDER = int(Fault.BATCH_ORDER)
_ORDER = int(Fault.ORDER)
_ACCESSES = int(Fault.ACCESSES)
_SAMPLE = int(Fault.SAMPLE)
_LOOKUP = int(Fault.LOOKUP)
MAX_LOOKUPS = 1 << 28
"""Lookups of a bag: a batch has no more accesses."""


@helper(forceinline=True)
def _same_lookup(batch, table, sample, lookup, i):  # type: ignore[no-untyped-def]
    """Whether access i is of the same lookup as the one before it."""
    return (
        (lookup[i] == lookup[i - 1])
        & (sample[i] == sample[i - 1])
        & (table[i] == table[i - 1])
        & (batch[i] == batch[i - 1])
    )


@helper(forceinline=True)
def _order_fault(batch, table, sample, lookup, i):  # type: ignore[no-untyped-def]
    """Compare access i with the one before it, of another lookup; columns in lexicographic order."""
    if batch[i] != batch[i - 1]:
        return _BATCH_ORDER if batch[i] < batch[i - 1] else _NONE
    if table[i] != table[i - 1]:
        return _ORDER if table[i] < table[i - 1] else _NONE
    if sample[i] != sample[i - 1]:
        return _ORDER if sample[i] < sample[i - 1] else _NONE
    return _ORDER if lookup[i] < lookup[i - 1] else _NONE


@helper(forceinline=True)
def _turn_key(batch, table, i):  # type: ignore[no-untyped-def]
    """A number that orders accesses by batch, then table."""
    return np.uint64(batch[i]) << np.uint64(16) | np.uint64(table[i])


@helper(forceinline=True)
def _bag_key(sample, lookup, i):  # type: ignore[no-untyped-def]
    """A number that orders accesses of a turn by sample, then lookup."""
    return np.uint64(sample[i]) << np.uint64(32) | np.uint64(lookup[i])


@njit
def is_as_written(  # type: ignore[no-untyped-def]
    batches,
    tables,
    samples,
    lookups,
    subtables,
    rows,
    first_subtables,
    all_rows,
    accesses,
    batch_size,
    first,
    stop,
):
    """Whether `find_fault` would find nothing in the lookups that begin at accesses first..stop-1, lookup by lookup.

    The other parameters are the same. An access that looks like the one before it does not begin a lookup.
    """
    batch, table, sample, lookup = bare(batches), bare(tables), bare(samples), bare(lookups)
    subtable, row = bare(subtables), bare(rows)
    first_subtable, subtable_rows, lookup_accesses = bare(first_subtables), bare(all_rows), bare(accesses)
    n, n_tables = rows.size, first_subtables.size - 1
    i = first
    while 0 < i < n and _same_lookup(batch, table, sample, lookup, i):
        i += 1
    turn_before, bag_before = np.uint64(0), np.uint64(0)
    if i > 0:
        turn_before, bag_before = _turn_key(batch, table, i - 1), _bag_key(sample, lookup, i - 1)
    while i < n and (i < stop or (i > 0 and _same_lookup(batch, table, sample, lookup, i))):
        t = np.int64(table[i])
        if t >= n_tables or sample[i] >= batch_size or lookup[i] >= MAX_LOOKUPS:
            return False
        turn, bag = _turn_key(batch, table, i), _bag_key(sample, lookup, i)
        if i > 0 and (turn < turn_before or (turn == turn_before and bag <= bag_before)):
            return False
        end = i + lookup_accesses[t]
        if end > n:
            return False
        least, most = first_subtable[t], first_subtable[t + 1]
        for k in range(i, end):
            flat = first_subtable[t] + np.int64(subtable[k])
            is_next = flat >= least and flat < most
            is_same = _turn_key(batch, table, k) == turn and _bag_key(sample, lookup, k) == bag
            if not (is_next and is_same and row[k] < subtable_rows[flat]):
                return False
            least = flat
        turn_before, bag_before = turn, bag
        i = end
    return True


@njit
def find_fault(  # type: ignore[no-untyped-def]
    batches, tables, samples, lookups, subtables, rows, first_subtables, all_rows, accesses, batch_size
):
    """First fault of a chunk.

    Parameters
    ----------
    batches, tables, samples, lookups, subtables, rows : ndarrays, shape (n,)
        The columns of the trace.
    first_subtables : ndarray of int64, shape (n_tables + 1,)
        Where each table's subtables begin in `all_rows`.
    all_rows : ndarray of uint64, shape (n_subtables,)
        Rows of every subtable of every table.
    accesses : ndarray of int64, shape (n_tables,)
        Accesses of one lookup of each table.
    batch_size : int
        Samples of a batch.

    Returns
    -------
    tuple of int
        Fault code and its position (0, n when there is none).
    """
    batch, table, sample, lookup = bare(batches), bare(tables), bare(samples), bare(lookups)
    subtable, row = bare(subtables), bare(rows)
    first_subtable, subtable_rows, lookup_accesses = bare(first_subtables), bare(all_rows), bare(accesses)
    n, n_tables = rows.size, first_subtables.size - 1
    first = 0  # access of the current lookup
    odd = -1  # first access of a lookup with another number of them; other faults explain it better
    for i in range(n):
        t = table[i]
        if t >= n_tables:
            return _TABLE, i
        if sample[i] >= batch_size:
            return _SAMPLE, i
        if lookup[i] >= MAX_LOOKUPS:
            return _LOOKUP, i
        flat = first_subtable[t] + subtable[i]
        if flat >= first_subtable[t + 1]:
            return _SUBTABLE, i
        if row[i] >= subtable_rows[flat]:
            return _ROW, i
        if i == 0:
            continue
        if _same_lookup(batch, table, sample, lookup, i):
            if subtable[i] < subtable[i - 1]:
                return _ORDER, i
            continue
        fault = _order_fault(batch, table, sample, lookup, i)
        if fault != _NONE:
            return fault, i
        if odd < 0 and i - first != lookup_accesses[table[first]]:
            odd = first
        first = i
    if n > 0 and odd < 0 and n - first != lookup_accesses[table[first]]:
        odd = first
    return (_ACCESSES, odd) if odd >= 0 else (_NONE, n)


def check_accesses(*arguments: Any, pool: Executor | None = None, shares: int = 1) -> tuple[Fault, int]:
    """The first fault of a chunk and its position, as `find_fault` finds it; that is for the few that have one.

    The others are checked in so many shares, on the threads of a pool.
    """
    n = len(arguments[0])
    ends = [n * share // shares for share in range(shares + 1)]
    each = (map if pool is None else pool.map)(partial(is_as_written, *arguments), ends[:-1], ends[1:])
    if all(each):
        return Fault.NONE, 0
    fault, at = find_fault(*arguments)
    return Fault(fault), int(at)
