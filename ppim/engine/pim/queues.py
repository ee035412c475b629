"""Bank queues of PIM units: entries join, are looked at through a window, and leave."""

from __future__ import annotations

from ppim.engine.banks import ACT, COLUMN_READ, COLUMN_WRITE, PRE, earliest_cycle
from ppim.engine.codes import NO_ROW
from ppim.engine.pim.state import (
    ELIGIBLE,
    ENTRY_KIND,
    ENTRY_LANE,
    ENTRY_NEXT,
    ENTRY_PHASE,
    ENTRY_ROW,
    FREE_COUNT,
    FREE_FIRST,
    NO_ENTRY,
    OCCUPIED,
    PHASE_HEAD,
    PHASE_VALUE,
    PHASES_NONE,
    READY_CYCLE,
    READY_LANES,
    TAIL_FIRST,
    TAIL_LAST,
    WANTS_OUT,
    WINDOW_COUNT,
    WINDOW_ENTRY,
    WINDOW_PHASE,
    WINDOW_ROW,
)
from ppim.jit import helper
from ppim.program.instruction import READ_OUT

MAX_HITS_BEFORE_PRECHARGE = (
    4  # READs after which waiting row hits no longer hold a precharge back (golden 3.7)
)


@helper(forceinline=True)
def take_entry(state, channel):
    """An unused entry of the pool (the caller has made sure there is one)."""
    entry = state.channel[channel, FREE_FIRST]
    state.channel[channel, FREE_FIRST] = state.entries[channel, entry, ENTRY_NEXT]
    state.channel[channel, FREE_COUNT] -= 1
    return entry


@helper(forceinline=True)
def free_entry(state, channel, entry):
    """Give an entry back to the pool."""
    state.entries[channel, entry, ENTRY_NEXT] = state.channel[channel, FREE_FIRST]
    state.channel[channel, FREE_FIRST] = entry
    state.channel[channel, FREE_COUNT] += 1


@helper(forceinline=True)
def show(state, channel, lane, entry):
    """Put an entry at the end of the lane's window."""
    place = state.lane[channel, lane, WINDOW_COUNT]
    state.lane[channel, lane, WINDOW_COUNT] = place + 1
    state.window[channel, lane, place, WINDOW_ENTRY] = entry
    state.window[channel, lane, place, WINDOW_ROW] = state.entries[channel, entry, ENTRY_ROW]
    state.window[channel, lane, place, WINDOW_PHASE] = state.entries[channel, entry, ENTRY_PHASE]


@helper(forceinline=True)
def join(parameters, state, channel, entry):
    """An entry enters its lane's queue: the window, or the list behind it."""
    lane = state.entries[channel, entry, ENTRY_LANE]
    if state.lane[channel, lane, WINDOW_COUNT] < parameters.window:
        show(state, channel, lane, entry)
        return lane
    state.entries[channel, entry, ENTRY_NEXT] = NO_ENTRY
    if state.lane[channel, lane, TAIL_FIRST] == NO_ENTRY:
        state.lane[channel, lane, TAIL_FIRST] = entry
    else:
        state.entries[channel, state.lane[channel, lane, TAIL_LAST], ENTRY_NEXT] = entry
    state.lane[channel, lane, TAIL_LAST] = entry
    return lane


@helper(forceinline=True)
def leave(state, channel, lane, place):
    """Take the entry at `place` out of the window; the next one behind it moves in."""
    last = state.lane[channel, lane, WINDOW_COUNT] - 1
    for i in range(place, last):
        state.window[channel, lane, i, WINDOW_ENTRY] = state.window[channel, lane, i + 1, WINDOW_ENTRY]
        state.window[channel, lane, i, WINDOW_ROW] = state.window[channel, lane, i + 1, WINDOW_ROW]
        state.window[channel, lane, i, WINDOW_PHASE] = state.window[channel, lane, i + 1, WINDOW_PHASE]
    state.lane[channel, lane, WINDOW_COUNT] = last
    state.lane[channel, lane, OCCUPIED] -= 1
    waiting = state.lane[channel, lane, TAIL_FIRST]
    if waiting != NO_ENTRY:
        state.lane[channel, lane, TAIL_FIRST] = state.entries[channel, waiting, ENTRY_NEXT]
        show(state, channel, lane, waiting)


@helper(forceinline=True)
def visible(parameters, state, channel, lane):
    """Entries of the window that may issue as far as phases are concerned."""
    count = state.lane[channel, lane, WINDOW_COUNT]
    if parameters.phases == PHASES_NONE or count == 0:
        return count
    unit = lane >> parameters.bank_bits
    mask = state.phase_mask
    phase = state.phases[channel, unit, state.unit[channel, unit, PHASE_HEAD] & mask, PHASE_VALUE]
    n = 0
    while n < count and state.window[channel, lane, n, WINDOW_PHASE] == phase:
        n += 1
    return n


@helper(forceinline=True)
def first_hits(state, channel, lane, n_visible, row):
    """Places of the oldest visible entries of the open row: (one that stays, one read out); -1: none."""
    stays, leaves = -1, -1
    for place in range(n_visible):
        if state.window[channel, lane, place, WINDOW_ROW] == row:
            kind = state.entries[channel, state.window[channel, lane, place, WINDOW_ENTRY], ENTRY_KIND]
            if kind == READ_OUT:
                if leaves < 0:
                    leaves = place
            elif stays < 0:
                stays = place
            if stays >= 0 and leaves >= 0:
                break
    return stays, leaves


@helper(forceinline=True)
def set_bit(masks, index, bit, on):
    """Set or clear a bit of masks[index]."""
    if on:
        masks[index] |= bit
    else:
        masks[index] &= ~bit


@helper(forceinline=True)
def renew_wishes(parameters, state, b, channel, lane, reads_since_activate):
    """Say anew which commands a lane is a candidate for (golden README 3.7).

    Read-outs go to `wants_out`; they become candidates when the bus permits.
    """
    n_visible = visible(parameters, state, channel, lane)
    row = b.open_row[lane]
    activate, stays, leaves, precharge = False, -1, -1, False
    if n_visible > 0:
        if row == NO_ROW:
            activate = True
        else:
            stays, leaves = first_hits(state, channel, lane, n_visible, row)
            if state.window[channel, lane, 0, WINDOW_ROW] != row:
                no_hits = stays < 0 and leaves < 0
                precharge = no_hits or reads_since_activate >= MAX_HITS_BEFORE_PRECHARGE
    bit = 1 << lane
    set_bit(b.candidates, ACT, bit, activate)
    set_bit(b.candidates, COLUMN_READ, bit, stays >= 0)
    set_bit(b.candidates, PRE, bit, precharge)
    set_bit(state.channel[channel], WANTS_OUT, bit, leaves >= 0)
    if leaves < 0:
        set_bit(b.candidates, COLUMN_WRITE, bit, False)


@helper(forceinline=True)
def note_lane(state, b, channel, lane, cycle):
    """Bring a changed lane into the channel's ready time and mask.

    Stale bits of other wishes are harmless: a lane is asked again before it issues.
    """
    bit = 1 << lane
    if not state.channel[channel, ELIGIBLE] & bit:
        return
    earliest = state.channel[channel, READY_CYCLE]
    for later in range(4):
        if b.candidates[later] & bit:
            at = max(earliest_cycle(b, later, lane), cycle)
            if at < earliest:
                earliest = at
                state.channel[channel, READY_CYCLE] = at
                state.channel[channel, READY_LANES] = bit
            elif at == earliest:
                state.channel[channel, READY_LANES] |= bit
