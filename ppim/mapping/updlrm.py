"""Rows dealt to PIM units by how often they are accessed, as UpDLRM balances its DPUs; the rest spread."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ppim.jit import helper, njit
from ppim.mapping import base
from ppim.mapping.placing import index, spread
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import Footprint, Placement
from ppim.mapping.placing.spec import PlacementSpec
from ppim.trace import schema
from ppim.trace.profile import AccessProfile
from ppim.units import bytes_to_bursts, ceil_div


@base.mapping("updlrm", parameters=base.SPREADING, counts_accesses=True)
def place(
    meta: schema.TraceMeta, geometry: UnitGeometry, spec: PlacementSpec, count_accesses: base.CountAccesses
) -> tuple[Placement, Footprint]:
    """Give each table some units, and each row that is accessed a home in that of them with the least to read so far.

    Homes are at the end of every unit; a row's own place among the others stays free. Rows that are never
    accessed lie as with `interleave`. Source: UpDLRM, arXiv 2406.13941, non-uniform partitioning by access
    frequency (docs/model.md §8 says what of it is left out).

    Raises
    ------
    InputError
        If it does not fit in the memory; the message gives the numbers.
    """
    profile = count_accesses()
    rows, tables, sizes, loads = _accessed_rows(profile, geometry)
    first, stop = units_of_tables(
        np.bincount(tables, loads, len(meta.tables)).astype(np.float64), geometry.units
    )
    units, addresses = np.empty((2, rows.size), dtype=np.int64)
    load, used = np.zeros((2, geometry.units), dtype=np.int64)
    starts = np.searchsorted(tables, np.arange(len(meta.tables) + 1))
    for table, (start, end) in enumerate(pairwise(starts)):
        own = slice(start, end)
        deal_rows(loads[own], sizes[own], first[table], stop[table], load, used, units[own], addresses[own])
    taken = int(used.max(initial=0))
    placement, footprint = spread.place_subtables(
        meta, geometry, spec, duplicate_shared=False, mapping="updlrm", home_bursts=taken
    )
    if not rows.size:
        return placement, footprint
    base_address = geometry.unit_bursts - ceil_div(taken, geometry.bursts_per_row) * geometry.bursts_per_row
    unit, channel = np.divmod(units, geometry.channels)  # successive units are in successive channels
    places = (base_address + addresses) * geometry.units + channel * geometry.units_per_channel + unit
    homes = index.make_index(rows, places)
    return placement._replace(homes=homes, home_mask=len(homes) - 1), footprint


def units_of_tables(loads: NDArray[np.float64], units: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First unit of each table and the one behind its last: as its share of all loads, in the tables' order.

    Where a share ends inside a unit, both tables have that unit.
    """
    ends = np.cumsum(loads) * units / max(loads.sum(), 1)
    first = np.minimum(np.r_[0, ends[:-1]].astype(np.int64), units - 1)
    stop = np.clip(np.ceil(ends).astype(np.int64), first + 1, units)
    return first, stop


def _accessed_rows(profile: AccessProfile, geometry: UnitGeometry) -> tuple[NDArray[np.int64], ...]:
    """Rows that are accessed at all, by table, those that are read most first, ties by number.

    Returns
    -------
    tuple of ndarray of int64, shape (n,)
        Number among all rows, table, bursts, and bursts that the trace reads of it.
    """
    rows = np.flatnonzero(profile.counts)
    subtables = np.searchsorted(profile.layout.first_row, rows, side="right") - 1
    parts = [(t, part) for t, table in enumerate(profile.meta.tables) for part in table.subtables]
    sizes = np.array(
        [bytes_to_bursts(part.bytes_per_row, geometry.burst_bytes) for _, part in parts], dtype=np.int64
    )[subtables]
    tables = np.array([t for t, _ in parts], dtype=np.int64)[subtables]
    loads = profile.counts[rows].astype(np.int64) * sizes
    order = np.lexsort((rows, -loads, tables))
    return rows[order], tables[order], sizes[order], loads[order]


@njit
def deal_rows(loads, sizes, first, stop, load, used, units, addresses):  # type: ignore[no-untyped-def]
    """Deal rows out, in their order, each to the unit that has the least load so far; of equal ones to the first.

    Parameters
    ----------
    loads, sizes : ndarray of int64, shape (rows,)
        What a row adds to its unit's load, and bursts that it takes.
    first, stop : int
        Units first..stop-1 are dealt to.
    load, used : ndarray of int64, shape (units,)
        Load of each unit, and bursts that are taken in it; both grow.
    units, addresses : ndarray of int64, shape (rows,)
        Filled with the unit of each row and its first burst there.
    """
    heap = np.arange(first, stop)  # the lightest unit first
    for at in range(heap.size // 2 - 1, -1, -1):
        _sink(heap, at, load)
    for row in range(loads.size):
        unit = heap[0]
        units[row], addresses[row] = unit, used[unit]
        used[unit] += sizes[row]
        load[unit] += loads[row]
        _sink(heap, 0, load)


@helper
def _sink(heap, at, load):  # type: ignore[no-untyped-def]
    """Let the unit at a position of a heap, which may be too heavy for it, sink to its place."""
    unit = heap[at]
    while 2 * at + 1 < heap.size:
        child = 2 * at + 1
        if child + 1 < heap.size and _is_lighter(heap[child + 1], heap[child], load):
            child += 1
        if not _is_lighter(heap[child], unit, load):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = unit


@helper
def _is_lighter(one, other, load):  # type: ignore[no-untyped-def]
    """Whether a unit's turn comes before another's."""
    return load[one] < load[other] or (load[one] == load[other] and one < other)
