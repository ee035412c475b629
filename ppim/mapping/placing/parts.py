"""Rows that lie in parts: TT-Rec's second core, split over units and in matrices (docs/model.md §8)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ppim.units import ceil_div
from ppim.weight_sharing.base import second_matrices

if TYPE_CHECKING:
    from ppim.mapping.placing.geometry import UnitGeometry
    from ppim.mapping.placing.spec import PlacementSpec
    from ppim.trace.schema import TraceMeta

SPLITTING = ("tt_split", "tt_granularity")
"""Parameters of `[placement]` that act where second-core rows may lie in parts."""

SECOND = 1  # subtable


class Part(NamedTuple):
    """How a row of a subtable lies in parts."""

    units: int  # that have a part of it, one behind the other
    pieces: int  # each placed by itself
    bursts: int  # of one unit's part of a piece


Parts = dict[tuple[int, int], Part]
"""Parts of subtables by table and subtable."""


def split_units(geometry: UnitGeometry, spec: PlacementSpec) -> int:
    """Units that each have a part of a second-core row."""
    return {"none": 1, "bankgroups": geometry.units_per_channel, "all": geometry.units}[spec.tt_split]


def parts_of_rows(meta: TraceMeta, geometry: UnitGeometry, spec: PlacementSpec) -> Parts:
    """The subtables whose rows lie in parts: second cores, between others, of tensor trains.

    The rows k of the R x R matrices of a second-core row are dealt out in runs of ceil(R / units): each unit has
    those of one run, of all matrices (`slice`) or of one that is placed by itself (`matrix`).
    """
    units = split_units(geometry, spec)
    if units == 1 and spec.tt_granularity == "slice":
        return {}
    parts: Parts = {}
    for t, table in enumerate(meta.tables):
        matrices = second_matrices(meta.sharing, table.rows)
        if matrices is None:
            continue
        pieces = matrices.number if spec.tt_granularity == "matrix" else 1
        row_bytes = table.subtables[SECOND].bytes_per_row // (pieces * matrices.rows)
        bursts = ceil_div(ceil_div(matrices.rows, units) * row_bytes, geometry.burst_bytes)
        parts[t, SECOND] = Part(units, pieces, bursts)
    return parts
