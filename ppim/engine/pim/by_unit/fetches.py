"""Prefetches, which all units of a channel execute alike: one list, from which each unit reads at its pace.

A unit that has nothing else to do and whose row is open reads them off the list. Where anything might come
between, they take places in the unit's queues, as demand does.
"""

from ppim.engine.pim import state as s
from ppim.engine.pim.by_unit import cycles, queues, state as u
from ppim.engine.pim.rules import commands, limits, turns
from ppim.jit import helper
from ppim.program import instruction as ins

BEHIND_OTHERS = 1  # other READs have opened the row


@helper(forceinline=True)
def add_fetch(p, a, bank, row, column, bursts, phase, joins):
    """One run is to be fetched by all units."""
    channel = a.channel
    place = channel[u.FETCHES_ADDED]
    before = a.fetches[(place - 1) & a.fetch_mask]
    if before[u.FETCH_BANK] != bank or before[u.FETCH_ROW] != row:
        channel[u.ONE_ROW_FROM] = place
    channel[u.FETCHES_ADDED] = place + 1
    item = a.fetches[place & a.fetch_mask]
    item[u.FETCH_BANK] = bank
    item[u.FETCH_ROW] = row
    item[u.FETCH_COLUMN] = column
    item[u.FETCH_BURSTS] = bursts
    item[u.FETCH_PHASE] = phase
    item[u.FETCH_JOINS] = joins
    item[u.FETCH_LENGTH] = (bursts - 1) * a.read_to_read
    channel[u.NEXT_COMMAND] = min(channel[u.NEXT_COMMAND], joins)
    for number in range(p.units):
        unit = a.unit[number]
        unit[u.NEXT] = min(unit[u.NEXT], joins)


@helper(forceinline=True)
def fetches_left(a, unit):
    """How many a unit has still to read or to take into its queues."""
    return a.channel[u.FETCHES_ADDED] - unit[u.FETCHED]


@helper(forceinline=True)
def next_fetch(a, unit):
    """The first of them."""
    return a.fetches[unit[u.FETCHED] & a.fetch_mask]


@helper
def wait_behind(a, unit, first_lane):
    """Whether they wait for the one row for which the unit's only entry waits: they change nothing until it is read."""
    if unit[u.FETCHED] < a.channel[u.ONE_ROW_FROM] or unit[u.UNSEEN_HEAD] != unit[u.UNSEEN_TAIL]:
        return False
    fetch = next_fetch(a, unit)
    lane = first_lane + fetch[u.FETCH_BANK]
    bank = a.bank[lane]
    return (
        unit[u.ACTIVE] == 1 << fetch[u.FETCH_BANK]
        and bank[u.QUEUE_TAIL] - bank[u.QUEUE_HEAD] == 1
        and a.entries[lane, bank[u.QUEUE_HEAD] & a.entry_mask, s.ENTRY_ROW] == fetch[u.FETCH_ROW]
    )


@helper
def enter_first_fetches(p, a, number):
    """Those take their places that an idle unit has to see first: one, where the rest waits behind it."""
    unit = a.unit[number]
    one_row = unit[u.FETCHED] >= a.channel[u.ONE_ROW_FROM]
    enter_fetches(p, a, number, unit[u.FETCHED] + 1 if one_row else a.channel[u.FETCHES_ADDED])


@helper
def enter_fetches(p, a, number, stop):
    """Fetches before the one at place `stop` take their places in the unit's queues."""
    unit = a.unit[number]
    for place in range(unit[u.FETCHED], stop):
        item = a.fetches[place & a.fetch_mask]
        lane = (number << p.bank_bits) + item[u.FETCH_BANK]
        phase, joins = item[u.FETCH_PHASE], item[u.FETCH_JOINS]
        queues.enter(
            p,
            a,
            number,
            lane,
            item[u.FETCH_ROW],
            item[u.FETCH_COLUMN],
            item[u.FETCH_BURSTS],
            ins.NONE,
            0,
            u.NO_OUT,
            phase,
            joins,
        )
    unit[u.FETCHED] = stop


@helper(forceinline=True)
def comes_alone(a, place, end):
    """Whether no other bank's fetch behind the one at `place` joins up to cycle `end`."""
    behind = place + 1
    if place >= a.channel[u.ONE_ROW_FROM] or behind == a.channel[u.FETCHES_ADDED]:
        return True
    return a.fetches[behind & a.fetch_mask, u.FETCH_JOINS] > end


@helper(forceinline=True)
def read_fetches(p, state, a, number, last):
    """An idle unit READs from open rows what it has to fetch, in cycles up to `last`."""
    unit = a.unit[number]
    place, stop = unit[u.FETCHED], a.channel[u.FETCHES_ADDED]
    first_place, last_read, reads, end = place, 0, 0, 0
    free, waiting_from = max(unit[u.FREE], unit[u.READ_FROM]), unit[u.WAITING_FROM]
    while place < stop:
        item = a.fetches[place & a.fetch_mask]
        lane = (number << p.bank_bits) + item[u.FETCH_BANK]
        bank = a.bank[lane]
        joins, bursts = item[u.FETCH_JOINS], item[u.FETCH_BURSTS]
        first = max(joins, free)
        until = first + item[u.FETCH_LENGTH]
        if bank[u.ROW] != item[u.FETCH_ROW] or until > last or not comes_alone(a, place, until):
            break
        end, last_read = until, lane
        cycles.paint_reads(p, a, first, bursts, end + p.unit_read_latency)
        waiting_from = max(waiting_from, joins)
        if waiting_from < first:
            # From its first READ on data are under way, which counts alike.
            cycles.paint(a, u.WAITING, waiting_from, first)
        waiting_from = end
        bank[s.READS_SINCE_ACTIVATE] += bursts
        bank[u.MAY_PRECHARGE] = max(bank[u.MAY_PRECHARGE], end + a.read_to_precharge)
        if state.log_capacity > 0:
            queues.log_reads(state, a, lane, item[u.FETCH_COLUMN], bursts, first, ins.NONE, ins.PREFETCH)
        free = end + a.read_to_read
        reads += bursts
        place += 1
    if place > first_place:
        unit[u.FETCHED] = place
        unit[u.FREE] = end + 1
        unit[u.WAITING_FROM] = end
        unit[s.LAST_BANK] = last_read & (p.banks_per_unit - 1)
        unit[u.READ_FROM] = free
        limits.tally_reads(p, state, a.number, last_read, reads, False)
        commands.count_reads(state, a.number, reads, BEHIND_OTHERS, True)
        turns.finish_at(state, a.number, end + p.unit_read_latency)
