"""What the units of a channel issue, up to a cycle; refreshes between (docs/model.md §3, §5)."""

from __future__ import annotations

from ppim.engine.codes import ACTIVATE, NEVER, NO_ROW, PRECHARGE, REFRESH
from ppim.engine.pim.apart.complete import operand_arrives
from ppim.engine.pim.apart.cycles import (
    paint,
    paint_command,
    paint_reads,
)
from ppim.engine.pim.apart.fetches import (
    enter_fetches,
    enter_first_fetches,
    fetches_left,
    next_fetch,
    read_fetches,
    wait_behind,
)
from ppim.engine.pim.apart.queues import leave, log_reads, see
from ppim.engine.pim.apart.state import (
    ACTIVATE_FROM,
    ACTIVATED_AT,
    ACTIVATED_BEFORE,
    ACTIVATED_LAST,
    ACTIVE,
    ENTRY_BURSTS,
    ENTRY_COLUMN,
    ENTRY_LENGTH,
    ENTRY_LOOKUP,
    ENTRY_ROW,
    ENTRY_USERS,
    FETCH_JOINS,
    FETCH_PHASE,
    FETCHES,
    FIRST,
    FREE,
    GATE,
    HEAD,
    HELD_FROM,
    HOLDING,
    HORIZON,
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
from ppim.jit.bits import count_trailing_zeros
from ppim.program.instruction import NONE

# What a bank offers, where it is not the place of the entry to be read.
OFFERS_ACTIVATE = -1
OFFERS_PRECHARGE = -2

UNIT_BITS = 6  # no channel has more units


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
    """(cycle, what, lane) of the next command of a unit with entries that are seen."""
    mask = unit[ACTIVE]
    free = unit[FREE]
    if mask & (mask - 1) == 0:
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
def first_join(p, a, unit, number, last):
    """Cycle from which selection sees the first entry of an idle unit; NEVER if there is none."""
    if unit[FIRST] == unit[LAST]:
        if fetches_left(a, unit) == 0:
            return NEVER
        joins = next_fetch(a, unit)[FETCH_JOINS]
        if joins > last:
            return joins
        enter_first_fetches(p, a, number)
    return a.joins[number, unit[FIRST] & a.join_mask, JOIN_CYCLE]


@helper(forceinline=True)
def next_join(p, a, unit, number):
    """Cycle from which selection sees the unit's next entry; NEVER: there is none, or its phase does not permit."""
    if unit[FIRST] == unit[LAST]:
        if fetches_left(a, unit) == 0 or next_fetch(a, unit)[FETCH_PHASE] != unit[PHASE]:
            return NEVER
        if wait_behind(a, unit, number << p.bank_bits):
            return NEVER
        enter_fetches(p, a, number, a.channel[FETCHES])
    entry = a.joins[number, unit[FIRST] & a.join_mask]
    return entry[JOIN_CYCLE] if entry[JOIN_PHASE] == unit[PHASE] else NEVER


@helper
def see_while_held(p, a, last):
    """Selection sees what joins while a refresh holds the units."""
    for number in range(p.units):
        unit = a.unit[number]
        if unit[ACTIVE] == 0 and first_join(p, a, unit, number, last) <= last:
            see(p, a, unit, number)
        while unit[ACTIVE] and next_join(p, a, unit, number) <= last:
            see(p, a, unit, number)


@helper(forceinline=True)
def wake(p, state, a, unit, number, last):
    """Let selection see the first entry of an idle unit, once it has fetched what it can; False: none by `last`."""
    if unit[FIRST] == unit[LAST]:
        read_fetches(p, state, a, number, last)
    joins = first_join(p, a, unit, number, last)
    if joins > last:
        unit[NEXT] = joins
        return False
    see(p, a, unit, number)
    return True


@helper(forceinline=True)
def read_bursts(p, state, a, unit, lane, entry, first, last):
    """READ an entry's bursts from cycle `first` on, up to `last` or the entry's end; cycle of the last one."""
    bank = a.bank[lane]
    step, left = a.read_to_read, entry[ENTRY_BURSTS]
    reads, at = left, first + (left - 1) * step
    if at > last:
        reads = (last - first) // step + 1
        at = first + (reads - 1) * step
    paint_reads(p, a, first, reads, at + p.unit_read_latency)
    if state.log_capacity > 0:
        log_reads(state, a, lane, entry[ENTRY_COLUMN], reads, first)
    counters = state.channel[a.number]
    counters[READS_COUNTED] += reads
    counters[ROW_HITS] += reads - (bank[READS] == 0)
    entry[ENTRY_COLUMN] += reads
    entry[ENTRY_BURSTS] = left - reads
    bank[READS] += reads
    bank[MAY_PRECHARGE] = max(bank[MAY_PRECHARGE], at + a.read_to_precharge)
    unit[READ_FROM] = at + step
    unit[FREE] = at + 1
    unit[LAST_BANK] = lane & (p.banks_per_unit - 1)
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
def read_entry(p, rings, state, a, unit, lane, place, first, last):
    """READ an entry from cycle `first` on, up to `last`."""
    entry = a.entries[lane, (a.bank[lane, HEAD] + place) & a.entry_mask]
    at = read_bursts(p, state, a, unit, lane, entry, first, last)
    if entry[ENTRY_BURSTS] == 0:
        finish_entry(p, rings, state, a, unit, lane, place, at)


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
    while unit[ACTIVE] or wake(p, state, a, unit, number, last):
        joins = next_join(p, a, unit, number)
        while unit[ACTIVE]:
            at, what, lane = best_offer(p, a, unit, first_lane)
            if joins <= min(at, last):
                see(p, a, unit, number)
                break
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
                read_entry(p, rings, state, a, unit, lane, what, at, stop)


@helper(forceinline=True)
def next_to_activate(p, a, last):
    """Unit that activates next: the earliest of those that stopped by `last`; of one cycle, the first in turn (§3).

    Cycle and turn are compared as one number, without branches: which unit it is cannot be foreseen.
    """
    row = a.channel
    before, step = row[ACTIVATED_BEFORE], row[ACTIVATED_LAST] - row[ACTIVATED_BEFORE]
    others = p.units - 1
    best = NEVER
    for number in range(p.units):
        at = min(a.unit[number, NEXT], last + 1)
        turn = (number - 1 - before - step * (at > row[ACTIVATED_AT])) & others
        best = min(best, at << UNIT_BITS | turn)
    at, turn = best >> UNIT_BITS, best & others
    return (turn + 1 + before + step * (at > row[ACTIVATED_AT])) & others


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
        number = next_to_activate(p, a, last)
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
