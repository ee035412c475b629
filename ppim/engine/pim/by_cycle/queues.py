"""Bank queues of PIM units: entries join, are looked at through a window, and leave."""

from ppim.engine import banks, lane_masks
from ppim.engine.codes import NEVER, NO_ROW
from ppim.engine.pim import state as s
from ppim.engine.pim.rules import phases, selection
from ppim.jit import helper
from ppim.program import instruction as ins

WHOLE_WINDOW = -1  # mask: a window begins at place 0


@helper(forceinline=True)
def take_entry(state, channel):
    """An unused entry of the pool (the caller has made sure there is one)."""
    entry = state.channel[channel, s.FREE_FIRST]
    state.channel[channel, s.FREE_FIRST] = state.entries[channel, entry, s.ENTRY_NEXT]
    state.channel[channel, s.FREE_COUNT] -= 1
    return entry


@helper(forceinline=True)
def free_entry(state, channel, entry):
    """Give an entry back to the pool."""
    state.entries[channel, entry, s.ENTRY_NEXT] = state.channel[channel, s.FREE_FIRST]
    state.channel[channel, s.FREE_FIRST] = entry
    state.channel[channel, s.FREE_COUNT] += 1


@helper(forceinline=True)
def queue_of(p, kind, lane):
    """Queue of a lane that an entry of a kind waits in."""
    if p.phases == s.PHASES_BUFFERED and kind == ins.PREFETCH:
        return lane + p.lanes
    return lane


@helper(forceinline=True)
def phases_of(p, kind, unit):
    """Row of `unit` and `phases` in which a unit's entries of a kind are counted."""
    if p.phases == s.PHASES_BUFFERED and kind == ins.PREFETCH:
        return unit + p.units
    return unit


@helper(forceinline=True)
def looked_at(p, state, channel, lane):
    """Queue of a lane that selection looks at."""
    if p.phases == s.PHASES_BUFFERED and state.unit[channel, lane >> p.bank_bits, s.SEES_FETCHES]:
        return lane + p.lanes
    return lane


@helper(forceinline=True)
def first_phase(state, channel, row, otherwise):
    """Smallest phase with unfinished entries, or `otherwise` where there is none."""
    head = state.unit[channel, row, s.PHASE_HEAD]
    if head == state.unit[channel, row, s.PHASE_TAIL]:
        return otherwise
    return state.phases[channel, row, head & state.phase_mask, s.PHASE_VALUE]


@helper(forceinline=True)
def choose_queues(p, state, b, channel, unit):
    """PHASES_BUFFERED: a unit looks at its prefetches while none of its demand may issue (docs/model.md §5)."""
    demand = first_phase(state, channel, unit, NEVER)
    fetched = first_phase(state, channel, unit + p.units, NEVER)
    demand_goes = state.unit[channel, unit, s.DEMAND_JOINED] > 0 and not phases.demand_waits(fetched, demand)
    fetches = 0 if demand_goes else 1
    if fetches == state.unit[channel, unit, s.SEES_FETCHES]:
        return
    state.unit[channel, unit, s.SEES_FETCHES] = fetches
    for lane in range(unit << p.bank_bits, (unit + 1) << p.bank_bits):
        renew_wishes(p, state, b, channel, lane, state.lane[channel, lane, s.READS_SINCE_ACTIVATE])


@helper(forceinline=True)
def show(state, channel, lane, entry):
    """Put an entry at the end of the lane's window."""
    place = state.lane[channel, lane, s.WINDOW_COUNT]
    state.lane[channel, lane, s.WINDOW_COUNT] = place + 1
    state.window[channel, lane, place, s.WINDOW_ENTRY] = entry
    state.window[channel, lane, place, s.WINDOW_ROW] = state.entries[channel, entry, s.ENTRY_ROW]
    state.window[channel, lane, place, s.WINDOW_PHASE] = state.entries[channel, entry, s.ENTRY_PHASE]


@helper(forceinline=True)
def join(p, state, channel, entry):
    """An entry enters its lane's queue: the window, or the list behind it."""
    lane = state.entries[channel, entry, s.ENTRY_LANE]
    queue = queue_of(p, state.entries[channel, entry, s.ENTRY_KIND], lane)
    if p.phases == s.PHASES_BUFFERED and queue == lane:
        state.unit[channel, lane >> p.bank_bits, s.DEMAND_JOINED] += 1
    if state.lane[channel, queue, s.WINDOW_COUNT] < p.window:
        show(state, channel, queue, entry)
        return lane
    state.entries[channel, entry, s.ENTRY_NEXT] = s.NO_ENTRY
    if state.lane[channel, queue, s.TAIL_FIRST] == s.NO_ENTRY:
        state.lane[channel, queue, s.TAIL_FIRST] = entry
    else:
        state.entries[channel, state.lane[channel, queue, s.TAIL_LAST], s.ENTRY_NEXT] = entry
    state.lane[channel, queue, s.TAIL_LAST] = entry
    return lane


@helper(forceinline=True)
def leave(state, channel, lane, place):
    """Take the entry at `place` out of the window; the next one behind it moves in."""
    last = state.lane[channel, lane, s.WINDOW_COUNT] - 1
    for i in range(place, last):
        state.window[channel, lane, i, s.WINDOW_ENTRY] = state.window[channel, lane, i + 1, s.WINDOW_ENTRY]
        state.window[channel, lane, i, s.WINDOW_ROW] = state.window[channel, lane, i + 1, s.WINDOW_ROW]
        state.window[channel, lane, i, s.WINDOW_PHASE] = state.window[channel, lane, i + 1, s.WINDOW_PHASE]
    state.lane[channel, lane, s.WINDOW_COUNT] = last
    state.lane[channel, lane, s.OCCUPIED] -= 1
    waiting = state.lane[channel, lane, s.TAIL_FIRST]
    if waiting != s.NO_ENTRY:
        state.lane[channel, lane, s.TAIL_FIRST] = state.entries[channel, waiting, s.ENTRY_NEXT]
        show(state, channel, lane, waiting)


@helper(forceinline=True)
def visible(p, state, channel, lane):
    """Entries of the window that may issue as far as phases are concerned."""
    queue = looked_at(p, state, channel, lane)
    count = state.lane[channel, queue, s.WINDOW_COUNT]
    if p.phases == s.PHASES_NONE or count == 0:
        return count
    row = lane >> p.bank_bits
    if queue != lane:
        # The buffer was used by the turn before the last: its reads come first.
        demand = first_phase(state, channel, row, NEVER)
        row += p.units
        if phases.buffer_is_used(first_phase(state, channel, row, 0), demand):
            return 0
    phase = first_phase(state, channel, row, 0)
    n = 0
    while n < count and phases.may_issue(state.window[channel, queue, n, s.WINDOW_PHASE], phase):
        n += 1
    return n


@helper(forceinline=True)
def first_hits(p, state, channel, queue, n_visible, row):
    """Places of the oldest visible entries of the open row: (one that stays, one read out); -1: none.

    Where rows move: (one that reads, one that writes).
    """
    second = ins.MOVE_IN if p.writes else ins.READ_OUT
    stays, leaves = selection.NO_PLACE, selection.NO_PLACE
    place = selection.next_hit(state.window[channel], queue, 0, WHOLE_WINDOW, 0, n_visible, row)
    while place >= 0 and (stays < 0 or leaves < 0):
        kind = state.entries[channel, state.window[channel, queue, place, s.WINDOW_ENTRY], s.ENTRY_KIND]
        if kind == second:
            leaves = place if leaves < 0 else leaves
        else:
            stays = place if stays < 0 else stays
        place = selection.next_hit(state.window[channel], queue, 0, WHOLE_WINDOW, place + 1, n_visible, row)
    return stays, leaves


@helper(forceinline=True)
def set_bit(masks, index, bit, on):
    """Set or clear a bit of masks[index]."""
    if on:
        masks[index] |= bit
    else:
        masks[index] &= ~bit


@helper(forceinline=True)
def renew_wishes(p, state, b, channel, lane, reads_since_activate):
    """Say anew which commands a lane is a candidate for (host-controller.md §7).

    Read-outs go to `wants_out`; they become candidates when the bus permits. Where rows move, what the bus
    holds back is a candidate and looked at in each cycle.
    """
    n_visible = visible(p, state, channel, lane)
    row = b.open_row[lane]
    activate, stays, leaves, precharge = False, selection.NO_PLACE, selection.NO_PLACE, False
    if n_visible > 0:
        if row == NO_ROW:
            activate = True
        else:
            queue = looked_at(p, state, channel, lane)
            stays, leaves = first_hits(p, state, channel, queue, n_visible, row)
            if state.window[channel, queue, 0, s.WINDOW_ROW] != row:
                precharge = selection.offers_precharge(max(stays, leaves), reads_since_activate)
    word, bit = lane_masks.word_of(lane), lane_masks.bit_of(lane)
    set_bit(b.candidates, banks.candidates_of(word, banks.ACT), bit, activate)
    set_bit(b.candidates, banks.candidates_of(word, banks.COLUMN_READ), bit, stays >= 0)
    set_bit(b.candidates, banks.candidates_of(word, banks.PRE), bit, precharge)
    if p.writes:
        set_bit(b.candidates, banks.candidates_of(word, banks.COLUMN_WRITE), bit, leaves >= 0)
        return
    set_bit(state.channel[channel], s.WANTS_OUT + word, bit, leaves >= 0)
    if leaves < 0:
        set_bit(b.candidates, banks.candidates_of(word, banks.COLUMN_WRITE), bit, False)


@helper(forceinline=True)
def note_lane(p, state, b, channel, lane, cycle):
    """Bring a changed lane into the channel's ready time and mask.

    Stale bits of other wishes are harmless: a lane is asked again before it issues.
    """
    word, bit = lane_masks.word_of(lane), lane_masks.bit_of(lane)
    if not state.channel[channel, s.ELIGIBLE + word] & bit:
        return
    earliest = state.channel[channel, s.READY_CYCLE]
    for later in range(4):
        if b.candidates[banks.candidates_of(word, later)] & bit:
            at = max(banks.earliest_cycle(b, later, lane), cycle)
            if at < earliest:
                earliest = at
                state.channel[channel, s.READY_CYCLE] = at
                for other in range(p.mask_words):
                    state.channel[channel, s.READY_LANES + other] = 0
                state.channel[channel, s.READY_LANES + word] = bit
            elif at == earliest:
                state.channel[channel, s.READY_LANES + word] |= bit
