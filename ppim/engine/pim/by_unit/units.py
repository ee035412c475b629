"""What the units of a channel issue, up to a cycle; refreshes between (docs/model.md §3, §5)."""

from ppim.engine.activate_window import SHORT_WINDOW, note_activate, window_opens
from ppim.engine.codes import NEVER, NO_ROW, PRECHARGE, REFRESH
from ppim.engine.pim import state as s
from ppim.engine.pim.by_unit import cycles, fetches, queues, state as u
from ppim.engine.pim.rules import commands, compute, limits, phases, refresh, round_robin, selection, turns
from ppim.engine.refresh import refresh_or_wait
from ppim.jit import helper
from ppim.jit.bits import count_trailing_zeros
from ppim.program import instruction as ins

# What a bank offers, where it is not the place of the entry to be read.
OFFERS_ACTIVATE = -1
OFFERS_PRECHARGE = -2

UNIT_BITS = 6  # no channel has more units


@helper(forceinline=True)
def first_hit(p, a, lane, bank):
    """Place of the oldest entry behind the first that selection sees and that wants the open row, or NO_PLACE."""
    stop = min(bank[u.SEEN], p.window)
    return selection.next_hit(a.entries, lane, bank[u.QUEUE_HEAD], a.entry_mask, 1, stop, bank[u.ROW])


@helper(forceinline=True)
def offer(p, a, unit, lane, free):
    """(cycle, what) of the command that a bank with entries offers first; not before `free`."""
    bank = a.bank[lane]
    if bank[u.ROW] == NO_ROW:
        distance = max(unit[u.ACTIVATE_FROM], a.channel[u.GATE])
        return max(free, max(bank[u.MAY_ACTIVATE], distance)), OFFERS_ACTIVATE
    read_at = max(free, max(bank[u.MAY_READ], unit[u.READ_FROM]))
    if a.entries[lane, bank[u.QUEUE_HEAD] & a.entry_mask, s.ENTRY_ROW] == bank[u.ROW]:
        return read_at, 0
    place = first_hit(p, a, lane, bank)
    precharge_at = max(free, bank[u.MAY_PRECHARGE])
    if selection.offers_precharge(place, bank[s.READS_SINCE_ACTIVATE]) and (
        place < 0 or precharge_at <= read_at
    ):
        return precharge_at, OFFERS_PRECHARGE
    return read_at, place


@helper(forceinline=True)
def best_offer(p, a, unit, first_lane):
    """(cycle, what, lane) of the next command of a unit with entries that are seen."""
    mask = unit[u.ACTIVE]
    free = unit[u.FREE]
    if mask & (mask - 1) == 0:
        lane = first_lane + count_trailing_zeros(mask)
        at, what = offer(p, a, unit, lane, free)
        return at, what, lane
    best, best_what, best_lane = NEVER, 0, first_lane
    last = unit[s.LAST_BANK]
    while mask:
        bit = round_robin.first_bank_after(mask, last)
        mask &= ~(1 << bit)
        lane = first_lane + bit
        at, what = offer(p, a, unit, lane, free)
        if at < best:
            best, best_what, best_lane = at, what, lane
    return best, best_what, best_lane


@helper(forceinline=True)
def first_join(p, a, unit, number, last):
    """Cycle from which selection sees the first entry of an idle unit; NEVER if there is none."""
    if unit[u.UNSEEN_HEAD] == unit[u.UNSEEN_TAIL]:
        if fetches.fetches_left(a, unit) == 0:
            return NEVER
        joins = fetches.next_fetch(a, unit)[u.FETCH_JOINS]
        if joins > last:
            return joins
        fetches.enter_first_fetches(p, a, number)
    return a.joins[number, unit[u.UNSEEN_HEAD] & a.join_mask, s.JOIN_CYCLE]


@helper(forceinline=True)
def next_join(p, a, unit, number):
    """Cycle from which selection sees the unit's next entry; NEVER: there is none, or its phase does not permit."""
    if unit[u.UNSEEN_HEAD] == unit[u.UNSEEN_TAIL]:
        if fetches.fetches_left(a, unit) == 0 or not phases.may_issue(
            fetches.next_fetch(a, unit)[u.FETCH_PHASE], unit[u.PHASE]
        ):
            return NEVER
        if fetches.wait_behind(a, unit, number << p.bank_bits):
            return NEVER
        fetches.enter_fetches(p, a, number, a.channel[u.FETCHES_ADDED])
    entry = a.joins[number, unit[u.UNSEEN_HEAD] & a.join_mask]
    return entry[s.JOIN_CYCLE] if phases.may_issue(entry[u.JOIN_PHASE], unit[u.PHASE]) else NEVER


@helper
def see_while_held(p, a, last):
    """Selection sees what joins while a refresh holds the units."""
    for number in range(p.units):
        unit = a.unit[number]
        if unit[u.ACTIVE] == 0 and first_join(p, a, unit, number, last) <= last:
            queues.see(p, a, unit, number)
        while unit[u.ACTIVE] and next_join(p, a, unit, number) <= last:
            queues.see(p, a, unit, number)


@helper(forceinline=True)
def wake(p, state, a, unit, number, last):
    """Let selection see the first entry of an idle unit, once it has fetched what it can; False: none by `last`."""
    if unit[u.UNSEEN_HEAD] == unit[u.UNSEEN_TAIL]:
        fetches.read_fetches(p, state, a, number, last)
    joins = first_join(p, a, unit, number, last)
    if joins > last:
        unit[u.NEXT] = joins
        return False
    queues.see(p, a, unit, number)
    return True


@helper(forceinline=True)
def read_bursts(p, state, a, unit, lane, entry, first, last):
    """READ an entry's bursts from cycle `first` on, up to `last` or the entry's end; cycle of the last one."""
    bank = a.bank[lane]
    step, left = a.read_to_read, entry[s.ENTRY_BURSTS]
    reads, at = left, first + (left - 1) * step
    if at > last:
        reads = (last - first) // step + 1
        at = first + (reads - 1) * step
    cycles.paint_reads(p, a, first, reads, at + p.unit_read_latency)
    if state.log_capacity > 0:
        queues.log_reads(state, a, lane, entry[s.ENTRY_COLUMN], reads, first, entry[s.ENTRY_LOOKUP])
    commands.count_reads(
        state, a.number, reads, bank[s.READS_SINCE_ACTIVATE], entry[s.ENTRY_LOOKUP] == ins.NONE
    )
    entry[s.ENTRY_COLUMN] += reads
    entry[s.ENTRY_BURSTS] = left - reads
    bank[s.READS_SINCE_ACTIVATE] += reads
    bank[u.MAY_PRECHARGE] = max(bank[u.MAY_PRECHARGE], at + a.read_to_precharge)
    unit[u.READ_FROM] = at + step
    unit[u.FREE] = at + 1
    unit[s.LAST_BANK] = lane & (p.banks_per_unit - 1)
    return at


@helper(forceinline=True)
def finish_entry(p, rings, state, a, unit, lane, place, at):
    """The last burst of an entry was read in cycle `at`."""
    bank = a.bank[lane]
    entry = a.entries[lane, (bank[u.QUEUE_HEAD] + place) & a.entry_mask]
    arrival = at + p.unit_read_latency
    turns.finish_at(state, a.number, arrival)
    length, lookup, sharers = entry[u.ENTRY_LENGTH], entry[s.ENTRY_LOOKUP], entry[s.ENTRY_SHARERS]
    limits.tally_reads(p, state, a.number, lane, length, lookup != ins.NONE)
    queues.leave(a, lane, bank, place)
    if bank[u.SEEN] == 0:
        unit[u.ACTIVE] &= ~(1 << (lane & (p.banks_per_unit - 1)))
        if unit[u.ACTIVE] == 0:
            cycles.paint(a, u.WAITING, unit[u.WAITING_FROM], at)
            unit[u.WAITING_FROM] = at  # entries of the next phase that have joined are seen from now on
    if lookup == ins.NONE:
        return
    for user in range(lookup, lookup + sharers + 1):
        compute.operand_arrives(p, rings, state, user, at, arrival)


@helper(forceinline=True)
def read_entry(p, rings, state, a, unit, lane, place, first, last):
    """READ an entry from cycle `first` on, up to `last`."""
    entry = a.entries[lane, (a.bank[lane, u.QUEUE_HEAD] + place) & a.entry_mask]
    at = read_bursts(p, state, a, unit, lane, entry, first, last)
    if entry[s.ENTRY_BURSTS] == 0:
        finish_entry(p, rings, state, a, unit, lane, place, at)


@helper(forceinline=True)
def precharge(p, state, a, unit, lane, cycle):
    """Close a bank for its unit."""
    close(p, state, a, lane, cycle)
    unit[u.FREE] = cycle + 1


@helper(forceinline=True)
def close(p, state, a, lane, cycle):
    """PRECHARGE of a bank."""
    bank = a.bank[lane]
    bank[u.ROW] = NO_ROW
    cycles.note_closed(a, a.unit[lane >> p.bank_bits], cycle)
    bank[u.MAY_ACTIVATE] = max(bank[u.MAY_ACTIVATE], cycle + a.precharge_to_activate)
    may_refresh = a.may_refresh
    may_refresh[lane] = max(may_refresh[lane], cycle + a.precharge_to_refresh)
    commands.count_precharge(state, a.number, lane, cycle)
    cycles.paint_command(a, cycle)


@helper(forceinline=True)
def activate(p, state, a, number, cycle):
    """Issue the ACTIVATE that a unit has in view; move the rank's gate."""
    unit = a.unit[number]
    lane = unit[u.NEXT_LANE]
    bank = a.bank[lane]
    entry = a.entries[lane, bank[u.QUEUE_HEAD] & a.entry_mask]
    bank[u.ROW] = entry[s.ENTRY_ROW]
    cycles.note_open(unit, cycle)
    bank[s.READS_SINCE_ACTIVATE] = 0
    bank[u.MAY_ACTIVATE] = cycle + a.activate_to_activate
    bank[u.MAY_READ] = cycle + a.activate_to_read
    bank[u.MAY_PRECHARGE] = cycle + a.activate_to_precharge
    unit[u.ACTIVATE_FROM] = cycle + a.activate_to_unit
    unit[u.FREE] = cycle + 1
    unit[s.LAST_BANK] = lane & (p.banks_per_unit - 1)
    row = a.channel
    if cycle > row[u.ACTIVATED_AT]:
        row[u.ACTIVATED_BEFORE] = row[u.ACTIVATED_LAST]
        row[u.ACTIVATED_AT] = cycle
    row[u.ACTIVATED_LAST] = number
    note_activate(row, u.LAST_ACTIVATES, SHORT_WINDOW, row[u.N_ACTIVATES], cycle)
    row[u.N_ACTIVATES] += 1
    opens = window_opens(
        row, u.LAST_ACTIVATES, SHORT_WINDOW, row[u.N_ACTIVATES], SHORT_WINDOW, a.activate_window
    )
    row[u.GATE] = max(cycle + a.activate_to_rank, opens)
    is_demand = entry[s.ENTRY_LOOKUP] != ins.NONE
    commands.count_activate(p, state, a.number, lane, bank[u.ROW], is_demand, cycle)
    cycles.paint_command(a, cycle)


@helper(forceinline=True)
def run_unit(p, rings, state, a, number, last):
    """Issue a unit's commands of cycles up to `last`, but stop before an ACTIVATE; sets `NEXT`.

    What it issues no other unit can change: their ACTIVATEs only delay this one's.
    """
    unit = a.unit[number]
    first_lane = number << p.bank_bits
    while unit[u.ACTIVE] or wake(p, state, a, unit, number, last):
        joins = next_join(p, a, unit, number)
        while unit[u.ACTIVE]:
            at, what, lane = best_offer(p, a, unit, first_lane)
            if joins <= min(at, last):
                queues.see(p, a, unit, number)
                break
            if at > last or what == OFFERS_ACTIVATE:
                unit[u.NEXT] = min(at, joins)
                unit[u.NEXT_LANE] = lane
                return
            if what == OFFERS_PRECHARGE:
                precharge(p, state, a, unit, lane, at)
                unit[s.LAST_BANK] = lane - first_lane
            else:
                alone = unit[u.ACTIVE] & (unit[u.ACTIVE] - 1) == 0
                stop = min(last, joins - 1) if alone else at
                read_entry(p, rings, state, a, unit, lane, what, at, stop)


@helper(forceinline=True)
def next_to_activate(p, a, last):
    """Unit that activates next: the earliest of those that stopped by `last`; of one cycle, the first in turn (§3).

    Cycle and turn are compared as one number, without branches: which unit it is cannot be foreseen.
    """
    row = a.channel
    before, step = row[u.ACTIVATED_BEFORE], row[u.ACTIVATED_LAST] - row[u.ACTIVATED_BEFORE]
    best = NEVER
    for number in range(p.units):
        at = min(a.unit[number, u.NEXT], last + 1)
        turn = round_robin.turn_of_unit(p, number, before + step * (at > row[u.ACTIVATED_AT]))
        best = min(best, at << UNIT_BITS | turn)
    at, turn = best >> UNIT_BITS, best & ((1 << UNIT_BITS) - 1)
    return round_robin.unit_in_turn(p, turn, before + step * (at > row[u.ACTIVATED_AT]))


@helper(forceinline=True)
def issue_units(p, rings, state, a, last):
    """All commands of units in cycles up to `last`."""
    stale, pending = 0, 0
    for number in range(p.units):
        stale |= (a.unit[number, u.NEXT] <= last) << number
    while True:
        while stale:
            number = count_trailing_zeros(stale)
            stale &= stale - 1
            run_unit(p, rings, state, a, number, last)
            # It has an ACTIVATE in view if it stopped by `last`.
            pending &= ~(1 << number)
            pending |= (a.unit[number, u.NEXT] <= last) << number
        if pending == 0:
            return
        number = next_to_activate(p, a, last)
        activate(p, state, a, number, a.unit[number, u.NEXT])
        stale, others = 1 << number, pending & ~(1 << number)
        while others:
            other = count_trailing_zeros(others)
            others &= others - 1
            stale |= (a.unit[other, u.NEXT] < a.channel[u.GATE]) << other


@helper(forceinline=True)
def refresh_step(p, a, cycle):
    """What the refresh needs in `cycle`, as `banks.refresh_rank_step`: (command, lane, next look)."""
    precharge_at, refresh_at = NEVER, 0
    for lane in range(p.lanes):
        bank = a.bank[lane]
        if bank[u.ROW] == NO_ROW:
            refresh_at = max(refresh_at, a.may_refresh[lane])
        elif bank[u.MAY_PRECHARGE] <= cycle:
            return PRECHARGE, lane, cycle
        else:
            precharge_at = min(precharge_at, bank[u.MAY_PRECHARGE])
    command, look = refresh_or_wait(precharge_at, refresh_at, cycle)
    return command, 0, look


@helper(forceinline=True)
def issue_refresh(p, state, a, cycle):
    """REFRESH of the rank; the units are let go."""
    commands.count_refresh(state, a.number, 0, cycle)
    cycles.paint_command(a, cycle)
    cycles.paint(a, u.REFRESHING, a.channel[u.HELD_FROM], cycle + p.refresh_cycles)
    for lane in range(p.lanes):
        bank = a.bank[lane]
        bank[u.MAY_ACTIVATE] = max(bank[u.MAY_ACTIVATE], cycle + a.refresh_to_activate)
        a.may_refresh[lane] = cycle + a.refresh_to_refresh
    for number in range(p.units):
        unit = a.unit[number]
        unit[u.FREE] = max(unit[u.FREE], cycle + 1)
    refresh.serve(p, state.channel[a.number], cycle)


@helper
def hold_for_refresh(p, state, a, last):
    """Commands of the refresh that holds the units, of cycles up to `last` (host-controller.md §9)."""
    row = state.channel[a.number]
    cycle = row[s.REFRESH_LOOK]
    while cycle <= last:
        command, lane, look = refresh_step(p, a, cycle)
        if command == REFRESH:
            issue_refresh(p, state, a, cycle)
            return
        if command == PRECHARGE:
            close(p, state, a, lane, cycle)
        cycle = max(look, cycle + 1)
    row[s.REFRESH_LOOK] = cycle


@helper(forceinline=True)
def advance(p, rings, state, a, last):
    """All commands of a channel in cycles up to `last`."""
    row = state.channel[a.number]
    while True:
        if refresh.is_holding(row):
            hold_for_refresh(p, state, a, last)
            if refresh.is_holding(row):
                see_while_held(p, a, last)
                break
        held_from = refresh.holds_from(row)
        issue_units(p, rings, state, a, min(last, held_from - 1))
        if held_from > last:
            break
        refresh.hold(row, held_from)
        a.channel[u.HELD_FROM] = held_from
    a.channel[u.HORIZON] = last
