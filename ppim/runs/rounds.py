"""Rounds of a mapping that learns: some batches, then the rows that move by what was accessed in them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.engine.pim import parameters, state
from ppim.mapping.placing import geometry, learner
from ppim.program.builder import moves as m
from ppim.program.prepare import Prepared
from ppim.systems.spec import SystemSpec
from ppim.trace import reader, schema


class Rounds:
    """What moves between the batches of a run, in the order in which these come.

    Parameters
    ----------
    meta : TraceMeta
    prepared : Prepared
        With a placement of a mapping that learns.
    device : Device
    """

    def __init__(self, meta: schema.TraceMeta, prepared: Prepared, device: Device) -> None:
        spec = prepared.system.placement
        self._per_channel = prepared.geometry.units_per_channel
        self._batches = spec.adaptive_batches
        self._round: int | None = None  # of the last batch that was seen
        self.learner = learner.Learner(
            meta,
            prepared.geometry,
            spec,
            prepared.placement,
            prepared.footprint,
            move_costs(device, prepared.system),
        )

    def pieces(self, chunk: reader.TraceChunk) -> Iterator[reader.TraceChunk]:
        """The batches of a chunk, those of each round together."""
        rounds = chunk.batch // self._batches
        ends = [*(np.flatnonzero(np.diff(rounds)) + 1).tolist(), len(rounds)]
        first = 0
        for end in ends:
            if end > first:
                yield type(chunk)(*(column[first:end] for column in chunk))
            first = end

    def moves_before(self, piece: reader.TraceChunk) -> NDArray[np.int64]:
        """Rows that move before a piece, by what pieces before it have accessed; shape (n, MOVE_COLUMNS)."""
        number, before = int(piece.batch[0]) // self._batches, self._round
        self._round = number
        moves = [] if before in (None, number) else self.learner.look()
        return np.array([self._row(move) for move in moves], dtype=np.int64).reshape(-1, m.MOVE_COLUMNS)

    def see(self, piece: reader.TraceChunk) -> None:
        """A piece has been sent."""
        self.learner.see(piece.table, piece.subtable, piece.row)

    def _row(self, move: learner.Move) -> tuple[int, ...]:
        source = *divmod(move.from_unit, self._per_channel), move.from_address
        return *source, *divmod(move.to_unit, self._per_channel), move.to_address, move.bursts


def move_costs(device: Device, system: SystemSpec) -> learner.MoveCosts:
    """What moves are expected to take and to save (docs/model.md §15)."""
    timing, pim = device.timing, system.pim
    banks = device.organization.banks // geometry.units_of_channel(device, pim.level)
    to_write = timing.tRCDWR if device.is_gddr or device.is_hbm else timing.tRCD - timing.AL
    to_read = timing.tRCDRD if device.is_gddr or device.is_hbm else timing.tRCD - timing.AL
    written = to_write + timing.write_latency + timing.burst_cycles
    read = to_read + timing.read_latency + timing.burst_cycles
    return learner.MoveCosts(
        column=parameters.column_cycles(device, pim.level),
        bus_burst=max(timing.burst_cycles, timing.tCCD_S),
        row_read=timing.tRC / banks,
        row_written=max(timing.tRC, written + timing.tWR + timing.tRP) / banks,
        latency=2 * (state.ACTS_AFTER + timing.tRP + pim.host_latency) + read + written,
    )
