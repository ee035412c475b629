"""ProactivePIM's subtable mapping: shared subtables in every PIM unit, the large ones spread."""

from ppim.mapping import base
from ppim.mapping.placing import placement, spread
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.parts import SPLITTING, parts_of_rows
from ppim.mapping.placing.spec import PlacementSpec
from ppim.trace.schema import TraceMeta


@base.mapping("duplicate", parameters=(*base.SPREADING, *SPLITTING))
def place(
    meta: TraceMeta,
    geometry: UnitGeometry,
    spec: PlacementSpec,
    count_accesses: base.CountAccesses,  # noqa: ARG001 - every mapping is asked alike
) -> tuple[placement.Placement, placement.Footprint]:
    """Copy shared subtables into every unit, at the end of its space (arXiv 2402.04032; docs/model.md §8)."""
    parts = parts_of_rows(meta, geometry, spec)
    return spread.place_subtables(
        meta, geometry, spec, duplicate_shared=True, mapping="duplicate", parts=parts
    )
