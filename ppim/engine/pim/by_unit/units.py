"""What the units of a channel issue, up to a cycle; refreshes between (docs/model.md §3, §5)."""

from ppim.engine.activate_window import SHORT_WINDOW, note_activate, window_opens
from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.engine.pim.by_unit import cycles, fetches, offers, outs, queues, refreshes, state as u
from ppim.engine.pim.by_unit.transfers import serve_ready
from ppim.engine.pim.rules import (
    bus,
    commands,
    compute,
    limits,
    phases,
    refresh,
    round_robin,
    transfers,
    turns,
)
from ppim.jit import helper
from ppim.jit.bits import count_trailing_zeros
from ppim.program import instruction as ins

UNIT_BITS = 6  # no channel has more units


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
    step, left = a.read_to_read, entry[s.ENTRY_BURSTS]
    reads, at = left, first + (left - 1) * step
    if at > last:
        reads = (last - first) // step + 1
        at = first + (reads - 1) * step
    cycles.paint_reads(p, a, first, reads, at + p.unit_read_latency)
    if state.log_capacity > 0:
        kind = ins.PREFETCH if entry[s.ENTRY_LOOKUP] == ins.NONE else ins.READ
        queues.log_reads(state, a, lane, entry[s.ENTRY_COLUMN], reads, first, entry[s.ENTRY_LOOKUP], kind)
    note_reads(p, state, a, unit, lane, entry, reads, at)
    return at


@helper(forceinline=True)
def note_reads(p, state, a, unit, lane, entry, reads, last):
    """READs of an entry are issued, the last one in cycle `last`."""
    bank = a.bank[lane]
    is_prefetch = entry[s.ENTRY_LOOKUP] == ins.NONE
    commands.count_reads(state, a.number, reads, bank[s.READS_SINCE_ACTIVATE], is_prefetch)
    entry[s.ENTRY_COLUMN] += reads
    entry[s.ENTRY_BURSTS] -= reads
    bank[s.READS_SINCE_ACTIVATE] += reads
    bank[u.MAY_PRECHARGE] = max(bank[u.MAY_PRECHARGE], last + a.read_to_precharge)
    unit[u.READ_FROM] = last + a.read_to_read
    unit[u.FREE] = last + 1
    unit[s.LAST_BANK] = lane & (p.banks_per_unit - 1)


@helper(forceinline=True)
def leave(p, a, unit, lane, place, at):
    """An entry leaves its queue in cycle `at`."""
    bank = a.bank[lane]
    queues.leave(a, lane, bank, place)
    if bank[u.SEEN] == 0:
        unit[u.ACTIVE] &= ~(1 << (lane & (p.banks_per_unit - 1)))
        if unit[u.ACTIVE] == 0:
            cycles.paint(a, u.WAITING, unit[u.WAITING_FROM], at)
            unit[u.WAITING_FROM] = at  # entries of the next phase that have joined are seen from now on


@helper(forceinline=True)
def finish_entry(p, rings, state, a, unit, lane, place, at):
    """The last burst of an entry was read in cycle `at`."""
    bank = a.bank[lane]
    entry = a.entries[lane, (bank[u.QUEUE_HEAD] + place) & a.entry_mask]
    arrival = at + p.unit_read_latency
    turns.finish_at(state, a.number, arrival)
    length, lookup, sharers = entry[u.ENTRY_LENGTH], entry[s.ENTRY_LOOKUP], entry[s.ENTRY_SHARERS]
    limits.tally_reads(p, state, a.number, lane, length, lookup != ins.NONE)
    leave(p, a, unit, lane, place, at)
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


@helper
def read_out(p, rings, state, a, number, cycle):
    """READ the burst that a unit has in view for the host."""
    unit = a.unit[number]
    lane, place = unit[u.NEXT_LANE], unit[u.NEXT_WHAT] - offers.OFFERS_OUT
    entry = a.entries[lane, (a.bank[lane, u.QUEUE_HEAD] + place) & a.entry_mask]
    start = cycle + p.read_latency
    bus.reserve(state, a.number, s.TO_HOST, lane >> p.rank_bits, start, start + p.bus_burst_cycles)
    state.channel[a.number, s.READ_OUT_BURSTS] += 1
    turns.finish_at(state, a.number, start + p.bus_burst_cycles)
    cycles.paint_read_out(p, a, cycle)
    if state.log_capacity > 0:
        queues.log_reads(state, a, lane, entry[s.ENTRY_COLUMN], 1, cycle, entry[s.ENTRY_LOOKUP], ins.READ_OUT)
    note_reads(p, state, a, unit, lane, entry, 1, cycle)
    if entry[s.ENTRY_BURSTS] > 0:
        return
    limits.tally_reads(p, state, a.number, lane, entry[u.ENTRY_LENGTH], True)
    out = entry[u.ENTRY_OUT]
    leave(p, a, unit, lane, place, cycle)
    outs.finish_run(p, rings, state, a, out, start + p.burst_cycles)


@helper(forceinline=True)
def precharge(p, state, a, unit, lane, cycle):
    """Close a bank for its unit."""
    refreshes.close(p, state, a, lane, cycle)
    unit[u.FREE] = cycle + 1


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
    """Issue a unit's commands of cycles up to `last`, but stop before an ACTIVATE or a READ for the host; sets `NEXT`.

    What it issues no other unit can change: their ACTIVATEs only delay this one's, and their READs for the host too.
    """
    unit = a.unit[number]
    first_lane = number << p.bank_bits
    while unit[u.ACTIVE] or wake(p, state, a, unit, number, last):
        joins = next_join(p, a, unit, number)
        while unit[u.ACTIVE]:
            if a.reads_out:
                at, what, lane = offers.best_of_either(p, state, a, unit, first_lane)
            else:
                at, what, lane = offers.best_offer(p, a, unit, first_lane)
            if joins <= min(at, last):
                queues.see(p, a, unit, number)
                break
            if at > last or what == offers.OFFERS_ACTIVATE or what >= offers.OFFERS_OUT:
                unit[u.NEXT] = min(at, joins)
                unit[u.NEXT_LANE] = lane
                unit[u.NEXT_WHAT] = what
                return
            if what == offers.OFFERS_PRECHARGE:
                precharge(p, state, a, unit, lane, at)
                unit[s.LAST_BANK] = lane - first_lane
            else:
                # A READ for the host of an older entry could come between.
                alone = unit[u.ACTIVE] & (unit[u.ACTIVE] - 1) == 0 and (what == 0 or not a.reads_out)
                stop = min(last, joins - 1) if alone else at
                read_entry(p, rings, state, a, unit, lane, what, at, stop)


@helper(forceinline=True)
def next_in_time(p, a, last):
    """Unit whose turn is next: the earliest of those that stopped by `last`; of one cycle, the first in turn (§3).

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
def find_next_command(p, a):
    """Find anew before which cycle no unit has a command."""
    first = NEVER
    for number in range(p.units):
        first = min(first, a.unit[number, u.NEXT])
    a.channel[u.NEXT_COMMAND] = first


@helper(forceinline=True)
def issue_units(p, rings, state, a, last):
    """All commands of units in cycles up to `last`."""
    if a.channel[u.NEXT_COMMAND] > last:
        return
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
            find_next_command(p, a)
            return
        number = next_in_time(p, a, last)
        cycle = a.unit[number, u.NEXT]
        if a.reads_out and a.unit[number, u.NEXT_WHAT] >= offers.OFFERS_OUT:
            stale = use_bus(p, rings, state, a, number, cycle, pending)
            continue
        activate(p, state, a, number, cycle)
        stale, others = 1 << number, pending & ~(1 << number)
        while others:
            other = count_trailing_zeros(others)
            others &= others - 1
            stale |= (a.unit[other, u.NEXT] < a.channel[u.GATE]) << other


@helper
def use_bus(p, rings, state, a, number, cycle, pending):
    """A unit READs for the host, or transfers that are ready go first; units that have to look again then."""
    stale = 0
    if transfers.is_ready(state, a.number, cycle):
        serve_ready(p, rings, state, a, cycle)
    else:
        read_out(p, rings, state, a, number, cycle)
        stale = 1 << number
    gate = bus.read_out_gate(p, state, a.number)
    while pending:
        other = count_trailing_zeros(pending)
        pending &= pending - 1
        waits = a.unit[other, u.NEXT_WHAT] >= offers.OFFERS_OUT and a.unit[other, u.NEXT] < gate
        stale |= waits << other
    return stale


@helper(forceinline=True)
def advance(p, rings, state, a, last):
    """All commands of a channel in cycles up to `last`."""
    row = state.channel[a.number]
    while True:
        if refresh.is_holding(row):
            refreshes.hold_for_refresh(p, state, a, last)
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
