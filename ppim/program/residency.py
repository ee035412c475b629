"""What the SRAM of a PIM unit, or the cache of the host, can hold of the subtables (docs/model.md §1)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppim.errors import InputError
from ppim.mapping.placing.geometry import UnitGeometry
from ppim.mapping.placing.placement import DUPLICATED, Placement
from ppim.prefetch.base import NO_PREFETCH, Phase
from ppim.systems.spec import CacheSpec, SystemSpec
from ppim.trace.schema import TraceMeta


@dataclass(frozen=True)
class Residency:
    """Rows that need no access; arrays int64, shape (tables, subtables).

    Attributes
    ----------
    resident : ndarray
        Rows 0..n-1 of a subtable that are held; where only used rows are fetched, that may be.
    wanted_bytes : ndarray
        That all rows of the prefetched subtables take.
    line_bytes : ndarray
        That a row takes.
    turn_bytes : int
        Scratchpad of a unit that one turn's rows may take.
    is_kept : bool
        The rows of all tables are held at once.
    demanded : ndarray
        Rows of a subtable that a turn keeps when it has read them, as far as there is room; 0 of others.
    room : ndarray, shape (tables,)
        Bytes that prefetched rows leave to these; where only used rows are fetched, that depends on the turn.
    """

    resident: NDArray[np.int64]
    wanted_bytes: NDArray[np.int64]
    line_bytes: NDArray[np.int64]
    turn_bytes: int
    is_kept: bool
    demanded: NDArray[np.int64]
    room: NDArray[np.int64]

    @property
    def most_wanted(self) -> int:
        """Bytes that the prefetched subtables have, of one table or all, whether they fit or not."""
        return self._at_once(self.wanted_bytes.sum(axis=1))

    @property
    def most_held(self) -> int:
        """Bytes that a scratchpad holds at most."""
        per_table = np.minimum((self.resident * self.line_bytes).sum(axis=1), self.wanted_bytes.sum(axis=1))
        return self._at_once(per_table)

    def _at_once(self, per_table: NDArray[np.int64]) -> int:
        return int(per_table.sum() if self.is_kept else per_table.max())


def find_resident_rows(
    meta: TraceMeta,
    system: SystemSpec,
    placement: Placement,
    geometry: UnitGeometry,
    *,
    host_holds_shared: bool,
) -> Residency:
    """Rows that the scratchpads hold, or the host's cache where it holds the shared subtables.

    Raises
    ------
    InputError
        A prefetch of rows of which there are no copies, or a host's cache that is too small.
    """
    shape = placement.mode.shape
    if host_holds_shared:
        resident, wanted = _rows_in_llc(meta, system, shape), np.zeros(shape, dtype=np.int64)
    else:
        resident, wanted = _rows_in_scratchpads(meta, system, placement, geometry)
    line_bytes = _line_bytes(system.cache, placement, geometry)
    is_kept = system.prefetch.policy.phase == Phase.AT_START
    taken = (resident * line_bytes).sum(axis=1)
    return Residency(
        resident=resident,
        wanted_bytes=wanted,
        line_bytes=line_bytes,
        turn_bytes=_turn_bytes(system),
        is_kept=is_kept,
        demanded=_rows_on_demand(meta, system, placement),
        room=_turn_bytes(system) - (np.full_like(taken, taken.sum()) if is_kept else taken),
    )


def _rows_on_demand(meta: TraceMeta, system: SystemSpec, placement: Placement) -> NDArray[np.int64]:
    """Rows of each subtable that a turn keeps when it has read them."""
    rows = np.zeros(placement.mode.shape, dtype=np.int64)
    if system.cache.policy != "scratchpad":
        return rows
    for t, table in enumerate(meta.tables):
        for s, subtable in enumerate(table.subtables):
            if subtable.shared and subtable.name in system.cache.demand_subtables:
                _check_copies(
                    system, placement, t, s, subtable.name, "demand_subtables", "demand_subtables=[]"
                )
                rows[t, s] = subtable.rows
    return rows


def _check_copies(
    system: SystemSpec, placement: Placement, table: int, subtable: int, name: str, what: str, without: str
) -> None:
    """Each unit fills its scratchpad from copies of its own."""
    if placement.mode[table, subtable] != DUPLICATED:
        raise InputError(
            f"mapping {system.placement.mapping}: {what} reads copies of {name} beside every "
            f"unit, and this mapping makes none; use --mapping duplicate or {without}"
        )


def _line_bytes(cache: CacheSpec, placement: Placement, geometry: UnitGeometry) -> NDArray[np.int64]:
    """Bytes that a row of each subtable takes in the SRAM."""
    unit = cache.cache_line_bytes or geometry.burst_bytes
    row_bytes = placement.row_bursts * geometry.burst_bytes
    return -(-row_bytes // unit) * unit


def _turn_bytes(system: SystemSpec) -> int:
    """Bytes of a unit's scratchpad that one turn's rows may take."""
    if system.cache.policy != "scratchpad":
        return 0
    return system.cache.cache_bytes // system.prefetch.policy.buffers


def _rows_in_scratchpads(
    meta: TraceMeta, system: SystemSpec, placement: Placement, geometry: UnitGeometry
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of each subtable that the scratchpads hold, and the bytes that all its rows would take."""
    resident = np.zeros(placement.mode.shape, dtype=np.int64)
    wanted = np.zeros(placement.mode.shape, dtype=np.int64)
    policy = system.prefetch.policy
    if policy.phase == Phase.NEVER:
        return resident, wanted
    line_bytes = _line_bytes(system.cache, placement, geometry)
    free = _turn_bytes(system)
    for t, table in enumerate(meta.tables):
        if policy.phase == Phase.EACH_TURN:
            free = _turn_bytes(system)
        for s, subtable in enumerate(table.subtables):
            if not subtable.shared or subtable.name not in system.prefetch.prefetch_subtables:
                continue
            _check_copies(system, placement, t, s, subtable.name, "a prefetch", f"--prefetch {NO_PREFETCH}")
            wanted[t, s] = subtable.rows * line_bytes[t, s]
            resident[t, s] = min(subtable.rows, free // int(line_bytes[t, s]))
            if policy.only_used:
                # Which rows there is room for depends on the turn.
                resident[t, s] = subtable.rows if line_bytes[t, s] <= free else 0
                wanted[t, s] = min(wanted[t, s], free)
                continue
            free -= int(resident[t, s] * line_bytes[t, s])
    return resident, wanted


def _rows_in_llc(meta: TraceMeta, system: SystemSpec, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Rows of each subtable that the host's cache holds: all of the shared ones, or it is refused."""
    resident = np.zeros(shape, dtype=np.int64)
    needed = 0
    for t, table in enumerate(meta.tables):
        for s, subtable in enumerate(table.subtables):
            if subtable.shared:
                resident[t, s] = subtable.rows
                needed += subtable.rows * subtable.bytes_per_row
    if needed > system.host.llc_bytes:
        raise InputError(
            f"host.llc_bytes: the host keeps the shared subtables in its cache, {needed:,} bytes, but has "
            f"{system.host.llc_bytes:,}; give it more, or set dimm.pim.consumer=unit"
        )
    return resident


@dataclass(frozen=True)
class CacheShape:
    """A unit's cache that is filled by demand, as the builder simulates it.

    Attributes
    ----------
    cached : ndarray of int64, shape (tables, subtables)
        1 where rows go through it.
    """

    exists: bool
    sets: int
    ways: int
    cached: NDArray[np.int64]


def shape_cache(
    cache: CacheSpec, shared: NDArray[np.int64], placement: Placement, geometry: UnitGeometry
) -> CacheShape:
    """Sets and ways of a unit's cache; a line holds the longest subtable row unless its size is given.

    Raises
    ------
    InputError
        Sizes that do not go together.
    """
    cached = shared if cache.cache_subtables == "shared" else np.ones_like(shared)
    longest = int((placement.row_bursts * cached).max()) * geometry.burst_bytes
    if cache.policy != "lru" or cache.cache_bytes == 0 or longest == 0:
        return CacheShape(exists=False, sets=1, ways=1, cached=cached)
    line = cache.cache_line_bytes or longest
    if line < longest:
        raise InputError(
            f"cache_line_bytes: {line} is less than the longest subtable row of {longest} bytes; "
            f"give {longest}, or 0"
        )
    lines = cache.cache_bytes // line
    if lines < 1:
        raise InputError(
            f"cache_bytes: {cache.cache_bytes} holds no line of {line} bytes; set policy=none instead"
        )
    ways = cache.cache_ways or lines
    if lines % ways:
        raise InputError(f"cache_ways: {lines} lines are not a whole number of sets of {ways} ways")
    return CacheShape(exists=True, sets=lines // ways, ways=ways, cached=cached)
