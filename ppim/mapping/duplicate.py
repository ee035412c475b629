"""ProactivePIM's subtable mapping: shared subtables in every PIM unit, the large ones spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ppim.mapping.base import MAPPINGS, CountAccesses, Footprint, Placement, UnitGeometry, place_subtables

if TYPE_CHECKING:
    from ppim.systems.spec import PlacementSpec
    from ppim.trace.schema import TraceMeta


@MAPPINGS.register("duplicate")
def place(
    meta: TraceMeta,
    geometry: UnitGeometry,
    spec: PlacementSpec,
    count_accesses: CountAccesses,  # noqa: ARG001 - every mapping is asked alike
) -> tuple[Placement, Footprint]:
    """Copy shared subtables into every unit, at the end of its space (arXiv 2402.04032; docs/model.md §8)."""
    return place_subtables(meta, geometry, spec, duplicate_shared=True, mapping="duplicate")
