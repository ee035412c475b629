"""Write the program of a trace as a `ppim-program`."""

from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.prefetch.base import Phase
from ppim.program import feed, instruction as i, prepare, state as r
from ppim.program.listing import form as f, text as t
from ppim.program.listing.header import header_lines, memory_of
from ppim.trace.reader import TraceChunk

FORMATTED_ROWS = 1 << 14  # lines that are put into text at once
BEFORE_TURNS = -1

_KEY_OF_COLUMN = {column: f.KEYS[column - f.FIRST_KEY] for column in range(f.FIRST_KEY, f.LINE_COLUMNS)}


class ListingWriter:
    """Builds a trace's program and writes it as it comes: turn by turn, a line for each lookup and instruction.

    Parameters
    ----------
    prepared : Prepared
    device : Device
    stream : binary file
    system : str
        Name or file of the system, for the header,
    settings : sequence of str
        and what differs from it, `key=value`.
    """

    def __init__(
        self,
        prepared: prepare.Prepared,
        device: Device,
        stream: BinaryIO,
        *,
        system: str = "",
        settings: Sequence[str] = (),
    ) -> None:
        recipe = prepared.recipe
        spec = prepared.system
        # A lookup's line has its multiply-accumulates, where an engine needs its cycles.
        recipe = recipe._replace(
            compute=recipe.macs,
            compute_reused=recipe.macs_reused,
            kept_compute=recipe.kept_macs,
            part_compute=recipe.part_macs,
            part_reused=recipe.part_macs_reused,
        )
        self._feed = feed.ProgramFeed(replace(prepared, recipe=recipe))
        self._geometry, self._stream = prepared.geometry, stream
        self._rings = self._feed.rings
        self._ahead = 1 + spec.prefetch.policy.turns_ahead
        self._at_start = spec.prefetch.policy.phase == Phase.AT_START
        self._turns = self._lookups = 0  # that are written
        header = f.Header(
            memory=memory_of(device),
            units=f.Units(
                level=spec.pim.level,
                frontend=spec.pim.frontend,
                vector_bursts=recipe.vector_bursts,
                mapping=spec.placement.mapping,
                prefetch=spec.prefetch.prefetch,
                consumer=spec.pim.consumer,
                deliver=spec.pim.deliver,
                unit_accumulators=spec.compute.unit_accumulators,
            ),
            system=system,
            settings=tuple(settings),
            lines=0,
        )
        stream.write(header_lines(header).encode())
        self._feed.begin(self)

    def feed(self, chunk: TraceChunk) -> None:
        """Write the turns of a chunk of whole batches."""
        self._feed.feed(chunk)

    def finish(self) -> None:
        """Write the last transfers, and what the builder has counted."""
        self._feed.finish()
        self._put_counts()

    def resize(self, rings: r.Rings) -> None:
        """Go on with larger rings."""
        self._rings = rings

    def run(self, *, final: bool) -> int:  # noqa: ARG002 - nothing has to wait for more of the program
        """Write all that is in the rings and release what is no longer needed."""
        rings = self._rings
        instructions, stream = self._take_instructions()
        turns = np.arange(self._turns, int(rings.marks[r.NEXT_TURN]))
        lookups = np.arange(self._lookups, int(rings.marks[r.NEXT_LOOKUP]))
        self._turns += len(turns)
        self._lookups += len(lookups)
        turn_lines, lookup_lines = self._turn_lines(turns), self._lookup_lines(lookups)
        lines = np.concatenate([turn_lines, lookup_lines, self._instruction_lines(instructions)])
        rank = np.repeat(np.arange(3), (len(turns), len(lookups), len(instructions)))
        order = np.zeros(len(lines), dtype=np.int64)
        order[len(turns) + len(lookups) :] = _orders(instructions, stream)
        block = np.concatenate([turns, self._turn_of_lookup(lookups), self._blocks(instructions)])
        # A readout stands before what its own number ties to it; each stream keeps its order.
        follows = lines[:, f.LINE_WORD] != f.READ_OUT_LINE
        self._put(lines[np.lexsort((follows, order, rank, block))])
        # The transfers of the last turn, still to come, need its sums.
        rings.marks[r.OLDEST_TURN] = max(int(rings.marks[r.NEXT_TURN]) - 1, 0)
        return 0

    def _take_instructions(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All instructions in the rings, stream by stream, and the stream of each."""
        rings = self._rings
        parts = []
        for own, row in zip(rings.instructions, rings.stream, strict=True):
            head, tail = int(row[r.HEAD]), int(row[r.TAIL])
            parts.append(own[np.arange(head, tail) & rings.instruction_mask])
            row[r.HEAD] = tail
        stream = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
        return np.concatenate(parts), stream

    def _blocks(self, instructions: NDArray[np.int64]) -> NDArray[np.int64]:
        """The turn behind whose line an instruction stands; a prefetch goes with the transfers of an earlier one."""
        fetches = instructions[:, i.KIND] == i.PREFETCH
        behind = BEFORE_TURNS if self._at_start else instructions[:, i.TURN] - self._ahead
        return np.where(fetches, behind, instructions[:, i.TURN])

    def _turn_lines(self, turns: NDArray[np.int64]) -> NDArray[np.int64]:
        rings = self._rings
        lines = _lines(f.TURN_LINE, len(turns), "number", "batch")
        lines[:, f.NUMBER] = turns
        lines[:, f.BATCH] = rings.turns[turns & rings.turn_mask, r.TURN_BATCH]
        return lines

    def _turn_of_lookup(self, lookups: NDArray[np.int64]) -> NDArray[np.int64]:
        return self._sums_of(lookups)[:, i.SUM_TURN]

    def _sums_of(self, lookups: NDArray[np.int64]) -> NDArray[np.int64]:
        rings = self._rings
        sums = rings.lookups[lookups & rings.lookup_mask, i.LOOKUP_SUM]
        return rings.sums[sums & rings.sum_mask]

    def _numbers(self, lookups: NDArray[np.int64], turns: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of lookups in their turns."""
        rings = self._rings
        return np.asarray(lookups - rings.turns[turns & rings.turn_mask, r.TURN_FIRST_LOOKUP])

    def _lookup_lines(self, lookups: NDArray[np.int64]) -> NDArray[np.int64]:
        rings, sums = self._rings, self._sums_of(lookups)
        lines = _lines(f.LOOKUP_LINE, len(lookups), *f.MUST[f.LOOKUP_LINE], "bag")
        lines[:, f.NUMBER] = self._numbers(lookups, sums[:, i.SUM_TURN])
        lines[:, f.BAG] = sums[:, i.SUM_BAG]
        lines[:, f.CHANNEL], lines[:, f.UNIT] = sums[:, i.SUM_CHANNEL], sums[:, i.SUM_UNIT]
        rows = rings.lookups[lookups & rings.lookup_mask]
        lines[:, f.MACS] = rows[:, i.LOOKUP_COMPUTE]
        listed = np.flatnonzero(rows[:, i.RECEIVER_MARK] == i.NONE)
        receivers = rows[listed]
        lines[listed, f.LINE_WORD] = f.RECEIVER_LINE
        lines[listed, f.LOOKUP] = self._numbers(receivers[:, i.RECEIVER_LOOKUP], sums[listed, i.SUM_TURN])
        lines[listed, f.SHARERS] = receivers[:, i.RECEIVER_SHARERS]
        given = np.where(receivers[:, i.RECEIVER_SHARERS] > 0, f.mask_of(("sharers",)), 0)
        lines[listed, f.LINE_GIVEN] = f.MUST_MASK[f.RECEIVER_LINE] | given
        return lines

    def _instruction_lines(self, instructions: NDArray[np.int64]) -> NDArray[np.int64]:
        rings, geometry = self._rings, self._geometry
        lines = np.zeros((len(instructions), f.LINE_COLUMNS), dtype=np.int64)
        kinds = instructions[:, i.KIND]
        lines[:, f.LINE_WORD] = words = f.LINE_OF_KIND[kinds]
        lines[:, f.LINE_GIVEN] = f.MUST_MASK[words]
        lines[:, f.CHANNEL], lines[:, f.UNIT] = instructions[:, i.CHANNEL], instructions[:, i.UNIT]
        place, lines[:, f.COLUMN] = np.divmod(instructions[:, i.ADDRESS], geometry.bursts_per_row)
        lines[:, f.ROW], lines[:, f.BANK] = np.divmod(place, geometry.banks_per_unit)
        lines[:, f.BURSTS], lines[:, f.TURN] = instructions[:, i.BURSTS], instructions[:, i.TURN]
        serves = (kinds <= i.LAST_ACCESS) | (kinds == i.DELIVER)
        served = instructions[serves]
        lines[serves, f.LOOKUP] = self._numbers(served[:, i.LOOKUP], served[:, i.TURN])
        lines[serves, f.SHARERS] = served[:, i.SHARERS]
        lines[serves, f.STEP] = served[:, i.STEP]
        full = (kinds == i.TRANSFER) & (instructions[:, i.N_SUMS] > 0)
        lines[full, f.BAG] = rings.sums[instructions[full, i.SUM] & rings.sum_mask, i.SUM_BAG]
        lines[full, f.LINE_GIVEN] |= f.mask_of(("bag",))
        for key, column, told in (
            ("sharers", f.SHARERS, serves),
            ("step", f.STEP, serves),
            ("bursts", f.BURSTS, kinds == i.HIT),
        ):
            lines[told & (lines[:, column] != 0), f.LINE_GIVEN] |= f.mask_of((key,))
        return lines

    def _put_counts(self) -> None:
        """What the builder counts besides, by channel and unit."""
        state, geometry = self._feed.state, self._geometry
        channels = np.arange(geometry.channels)
        keys = ("channel", *(_KEY_OF_COLUMN[column] for column, _ in f.COUNTED))
        lines = _lines(f.COUNTS_LINE, len(channels), *keys)
        lines[:, f.CHANNEL] = channels
        for column, counted in f.COUNTED:
            lines[:, column] = state.counts[:, counted]
        self._put(lines)
        lines = _lines(f.COUNTS_LINE, geometry.units, "channel", "unit", "accesses")
        lines[:, f.UNIT], lines[:, f.CHANNEL] = np.divmod(np.arange(geometry.units), geometry.channels)
        lines[:, f.ACCESSES] = state.unit_accesses
        self._put(lines)

    def _put(self, lines: NDArray[np.int64]) -> None:
        for first in range(0, len(lines), FORMATTED_ROWS):
            part = lines[first : first + FORMATTED_ROWS]
            text = np.empty(len(part) * t.LINE_BYTES, dtype=np.uint8)
            self._stream.write(text[: t.format_lines(part, text)].data)


def _lines(word: int, n: int, *keys: str) -> NDArray[np.int64]:
    """So many lines of a word that have these keys."""
    lines = np.zeros((n, f.LINE_COLUMNS), dtype=np.int64)
    lines[:, f.LINE_WORD] = word
    lines[:, f.LINE_GIVEN] = f.mask_of(keys)
    return lines


def _orders(instructions: NDArray[np.int64], stream: NDArray[np.int64]) -> NDArray[np.int64]:
    """By what the streams are merged: the number of the last read-out that each stream knows of.

    So read-outs keep their order among all, delivers stand behind theirs, and what a read-out waits for before it.
    """
    kinds = instructions[:, i.KIND]
    known = np.isin(kinds, (i.READ_OUT, i.DELIVER))
    if not known.any():
        return np.zeros(len(instructions), dtype=np.int64)
    order = np.where(known, instructions[:, i.ORDER] + 1, 0)
    # A running maximum that begins anew with each stream.
    span = int(order.max()) + 1
    return np.asarray(np.maximum.accumulate(order + stream * span) - stream * span)
