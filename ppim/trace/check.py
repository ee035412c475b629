"""Kernel that checks a chunk of a trace: every id inside its table, everything in order."""

from __future__ import annotations

from enum import IntEnum

from ppim.jit import helper, njit
from ppim.tables import bare


class Fault(IntEnum):
    """What is wrong with an access."""

    NONE = 0
    TABLE = 1
    SUBTABLE = 2
    ROW = 3
    BATCH_ORDER = 4
    ORDER = 5
    ACCESSES = 6


_NONE = int(Fault.NONE)
_TABLE = int(Fault.TABLE)
_SUBTABLE = int(Fault.SUBTABLE)
_ROW = int(Fault.ROW)
_BATCH_ORDER = int(Fault.BATCH_ORDER)
_ORDER = int(Fault.ORDER)
_ACCESSES = int(Fault.ACCESSES)


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


@njit
def check_accesses(  # type: ignore[no-untyped-def]
    batches, tables, samples, lookups, subtables, rows, first_subtables, all_rows, accesses
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
