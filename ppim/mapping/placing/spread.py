"""Rows spread over all units, by hash or in random pages, and copies of others in every unit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ppim.datasets.hashing import start_number
from ppim.mapping.placing import placement as p
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import Footprint, Placement
from ppim.units import ceil_div

if TYPE_CHECKING:
    from ppim.mapping.placing.parts import Parts
    from ppim.mapping.placing.spec import PlacementSpec
    from ppim.trace.schema import TraceMeta


def place_subtables(
    meta: TraceMeta,
    geometry: UnitGeometry,
    spec: PlacementSpec,
    *,
    duplicate_shared: bool,
    mapping: str,
    copied_bursts: int = 0,
    home_bursts: int = 0,
    parts: Parts | None = None,
) -> tuple[Placement, Footprint]:
    """Spread subtables over all units; put the shared ones into every unit if `duplicate_shared`.

    `copied_bursts` are set aside in every unit, behind everything else, for copies of single rows, or
    `home_bursts` for single rows that lie once, in places of their own. Rows of the subtables named by `parts`
    lie in parts.

    Raises
    ------
    InputError
        If it does not fit in the memory; the message gives the numbers.
    """
    placement = p.blank_placement(meta, geometry)
    placement = placement._replace(unit_first=int(spec.stripe_order == "unit-channel"))
    duplicated = copied_bursts + home_bursts
    spread: Rows = {}
    for t, table in enumerate(meta.tables):
        for s, subtable in enumerate(table.subtables):
            if subtable.shared and duplicate_shared:
                placement.mode[t, s] = p.DUPLICATED
                placement.base[t, s] = duplicated
                duplicated += subtable.rows * int(placement.row_bursts[t, s])
            else:
                spread[t, s] = subtable.rows
    for at, part in (parts or {}).items():
        placement.row_bursts[at] = part.bursts
        placement.set_units[at] = part.units
        placement.sets[at] = geometry.units // part.units
        placement.pieces[at] = part.pieces
        spread[at] *= part.pieces
    place = _stripe if spec.placement == "page" else _hash
    unit_bursts = place(placement, spread, geometry, spec)
    # Copies fill the last DRAM rows of the unit's space (row by row, so that no small row straddles two).
    reserved = ceil_div(duplicated, geometry.bursts_per_row) * geometry.bursts_per_row
    placement.base[placement.mode == p.DUPLICATED] += geometry.unit_bursts - reserved
    if home_bursts:
        return placement, p.check_capacity(geometry, (unit_bursts + reserved) * geometry.units, 0, mapping)
    return placement, p.check_capacity(geometry, unit_bursts * geometry.units, reserved, mapping)


Rows = dict[tuple[int, int], int]
"""Rows of subtables by table and subtable."""


def _hash(placement: Placement, spread: Rows, geometry: UnitGeometry, spec: PlacementSpec) -> int:
    """Hash the pages of subtables over all units; bursts taken in each.

    Pages of equal size share one bijection: with one for each subtable, tables of few rows would be spread
    more evenly than any hash does it. Those of rows that are split share another.
    """
    pools: dict[tuple[int, int], Rows] = {}
    for place, rows in spread.items():
        page_bursts = spec.placement_page * int(placement.row_bursts[place])
        pools.setdefault((page_bursts, int(placement.sets[place])), {})[place] = rows
    base = 0
    for (page_bursts, sets), pool in pools.items():
        pages = 0
        for place, rows in pool.items():
            placement.first_page[place] = pages
            pages += ceil_div(rows, spec.placement_page)
        unit_pages = ceil_div(pages, sets)
        split = geometry.units // sets - 1
        for place in pool:
            placement.mode[place] = p.SPREAD
            placement.base[place] = base
            placement.page_rows[place] = spec.placement_page
            _set_bijection(placement, place, unit_pages * sets, spec.placement_seed, page_bursts, split)
        base += unit_pages * page_bursts
    return base


def _stripe(placement: Placement, spread: Rows, geometry: UnitGeometry, spec: PlacementSpec) -> int:
    """Stripe the pages of subtables over all units; bursts taken in each."""
    base = 0
    for place, rows in spread.items():
        row_bursts = int(placement.row_bursts[place])
        row_bytes = row_bursts * geometry.burst_bytes
        page_rows = max(1, spec.page_bytes // row_bytes)
        stripe_rows = max(1, spec.stripe_bytes // row_bytes)
        pages = ceil_div(rows, page_rows)
        placement.mode[place] = p.STRIPED
        placement.base[place] = base
        placement.page_rows[place] = page_rows
        placement.stripe_rows[place] = stripe_rows
        _set_bijection(placement, place, pages, spec.placement_seed, *place)
        stripes = ceil_div(pages * page_rows, stripe_rows)
        base += ceil_div(stripes, int(placement.sets[place])) * stripe_rows * row_bursts
    return base


def _set_bijection(
    placement: Placement, place: tuple[int, int], slots: int, seed: int, first: int, second: int
) -> None:
    """Send the pages of a subtable through the bijection of 0..slots-1 that these three numbers name."""
    placement.slots[place] = slots
    placement.bits[place] = (slots - 1).bit_length()
    link = start_number(seed)
    for number in (first, second):
        link = start_number(link ^ number)
    placement.key[place] = link >> 1
