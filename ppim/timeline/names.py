"""What addresses and turns of a program stand for: tables, subtables and rows of the trace."""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ppim.jit import njit
from ppim.jit.pack import pack
from ppim.mapping.placing import locate, placement as p
from ppim.trace.reader import TraceChunk
from ppim.trace.schema import TraceMeta

ANY_UNIT = -1


@njit
def find_places(placement, table, subtable, rows, units, addresses, copies):  # type: ignore[no-untyped-def]
    """Own places of a subtable's rows that have one (unit over all channels, address), and the addresses of copies."""
    mode = placement.mode[table, subtable]
    if mode in (p.DUPLICATED, p.SLICED):
        return
    for i in range(rows.size):
        units[i], addresses[i] = locate.locate_row(placement, table, subtable, rows[i])
        copies[i] = locate.find_copy(placement, table, subtable, rows[i])


class Copied(NamedTuple):
    """A subtable of which every unit has all rows, or a slice of each, from an address on."""

    base: int
    row_bursts: int
    rows: int
    table: str
    subtable: str


def _copied_subtables(meta: TraceMeta, placement: p.Placement) -> list[Copied]:
    """Those of a placement, by address."""
    return sorted(
        Copied(
            int(placement.base[t, s]),
            int(placement.row_bursts[t, s]),
            subtable.rows,
            table.name,
            subtable.name,
        )
        for t, table in enumerate(meta.tables)
        for s, subtable in enumerate(table.subtables)
        if placement.mode[t, s] in (p.DUPLICATED, p.SLICED)
    )


class Names:
    """Tables and batches of turns, and the rows that their instructions read.

    Parameters
    ----------
    meta : TraceMeta
    placement : Placement, optional
        Without it, or for what it does not tell, rows have no names.
    """

    def __init__(self, meta: TraceMeta, placement: p.Placement | None) -> None:
        self.meta, self.placement = meta, placement
        self.turns: dict[int, tuple[int, int]] = {}  # turn: batch, table
        self._rows: dict[
            tuple[int, int], list[tuple[int, str, int]]
        ] = {}  # turn, address: unit, subtable, row
        self._copies = [] if placement is None else _copied_subtables(meta, placement)

    def read(self, chunks: Iterable[TraceChunk], first: int, last: int) -> None:
        """Learn of the turns first..last from the trace's chunks, all from its first one on."""
        turn = -1
        for chunk in chunks:
            starts = np.flatnonzero(
                np.append(True, (np.diff(chunk.batch) != 0) | (np.diff(chunk.table.astype(np.int64)) != 0))
            )
            stops = np.append(starts[1:], len(chunk.row))
            for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
                turn += 1
                if first <= turn <= last:
                    self.turns[turn] = int(chunk.batch[start]), int(chunk.table[start])
                    self._learn(turn, chunk, start, stop)
            if turn >= last:
                return

    def _learn(self, turn: int, chunk: TraceChunk, start: int, stop: int) -> None:
        if self.placement is None:
            return
        table = self.turns[turn][1]
        subtables = chunk.subtable[start:stop]
        for subtable in np.unique(subtables).tolist():
            rows = np.unique(chunk.row[start:stop][subtables == subtable]).astype(np.int64)
            pieces = int(self.placement.pieces[table, subtable])
            self._place(turn, table, subtable, np.repeat(rows, pieces), np.tile(np.arange(pieces), len(rows)))

    def _place(
        self, turn: int, table: int, subtable: int, rows: NDArray[np.int64], piece: NDArray[np.int64]
    ) -> None:
        assert self.placement is not None
        pieces = int(self.placement.pieces[table, subtable])
        units, addresses, copies = (np.full(len(rows), p.NO_COPY, np.int64) for _ in range(3))
        placement = pack(self.placement)
        find_places(placement, table, subtable, rows * pieces + piece, units, addresses, copies)
        name = self.meta.tables[table].subtables[subtable].name
        bursts = int(self.placement.row_bursts[table, subtable])
        for row, *places in zip(
            rows.tolist(), units.tolist(), addresses.tolist(), copies.tolist(), strict=True
        ):
            for unit, address in ((places[0], places[1]), (ANY_UNIT, places[2])):
                if address != p.NO_COPY:
                    for burst in range(address, address + bursts):
                        self._rows.setdefault((turn, burst), []).append((unit, name, row))

    def of_row(self, turn: int, address: int, channel: int, unit: int) -> dict[str, Any]:
        """Subtable and row of a burst of a unit (or of several: -1) of a channel (or of all: -1), if they are known."""
        if self.placement is None or turn not in self.turns:
            return {}
        found = self.of_copy(address)
        if found:
            return found
        per_channel = self.placement.units // self.placement.channels
        for place, name, row in self._rows.get((turn, address), []):
            if place == ANY_UNIT or (
                channel in (ANY_UNIT, place // per_channel) and unit in (ANY_UNIT, place % per_channel)
            ):
                return {"subtable": name, "row": row}
        return {}

    def of_copy(self, address: int) -> dict[str, Any]:
        """Table, subtable and row of a burst that every unit has at this address, if they are known."""
        place = bisect_right(self._copies, address, key=lambda copied: copied.base) - 1
        if place < 0:
            return {}
        copied = self._copies[place]
        row = (address - copied.base) // copied.row_bursts
        if row >= copied.rows:
            return {}
        return {"table": copied.table, "subtable": copied.subtable, "row": row}

    def of_turn(self, turn: int) -> dict[str, Any]:
        """Batch and table of a turn, as far as they are known."""
        if turn not in self.turns:
            return {"turn": turn}
        batch, table = self.turns[turn]
        return {"turn": turn, "batch": batch, "table": self.meta.tables[table].name}
