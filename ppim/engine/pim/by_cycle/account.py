"""Where the time goes: every cycle of a channel is busy or has one cause (docs/model.md §9).

Between two events of a channel what is true of its cycles depends on a few thresholds only, so cycles are
settled a span at a time: just before anything that matters changes, all cycles up to then are counted with
what held since the last change. What moves is known ahead: cycles with a command or with data on their way
into a unit are bits of a ring, one a cycle; the external bus, whose reservations may reach far, is a stretch
of cycles without a gap, painted into the ring when a gap follows it.
"""

from ppim.engine.banks import ACT, COLUMN_READ, PRE, candidates_of
from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.engine.pim.rules import classes, slots
from ppim.jit import helper

# Columns of `account` behind the classes: cycles before this one are counted,
SETTLED = classes.N_CYCLE_CLASSES
# ... what the cause follows from,
ARRIVAL = 8  # when the last data that were read will be where they go
COMES_END = 9  # end of the last transfer's or deliver's reservation
REFRESHED_RANK = 10  # rank refreshed last
REFRESHED_UNTIL = 11  # when it may be used again; 0: none was
BUFFER_HELD = 12  # last cycle, plus one, in which a full buffer held a READ back
SOMETHING_WAITS = 13  # 1: a bank's queue holds something that selection sees
REFRESH_UNTIL = 14  # cycle up to which a refresh holds some of that back
# ... the external bus's last stretch of use without a gap,
USE_FROM = 15
USE_END = 16
# ... and, in the row of the stream's number, its last stretch of slots without a gap.
SENDING_FROM = 17
SENDING_END = 18
ACCOUNT_COLUMNS = 19

MOVES = 0  # the one kind of bits in `moving`
LEAST_RING_CYCLES = 1024


@helper(forceinline=True)
def paint_moving(state, channel, first, stop):
    """Something moves in cycles first..stop-1; not before what is settled, and not beyond the ring."""
    classes.paint(state.moving[channel], state.moving_mask, MOVES, first, stop)


@helper(forceinline=True)
def take_moving(state, channel, origin, span):
    """Which cycles of a word something moves in; clears their bits in `span`."""
    row = state.account[channel]
    place = (origin >> classes.WORD_SHIFT) & state.moving_mask
    word = state.moving[channel, place, MOVES]
    state.moving[channel, place, MOVES] = word & ~span
    return word | classes.bits_before(row[USE_END], origin) & ~classes.bits_before(row[USE_FROM], origin)


@helper
def settle_words(p, state, channel, first, cycle):
    """`settle` for a span in which something may stand still, a word at a time."""
    row = state.account[channel]
    sending = state.account[0 if p.global_stream else channel]
    transfer_waits = -int(state.channel[channel, s.TRANSFERS_WAITING] > 0)
    bank_waits = -row[SOMETHING_WAITS]
    while first < cycle:
        start = first & classes.IN_WORD
        end = min(start + cycle - first, classes.WORD_CYCLES)
        origin = first - start
        span = classes.bits_between(start, end)
        arriving = classes.bits_before(row[ARRIVAL], origin)
        classes.count_cycles(
            row,
            span,
            take_moving(state, channel, origin, span),
            classes.bits_before(row[REFRESH_UNTIL], origin),
            transfer_waits & ~arriving | classes.bits_before(row[BUFFER_HELD], origin),
            classes.bits_before(row[COMES_END], origin),
            bank_waits | arriving,
            classes.bits_before(sending[SENDING_END], origin)
            & ~classes.bits_before(sending[SENDING_FROM], origin),
        )
        first += end - start


@helper(forceinline=True)
def settle(p, state, channel, cycle):
    """Count the cycles before `cycle` with what has held since the last change."""
    row = state.account[channel]
    first = row[SETTLED]
    if first >= cycle:
        return
    row[SETTLED] = cycle
    # Most spans are short, and something moves all the time.
    start = first & classes.IN_WORD
    if cycle - first <= classes.WORD_CYCLES - start:
        place = (first >> classes.WORD_SHIFT) & state.moving_mask
        span = classes.bits_between(start, start + cycle - first)
        if state.moving[channel, place, MOVES] & span == span:
            state.moving[channel, place, MOVES] &= ~span
            row[classes.BUSY] += cycle - first
            return
    settle_words(p, state, channel, first, cycle)


@helper(forceinline=True)
def note_waits(p, state, b, channel):
    """After a cycle's commands: does anything wait in the banks' queues, and does a refresh hold it?"""
    row = state.account[channel]
    waits, held, refreshed = 0, 0, 0
    for word in range(p.mask_words):
        waiting = (
            b.candidates[candidates_of(word, ACT)]
            | b.candidates[candidates_of(word, COLUMN_READ)]
            | b.candidates[candidates_of(word, PRE)]
            | state.channel[channel, s.WANTS_OUT + word]
        )
        waits |= waiting
        held |= waiting & ~state.channel[channel, s.ELIGIBLE + word]
        refreshed |= waiting & b.rank_lanes[word * p.ranks + row[REFRESHED_RANK]]
    row[SOMETHING_WAITS] = waits != 0
    if held:
        row[REFRESH_UNTIL] = NEVER
    elif refreshed:
        row[REFRESH_UNTIL] = row[REFRESHED_UNTIL]
    else:
        row[REFRESH_UNTIL] = 0


@helper(forceinline=True)
def note_command(state, channel, cycle):
    """A command is issued in `cycle`."""
    place = (cycle >> classes.WORD_SHIFT) & state.moving_mask
    state.moving[channel, place, MOVES] |= 1 << (cycle & classes.IN_WORD)


@helper(forceinline=True)
def note_arrival(state, channel, cycle):
    """Data will be where they go at `cycle`."""
    state.account[channel, ARRIVAL] = max(state.account[channel, ARRIVAL], cycle)


@helper(forceinline=True)
def note_read(p, state, channel, cycle):
    """A READ that stays in its unit: data move into it in the last burst's length before their arrival."""
    arrival = cycle + p.unit_read_latency
    paint_moving(state, channel, classes.data_move_from(p, cycle, arrival), arrival)
    note_arrival(state, channel, arrival)


@helper(forceinline=True)
def note_use(state, channel, start, end):
    """The external bus is reserved for cycles start..end-1, behind all reservations before."""
    row = state.account[channel]
    if start > row[USE_END]:
        paint_moving(state, channel, max(row[USE_FROM], row[SETTLED]), row[USE_END])
        row[USE_FROM] = start
    row[USE_END] = end


@helper(forceinline=True)
def note_slot(p, state, stream, cycle, next_slot):
    """A slot is used in `cycle`, and the next one can begin in `next_slot`; settle what a new stretch of slots would overwrite."""
    if cycle > state.account[stream, SENDING_END]:
        if p.global_stream:
            for channel in range(p.channels):
                settle(p, state, channel, cycle)
        else:
            settle(p, state, stream, cycle)
        state.account[stream, SENDING_FROM] = cycle
    state.account[stream, SENDING_END] = slots.lasts_until(cycle, next_slot)


@helper(forceinline=True)
def note_refresh(p, state, channel, rank, cycle):
    """A REFRESH is issued to a rank."""
    state.account[channel, REFRESHED_RANK] = rank
    state.account[channel, REFRESHED_UNTIL] = cycle + p.refresh_cycles


@helper(forceinline=True)
def ring_is_short(state, channel, cycle):
    """Whether the bus is reserved so far ahead that the ring has to grow before anything else happens."""
    return state.channel[channel, s.BUS_END] - cycle > (state.moving_mask + 1) << (classes.WORD_SHIFT - 1)
