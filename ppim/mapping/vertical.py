"""Every row cut into slices, one for each PIM unit of the memory, as TensorDIMM splits its vectors."""

from ppim.errors import InputError
from ppim.mapping.base import CountAccesses, mapping
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import SLICED, Footprint, Placement, blank_placement
from ppim.mapping.placing.spec import PlacementSpec
from ppim.trace.schema import TraceMeta
from ppim.units import ceil_div


@mapping("vertical", splits_rows=True)
def place(
    meta: TraceMeta,
    geometry: UnitGeometry,
    spec: PlacementSpec,
    count_accesses: CountAccesses,  # noqa: ARG001 - every mapping is asked alike
) -> tuple[Placement, Footprint]:
    """Give every unit the same part of each row, at the same address (arXiv 1908.03072; docs/model.md §8).

    A slice is ceil(bytes of the row / units) bytes, rounded up to bursts: at least one burst in every unit.

    Raises
    ------
    InputError
        If it does not fit in the memory (the message gives the numbers), or pages are asked for.
    """
    if spec.placement == "page":
        raise InputError(
            "placement: pages spread rows, but mapping vertical splits each row over all units; use placement=hash"
        )
    placement = blank_placement(meta, geometry)
    placement.mode[:] = SLICED
    used, row_bytes = 0, 0
    for t, table in enumerate(meta.tables):
        for s, subtable in enumerate(table.subtables):
            bursts = ceil_div(subtable.bytes_per_row, geometry.units * geometry.burst_bytes)
            placement.row_bursts[t, s] = bursts
            placement.base[t, s] = used
            used += subtable.rows * bursts
            row_bytes += subtable.size_bytes
    footprint = Footprint(
        spread_bytes=used * geometry.units * geometry.burst_bytes,
        duplicated_bytes=0,
        capacity_bytes=geometry.unit_bursts * geometry.units * geometry.burst_bytes,
    )
    if footprint.spread_bytes > footprint.capacity_bytes:
        raise InputError(
            f"mapping vertical: slices of at least {geometry.burst_bytes} bytes in each of {geometry.units} units "
            f"take {footprint.spread_bytes:,} bytes for {row_bytes:,} bytes of rows, but the memory has "
            f"{footprint.capacity_bytes:,}; use longer vectors, fewer units or a larger device"
        )
    return placement, footprint
