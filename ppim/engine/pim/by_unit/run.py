"""All channels: of each, its stream and its units take turns (docs/performance-log.md)."""

from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.engine.pim.board import has_joined, has_reached
from ppim.engine.pim.by_unit import exchange as x, transfers
from ppim.engine.pim.by_unit.channels import run_channels
from ppim.engine.pim.by_unit.one_stream import run_stream
from ppim.engine.pim.by_unit.stream import GOES_ON
from ppim.engine.pim.by_unit.travel import look_around
from ppim.engine.pim.rules import barrier, limits
from ppim.jit import helper
from ppim.program import state as r


@helper(forceinline=True)
def turn_is_left(p, rings):
    """Whether the oldest turn lacks something, so that no channel which waits for it goes on before what is known."""
    oldest = rings.marks[r.OLDEST_TURN]
    return oldest == rings.marks[r.NEXT_TURN] or not barrier.is_complete(
        p, rings.turns[oldest & rings.turn_mask]
    )


@helper
def run_together(p, rings, state, every, final):
    """Run channels that meet in the sums of bags: each as far as it goes without the others, then transfers of all."""
    served, status = transfers.serve_together(p, rings, state, every, 0), s.DONE
    while turn_is_left(p, rings):
        status, _ = run_channels(
            p,
            rings,
            state,
            every,
            0,
            p.channels,
            final,
            NEVER,
            served,
            transfers.first_ready(p, state),
            NEVER,
        )
        if status >= s.GROW:
            return status
        before = served
        served = transfers.serve_together(p, rings, state, every, final)
        if served == NEVER:
            return status
        if served == before and turn_is_left(p, rings):
            return s.STUCK if status == s.DONE else status
    return status


@helper(forceinline=True)
def is_at_barrier(p, rings, every, final):
    """Whether all that the part's channels wait for is other turns, and transfers."""
    known = NEVER
    for channel in range(p.channels):
        known = min(known, transfers.sums_known(rings, every, channel, final))
    return known == NEVER


@helper
def run_part(p, rings, state, every, exchange, board, final):
    """Run a part's channels up to a barrier; when all parts are there, serve the transfers that it waits for."""
    number = state.bounds[limits.BARRIERS] + 1
    if not has_joined(board, p.part, number):
        # Sums of earlier turns have been served, and the turn's own are ready later than its barrier.
        status, lacks_bits = run_channels(
            p, rings, state, every, 0, p.channels, final, NEVER, rings.marks[r.RELEASE], NEVER, NEVER
        )
        if lacks_bits:
            return s.BITS_FULL
        if status >= s.GROW or not is_at_barrier(p, rings, every, final):
            return status
        if not has_reached(board, p.part, number):
            x.show(p, rings, state, exchange, board)
        if not barrier.all_have_reached(p, board, number):
            return status
        if not x.join(p, rings, state, exchange, board):
            return s.BAGS_FULL
    return run_together(p, rings, state, every, final)


@helper
def run_rounds(p, rings, state, every, board, ahead, final):
    """Run channels between which rows travel: round after round, all up to the same cycle; a status."""
    while True:
        if barrier.release_turns(p, rings, state, board) == barrier.TIMES_FULL:
            return s.GROW
        status, earliest, quiet = look_around(p, rings, state, every, final)
        if status != GOES_ON:
            return status
        status, _ = run_channels(
            p, rings, state, every, 0, p.channels, final, NEVER, NEVER, earliest + ahead, quiet
        )
        if status >= s.GROW:
            return status


@helper
def run_units(p, rings, state, every, exchange, board, ahead, final, until):
    """Run every channel as far as it goes without the others; where they meet, with transfers of all between."""
    if until == NEVER and p.global_stream:
        return run_stream(p, rings, state, every, final)
    if until == NEVER and every.in_rounds:
        return run_rounds(p, rings, state, every, board, ahead, final)
    if until == NEVER and barrier.parts_meet(p):
        return run_part(p, rings, state, every, exchange, board, final)
    if until == NEVER and transfers.channels_meet(p):
        return run_together(p, rings, state, every, final)
    status, _ = run_channels(p, rings, state, every, 0, p.channels, final, until, NEVER, NEVER, NEVER)
    return status
