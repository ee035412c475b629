"""Kernels that put the accesses of whole batches in trace order.

Order: batch, table, sample, lookup in bag, access of the lookup. `offsets[t, s]` is where the bag of sample s
in table t begins among the table's lookups, in all kernels below.
"""

import numpy as np

from ppim.jit import njit


@njit
def segment_starts(offsets, accesses_per_lookup, batch_size, starts):  # type: ignore[no-untyped-def]
    """First access of each (table, batch), written to `starts`, shape (n_tables, n_batches); returns the total."""
    n_tables, n_batches = starts.shape
    n_samples = offsets.shape[1] - 1
    position = 0
    for batch in range(n_batches):
        first = batch * batch_size
        stop = min(first + batch_size, n_samples)
        for table in range(n_tables):
            starts[table, batch] = position
            position += (offsets[table, stop] - offsets[table, first]) * accesses_per_lookup[table]
    return position


@njit
def fill_structure(number, offsets, subtables, starts, batch_size, table, sample, lookup, subtable):  # type: ignore[no-untyped-def]
    """Fill every column but `batch` and `row` for table `number`.

    `offsets` and `starts` are those of this table; `subtables` holds the subtable of each access of a lookup.
    """
    n_samples = offsets.size - 1
    for b in range(starts.size):
        at = starts[b]
        first = b * batch_size
        for s in range(first, min(first + batch_size, n_samples)):
            for position in range(offsets[s + 1] - offsets[s]):
                for access in range(subtables.size):
                    table[at] = number
                    sample[at] = s - first
                    lookup[at] = position
                    subtable[at] = subtables[access]
                    at += 1


@njit
def place_rows(rows, offsets, starts, batch_size, row):  # type: ignore[no-untyped-def]
    """Copy a table's subtable rows, shape (lookups, accesses per lookup), to their places in `row`."""
    n_samples = offsets.size - 1
    width = rows.shape[1]
    flat = rows.ravel()
    for b in range(starts.size):
        first = b * batch_size
        source = np.uint64(offsets[first] * width)
        n = np.uint64(offsets[min(first + batch_size, n_samples)] * width) - source
        at = np.uint64(starts[b])  # unsigned indices spare numba's test for negative ones
        for i in range(n):
            row[at + i] = flat[source + i]
