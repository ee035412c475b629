"""Write the program of a trace in the authors' text format."""

from dataclasses import replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.errors import InputError
from ppim.program import feed, instruction as i, prepare, state as r
from ppim.program.authors import form as f, text as t
from ppim.program.authors.text import format_lines
from ppim.trace.reader import TraceChunk

LINE_OF_KIND = np.zeros(i.N_KINDS, dtype=np.int64)
LINE_OF_KIND[[i.READ, i.READ_OUT, i.HIT]] = f.READ_LINE
LINE_OF_KIND[i.PREFETCH] = f.PREFETCH_LINE
LINE_OF_KIND[i.TRANSFER] = f.TRANSFER_LINE


class ProgramWriter:
    """Builds a trace's program and writes it as it comes; a block of the file is a turn.

    The format has one stream for all channels: whatever the front end of the system, a broadcast is one
    line, and so is the transfer of a bag's partial sums that units of one number hold in several channels.

    Parameters
    ----------
    prepared : Prepared
    device : Device
    stream : binary file
    """

    def __init__(self, prepared: prepare.Prepared, device: Device, stream: BinaryIO) -> None:
        if prepared.recipe.host_consumes:
            raise InputError("program: the format has no read for the host; write it with consumer=unit")
        if prepared.recipe.slices:
            raise InputError(
                "program: the format has no read of several units; write it with another mapping"
            )
        if prepared.recipe.parts:
            raise InputError(
                "program: the format has no read of several units; write it with tt_split=none and "
                "tt_granularity=slice"
            )
        if prepared.recipe.accumulators:
            raise InputError(
                "program: the format has transfers between blocks only; give unit_accumulators=0"
            )
        # The format has a deliver behind its read-out anyway, and one only.
        recipe = prepared.recipe._replace(global_stream=1, in_order=0, listed=0)
        self._feed = feed.ProgramFeed(replace(prepared, recipe=recipe))
        self._units = f.UnitAddresses(device, prepared.geometry)
        self._stream = stream
        self._rings = self._feed.rings
        self._open_turn: int | None = None  # whose demand was written last
        self._has_lines = False
        self._feed.begin(self)

    def feed(self, chunk: TraceChunk) -> None:
        """Write the turns of a chunk of whole batches."""
        self._feed.feed(chunk)

    def finish(self) -> None:
        """Write the last transfers and end the last block."""
        self._feed.finish()
        if self._has_lines:
            self._stream.write(b"\n")

    def resize(self, rings: r.Rings) -> None:
        """Go on with larger rings."""
        self._rings = rings

    def run(self, *, final: bool) -> int:  # noqa: ARG002 - nothing has to wait for more of the program
        """Write all instructions in the ring and release what they no longer need."""
        rings = self._rings
        head, tail = int(rings.stream[0, r.HEAD]), int(rings.stream[0, r.TAIL])
        if tail > head:
            self._write(rings.instructions[0, np.arange(head, tail) & rings.instruction_mask])
            rings.stream[0, r.HEAD] = tail
        # The transfers of the last turn, still to come, need its sums.
        rings.marks[r.OLDEST_TURN] = max(int(rings.marks[r.NEXT_TURN]) - 1, 0)
        return 0

    def _write(self, instructions: NDArray[np.int64]) -> None:
        kinds = instructions[:, i.KIND]
        lines = np.zeros((len(instructions), t.LINE_COLUMNS), dtype=np.int64)
        lines[:, t.LINE_KIND] = LINE_OF_KIND[kinds]
        lines[:, t.LINE_BURSTS] = np.where(kinds == i.HIT, 0, instructions[:, i.BURSTS])
        self._put_addresses(lines, instructions)
        outs = np.flatnonzero(kinds == i.READ_OUT)
        delivers = self._delivers(instructions[outs])
        ends = self._ends_of_blocks(instructions)
        blank = np.array([[f.BLANK_LINE, 0, 0]], dtype=np.int64)
        at = np.concatenate([ends, outs + 1])
        extra = np.concatenate([np.repeat(blank, len(ends), axis=0), delivers])
        # A deliver stands before the end of its block.
        order = np.lexsort((extra[:, t.LINE_KIND] == f.BLANK_LINE, at))
        lines = np.insert(lines, at[order], extra[order], axis=0)
        self._put_text(lines)

    def _put_addresses(self, lines: NDArray[np.int64], instructions: NDArray[np.int64]) -> None:
        units, kind = self._units, lines[:, t.LINE_KIND]
        reads, prefetches = kind == f.READ_LINE, kind == f.PREFETCH_LINE
        read = instructions[reads]
        lines[reads, t.LINE_ADDRESS] = units.encode(
            units.first, read[:, i.CHANNEL], read[:, i.UNIT], read[:, i.ADDRESS]
        )
        # Every unit has its copy at one unit-local address: that of the first unit stands for all.
        lines[prefetches, t.LINE_ADDRESS] = units.encode(
            units.second, 0, 0, instructions[prefetches, i.ADDRESS]
        )

    def _delivers(self, outs: NDArray[np.int64]) -> NDArray[np.int64]:
        """Lines that deliver what was read out, to the first row of the unit that its lookup belongs to."""
        rings, units = self._rings, self._units
        sums = rings.lookups[outs[:, i.LOOKUP] & rings.lookup_mask, i.LOOKUP_SUM]
        owner = rings.sums[sums & rings.sum_mask]
        lines = np.zeros((len(outs), t.LINE_COLUMNS), dtype=np.int64)
        lines[:, t.LINE_KIND] = f.DELIVER_LINE
        lines[:, t.LINE_BURSTS] = outs[:, i.BURSTS]
        first_row = np.zeros(len(outs), dtype=np.int64)
        lines[:, t.LINE_ADDRESS] = units.encode(
            units.first, owner[:, i.SUM_CHANNEL], owner[:, i.SUM_UNIT], first_row
        )
        return lines

    def _ends_of_blocks(self, instructions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Positions before which a block ends: behind the last read of each turn."""
        is_demand = np.isin(instructions[:, i.KIND], (i.READ, i.READ_OUT, i.HIT))
        turns = np.where(is_demand, instructions[:, i.TURN], i.NONE)
        before = np.concatenate(([i.NONE if self._open_turn is None else self._open_turn], turns[:-1]))
        ends = np.flatnonzero((before != i.NONE) & (before != turns))
        self._open_turn = int(turns[-1]) if is_demand[-1] else None
        self._has_lines = True
        return ends

    def _put_text(self, lines: NDArray[np.int64]) -> None:
        text = np.empty(len(lines) * t.LINE_BYTES, dtype=np.uint8)
        self._stream.write(text[: format_lines(lines, text)].data)
