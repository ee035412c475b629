"""The most accessed rows copied into every PIM unit, as TRiM replicates hot entries; the rest spread."""

import numpy as np
from numpy.typing import NDArray

from ppim.mapping import base
from ppim.mapping.placing import index, spread
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import Footprint, Placement
from ppim.mapping.placing.spec import PlacementSpec
from ppim.trace import schema
from ppim.trace.profile import AccessProfile, hottest
from ppim.units import ceil_div


@base.mapping("hot", parameters=(*base.SPREADING, "hot_fraction", "hot_by"), counts_accesses=True)
def place(
    meta: schema.TraceMeta, geometry: UnitGeometry, spec: PlacementSpec, count_accesses: base.CountAccesses
) -> tuple[Placement, Footprint]:
    """Copy the hot rows of the trace to the end of every unit, hottest first; the rest as `interleave`.

    A hot row's own place among the others stays free. Which unit serves a hot row is decided where the
    program is built (docs/model.md §8). Source: TRiM, MICRO 2021 (replication of hot entries).

    Raises
    ------
    InputError
        If it does not fit in the memory; the message gives the numbers.
    """
    profile = count_accesses()
    hot = choose_hot_rows(profile, spec)
    sizes = _row_bursts(profile, geometry)[_subtable_of(profile, hot)]
    copied = int(sizes.sum())
    placement, footprint = spread.place_subtables(
        meta, geometry, spec, duplicate_shared=False, mapping="hot", copied_bursts=copied
    )
    if not hot.size:
        return placement, footprint
    first = geometry.unit_bursts - ceil_div(copied, geometry.bursts_per_row) * geometry.bursts_per_row
    copies = index.make_index(hot, first + np.cumsum(sizes) - sizes)
    return placement._replace(copies=copies, copy_mask=len(copies) - 1), footprint


def choose_hot_rows(profile: AccessProfile, spec: PlacementSpec) -> NDArray[np.int64]:
    """Numbers among all rows of the hottest ones, by falling accesses, ties by number.

    As many as together have at most `hot_fraction` of the trace's accesses, or of all rows; a row that is
    never accessed is not hot.
    """
    accessed = np.flatnonzero(profile.counts)
    counts = profile.counts[accessed].astype(np.int64)
    if spec.hot_by == "accesses":
        chosen = hottest(counts, spec.hot_fraction * int(counts.sum()))
    else:
        chosen = hottest(counts, spec.hot_fraction * profile.counts.size, np.ones_like(counts))
    return accessed[chosen]


def _subtable_of(profile: AccessProfile, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number among all subtables of the one that each row belongs to."""
    return np.searchsorted(profile.layout.first_row, rows, side="right") - 1


def _row_bursts(profile: AccessProfile, geometry: UnitGeometry) -> NDArray[np.int64]:
    """Bursts of a row, for every subtable of all tables."""
    row_bytes = [part.bytes_per_row for table in profile.meta.tables for part in table.subtables]
    return -(-np.array(row_bytes, dtype=np.int64) // geometry.burst_bytes)
