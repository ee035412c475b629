"""Build a trace's program in step with whoever takes it: the engine, or a writer of program files."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ppim.arrays import integers
from ppim.jit.pack import pack
from ppim.program import prepare, state as r
from ppim.program.builder import kernels, recipe as b
from ppim.program.builder.moves import TURNS, emit_moves
from ppim.trace.reader import TraceChunk, start_of_last_turn

# Rings hold some thousand accesses at first, so that they stay in a core's cache; they grow when a turn needs it.
FIRST_RING = 1 << 11
# Of rings that have grown larger (bytes) the memory is given back now and then.
LARGE_RINGS = 1 << 26


class Runner(Protocol):
    """Runs what the rings hold."""

    def run(self, *, final: bool) -> int:
        """Take what the rings hold, as far as possible; everything if `final`."""


class Consumer(Runner, Protocol):
    """Takes a program from the rings."""

    def resize(self, rings: r.Rings) -> None:
        """Go on with larger rings."""


def waiting_instructions(row: np.ndarray) -> tuple[int, int]:
    """First instruction of a stream that is not sent, or the last one of all, which tells its turn; and their end."""
    head, tail = int(row[r.HEAD]), int(row[r.TAIL])
    return min(head, max(tail - 1, 0)), tail


def first_needed(rings: r.Rings) -> tuple[int, int]:
    """First lookup and first sum of the turns that are not complete."""
    marks = rings.marks
    if marks[r.OLDEST_TURN] == marks[r.NEXT_TURN]:
        return int(marks[r.NEXT_LOOKUP]), int(marks[r.NEXT_SUM])
    row = rings.turns[marks[r.OLDEST_TURN] & (len(rings.turns) - 1)]
    return int(row[r.TURN_FIRST_LOOKUP]), int(row[r.TURN_FIRST_SUM])


def copy_streams(rings: r.Rings, times: int) -> np.ndarray:
    """The streams' instructions that are not sent in rings of so many times the capacity."""
    streams, capacity, columns = rings.instructions.shape
    copy = integers(streams, times * capacity, columns)
    for old, new, row in zip(rings.instructions, copy, rings.stream, strict=True):
        r.put_rows(old, *waiting_instructions(row), new)
    return copy


def grow_rings(rings: r.Rings) -> r.Rings:
    """Those rings that had no room (`SHORT`) of twice the capacity, with all that is still needed."""
    marks, which = rings.marks, int(rings.marks[r.SHORT])
    first_lookup, first_sum = first_needed(rings)

    def grown(ring: np.ndarray, name: int, first: int, stop: int) -> np.ndarray:
        return r.copy_ring(ring, int(first), int(stop), 2) if which & name else ring

    return r.as_rings(
        instructions=copy_streams(rings, 2) if which & r.SHORT_INSTRUCTIONS else rings.instructions,
        stream=rings.stream,
        lookups=grown(rings.lookups, r.SHORT_LOOKUPS, first_lookup, marks[r.NEXT_LOOKUP]),
        sums=grown(rings.sums, r.SHORT_SUMS, first_sum, marks[r.NEXT_SUM]),
        turns=grown(rings.turns, r.SHORT_TURNS, marks[r.OLDEST_TURN], marks[r.NEXT_TURN]),
        marks=marks,
    )


def as_accesses(chunk: TraceChunk, n: int) -> b.Accesses:
    """The first n accesses of a chunk; none of its columns may be written to, so that one kernel takes them all."""
    views = type(chunk)(*(column.view() for column in chunk))
    for column in views:
        column.flags.writeable = False
    return b.Accesses(
        *views,
        n=n,
        owner=np.empty(0, dtype=np.int32),
        address=np.empty(0, dtype=np.int64),
        found=0,
    )


class Stretches:
    """Pieces of a trace that can be built as soon as a chunk is known, in whole turns.

    Parameters
    ----------
    recipe : Recipe
    """

    def __init__(self, recipe: b.Recipe) -> None:
        # The last turn waits until the one after it is known, whose rows are fetched before it.
        self.waits = recipe.turns_ahead > 0
        self.waiting: TraceChunk | None = None

    def take(self, chunk: TraceChunk) -> b.Accesses:
        """What the next chunk adds."""
        if not self.waits:
            return as_accesses(chunk, len(chunk.row))
        if self.waiting is not None:
            chunk = type(chunk)(*(np.concatenate(pair) for pair in zip(self.waiting, chunk, strict=True)))
        n = start_of_last_turn(chunk)
        self.waiting = type(chunk)(*(column[n:].copy() for column in chunk))
        return as_accesses(chunk, n)

    def rest(self) -> b.Accesses | None:
        """At the end of the trace: the turn that has waited for another to come."""
        chunk, self.waiting = self.waiting, None
        return None if chunk is None else as_accesses(chunk, len(chunk.row))


class ProgramFeed:
    """Builds the program of a trace into rings that a consumer empties.

    Parameters
    ----------
    prepared : Prepared
    channels : sequence of int, optional
        Only the part of the program that is for these channels, which get no rows from others.
    """

    def __init__(self, prepared: prepare.Prepared, channels: Sequence[int] | None = None) -> None:
        self.prepared = prepared
        self.recipe = prepared.recipe if channels is None else b.recipe_for(prepared.recipe, channels)
        self.state = b.make_build_state(self.recipe)
        streams = 1 if self.recipe.global_stream else self.recipe.channels
        self.rings = r.make_rings(streams, FIRST_RING, FIRST_RING, FIRST_RING, FIRST_RING)
        self.scratch = b.make_scratch(self.recipe, self.rings)
        self.stretches = Stretches(self.recipe)

    def begin(self, consumer: Consumer) -> None:
        """Start the program with what comes before its first turn."""
        self.consumer = consumer
        if self.recipe.fetch_at_start:
            rows = int(self.recipe.resident.sum())
            while self.rings.instructions.shape[1] <= rows:
                self.rings.marks[r.SHORT] = r.SHORT_INSTRUCTIONS
                self.grow()
            kernels.prefetch_all(
                r.pack_rings(self.rings), pack(self.recipe), pack(self.prepared.placement), pack(self.state)
            )

    def feed(self, chunk: TraceChunk) -> None:
        """Build the turns of a chunk and have them taken."""
        feed_together([self], [self.stretches.take(chunk)], self.consumer)

    def finish(self) -> None:
        """Send the last transfers and have everything taken."""
        finish_together([self], self.consumer)

    def end(self) -> None:
        """Emit the last turn's transfers."""
        while not kernels.flush_transfers(r.pack_rings(self.rings), pack(self.recipe), pack(self.state)):
            self.grow()

    def move(self, moves: np.ndarray, batch: int) -> None:
        """Emit the turns in which rows move (`builder.moves`), behind the last turn's transfers.

        Parameters
        ----------
        moves : ndarray of int64, shape (n, MOVE_COLUMNS)
        batch : int
            The last one that is built.
        """
        self._make_room(TURNS * len(moves))
        while self.rings.marks[r.NEXT_TURN] + TURNS - self.rings.marks[r.OLDEST_TURN] > len(self.rings.turns):
            self.rings.marks[r.SHORT] = r.SHORT_TURNS
            self.grow()
        # Each of these turns is a batch of its own, so that barriers stand before and behind it.
        own_batch = -TURNS * (batch + 1)
        emit_moves(
            r.pack_rings(self.rings), pack(self.recipe), pack(self.state), moves, len(moves), own_batch
        )

    def _make_room(self, instructions: int) -> None:
        """Have room in each stream for the last turn's transfers and so many instructions more."""
        needed = self.state.pending[b.PENDING_BAGS] * self.recipe.units_per_channel + instructions
        while True:
            used = (self.rings.stream[:, r.TAIL] - self.rings.stream[:, r.HEAD]).max()
            if used + needed <= self.rings.instructions.shape[1]:
                return
            self.rings.marks[r.SHORT] = r.SHORT_INSTRUCTIONS
            self.grow()

    @property
    def turns(self) -> int:
        """Turns built so far."""
        return int(self.rings.marks[r.NEXT_TURN])

    def build(self, accesses: b.Accesses, position: int) -> int:
        """Build turns from an access on while they fit; position of the first access that was not taken."""
        return kernels.build_turns(
            self.rings, self.recipe, self.prepared.placement, self.state, accesses, position, self.scratch
        )

    def grow(self) -> None:
        """Make room where there was none for what is to be built next."""
        self.rings = grow_rings(self.rings)
        scratch = b.make_scratch(self.recipe, self.rings)
        # Lookups of a turn that is begun; turns whose rows are noted are never begun without room for all.
        kept = b.rows_of_lookups(self.recipe)
        scratch[:kept, : self.scratch.shape[1]] = self.scratch[:kept]
        self.scratch = scratch
        self.consumer.resize(self.rings)

    def shed(self) -> None:
        """Give back the memory of large rings; what they hold now is kept."""
        rings = self.rings
        if sum(ring.nbytes for ring in (rings.instructions, rings.lookups, rings.sums)) <= LARGE_RINGS:
            return
        first_lookup, first_sum = first_needed(rings)
        r.give_back_rest(rings.lookups, first_lookup, int(rings.marks[r.NEXT_LOOKUP]))
        r.give_back_rest(rings.sums, first_sum, int(rings.marks[r.NEXT_SUM]))
        for ring, row in zip(rings.instructions, rings.stream, strict=True):
            r.give_back_rest(ring, *waiting_instructions(row))


def feed_together(feeds: Sequence[ProgramFeed], stretches: Sequence[b.Accesses], runner: Runner) -> None:
    """Build the programs of one stretch of the trace, for each memory, and have them taken in step.

    Each memory's stretch has the same turns, but for one at its end that may still wait.
    """
    positions = [0] * len(feeds)
    while True:
        left = [m for m, stretch in enumerate(stretches) if positions[m] < stretch.n]
        if not left:
            break
        before = positions.copy()
        for m in left:
            positions[m] = feeds[m].build(stretches[m], positions[m])
        if positions == before:
            # What waits for others' turns is taken when those are there: the memory that is behind needs room.
            behind = min(feeds[m].turns for m in left)
            for m in left:
                if feeds[m].turns == behind:
                    feeds[m].grow()
            continue
        runner.run(final=False)
    for program in feeds:
        program.shed()


def finish_together(feeds: Sequence[ProgramFeed], runner: Runner) -> None:
    """Send the last transfers of each memory and have everything taken."""
    rests = [(feed, rest) for feed in feeds if (rest := feed.stretches.rest()) is not None]
    feed_together([feed for feed, _ in rests], [rest for _, rest in rests], runner)
    for feed in feeds:
        feed.end()
    runner.run(final=True)
