"""The whole program of a small trace, as the compiled builder writes it, taken out of rings that hold it all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ppim.dram.device import Device
from ppim.program import build as b
from ppim.program.prepare import Prepared, make_build_state, prepare
from ppim.program.state import NEXT_LOOKUP, NEXT_SUM, NEXT_TURN, TAIL, TURN_BATCH, TURN_LEFT, make_rings
from ppim.systems.spec import SystemSpec
from tests.reference.small_traces import SmallTrace


@dataclass(frozen=True)
class WholeProgram:
    """Tables of a program (`ppim.program.instruction`), and what the builder counted.

    Attributes
    ----------
    streams : list of ndarray
        Instructions of each stream.
    turn_left : ndarray
        Completions that each turn waits for.
    """

    prepared: Prepared
    streams: list[np.ndarray]
    lookups: np.ndarray
    sums: np.ndarray
    turn_batch: np.ndarray
    turn_left: np.ndarray
    counts: np.ndarray
    unit_accesses: np.ndarray


def build_whole(trace: SmallTrace, device: Device, system: SystemSpec) -> WholeProgram:
    """Build every turn of a trace before any instruction is sent."""
    prepared = prepare(trace.meta, device, system)
    recipe, placement = prepared.recipe, prepared.placement
    state = make_build_state(prepared)
    accesses = len(trace.accesses.row)
    transfers = (len(trace.bags) + trace.meta.batch_size) * len(trace.schemes) * prepared.geometry.units
    prefetches = (len(trace.bags) + 1) * int(recipe.resident.sum())
    n_streams = 1 if recipe.global_stream else recipe.channels
    room = 2 * (accesses + transfers + prefetches) + 1
    rings = make_rings(n_streams, room, room, room, room)
    if recipe.prefetch == b.PREFETCH_ALL:
        b.prefetch_all(rings, recipe, placement, state)
    for chunk in trace.chunks():
        n = len(chunk.row)
        scratch = np.empty(n, dtype=np.int64)
        assert b.build(rings, recipe, placement, state, b.Accesses(*chunk, n=n), 0, scratch) == n
    b.flush_transfers(rings, recipe, placement, state)
    n_turns = rings.marks[NEXT_TURN]
    return WholeProgram(
        prepared=prepared,
        streams=[rings.instructions[i, : rings.stream[i, TAIL]] for i in range(n_streams)],
        lookups=rings.lookups[: rings.marks[NEXT_LOOKUP]],
        sums=rings.sums[: rings.marks[NEXT_SUM]],
        turn_batch=rings.turns[:n_turns, TURN_BATCH],
        turn_left=rings.turns[:n_turns, TURN_LEFT],
        counts=state.counts,
        unit_accesses=state.unit_accesses,
    )
