"""ProactivePIM's subtable mapping: shared subtables in every PIM unit, the large ones spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ppim.mapping.base import SPREADING, mapping
from ppim.mapping.placing.parts import SPLITTING, parts_of_rows
from ppim.mapping.placing.spread import place_subtables

if TYPE_CHECKING:
    from ppim.mapping.base import CountAccesses
    from ppim.mapping.placing.geometry import UnitGeometry
    from ppim.mapping.placing.placement import Footprint, Placement
    from ppim.mapping.placing.spec import PlacementSpec
    from ppim.trace.schema import TraceMeta


@mapping("duplicate", parameters=(*SPREADING, *SPLITTING))
def place(
    meta: TraceMeta,
    geometry: UnitGeometry,
    spec: PlacementSpec,
    count_accesses: CountAccesses,  # noqa: ARG001 - every mapping is asked alike
) -> tuple[Placement, Footprint]:
    """Copy shared subtables into every unit, at the end of its space (arXiv 2402.04032; docs/model.md §8)."""
    parts = parts_of_rows(meta, geometry, spec)
    return place_subtables(meta, geometry, spec, duplicate_shared=True, mapping="duplicate", parts=parts)
