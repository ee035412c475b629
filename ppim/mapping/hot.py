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


@base.mapping("hot", parameters=(*base.SPREADING, "hot_fraction", "hot_by"), counts_accesses=True)
def place(
    meta: schema.TraceMeta,  # noqa: ARG001 - the profile has it
    geometry: UnitGeometry,
    spec: PlacementSpec,
    count_accesses: base.CountAccesses,
) -> tuple[Placement, Footprint]:
    """Copy the hot rows of the trace to the end of every unit, hottest first; the rest as `interleave`.

    A hot row's own place among the others stays free. Which unit serves a hot row is decided where the
    program is built (docs/model.md §8). Source: TRiM, MICRO 2021 (replication of hot entries).

    Raises
    ------
    InputError
        If it does not fit in the memory; the message gives the numbers.
    """
    return place_hot_rows(count_accesses(), geometry, spec, duplicate_shared=False, mapping="hot")


def place_hot_rows(
    profile: AccessProfile,
    geometry: UnitGeometry,
    spec: PlacementSpec,
    *,
    duplicate_shared: bool,
    mapping: str,
) -> tuple[Placement, Footprint]:
    """Copies of hot rows in every unit, before those of the shared subtables if these are duplicated; the rest spread.

    Raises
    ------
    InputError
        If it does not fit in the memory; the message gives the numbers.
    """
    hot = choose_hot_rows(profile, spec, but_shared=duplicate_shared)
    sizes = _row_bursts(profile, geometry)[_subtable_of(profile, hot)]
    placement, footprint = spread.place_subtables(
        profile.meta,
        geometry,
        spec,
        duplicate_shared=duplicate_shared,
        mapping=mapping,
        copied_bursts=int(sizes.sum()),
    )
    if not hot.size:
        return placement, footprint
    first = geometry.unit_bursts - footprint.duplicated_bytes // (geometry.units * geometry.burst_bytes)
    copies = index.make_index(hot, first + np.cumsum(sizes) - sizes)
    return placement._replace(copies=copies, copy_mask=len(copies) - 1), footprint


def choose_hot_rows(
    profile: AccessProfile, spec: PlacementSpec, *, but_shared: bool = False
) -> NDArray[np.int64]:
    """Numbers among all rows of the hottest ones, by falling accesses, ties by number.

    As many as together have at most `hot_fraction` of the accesses, or of the rows: of all subtables, or, if
    `but_shared`, of those that are not shared. A row that is never accessed is not hot.
    """
    subtables = [part for table in profile.meta.tables for part in table.subtables]
    may_be_hot = np.array([not (but_shared and part.shared) for part in subtables])
    candidates = np.flatnonzero(profile.counts)
    candidates = candidates[may_be_hot[_subtable_of(profile, candidates)]]
    counts = profile.counts[candidates].astype(np.int64)
    if spec.hot_by == "accesses":
        chosen = hottest(counts, spec.hot_fraction * int(counts.sum()))
    else:
        rows = int(np.diff(profile.layout.first_row)[may_be_hot].sum())
        chosen = hottest(counts, spec.hot_fraction * rows, np.ones_like(counts))
    return candidates[chosen]


def _subtable_of(profile: AccessProfile, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number among all subtables of the one that each row belongs to."""
    return np.searchsorted(profile.layout.first_row, rows, side="right") - 1


def _row_bursts(profile: AccessProfile, geometry: UnitGeometry) -> NDArray[np.int64]:
    """Bursts of a row, for every subtable of all tables."""
    row_bytes = [part.bytes_per_row for table in profile.meta.tables for part in table.subtables]
    return -(-np.array(row_bytes, dtype=np.int64) // geometry.burst_bytes)
