"""All channels of a part, round after round: each as far as it goes without the others (either engine)."""

from typing import NamedTuple

import numpy as np

from ppim.engine.banks import Banks
from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.engine.pim.by_cycle.run import run_channels
from ppim.engine.pim.by_unit.exchange import Exchange, pack_exchange
from ppim.engine.pim.by_unit.run import run_units
from ppim.engine.pim.by_unit.state import ByUnit, pack_by_unit
from ppim.engine.pim.rules import barrier
from ppim.engine.pim.state import Parameters, PimState
from ppim.jit import helper, njit
from ppim.jit.pack import pack
from ppim.jit.tables import bare
from ppim.program import state as r
from ppim.program.state import Rings, pack_rings


class Engine(NamedTuple):
    """All that a kernel needs to run a part's channels.

    Attributes
    ----------
    banks : Banks, or None
    by_unit : ByUnit, or None
        State of the engine that runs: by cycle its banks, by unit its own tables. What the
        other needs is not compiled.
    exchange : Exchange, or None
        With `by_unit`, what parts of a memory find out together.
    board : ndarray of int64
        Where the parts tell each other of barriers (`board`).
    ahead : int
        Cycles that a channel may be ahead of others (`lookahead`).
    """

    parameters: Parameters
    rings: Rings
    state: PimState
    banks: Banks | None
    by_unit: ByUnit | None
    exchange: Exchange | None
    board: np.ndarray
    ahead: int


@helper(forceinline=True)
def look_again(rings):
    """Streams that had nothing to send may have got something."""
    for stream in range(rings.n_streams):
        row = rings.stream[stream]
        if row[r.FRONT] == r.FRONT_EMPTY and row[r.HEAD] < row[r.TAIL]:
            row[r.FRONT] = r.FRONT_READY
            row[r.WAKE] = min(row[r.WAKE], row[r.NEXT_SLOT])


@helper
def run_all(parameters, rings, state, banks, by_unit, exchange, board, ahead, final, until):
    """Run every channel as far as it goes without the others; REFILL if one needs more program, or why it stopped."""
    status = s.DONE
    # Of these two one is compiled: for None the compiler leaves a branch out.
    if banks is not None:
        status = run_channels(parameters, rings, state, banks, board, ahead, final, until)
    if by_unit is not None:
        status = run_units(parameters, rings, state, by_unit, exchange, board, ahead, final, until)
    return status


@helper(forceinline=True)
def end_status(rings, status, final, until):
    """What a call ends with when no turn is released any more: STUCK if streams wait for one although all is sent."""
    waiting = 0
    for stream in range(rings.n_streams):
        waiting += rings.stream[stream, r.FRONT] == r.FRONT_BARRIER
    return s.STUCK if status == s.DONE and waiting > 0 and final and until == NEVER else status


@helper
def run_rings(engine, final, until):
    """Run the program in the rings, of all channels, as far as it goes.

    Parameters
    ----------
    engine : Engine
    final : int
        1: nothing will be added to the streams.
    until : int
        NEVER; or, when all is complete, the cycle up to which refreshes go on.

    Returns
    -------
    int
        DONE, REFILL, GROW, LOG_FULL, STUCK or NO_TIME.
    """
    parameters, banks = engine.parameters, engine.banks
    by_unit, exchange = engine.by_unit, engine.exchange
    rings, state, board = engine.rings, engine.state, bare(engine.board)
    barrier.release_turns(parameters, rings, state, board)
    while True:
        look_again(rings)
        status = run_all(
            parameters, rings, state, banks, by_unit, exchange, board, engine.ahead, final, until
        )
        if status >= s.GROW:
            return status
        found = barrier.release_turns(parameters, rings, state, board)
        if found == barrier.TIMES_FULL:
            return s.GROW
        if found != barrier.RELEASED:
            return end_status(rings, status, final, until)


def pack_engine(engine: Engine) -> Engine:
    """The same for a kernel: its tuples packed."""
    return engine._replace(
        parameters=pack(engine.parameters),
        rings=pack_rings(engine.rings),
        state=s.pack_state(engine.state),
        banks=pack(engine.banks),
        by_unit=pack_by_unit(engine.by_unit),
        exchange=pack_exchange(engine.exchange),
    )


@njit
def run(engine, final, until):
    """`run_rings` for Python."""
    return run_rings(engine, final, until)
