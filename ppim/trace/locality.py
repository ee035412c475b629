"""How often a subtable row comes again: within a gather-and-reduce, within a table's turn in a batch, overall."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ppim.jit import njit
from ppim.trace import profile, schema
from ppim.trace.reader import TraceReader

IN_GNR, IN_BATCH, OVERALL = 0, 1, 2
_SCOPES = 3


@njit
def _count_repeats(  # type: ignore[no-untyped-def]
    batch, table, sample, subtable, row, first_subtable, first_row, last_bag, last_batch, bag, totals, repeats
):
    """Count accesses and repeats; returns the number of the last bag.

    Parameters
    ----------
    last_bag, last_batch : ndarrays of uint32, shape (n_rows,)
        Number of the bag, and of the batch + 1, in which a row was last accessed; 0: never.
    bag : int
        Bags counted before this chunk.
    totals : ndarray of int64, shape (n_subtables,)
    repeats : ndarray of int64, shape (3, n_subtables)
    """
    for i in range(row.size):
        if i == 0 or batch[i] != batch[i - 1] or table[i] != table[i - 1] or sample[i] != sample[i - 1]:
            bag += 1
        flat = first_subtable[table[i]] + subtable[i]
        place = first_row[flat] + np.int64(row[i])
        totals[flat] += 1
        turn = batch[i] + 1
        if last_batch[place] != 0:
            repeats[OVERALL, flat] += 1
            if last_batch[place] == turn:
                repeats[IN_BATCH, flat] += 1
                if last_bag[place] == bag:
                    repeats[IN_GNR, flat] += 1
        last_batch[place] = turn
        last_bag[place] = bag
    return bag


@dataclass(frozen=True)
class Locality:
    """Accesses of each subtable, and how many of them repeat a row in each scope.

    `accesses` has shape (n_subtables,) and `repeats` (3, n_subtables): within a GnR (the paper's intra-GnR
    locality), within a table's turn in a batch, overall.
    """

    meta: schema.TraceMeta
    layout: profile.FlatRows
    accesses: np.ndarray
    repeats: np.ndarray

    def subtables_of(self, table: int) -> slice:
        """The table's entries among all subtables."""
        return slice(int(self.layout.first_subtable[table]), int(self.layout.first_subtable[table + 1]))

    def shared(self) -> np.ndarray:
        """Whether each subtable is shared, shape (n_subtables,)."""
        return np.array([part.shared for table in self.meta.tables for part in table.subtables])


def measure_locality(reader: TraceReader, on_progress: Callable[[int], None] = lambda _: None) -> Locality:
    """Read a trace once and count repeats. Memory is 8 bytes for each row that is accessed at all."""
    layout = profile.FlatRows.of(reader.meta)
    n_subtables = layout.first_row.size - 1
    last_bag, last_batch = layout.counters("locality"), layout.counters("locality")
    totals = np.zeros(n_subtables, dtype=np.int64)
    repeats = np.zeros((_SCOPES, n_subtables), dtype=np.int64)
    bag = 0
    for chunk in reader.chunks():
        bag = _count_repeats(
            chunk.batch,
            chunk.table,
            chunk.sample,
            chunk.subtable,
            chunk.row,
            *layout,
            last_bag,
            last_batch,
            bag,
            totals,
            repeats,
        )
        on_progress(chunk.row.size)
    return Locality(reader.meta, layout, totals, repeats)
