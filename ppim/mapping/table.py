"""Tables dealt out to PIM units: the subtables of a table stay together."""

import numpy as np

from ppim.errors import InputError
from ppim.mapping.base import CountAccesses, mapping
from ppim.mapping.placing import placement as p
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import Footprint, Placement
from ppim.mapping.placing.spec import PlacementSpec
from ppim.trace.schema import TraceMeta


@mapping("table")
def place(
    meta: TraceMeta,
    geometry: UnitGeometry,
    spec: PlacementSpec,
    count_accesses: CountAccesses,  # noqa: ARG001 - every mapping is asked alike
) -> tuple[Placement, Footprint]:
    """Deal tables out in trace order, each to the unit with the most room, where its rows lie in order.

    Where a unit is full, the table goes on in the one that then has the most room. Of units with equal
    room the next channel's comes first.

    Raises
    ------
    InputError
        If it does not fit in the memory, or pages are asked for.
    """
    if spec.placement == "page":
        raise InputError(
            "placement: pages spread rows, but mapping table keeps them together; use placement=hash"
        )
    placement = p.blank_placement(meta, geometry)
    placement.mode[:] = p.PACKED
    rows = np.array([part.rows for table in meta.tables for part in table.subtables])
    sizes = [int(placement.row_bursts[t, s]) for t, s in _places(meta)]
    needed = int(rows @ sizes)
    footprint = p.check_capacity(geometry, needed, 0, "table")
    deal = _Deal(geometry)
    segments: list[list[int]] = []
    for t, table in enumerate(meta.tables):
        deal.go_to_emptiest()
        for s, subtable in enumerate(table.subtables):
            placement.first_segment[t, s] = len(segments)
            segments += deal.lay(subtable.rows, int(placement.row_bursts[t, s]), needed)
            segments.append([p.NO_MORE_ROWS] * p.SEGMENT_COLUMNS)
    return placement._replace(segments=np.array(segments, dtype=np.int64)), footprint


def _places(meta: TraceMeta) -> list[tuple[int, int]]:
    return [(t, s) for t, table in enumerate(meta.tables) for s in range(len(table.subtables))]


class _Deal:
    """Room that is left in every unit, in the order in which units are dealt to."""

    def __init__(self, geometry: UnitGeometry) -> None:
        self.geometry = geometry
        self.free = np.full(geometry.units, geometry.unit_bursts, dtype=np.int64)
        self.current = 0

    def go_to_emptiest(self) -> None:
        self.current = int(self.free.argmax())

    def lay(self, rows: int, row_bursts: int, needed: int) -> list[list[int]]:
        """Segments of a subtable's rows, from the current unit on."""
        segments, first = [], 0
        while first < rows:
            if self.free[self.current] < row_bursts:
                self.go_to_emptiest()
            taken = min(rows - first, int(self.free[self.current]) // row_bursts)
            if taken == 0:
                raise InputError(
                    f"mapping table: needs {needed * self.geometry.burst_bytes:,} bytes, and what is left in "
                    f"each unit is less than a row of {row_bursts * self.geometry.burst_bytes:,}; "
                    "use more channels, a larger device or shorter vectors"
                )
            address = self.geometry.unit_bursts - int(self.free[self.current])
            segments.append([first, self._unit(), address])
            self.free[self.current] -= taken * row_bursts
            first += taken
        return segments

    def _unit(self) -> int:
        """Unit over all channels: successive ones are in successive channels."""
        unit, channel = divmod(self.current, self.geometry.channels)
        return channel * self.geometry.units_per_channel + unit
