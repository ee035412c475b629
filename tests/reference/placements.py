"""Where a placement puts rows, asked of the compiled functions that the program builder uses."""

from __future__ import annotations

import numpy as np

from ppim.jit import njit
from ppim.jit.pack import pack
from ppim.mapping.placing.locate import find_copy, locate_row, permute
from ppim.mapping.placing.placement import DUPLICATED, NO_COPY, Placement


@njit
def _permute_all(slots, bits, key):  # type: ignore[no-untyped-def]
    images = np.empty(slots, dtype=np.int64)
    for value in range(slots):
        images[value] = permute(value, slots, bits, key)
    return images


@njit
def _locate(placement, table, subtable, rows, units, addresses):  # type: ignore[no-untyped-def]
    for i in range(rows.size):
        units[i], addresses[i] = locate_row(placement, table, subtable, rows[i])


@njit
def _find_copies(placement, table, subtable, rows, addresses):  # type: ignore[no-untyped-def]
    for i in range(rows.size):
        addresses[i] = find_copy(placement, table, subtable, rows[i])


def images(slots: int, key: int) -> np.ndarray:
    """Image of every number under the bijection of 0..slots-1."""
    return _permute_all(slots, (slots - 1).bit_length(), key)


def locate(
    placement: Placement, table: int, subtable: int, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(unit over all channels, unit-local address in bursts) of rows that lie once."""
    assert placement.mode[table, subtable] != DUPLICATED
    units, addresses = (np.empty(len(rows), dtype=np.int64) for _ in range(2))
    _locate(pack(placement), table, subtable, np.ascontiguousarray(rows, dtype=np.int64), units, addresses)
    return units, addresses


def places(
    placement: Placement, table: int, subtable: int, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same with copies: units have the shape (rows, copies), addresses (rows,)."""
    if placement.mode[table, subtable] == DUPLICATED:
        units = np.broadcast_to(np.arange(placement.units), (len(rows), placement.units))
        return units, placement.base[table, subtable] + rows * placement.row_bursts[table, subtable]
    units, addresses = locate(placement, table, subtable, rows)
    return units[:, None], addresses


def copies(placement: Placement, table: int, subtable: int, rows: np.ndarray) -> np.ndarray:
    """Address that a row has in every unit, or NO_COPY; shape (rows,)."""
    addresses = np.empty(len(rows), dtype=np.int64)
    _find_copies(pack(placement), table, subtable, np.ascontiguousarray(rows, dtype=np.int64), addresses)
    return addresses


def copy_of(placement: Placement, table: int, subtable: int, row: int) -> int | None:
    """The same of one row; None where it has no copies."""
    address = int(copies(placement, table, subtable, np.array([row]))[0])
    return None if address == NO_COPY else address
