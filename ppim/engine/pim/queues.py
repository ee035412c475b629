"""Bank queues of PIM units: entries join, are looked at through a window, and leave."""

from __future__ import annotations

from ppim.engine.banks import ACT, COLUMN_READ, COLUMN_WRITE, PRE, earliest_cycle
from ppim.engine.codes import NO_ROW
from ppim.engine.pim.state import (
    ENTRY_KIND,
    ENTRY_LANE,
    ENTRY_NEXT,
    ENTRY_PHASE,
    ENTRY_ROW,
    NO_ENTRY,
    PHASES_NONE,
)
from ppim.jit import njit
from ppim.program.instruction import READ_OUT

MAX_HITS_BEFORE_PRECHARGE = 4  # READs after which waiting row hits no longer hold a precharge back (golden 3.7)


@njit(cache=False)
def take_entry(queues, channel):
    """An unused entry of the pool (the caller has made sure there is one)."""
    entry = queues.free_first[channel]
    queues.free_first[channel] = queues.entries[channel, entry, ENTRY_NEXT]
    queues.free_count[channel] -= 1
    return entry


@njit(cache=False)
def free_entry(queues, channel, entry):
    """Give an entry back to the pool."""
    queues.entries[channel, entry, ENTRY_NEXT] = queues.free_first[channel]
    queues.free_first[channel] = entry
    queues.free_count[channel] += 1


@njit(cache=False)
def show(queues, channel, lane, entry):
    """Put an entry at the end of the lane's window."""
    place = queues.window_count[channel, lane]
    queues.window_count[channel, lane] = place + 1
    queues.window_entry[channel, lane, place] = entry
    queues.window_row[channel, lane, place] = queues.entries[channel, entry, ENTRY_ROW]
    queues.window_phase[channel, lane, place] = queues.entries[channel, entry, ENTRY_PHASE]


@njit(cache=False)
def join(parameters, queues, channel, entry):
    """An entry enters its lane's queue: the window, or the list behind it."""
    lane = queues.entries[channel, entry, ENTRY_LANE]
    if queues.window_count[channel, lane] < parameters.window:
        show(queues, channel, lane, entry)
        return lane
    queues.entries[channel, entry, ENTRY_NEXT] = NO_ENTRY
    if queues.tail_first[channel, lane] == NO_ENTRY:
        queues.tail_first[channel, lane] = entry
    else:
        queues.entries[channel, queues.tail_last[channel, lane], ENTRY_NEXT] = entry
    queues.tail_last[channel, lane] = entry
    return lane


@njit(cache=False)
def leave(queues, channel, lane, place):
    """Take the entry at `place` out of the window; the next one behind it moves in."""
    last = queues.window_count[channel, lane] - 1
    for i in range(place, last):
        queues.window_entry[channel, lane, i] = queues.window_entry[channel, lane, i + 1]
        queues.window_row[channel, lane, i] = queues.window_row[channel, lane, i + 1]
        queues.window_phase[channel, lane, i] = queues.window_phase[channel, lane, i + 1]
    queues.window_count[channel, lane] = last
    queues.occupied[channel, lane] -= 1
    waiting = queues.tail_first[channel, lane]
    if waiting != NO_ENTRY:
        queues.tail_first[channel, lane] = queues.entries[channel, waiting, ENTRY_NEXT]
        show(queues, channel, lane, waiting)


@njit(cache=False)
def visible(parameters, state, channel, lane):
    """Entries of the window that may issue as far as phases are concerned."""
    count = state.queues.window_count[channel, lane]
    if parameters.phases == PHASES_NONE or count == 0:
        return count
    units = state.units
    unit = lane // parameters.banks_per_unit
    mask = units.phase_value.shape[2] - 1
    phase = units.phase_value[channel, unit, units.phase_head[channel, unit] & mask]
    n = 0
    while n < count and state.queues.window_phase[channel, lane, n] == phase:
        n += 1
    return n


@njit(cache=False)
def first_hits(queues, channel, lane, n_visible, row):
    """Places of the oldest visible entries of the open row: (one that stays, one read out); -1: none."""
    stays, leaves = -1, -1
    for place in range(n_visible):
        if queues.window_row[channel, lane, place] == row:
            kind = queues.entries[channel, queues.window_entry[channel, lane, place], ENTRY_KIND]
            if kind == READ_OUT:
                if leaves < 0:
                    leaves = place
            elif stays < 0:
                stays = place
            if stays >= 0 and leaves >= 0:
                break
    return stays, leaves


@njit(cache=False)
def set_bit(masks, index, bit, on):
    """Set or clear a bit of masks[index]."""
    if on:
        masks[index] |= bit
    else:
        masks[index] &= ~bit


@njit(cache=False)
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
            stays, leaves = first_hits(state.queues, channel, lane, n_visible, row)
            if state.queues.window_row[channel, lane, 0] != row:
                no_hits = stays < 0 and leaves < 0
                precharge = no_hits or reads_since_activate >= MAX_HITS_BEFORE_PRECHARGE
    bit = 1 << lane
    set_bit(b.candidates, ACT, bit, activate)
    set_bit(b.candidates, COLUMN_READ, bit, stays >= 0)
    set_bit(b.candidates, PRE, bit, precharge)
    set_bit(state.look.wants_out, channel, bit, leaves >= 0)
    if leaves < 0:
        set_bit(b.candidates, COLUMN_WRITE, bit, False)


@njit(cache=False)
def note_lane(state, b, channel, lane, cycle):
    """Bring a changed lane into the channel's ready time and mask.

    Stale bits of other wishes are harmless: a lane is asked again before it issues.
    """
    bit = 1 << lane
    look = state.look
    if not state.refresh.eligible[channel] & bit:
        return
    earliest = look.ready_cycle[channel]
    for later in range(4):
        if b.candidates[later] & bit:
            at = max(earliest_cycle(b, later, lane), cycle)
            if at < earliest:
                earliest = at
                look.ready_cycle[channel] = at
                look.ready_lanes[channel] = bit
            elif at == earliest:
                look.ready_lanes[channel] |= bit
