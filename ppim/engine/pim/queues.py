"""Bank queues of PIM units: entries join, are looked at through a window, and leave."""

from __future__ import annotations

from ppim.engine.banks import ACT, COLUMN_READ, COLUMN_WRITE, PRE, earliest_cycle
from ppim.engine.codes import NEVER, NO_ROW
from ppim.engine.pim.state import (
    DEMAND_JOINED,
    ELIGIBLE,
    ENTRY_KIND,
    ENTRY_LANE,
    ENTRY_NEXT,
    ENTRY_PHASE,
    ENTRY_ROW,
    FETCHES,
    FREE_COUNT,
    FREE_FIRST,
    NO_ENTRY,
    OCCUPIED,
    PHASE_HEAD,
    PHASE_TAIL,
    PHASE_VALUE,
    PHASES_NEXT,
    PHASES_NONE,
    READS_SINCE_ACTIVATE,
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
from ppim.program.instruction import PREFETCH, READ_OUT

BUFFERS = 2  # halves of a scratchpad that turns use in turn (PHASES_NEXT)
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
def queue_of(parameters, kind, lane):
    """Queue of a lane that an entry of a kind waits in."""
    if parameters.phases == PHASES_NEXT and kind == PREFETCH:
        return lane + parameters.lanes
    return lane


@helper(forceinline=True)
def phases_of(parameters, kind, unit):
    """Row of `unit` and `phases` in which a unit's entries of a kind are counted."""
    if parameters.phases == PHASES_NEXT and kind == PREFETCH:
        return unit + parameters.units
    return unit


@helper(forceinline=True)
def looked_at(parameters, state, channel, lane):
    """Queue of a lane that selection looks at."""
    if parameters.phases == PHASES_NEXT and state.unit[channel, lane >> parameters.bank_bits, FETCHES]:
        return lane + parameters.lanes
    return lane


@helper(forceinline=True)
def first_phase(state, channel, row, otherwise):
    """Smallest phase with unfinished entries, or `otherwise` where there is none."""
    head = state.unit[channel, row, PHASE_HEAD]
    if head == state.unit[channel, row, PHASE_TAIL]:
        return otherwise
    return state.phases[channel, row, head & state.phase_mask, PHASE_VALUE]


@helper(forceinline=True)
def choose_queues(parameters, state, b, channel, unit):
    """PHASES_NEXT: a unit looks at its prefetches while none of its demand may issue (docs/model.md §5)."""
    demand = first_phase(state, channel, unit, NEVER)
    fetched = first_phase(state, channel, unit + parameters.units, NEVER)
    fetches = 0 if state.unit[channel, unit, DEMAND_JOINED] > 0 and fetched > demand else 1
    if fetches == state.unit[channel, unit, FETCHES]:
        return
    state.unit[channel, unit, FETCHES] = fetches
    for lane in range(unit << parameters.bank_bits, (unit + 1) << parameters.bank_bits):
        renew_wishes(parameters, state, b, channel, lane, state.lane[channel, lane, READS_SINCE_ACTIVATE])


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
    queue = queue_of(parameters, state.entries[channel, entry, ENTRY_KIND], lane)
    if parameters.phases == PHASES_NEXT and queue == lane:
        state.unit[channel, lane >> parameters.bank_bits, DEMAND_JOINED] += 1
    if state.lane[channel, queue, WINDOW_COUNT] < parameters.window:
        show(state, channel, queue, entry)
        return lane
    state.entries[channel, entry, ENTRY_NEXT] = NO_ENTRY
    if state.lane[channel, queue, TAIL_FIRST] == NO_ENTRY:
        state.lane[channel, queue, TAIL_FIRST] = entry
    else:
        state.entries[channel, state.lane[channel, queue, TAIL_LAST], ENTRY_NEXT] = entry
    state.lane[channel, queue, TAIL_LAST] = entry
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
    queue = looked_at(parameters, state, channel, lane)
    count = state.lane[channel, queue, WINDOW_COUNT]
    if parameters.phases == PHASES_NONE or count == 0:
        return count
    row = lane >> parameters.bank_bits
    if queue != lane:
        # The buffer was used by the turn before the last: its reads come first.
        demand = first_phase(state, channel, row, NEVER)
        row += parameters.units
        if demand <= first_phase(state, channel, row, 0) - BUFFERS:
            return 0
    phase = first_phase(state, channel, row, 0)
    n = 0
    while n < count and state.window[channel, queue, n, WINDOW_PHASE] == phase:
        n += 1
    return n


@helper(forceinline=True)
def first_hits(state, channel, queue, n_visible, row):
    """Places of the oldest visible entries of the open row: (one that stays, one read out); -1: none."""
    stays, leaves = -1, -1
    for place in range(n_visible):
        if state.window[channel, queue, place, WINDOW_ROW] == row:
            kind = state.entries[channel, state.window[channel, queue, place, WINDOW_ENTRY], ENTRY_KIND]
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
            queue = looked_at(parameters, state, channel, lane)
            stays, leaves = first_hits(state, channel, queue, n_visible, row)
            if state.window[channel, queue, 0, WINDOW_ROW] != row:
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
