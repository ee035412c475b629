"""Build a trace's program in step with whoever takes it: the engine, or a writer of program files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from ppim.program import build as b
from ppim.program.prepare import Prepared, make_build_state
from ppim.program.state import (
    HEAD,
    NEXT_LOOKUP,
    NEXT_SUM,
    NEXT_TURN,
    OLDEST_TURN,
    TAIL,
    TURN_FIRST_LOOKUP,
    TURN_FIRST_SUM,
    Rings,
    as_rings,
    grow_ring,
    make_rings,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ppim.trace.reader import TraceChunk

# Rings hold some thousand accesses at first, so that they stay in a core's cache; they grow when a turn needs it.
FIRST_RING = 1 << 11


class Consumer(Protocol):
    """Takes a program from the rings."""

    def run(self, *, final: bool) -> int:
        """Take what the rings hold, as far as possible; everything if `final`."""

    def resize(self, rings: Rings) -> None:
        """Go on with larger rings."""


def grow_rings(rings: Rings) -> Rings:
    """Rings of twice the capacity with all that is still needed at its new place."""
    oldest = rings.marks[OLDEST_TURN]
    live = oldest < rings.marks[NEXT_TURN]
    row = rings.turns[oldest & (len(rings.turns) - 1)]
    first_lookup = row[TURN_FIRST_LOOKUP] if live else rings.marks[NEXT_LOOKUP]
    first_sum = row[TURN_FIRST_SUM] if live else rings.marks[NEXT_SUM]
    return as_rings(
        instructions=np.stack(
            [
                grow_ring(instructions, int(stream[HEAD]), int(stream[TAIL]))
                for instructions, stream in zip(rings.instructions, rings.stream, strict=True)
            ]
        ),
        stream=rings.stream,
        lookups=grow_ring(rings.lookups, int(first_lookup), int(rings.marks[NEXT_LOOKUP])),
        sums=grow_ring(rings.sums, int(first_sum), int(rings.marks[NEXT_SUM])),
        turns=grow_ring(rings.turns, int(oldest), int(rings.marks[NEXT_TURN])),
        marks=rings.marks,
    )


def start_of_last_turn(chunk: TraceChunk) -> int:
    """Position of the first access of a chunk's last turn."""
    changes = (chunk.table[1:] != chunk.table[:-1]) | (chunk.batch[1:] != chunk.batch[:-1])
    return int(np.flatnonzero(changes)[-1]) + 1 if changes.any() else 0


class ProgramFeed:
    """Builds the program of a trace into rings that a consumer empties.

    Parameters
    ----------
    prepared : Prepared
    ring : int
        Rows of the rings at first.
    """

    def __init__(self, prepared: Prepared, ring: int = FIRST_RING) -> None:
        self.prepared = prepared
        self.state = make_build_state(prepared)
        streams = 1 if prepared.recipe.global_stream else prepared.recipe.channels
        self.rings = make_rings(streams, ring, ring, ring, ring)
        self.waiting: TraceChunk | None = None

    def begin(self, consumer: Consumer) -> None:
        """Start the program with what comes before its first turn."""
        self.consumer = consumer
        if self.prepared.recipe.prefetch == b.PREFETCH_ALL:
            rows = int(self.prepared.recipe.resident.sum())
            while self.rings.instructions.shape[1] <= rows:
                self._grow()
            b.prefetch_all(self.rings, self.prepared.recipe, self.prepared.placement, self.state)

    def feed(self, chunk: TraceChunk) -> None:
        """Build the turns of a chunk and have them taken."""
        if self.prepared.recipe.prefetch != b.PREFETCH_NEXT:
            self._feed(chunk, len(chunk.row))
            return
        # The last turn waits until the one after it is known, whose rows are fetched before it.
        if self.waiting is not None:
            chunk = type(chunk)(*(np.concatenate(pair) for pair in zip(self.waiting, chunk, strict=True)))
        n = start_of_last_turn(chunk)
        self.waiting = type(chunk)(*(column[n:].copy() for column in chunk))
        self._feed(chunk, n)

    def _feed(self, chunk: TraceChunk, n: int) -> None:
        """Build the first n accesses of a chunk."""
        owners = np.empty(len(chunk.row), dtype=np.int64)
        accesses = b.Accesses(*chunk, n=n)
        position = 0
        while position < n:
            after = self._build(accesses, position, owners)
            self.consumer.run(final=False)
            if after == position:
                after = self._build(accesses, position, owners)
                if after == position:
                    self._grow()
            position = after

    def finish(self) -> None:
        """Send the last transfers and have everything taken."""
        if self.waiting is not None:
            self._feed(self.waiting, len(self.waiting.row))
            self.waiting = None
        recipe = self.prepared.recipe
        while True:
            pending = self.state.pending[b.PENDING_BAGS] * recipe.units_per_channel
            needed = pending * (1 if recipe.global_stream else recipe.channels)
            used = (self.rings.stream[:, TAIL] - self.rings.stream[:, HEAD]).max()
            if used + needed <= self.rings.instructions.shape[1]:
                break
            self._grow()
        b.flush_transfers(self.rings, recipe, self.prepared.placement, self.state)
        self.consumer.run(final=True)

    def _build(self, accesses: b.Accesses, position: int, owners: NDArray[np.int64]) -> int:
        p = self.prepared
        return int(b.build(self.rings, p.recipe, p.placement, self.state, accesses, position, owners))

    def _grow(self) -> None:
        """A turn does not fit."""
        self.rings = grow_rings(self.rings)
        self.consumer.resize(self.rings)
