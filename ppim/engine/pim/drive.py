"""One kernel that builds a part's program and runs it, so that neither waits for the other."""

from typing import NamedTuple

import numpy as np

from ppim.engine.pim import run, state as s
from ppim.engine.pim.board import ALL_GIVEN_UP, ONE_LEFT, leave_job, wait_for_others
from ppim.engine.pim.rules import barrier, limits
from ppim.jit import njit
from ppim.jit.tables import bare
from ppim.mapping.placing.placement import Placement
from ppim.program.builder import recipe as b
from ppim.program.builder.kernels import append_turns

# Accesses that are built at once: enough to make it worth it, few enough to stay in a core's cache.
BLOCK_ACCESSES = 1 << 11


class Builder(NamedTuple):
    """All that a kernel needs to build a part's program.

    Attributes
    ----------
    joint : int, or None
        Which builder is compiled (`append_turns`).
    accesses : Accesses
        What is to be built next.
    total : int
        Accesses that its columns have.
    scratch : ndarray of int64, of `make_scratch`
    """

    joint: int | None
    recipe: b.Recipe
    placement: Placement
    state: b.BuildState
    accesses: b.Accesses
    total: int
    scratch: np.ndarray


@njit
def build_and_run(engine, builder, position, job, final, until):
    """Build and run accesses from `position` on.

    Where a part waits for others at a barrier, it builds ahead. What is built when does not change what is
    simulated: no channel goes beyond what it surely knows.

    Parameters
    ----------
    engine : Engine
    builder : Builder
    job : int
        Number of these accesses among all that this part has been given, the same in all parts.
    final, until : int
        As of `run_rings`.

    Returns
    -------
    tuple of int
        A status of `run_rings`, NO_ROOM if the rings are too small, or GIVEN_UP; and the first access that
        is not built.
    """
    parameters, banks = engine.parameters, engine.banks
    by_unit, exchange = engine.by_unit, engine.exchange
    rings, state, board = engine.rings, engine.state, bare(engine.board)
    joint, recipe, placement, made = builder.joint, builder.recipe, builder.placement, builder.state
    chunk, scratch, n, total = builder.accesses, bare(builder.scratch), builder.accesses.n, builder.total
    while True:
        run.look_again(rings)
        status = run.run_all(
            parameters, rings, state, banks, by_unit, exchange, board, engine.ahead, final, until
        )
        if status >= s.GROW:
            return status, position
        found = barrier.release_turns(parameters, rings, state, board)
        while found == barrier.OTHERS_LAG:
            after = append_turns(
                joint, rings, recipe, placement, made, chunk, scratch, position, min(n, position + 1), total
            )
            if after == position:
                waited = wait_for_others(board, parameters.parts, state.bounds[limits.BARRIERS] + 1, job)
                if waited == ALL_GIVEN_UP:
                    return s.GIVEN_UP, position
                if waited == ONE_LEFT:
                    if position < n:
                        return s.NO_ROOM, position
                    leave_job(board, parameters.part, job)
                    return s.REFILL, position
            position = after
            found = barrier.release_turns(parameters, rings, state, board)
        if found == barrier.TIMES_FULL:
            return s.GROW, position
        if found == barrier.RELEASED:
            continue
        if position == n:
            if not final:
                leave_job(board, parameters.part, job)
            return run.end_status(rings, status, final, until), position
        after = append_turns(
            joint,
            rings,
            recipe,
            placement,
            made,
            chunk,
            scratch,
            position,
            min(n, position + BLOCK_ACCESSES),
            total,
        )
        if after == position:
            return s.NO_ROOM, position
        position = after
