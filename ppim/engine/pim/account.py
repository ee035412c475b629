"""Where the time goes: every cycle of a channel is busy or has one cause (docs/model.md §9).

Between two events of a channel its cause of waiting depends on a few thresholds only, so cycles are
settled a span at a time: just before anything that matters changes, all cycles up to then are counted with
what held since the last change. What moves is known ahead: cycles with a command or with data on their way
into a unit are bits of a ring, one a cycle; the external bus, whose reservations may reach far, is a stretch
of cycles without a gap, painted into the ring when a gap follows it.
"""

from __future__ import annotations

from ppim.engine.banks import ACT, COLUMN_READ, PRE
from ppim.engine.codes import NEVER
from ppim.engine.pim.state import (
    ACTS_AFTER,
    BUS_END,
    ELIGIBLE,
    TRANSFERS_WAITING,
    WANTS_OUT,
)
from ppim.jit import helper
from ppim.jit.bits import population

# Columns of `account`: the classes, ...
BUSY = 0
STALL_REFRESH = 1
STALL_COMPUTE = 2
STALL_BUS = 3
STALL_BANK = 4
STALL_ISSUE = 5
IDLE = 6
N_CLASSES = 7
# ... cycles before this one are counted,
SETTLED = 7
# ... what the cause follows from,
ARRIVAL = 8  # when the last data that were read will be where they go
COMES_END = 9  # end of the last transfer's or deliver's reservation
REFRESHED_LANES = 10  # mask of the rank refreshed last
REFRESHED_UNTIL = 11  # when it may be used again
BUFFER_HELD = 12  # last cycle, plus one, in which a full buffer held a READ back
WAITS = 13  # 1: a bank's queue holds something that selection sees
REFRESH_UNTIL = 14  # cycle up to which a refresh holds some of that back
# ... the external bus's last stretch of use without a gap,
USE_FROM = 15
USE_END = 16
# ... and, in the row of the stream's number, its last stretch of slots without a gap.
SENDING_FROM = 17
SENDING_END = 18
ACCOUNT_COLUMNS = 19

WORD_SHIFT = 5
WORD_CYCLES = 1 << WORD_SHIFT
LEAST_RING_CYCLES = 1024


@helper(forceinline=True)
def bits_between(first, stop):
    """Mask of bits first..stop-1, 0 <= first <= stop <= WORD_CYCLES."""
    return (1 << stop) - (1 << first)


@helper(forceinline=True)
def paint(state, channel, first, stop):
    """Something moves in cycles first..stop-1; not before what is settled, and not beyond the ring."""
    while first < stop:
        start = first & (WORD_CYCLES - 1)
        end = min(start + stop - first, WORD_CYCLES)
        state.moving[channel, (first >> WORD_SHIFT) & state.moving_mask] |= bits_between(start, end)
        first += end - start


@helper(forceinline=True)
def take_moving(state, channel, first, stop):
    """Number of cycles first..stop-1 in which something moves; clears their bits."""
    row = state.account[channel]
    moving = 0
    while first < stop:
        start = first & (WORD_CYCLES - 1)
        end = min(start + stop - first, WORD_CYCLES)
        origin = first - start
        place = (first >> WORD_SHIFT) & state.moving_mask
        word = state.moving[channel, place]
        used_from = max(start, row[USE_FROM] - origin)
        used_until = min(end, row[USE_END] - origin)
        if used_from < used_until:
            word |= bits_between(used_from, used_until)
        span = bits_between(start, end)
        moving += population(word & span)
        state.moving[channel, place] = word & ~span
        first += end - start
    return moving


@helper(forceinline=True)
def cause_at(parameters, state, channel, cycle):
    """Class of `cycle` if nothing moves in it, and the first cycle in which that may be another."""
    row = state.account[channel]
    if cycle < row[REFRESH_UNTIL]:
        return STALL_REFRESH, row[REFRESH_UNTIL]
    until = NEVER
    if state.channel[channel, TRANSFERS_WAITING] > 0:
        if cycle >= row[ARRIVAL]:
            return STALL_COMPUTE, until
        until = row[ARRIVAL]
    if cycle < row[BUFFER_HELD]:
        return STALL_COMPUTE, row[BUFFER_HELD]
    if cycle < row[COMES_END]:
        return STALL_BUS, min(until, row[COMES_END])
    if row[WAITS]:
        return STALL_BANK, until
    if cycle < row[ARRIVAL]:
        return STALL_BANK, row[ARRIVAL]
    stream = 0 if parameters.global_stream else channel
    if cycle < state.account[stream, SENDING_FROM]:
        return IDLE, state.account[stream, SENDING_FROM]
    if cycle < state.account[stream, SENDING_END]:
        return STALL_ISSUE, state.account[stream, SENDING_END]
    return IDLE, NEVER


@helper
def settle_causes(parameters, state, channel, first, cycle):
    """`settle` for a span in which something may stand still."""
    row = state.account[channel]
    while first < cycle:
        cause, until = cause_at(parameters, state, channel, first)
        until = min(until, cycle)
        moving = take_moving(state, channel, first, until)
        row[BUSY] += moving
        row[cause] += until - first - moving
        first = until


@helper(forceinline=True)
def settle(parameters, state, channel, cycle):
    """Count the cycles before `cycle` with what has held since the last change."""
    row = state.account[channel]
    first = row[SETTLED]
    if first >= cycle:
        return
    row[SETTLED] = cycle
    # Most spans are short, and something moves all the time.
    start = first & (WORD_CYCLES - 1)
    if cycle - first <= WORD_CYCLES - start:
        place = (first >> WORD_SHIFT) & state.moving_mask
        span = bits_between(start, start + cycle - first)
        if state.moving[channel, place] & span == span:
            state.moving[channel, place] &= ~span
            row[BUSY] += cycle - first
            return
    settle_causes(parameters, state, channel, first, cycle)


@helper(forceinline=True)
def note_waits(state, b, channel):
    """After a cycle's commands: does anything wait in the banks' queues, and does a refresh hold it?"""
    row = state.account[channel]
    waiting = (
        b.candidates[ACT] | b.candidates[COLUMN_READ] | b.candidates[PRE] | state.channel[channel, WANTS_OUT]
    )
    row[WAITS] = waiting != 0
    if waiting & ~state.channel[channel, ELIGIBLE]:
        row[REFRESH_UNTIL] = NEVER
    elif waiting & row[REFRESHED_LANES]:
        row[REFRESH_UNTIL] = row[REFRESHED_UNTIL]
    else:
        row[REFRESH_UNTIL] = 0


@helper(forceinline=True)
def note_command(state, channel, cycle):
    """A command is issued in `cycle`."""
    place = (cycle >> WORD_SHIFT) & state.moving_mask
    state.moving[channel, place] |= 1 << (cycle & (WORD_CYCLES - 1))


@helper(forceinline=True)
def note_arrival(state, channel, cycle):
    """Data will be where they go at `cycle`."""
    state.account[channel, ARRIVAL] = max(state.account[channel, ARRIVAL], cycle)


@helper(forceinline=True)
def note_read(parameters, state, channel, cycle):
    """A READ that stays in its unit: data move into it in the last burst's length before their arrival."""
    arrival = cycle + parameters.unit_read_latency
    paint(state, channel, max(cycle, arrival - parameters.burst_cycles), arrival)
    note_arrival(state, channel, arrival)


@helper(forceinline=True)
def note_use(state, channel, start, end):
    """The external bus is reserved for cycles start..end-1, behind all reservations before."""
    row = state.account[channel]
    if start > row[USE_END]:
        paint(state, channel, max(row[USE_FROM], row[SETTLED]), row[USE_END])
        row[USE_FROM] = start
    row[USE_END] = end


@helper(forceinline=True)
def note_slot(parameters, state, stream, cycle):
    """A slot is used in `cycle`; settle what a new stretch of slots would overwrite."""
    if cycle > state.account[stream, SENDING_END]:
        if parameters.global_stream:
            for channel in range(parameters.channels):
                settle(parameters, state, channel, cycle)
        else:
            settle(parameters, state, stream, cycle)
        state.account[stream, SENDING_FROM] = cycle
    state.account[stream, SENDING_END] = cycle + max(parameters.interval, ACTS_AFTER)


@helper(forceinline=True)
def note_refresh(parameters, state, channel, lanes, cycle):
    """A REFRESH is issued to the rank of these lanes."""
    state.account[channel, REFRESHED_LANES] = lanes
    state.account[channel, REFRESHED_UNTIL] = cycle + parameters.refresh_cycles


@helper(forceinline=True)
def ring_is_short(state, channel, cycle):
    """Whether the bus is reserved so far ahead that the ring has to grow before anything else happens."""
    return state.channel[channel, BUS_END] - cycle > (state.moving_mask + 1) << (WORD_SHIFT - 1)
