"""Subtable mapping with the most accessed of the other rows copied into every PIM unit as well."""

from ppim.mapping import base
from ppim.mapping.hot import place_hot_rows
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import Footprint, Placement
from ppim.mapping.placing.spec import PlacementSpec
from ppim.trace.schema import TraceMeta


@base.mapping("duplicate-hot", parameters=(*base.SPREADING, "hot_fraction", "hot_by"), counts_accesses=True)
def place(
    meta: TraceMeta,  # noqa: ARG001 - the profile has it
    geometry: UnitGeometry,
    spec: PlacementSpec,
    count_accesses: base.CountAccesses,
) -> tuple[Placement, Footprint]:
    """Copy shared subtables, and hot rows of the others, to the end of every unit; the rest as `interleave`.

    No published system has both: shared subtables are duplicated by ProactivePIM (arXiv 2402.04032), hot rows
    replicated by TRiM (MICRO 2021). `hot_fraction` is a share of what is not shared (docs/model.md §8).

    Raises
    ------
    InputError
        If it does not fit in the memory; the message gives the numbers.
    """
    return place_hot_rows(count_accesses(), geometry, spec, duplicate_shared=True, mapping="duplicate-hot")
