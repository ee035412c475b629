"""What `adaptive` could come to: the whole trace is known, and rows are where they balance it from the start."""

import numpy as np

from ppim.mapping import base
from ppim.mapping.placing import guests
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import Footprint, Placement
from ppim.mapping.placing.spec import PlacementSpec
from ppim.trace.schema import TraceMeta


@base.mapping("oracle", parameters=(*base.SPREADING, "guest_rows"), counts_accesses=True)
def place(
    meta: TraceMeta, geometry: UnitGeometry, spec: PlacementSpec, count_accesses: base.CountAccesses
) -> tuple[Placement, Footprint]:
    """As `duplicate`, but for the most accessed rows, as many as have room, which lie where they balance the loads.

    The longest first, each to the unit that has least to do in the row's table (Graham, Bounds on multiprocessing
    timing anomalies, 1969).

    Raises
    ------
    InputError
        If it does not fit in the memory; the message gives the numbers.
    """
    placement, footprint = guests.place_with_room(meta, geometry, spec, "oracle")
    rows, counts = guests.Rows.of(meta, placement), count_accesses().counts
    numbers = np.flatnonzero(counts).astype(np.int64)
    kinds = rows.kinds(numbers)
    numbers, kinds = numbers[rows.bursts[kinds] > 0], kinds[rows.bursts[kinds] > 0]
    loads = counts[numbers].astype(np.int64) * rows.bursts[kinds]
    homes, _ = rows.homes(numbers)
    totals = np.zeros((len(meta.tables), geometry.units), dtype=np.int64)
    np.add.at(totals, (rows.tables[kinds], homes), loads)
    found = guests.Guests(
        placement,
        guests.first_slot(geometry, footprint),
        guests.slot_bursts(meta, geometry),
        spec.guest_rows,
    )
    hottest = np.argsort(-loads, kind="stable")[: geometry.units * spec.guest_rows]
    np.subtract.at(totals, (rows.tables[kinds[hottest]], homes[hottest]), loads[hottest])
    room = found.room()
    for row in hottest.tolist():
        total = totals[rows.tables[kinds[row]]]
        home = int(homes[row])
        unit = int(np.where(room > 0, total, np.iinfo(np.int64).max).argmin())
        if room[unit] == 0 or total[home] <= total[unit]:
            unit = home
        total[unit] += loads[row]
        if unit != home:
            found.welcome(int(numbers[row]), unit)
            room[unit] -= 1
    found.publish()
    return placement, footprint
