"""A placement that learns: rows move to less loaded PIM units while the run goes on, by what it has seen."""

from ppim.mapping import base
from ppim.mapping.placing import guests
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import Footprint, Placement
from ppim.mapping.placing.spec import PlacementSpec
from ppim.trace.schema import TraceMeta


@base.mapping(
    "adaptive",
    parameters=(
        *base.SPREADING,
        "guest_rows",
        "adaptive_batches",
        "adaptive_moves",
        "adaptive_memory",
        "adaptive_gain",
    ),
    learns=True,
)
def place(
    meta: TraceMeta,
    geometry: UnitGeometry,
    spec: PlacementSpec,
    count_accesses: base.CountAccesses,  # noqa: ARG001 - it knows nothing of the trace beforehand
) -> tuple[Placement, Footprint]:
    """Begin as `duplicate`, with room for guests in every unit (after AIMM, arXiv 2104.13671; docs/model.md §15)."""
    return guests.place_with_room(meta, geometry, spec, "adaptive")
