"""The event loop: from one cycle in which something can happen to the next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppim.engine.banks import Banks, channel_banks
from ppim.engine.codes import NEVER
from ppim.engine.pim.account import note_waits, ring_is_short, settle
from ppim.engine.pim.apart.run import run_channel
from ppim.engine.pim.apart.state import Apart, channel_of
from ppim.engine.pim.barrier import RELEASED, release_turns
from ppim.engine.pim.bus import start_ready_transfers
from ppim.engine.pim.frontend import step_front
from ppim.engine.pim.heap import READY
from ppim.engine.pim.issue import issue_units, open_gate, serve_refresh
from ppim.engine.pim.queues import choose_queues, join, note_lane, renew_wishes
from ppim.engine.pim.state import (
    BARRIER_TABLE,
    COMPUTE_FREE,
    DONE,
    FREE_COUNT,
    GROW,
    JOIN_CYCLE,
    JOIN_ENTRY,
    JOIN_HEAD,
    JOIN_TAIL,
    LOG_COUNT,
    LOG_FULL,
    LOG_MARGIN,
    NEXT_EVENT,
    OPEN,
    PHASES_NEXT,
    READS,
    READS_SINCE_ACTIVATE,
    READY_CYCLE,
    REFILL,
    REFRESH_DUE,
    REFRESH_LOOK,
    REFRESH_RELEASE,
    STALE,
    STUCK,
    TRANSFERS_WAITING,
    Parameters,
    PimState,
    bare_state,
)
from ppim.jit import helper, njit
from ppim.jit.tables import bare
from ppim.program.instruction import TURN
from ppim.program.state import (
    FRONT,
    FRONT_BARRIER,
    FRONT_EMPTY,
    FRONT_READY,
    HEAD,
    NEXT_SLOT,
    NEXT_TURN,
    OLDEST_TURN,
    SLOTS,
    TAIL,
    TURN_BATCH,
    TURN_CLOSED,
    TURN_DONE,
    TURN_LEFT,
    TURN_TWIN_DONE,
    WAKE,
    Rings,
    bare_rings,
)

# Events without a single READ or slot after which something is wrong, unless arithmetic goes on: refreshes
# alone come one in tREFI, and no latency is longer.
FRUITLESS_EVENTS = 1 << 18


@helper(forceinline=True)
def join_arrivals(parameters, state, b, channel, cycle):
    """Entries sent two cycles ago are seen from now on."""
    mask = state.join_mask
    while state.channel[channel, JOIN_HEAD] < state.channel[channel, JOIN_TAIL]:
        place = state.channel[channel, JOIN_HEAD] & mask
        if state.joins[channel, place, JOIN_CYCLE] > cycle:
            break
        lane = join(parameters, state, channel, state.joins[channel, place, JOIN_ENTRY])
        state.channel[channel, JOIN_HEAD] += 1
        renew_wishes(parameters, state, b, channel, lane, state.lane[channel, lane, READS_SINCE_ACTIVATE])
        note_lane(state, b, channel, lane, cycle)
        if parameters.phases == PHASES_NEXT:
            unit = lane >> parameters.bank_bits
            choose_queues(parameters, state, b, channel, unit)
            for other in range(unit << parameters.bank_bits, (unit + 1) << parameters.bank_bits):
                note_lane(state, b, channel, other, cycle)


@helper(forceinline=True)
def next_event(state, channel, cycle, gate):
    """First cycle after `cycle` in which something can happen in a channel, as far as is known now."""
    row = state.channel[channel]
    following = min(row[READY_CYCLE], gate)
    following = min(following, min(row[REFRESH_DUE], min(row[REFRESH_RELEASE], row[REFRESH_LOOK])))
    if row[JOIN_HEAD] < row[JOIN_TAIL]:
        place = row[JOIN_HEAD] & state.join_mask
        following = min(following, state.joins[channel, place, JOIN_CYCLE])
    if row[TRANSFERS_WAITING] > 0:
        following = min(following, state.transfers[channel, 0, READY])
    if row[STALE]:
        following = cycle
    return max(following, cycle + 1)


@helper(forceinline=True)
def channel_cycle(parameters, rings, state, b, channel, cycle):
    """Everything that happens in a channel in `cycle` before its stream acts; sets its next event."""
    settle(parameters, state, channel, cycle)
    start_ready_transfers(parameters, rings, state, channel, cycle)
    join_arrivals(parameters, state, b, channel, cycle)
    serve_refresh(parameters, state, b, channel, cycle)
    open_gate(parameters, state, b, channel, cycle)
    issue_units(parameters, rings, state, b, channel, cycle)
    gate = open_gate(parameters, state, b, channel, cycle)
    note_waits(state, b, channel)
    state.channel[channel, NEXT_EVENT] = next_event(state, channel, cycle, gate)


@helper(forceinline=True)
def log_is_full(state, channel):
    """Whether the commands kept have to be taken before another cycle."""
    capacity = state.log_capacity
    return capacity > 0 and state.channel[channel, LOG_COUNT] > capacity - LOG_MARGIN


@helper(forceinline=True)
def earliest_event(rings, state, first, stop, first_stream, stop_stream):
    """First cycle in which one of the channels or streams has something to do."""
    cycle = NEVER
    for channel in range(first, stop):
        cycle = min(cycle, state.channel[channel, NEXT_EVENT])
    for stream in range(first_stream, stop_stream):
        cycle = min(cycle, rings.stream[stream, WAKE])
    return cycle


@helper
def needs_more(parameters, rings, stream, cycle):
    """Whether a stream without instructions could have sent what it gets next by `cycle`.

    Not so if that is demand of a turn to come, which waits for a barrier that is surely ahead: a turn (or
    batch) before it is incomplete.
    """
    if cycle < rings.stream[stream, NEXT_SLOT]:
        return False
    oldest, last = rings.marks[OLDEST_TURN], rings.marks[NEXT_TURN] - 1
    if not parameters.demand_comes_first or oldest > last:
        return True
    tail = rings.stream[stream, TAIL]
    if tail > 0 and rings.instructions[stream, (tail - 1) & rings.instruction_mask, TURN] == last:
        # Transfers of this turn may follow.
        return True
    mask = rings.turn_mask
    same_batch = rings.turns[oldest & mask, TURN_BATCH] == rings.turns[last & mask, TURN_BATCH]
    return parameters.barrier != BARRIER_TABLE and same_batch


@helper
def lacks_other(rings):
    """Whether the oldest turn lacks nothing but its part in the other memory, so that its end may be past."""
    oldest = rings.marks[OLDEST_TURN]
    if oldest == rings.marks[NEXT_TURN]:
        return False
    turn = rings.turns[oldest & rings.turn_mask]
    return turn[TURN_CLOSED] and turn[TURN_DONE] == turn[TURN_LEFT] - 1 and not turn[TURN_TWIN_DONE]


@helper(forceinline=True)
def reason_to_stop(parameters, rings, state, first, stop, first_stream, stop_stream, cycle, final):
    """Whether the channels must not or need not go on at `cycle`: REFILL, DONE, or -1 to go on.

    When every stream waits at a barrier or for more program and all that was sent is complete, the
    release lies with other channels. It cannot come before what has been simulated, so no event has been
    taken too early. Where the release lies with another memory, those that wait hold up all.
    """
    waiting = 0
    empty = 0
    for stream in range(first_stream, stop_stream):
        if rings.stream[stream, FRONT] == FRONT_EMPTY:
            if not final and needs_more(parameters, rings, stream, cycle):
                return REFILL
            empty += 1
        elif rings.stream[stream, FRONT] == FRONT_BARRIER:
            waiting += 1
    if parameters.tied and waiting > 0 and lacks_other(rings):
        return DONE if final else REFILL
    if waiting + empty < stop_stream - first_stream:
        return -1
    in_flight = 0
    for channel in range(first, stop):
        in_flight += state.channel[channel, OPEN]
        if waiting == 0:
            in_flight += state.pool - state.channel[channel, FREE_COUNT]
    if in_flight > 0:
        return -1
    return DONE if final else REFILL


@helper
def arithmetic_end(parameters, state, first, stop):
    """When the last unit is done with what it can add up now: a full buffer may wait as long."""
    end = 0
    for channel in range(first, stop):
        for unit in range(parameters.units):
            end = max(end, state.unit[channel, unit, COMPUTE_FREE])
    return end


@helper(forceinline=True)
def run_group(parameters, rings, state, banks, board, first, stop, first_stream, stop_stream, final, until):
    """Run channels first..stop-1 with their streams from event to event, in one order of time."""
    fruitless, seen = 0, 0
    while True:
        cycle = earliest_event(rings, state, first, stop, first_stream, stop_stream)
        if until == NEVER:
            reason = reason_to_stop(
                parameters, rings, state, first, stop, first_stream, stop_stream, cycle, final
            )
            if reason >= 0:
                return reason
        elif cycle >= until:
            return DONE
        progress = 0
        for channel in range(first, stop):
            limit = cycle
            if stop - first == 1 and rings.stream[first_stream, FRONT] == FRONT_READY:
                # Alone, and its stream sleeps: no one else can act before it wakes.
                limit = max(cycle, rings.stream[first_stream, WAKE] - 1)
            b = channel_banks(banks, channel)
            while state.channel[channel, NEXT_EVENT] <= limit:
                if log_is_full(state, channel):
                    return LOG_FULL
                if ring_is_short(state, channel, state.channel[channel, NEXT_EVENT]):
                    return GROW
                channel_cycle(parameters, rings, state, b, channel, state.channel[channel, NEXT_EVENT])
            progress += state.channel[channel, READS]
        for stream in range(first_stream, stop_stream):
            if rings.stream[stream, WAKE] <= cycle and not step_front(
                parameters, rings, state, stream, cycle
            ):
                return GROW
            progress += rings.stream[stream, SLOTS]
        if stop_stream - first_stream > 1 or stop - first > 1:
            release_turns(parameters, rings, state, board)
        fruitless = fruitless + 1 if progress == seen else 0
        seen = progress
        if fruitless > FRUITLESS_EVENTS and until == NEVER:
            if arithmetic_end(parameters, state, first, stop) <= cycle:
                return STUCK
            fruitless = 0


class Engine(NamedTuple):
    """All that a kernel needs to run a part's channels.

    Attributes
    ----------
    banks : Banks, or None
    apart : Apart, or None
        State of the engine that runs: the general one's banks, or the fast one's own (`apart`). What the
        other needs is not compiled.
    board : ndarray of int64
        Where the parts tell each other of barriers (`board`).
    together : int
        1: channels depend on each other within a turn (read-outs, or one stream for all); 0: each runs
        alone up to its barrier, round after round.
    """

    parameters: Parameters
    rings: Rings
    state: PimState
    banks: Banks | None
    apart: Apart | None
    board: np.ndarray
    together: int


@helper(forceinline=True)
def look_again(rings):
    """Streams that had nothing to send may have got something."""
    for stream in range(rings.n_streams):
        row = rings.stream[stream]
        if row[FRONT] == FRONT_EMPTY and row[HEAD] < row[TAIL]:
            row[FRONT] = FRONT_READY
            row[WAKE] = min(row[WAKE], row[NEXT_SLOT])


@helper
def run_all(parameters, rings, state, banks, apart, board, together, final, until):
    """Run every channel as far as it goes without the others; REFILL if one needs more program, or why it stopped."""
    size = parameters.channels if together else 1
    status = DONE
    for first in range(0, parameters.channels, size):
        stopped = DONE
        # Of these two one is compiled: for None the compiler leaves a branch out.
        if banks is not None:
            first_stream = 0 if together else first
            stop_stream = rings.n_streams if together else first + 1
            stopped = run_group(
                parameters,
                rings,
                state,
                banks,
                board,
                first,
                first + size,
                first_stream,
                stop_stream,
                final,
                until,
            )
        if apart is not None:
            stopped = run_channel(parameters, rings, state, channel_of(apart, first), final, until)
        if stopped >= GROW:
            return stopped
        status = max(status, stopped)
    return status


@helper(forceinline=True)
def end_status(rings, status, final, until):
    """What a call ends with when no turn is released any more: STUCK if streams wait for one although all is sent."""
    waiting = 0
    for stream in range(rings.n_streams):
        waiting += rings.stream[stream, FRONT] == FRONT_BARRIER
    return STUCK if status == DONE and waiting > 0 and final and until == NEVER else status


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
        DONE, REFILL, GROW, LOG_FULL or STUCK.
    """
    parameters, banks, apart = engine.parameters, engine.banks, engine.apart
    rings, state, board = bare_rings(engine.rings), bare_state(engine.state), bare(engine.board)
    release_turns(parameters, rings, state, board)
    while True:
        look_again(rings)
        status = run_all(parameters, rings, state, banks, apart, board, engine.together, final, until)
        if status >= GROW:
            return status
        if release_turns(parameters, rings, state, board) != RELEASED:
            return end_status(rings, status, final, until)


@njit
def run(engine, final, until):
    """`run_rings` for Python."""
    return run_rings(engine, final, until)


@njit
def settle_all(parameters, owned_state, cycle):
    """Count the cycles of all channels up to the end of the run."""
    state = bare_state(owned_state)
    for channel in range(parameters.channels):
        settle(parameters, state, channel, cycle)
