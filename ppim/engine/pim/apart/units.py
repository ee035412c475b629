"""What the units of a channel issue, up to a cycle; refreshes between (docs/model.md §3, §5)."""

from __future__ import annotations

from ppim.engine.codes import ACTIVATE, NEVER, NO_ROW, PRECHARGE, READ, REFRESH
from ppim.engine.lanes import count_trailing_zeros
from ppim.engine.pim.apart.complete import operand_arrives
from ppim.engine.pim.apart.cycles import (
    note_under_way,
    paint,
    paint_command,
    paint_reads,
)
from ppim.engine.pim.apart.state import (
    ACTIVATE_FROM,
    ACTIVATED_AT,
    ACTIVATED_BEFORE,
    ACTIVATED_LAST,
    ACTIVE,
    ENTRY_BURSTS,
    ENTRY_COLUMN,
    ENTRY_COLUMNS,
    ENTRY_LENGTH,
    ENTRY_LOOKUP,
    ENTRY_ROW,
    ENTRY_USERS,
    FIRST,
    FREE,
    GATE,
    HEAD,
    HELD_FROM,
    HOLDING,
    HORIZON,
    JOIN_BANK,
    JOIN_CYCLE,
    JOIN_PHASE,
    LAST,
    LAST_BANK,
    MAY_ACTIVATE,
    MAY_PRECHARGE,
    MAY_READ,
    NEXT,
    NEXT_LANE,
    PHASE,
    READ_FROM,
    READS,
    REFRESH_DUE,
    REFRESH_LOOK,
    REFRESHES,
    RELEASED,
    ROW,
    SEEN,
    TAIL,
    WAITING_FROM,
    WAITS,
    WINDOW,
    WINDOW_ACTIVATES,
    WINDOW_NEXT,
)
from ppim.engine.pim.issue import NOT_A_COLUMN, keep_log
from ppim.engine.pim.limits import tally_activate, tally_reads
from ppim.engine.pim.queues import MAX_HITS_BEFORE_PRECHARGE
from ppim.engine.pim.state import (
    ACTIVATES,
    FINISH,
    PRECHARGES,
    PREFETCH_READS,
    ROW_HITS,
)
from ppim.engine.pim.state import READS as READS_COUNTED
from ppim.engine.pim.state import (
    REFRESHES as REFRESHES_COUNTED,
)
from ppim.jit import helper
from ppim.program.instruction import NONE

# What a bank offers, where it is not the place of the entry to be read.
OFFERS_ACTIVATE = -1
OFFERS_PRECHARGE = -2


@helper(forceinline=True)
def first_hit(p, a, lane, bank):
    """Place of the oldest entry behind the first that selection sees and that wants the open row, or -1."""
    for place in range(1, min(bank[SEEN], p.window)):
        if a.entries[lane, (bank[HEAD] + place) & a.entry_mask, ENTRY_ROW] == bank[ROW]:
            return place
    return -1


@helper(forceinline=True)
def offer(p, a, unit, lane, free):
    """(cycle, what) of the command that a bank with entries offers first; not before `free`."""
    bank = a.bank[lane]
    if bank[ROW] == NO_ROW:
        distance = max(unit[ACTIVATE_FROM], a.channel[GATE])
        return max(free, max(bank[MAY_ACTIVATE], distance)), OFFERS_ACTIVATE
    read_at = max(free, max(bank[MAY_READ], unit[READ_FROM]))
    if a.entries[lane, bank[HEAD] & a.entry_mask, ENTRY_ROW] == bank[ROW]:
        return read_at, 0
    place = first_hit(p, a, lane, bank)
    precharge_at = max(free, bank[MAY_PRECHARGE])
    if place < 0 or (bank[READS] >= MAX_HITS_BEFORE_PRECHARGE and precharge_at <= read_at):
        return precharge_at, OFFERS_PRECHARGE
    return read_at, place


@helper(forceinline=True)
def best_offer(p, a, unit, first_lane):
    """(cycle, what, lane) of the unit's next command as far as its entries are seen; NEVER if none is."""
    mask = unit[ACTIVE]
    free = unit[FREE]
    if mask & (mask - 1) == 0:
        if mask == 0:
            return NEVER, 0, first_lane
        lane = first_lane + count_trailing_zeros(mask)
        at, what = offer(p, a, unit, lane, free)
        return at, what, lane
    best, best_what, best_lane = NEVER, 0, first_lane
    after = unit[LAST_BANK] + 1
    while mask:
        later = mask >> after << after
        bit = count_trailing_zeros(later if later else mask)
        mask &= ~(1 << bit)
        lane = first_lane + bit
        at, what = offer(p, a, unit, lane, free)
        if at < best:
            best, best_what, best_lane = at, what, lane
    return best, best_what, best_lane


@helper(forceinline=True)
def see_next(p, a, unit, first_lane, until):
    """Let selection see the unit's next entry if it joins by `until` and its phase permits.

    Returns whether it does, and the cycle from which it would (NEVER if its phase does not permit).
    """
    if unit[FIRST] == unit[LAST]:
        return False, NEVER
    entry = a.joins[first_lane >> p.bank_bits, unit[FIRST] & a.join_mask]
    if unit[ACTIVE] and entry[JOIN_PHASE] != unit[PHASE]:
        return False, NEVER
    joins = entry[JOIN_CYCLE]
    if joins > until:
        return False, joins
    see(a, unit, first_lane, entry)
    return True, joins


@helper(forceinline=True)
def see(a, unit, first_lane, entry):
    """Selection sees the unit's next entry."""
    joins, bank = entry[JOIN_CYCLE], entry[JOIN_BANK]
    if unit[ACTIVE] == 0:
        unit[PHASE] = entry[JOIN_PHASE]
        unit[WAITING_FROM] = max(unit[WAITING_FROM], joins)
    unit[ACTIVE] |= 1 << bank
    unit[FREE] = max(unit[FREE], joins)  # nothing else comes before
    a.bank[first_lane + bank, SEEN] += 1
    unit[FIRST] += 1
    if unit[FIRST] == unit[LAST]:
        unit[FIRST] = 0
        unit[LAST] = 0


@helper
def see_while_held(p, a, last):
    """Selection sees what joins while a refresh holds the units."""
    for number in range(p.units):
        unit = a.unit[number]
        while see_next(p, a, unit, number << p.bank_bits, last)[0]:
            pass


@helper(forceinline=True)
def leave(a, lane, bank, place):
    """Take an entry out of its queue; those before it move up."""
    while place > 0:
        for column in range(ENTRY_COLUMNS):
            a.entries[lane, (bank[HEAD] + place) & a.entry_mask, column] = a.entries[
                lane, (bank[HEAD] + place - 1) & a.entry_mask, column
            ]
        place -= 1
    bank[HEAD] += 1
    bank[SEEN] -= 1
    if bank[HEAD] == bank[TAIL]:
        # Begin anew: the first places are in the nearest cache.
        bank[HEAD] = 0
        bank[TAIL] = 0


@helper
def log_reads(state, a, lane, entry, first, reads):
    """Note READs of one entry from cycle `first` on."""
    row, column = a.bank[lane, ROW], entry[ENTRY_COLUMN]
    for number in range(reads):
        keep_log(state, a.number, first + number * a.read_to_read, READ, lane, row, column + number)


@helper(forceinline=True)
def read_bursts(p, state, a, unit, lane, entry, first, last):
    """READ an entry's bursts from cycle `first` on, up to `last` or the entry's end; cycle of the last one."""
    bank = a.bank[lane]
    step, left = a.read_to_read, entry[ENTRY_BURSTS]
    at, reads = first, 1
    while reads < left and at + step <= last:
        at += step
        reads += 1
    paint_reads(p, a, first, reads)
    if state.log_capacity > 0:
        log_reads(state, a, lane, entry, first, reads)
    counters = state.channel[a.number]
    counters[READS_COUNTED] += reads
    counters[ROW_HITS] += reads - (bank[READS] == 0)
    entry[ENTRY_COLUMN] += reads
    entry[ENTRY_BURSTS] = left - reads
    bank[READS] += reads
    bank[MAY_PRECHARGE] = max(bank[MAY_PRECHARGE], at + a.read_to_precharge)
    unit[READ_FROM] = at + step
    unit[FREE] = at + 1
    note_under_way(a, lane >> p.bank_bits, first, at + p.unit_read_latency)
    return at


@helper(forceinline=True)
def finish_entry(p, rings, state, a, unit, lane, place, at):
    """The last burst of an entry was read in cycle `at`."""
    bank = a.bank[lane]
    entry = a.entries[lane, (bank[HEAD] + place) & a.entry_mask]
    arrival = at + p.unit_read_latency
    counters = state.channel[a.number]
    counters[FINISH] = max(counters[FINISH], arrival)
    length, lookup, users = entry[ENTRY_LENGTH], entry[ENTRY_LOOKUP], entry[ENTRY_USERS]
    tally_reads(p, state, a.number, lane, length, lookup != NONE)
    leave(a, lane, bank, place)
    if bank[SEEN] == 0:
        unit[ACTIVE] &= ~(1 << (lane & (p.banks_per_unit - 1)))
        if unit[ACTIVE] == 0:
            paint(a, WAITS, unit[WAITING_FROM], at)
            unit[WAITING_FROM] = at  # entries of the next phase that have joined are seen from now on
    if lookup == NONE:
        counters[PREFETCH_READS] += length
        return
    for user in range(lookup, lookup + users):
        operand_arrives(p, rings, state, a, lane >> p.bank_bits, user, at, arrival)


@helper(forceinline=True)
def next_in_row(p, a, unit, lane, last):
    """(first, last) cycle in which a unit may go on in the row that it reads; its next entry is seen then.

    (NEVER, 0) where anything else may come between.
    """
    number = lane >> p.bank_bits
    bank = a.bank[lane]
    bank_in_unit = lane & (p.banks_per_unit - 1)
    seen, queued = bank[SEEN], bank[TAIL] - bank[HEAD]
    if queued == 0 or unit[ACTIVE] & ~(1 << bank_in_unit):
        return NEVER, 0
    if a.entries[lane, bank[HEAD] & a.entry_mask, ENTRY_ROW] != bank[ROW]:
        return NEVER, 0
    start, stop, unseen = unit[READ_FROM], last, unit[FIRST]
    entry = a.joins[number, unseen & a.join_mask]
    if seen == 0:
        if entry[JOIN_BANK] != bank_in_unit:
            return NEVER, 0
        start = max(start, entry[JOIN_CYCLE])
        unseen += 1
    if unit[LAST] - unit[FIRST] != queued - seen and unseen < unit[LAST]:
        # Another bank's entry may be behind.
        stop = min(last, a.joins[number, unseen & a.join_mask, JOIN_CYCLE] - 1)
    if start > stop:
        return NEVER, 0
    if seen == 0:
        see(a, unit, number << p.bank_bits, entry)
    return start, stop


@helper(forceinline=True)
def read_on(p, rings, state, a, unit, lane, place, first, stop, last):
    """READ an entry from cycle `first` on, up to `stop`; and what follows it in the same row, up to `last`."""
    bank = a.bank[lane]
    unit[LAST_BANK] = lane & (p.banks_per_unit - 1)
    while first <= stop:
        entry = a.entries[lane, (bank[HEAD] + place) & a.entry_mask]
        at = read_bursts(p, state, a, unit, lane, entry, first, stop)
        if entry[ENTRY_BURSTS] > 0:
            return
        finish_entry(p, rings, state, a, unit, lane, place, at)
        place = 0
        first, stop = next_in_row(p, a, unit, lane, last)


@helper(forceinline=True)
def precharge(state, a, unit, lane, cycle):
    """Close a bank for its unit."""
    close(state, a, lane, cycle)
    unit[FREE] = cycle + 1


@helper(forceinline=True)
def close(state, a, lane, cycle):
    """PRECHARGE of a bank."""
    bank = a.bank[lane]
    bank[ROW] = NO_ROW
    bank[MAY_ACTIVATE] = max(bank[MAY_ACTIVATE], cycle + a.precharge_to_activate)
    may_refresh = a.may_refresh
    may_refresh[lane] = max(may_refresh[lane], cycle + a.precharge_to_refresh)
    state.channel[a.number, PRECHARGES] += 1
    paint_command(a, cycle)
    keep_log(state, a.number, cycle, PRECHARGE, lane, NO_ROW, NOT_A_COLUMN)


@helper(forceinline=True)
def activate(p, state, a, number, cycle):
    """Issue the ACTIVATE that a unit has in view; move the rank's gate."""
    unit = a.unit[number]
    lane = unit[NEXT_LANE]
    bank = a.bank[lane]
    entry = a.entries[lane, bank[HEAD] & a.entry_mask]
    bank[ROW] = entry[ENTRY_ROW]
    bank[READS] = 0
    bank[MAY_ACTIVATE] = cycle + a.activate_to_activate
    bank[MAY_READ] = cycle + a.activate_to_read
    bank[MAY_PRECHARGE] = cycle + a.activate_to_precharge
    unit[ACTIVATE_FROM] = cycle + a.activate_to_unit
    unit[FREE] = cycle + 1
    unit[LAST_BANK] = lane & (p.banks_per_unit - 1)
    row = a.channel
    if cycle > row[ACTIVATED_AT]:
        row[ACTIVATED_BEFORE] = row[ACTIVATED_LAST]
        row[ACTIVATED_AT] = cycle
    row[ACTIVATED_LAST] = number
    row[WINDOW + row[WINDOW_NEXT]] = cycle
    row[WINDOW_NEXT] = (row[WINDOW_NEXT] + 1) & (WINDOW_ACTIVATES - 1)
    fourth_last = row[WINDOW + row[WINDOW_NEXT]]
    row[GATE] = max(cycle + a.activate_to_rank, fourth_last + a.activate_window)
    state.channel[a.number, ACTIVATES] += 1
    tally_activate(p, state, a.number, lane, entry[ENTRY_LOOKUP] != NONE)
    paint_command(a, cycle)
    keep_log(state, a.number, cycle, ACTIVATE, lane, bank[ROW], NOT_A_COLUMN)


@helper(forceinline=True)
def run_unit(p, rings, state, a, number, last):
    """Issue a unit's commands of cycles up to `last`, but stop before an ACTIVATE; sets `NEXT`.

    What it issues no other unit can change: their ACTIVATEs only delay this one's.
    """
    unit = a.unit[number]
    first_lane = number << p.bank_bits
    while True:
        at, what, lane = best_offer(p, a, unit, first_lane)
        seen, joins = see_next(p, a, unit, first_lane, min(at, last))
        if seen:
            continue
        if at > last or what == OFFERS_ACTIVATE:
            unit[NEXT] = min(at, joins)
            unit[NEXT_LANE] = lane
            return
        if what == OFFERS_PRECHARGE:
            precharge(state, a, unit, lane, at)
            unit[LAST_BANK] = lane - first_lane
        else:
            alone = unit[ACTIVE] & (unit[ACTIVE] - 1) == 0
            stop = min(last, joins - 1) if alone else at
            read_on(p, rings, state, a, unit, lane, what, at, stop, last)


@helper(forceinline=True)
def next_to_activate(p, a, pending):
    """Of the `pending` units the one that activates next: the earliest; of one cycle, the first in turn (§3)."""
    row = a.channel
    best, best_unit, best_turn = NEVER, 0, 0
    while pending:
        number = count_trailing_zeros(pending)
        pending &= pending - 1
        at = a.unit[number, NEXT]
        if at > best:
            continue
        before = row[ACTIVATED_LAST] if at > row[ACTIVATED_AT] else row[ACTIVATED_BEFORE]
        turn = number - before - 1
        if turn < 0:
            turn += p.units
        if at < best or turn < best_turn:
            best, best_unit, best_turn = at, number, turn
    return best_unit


@helper(forceinline=True)
def issue_units(p, rings, state, a, last):
    """All commands of units in cycles up to `last`."""
    stale, pending = 0, 0
    for number in range(p.units):
        stale |= (a.unit[number, NEXT] <= last) << number
    while True:
        while stale:
            number = count_trailing_zeros(stale)
            stale &= stale - 1
            run_unit(p, rings, state, a, number, last)
            # It has an ACTIVATE in view if it stopped by `last`.
            pending &= ~(1 << number)
            pending |= (a.unit[number, NEXT] <= last) << number
        if pending == 0:
            return
        number = next_to_activate(p, a, pending)
        activate(p, state, a, number, a.unit[number, NEXT])
        stale, others = 1 << number, pending & ~(1 << number)
        while others:
            other = count_trailing_zeros(others)
            others &= others - 1
            stale |= (a.unit[other, NEXT] < a.channel[GATE]) << other


@helper(forceinline=True)
def bank_to_close(p, a, cycle):
    """Next step of a refresh: (first open bank that may be closed at `cycle`, or -1; else when to look again).

    The second is the cycle of REFRESH, negative, where all banks are closed.
    """
    may_close, may_refresh = NEVER, cycle
    for lane in range(p.lanes):
        bank = a.bank[lane]
        if bank[ROW] == NO_ROW:
            may_refresh = max(may_refresh, a.may_refresh[lane])
        elif bank[MAY_PRECHARGE] <= cycle:
            return lane, cycle
        else:
            may_close = min(may_close, bank[MAY_PRECHARGE])
    return -1, -may_refresh if may_close == NEVER else may_close


@helper(forceinline=True)
def refresh(p, state, a, cycle):
    """REFRESH of the rank; the units are let go."""
    row = a.channel
    state.channel[a.number, REFRESHES_COUNTED] += 1
    keep_log(state, a.number, cycle, REFRESH, 0, NO_ROW, NOT_A_COLUMN)
    paint_command(a, cycle)
    paint(a, REFRESHES, row[HELD_FROM], cycle + p.refresh_cycles)
    for lane in range(p.lanes):
        bank = a.bank[lane]
        bank[MAY_ACTIVATE] = max(bank[MAY_ACTIVATE], cycle + a.refresh_to_activate)
        a.may_refresh[lane] = cycle + a.refresh_to_refresh
    for number in range(p.units):
        unit = a.unit[number]
        unit[FREE] = max(unit[FREE], cycle + 1)
    row[HOLDING] = 0
    row[RELEASED] = cycle + 1
    row[REFRESH_DUE] += p.refresh_interval


@helper
def hold_for_refresh(p, state, a, last):
    """Commands of the refresh that holds the units, of cycles up to `last` (golden README 3.9)."""
    row = a.channel
    cycle = row[REFRESH_LOOK]
    while cycle <= last:
        lane, look = bank_to_close(p, a, cycle)
        if lane >= 0:
            close(state, a, lane, cycle)
            cycle += 1
        elif look > 0:
            cycle = look
        elif -look > cycle:
            cycle = -look
        else:
            refresh(p, state, a, cycle)
            return
    row[REFRESH_LOOK] = cycle


@helper(forceinline=True)
def advance(p, rings, state, a, last):
    """All commands of a channel in cycles up to `last`."""
    row = a.channel
    while True:
        if row[HOLDING]:
            hold_for_refresh(p, state, a, last)
            if row[HOLDING]:
                see_while_held(p, a, last)
                break
        hold = max(row[REFRESH_DUE], row[RELEASED])
        issue_units(p, rings, state, a, min(last, hold - 1))
        if hold > last:
            break
        row[HOLDING] = 1
        row[HELD_FROM] = hold
        row[REFRESH_LOOK] = hold
    row[HORIZON] = last
