"""Prefetches, which all units of a channel execute alike: one list, from which each unit reads at its pace.

A unit that has nothing else to do and whose row is open reads them off the list. Where anything might come
between, they take places in the unit's queues, as demand does.
"""

from __future__ import annotations

from ppim.engine.pim.apart.cycles import paint, paint_reads
from ppim.engine.pim.apart.queues import enter, log_reads
from ppim.engine.pim.apart.state import (
    ACTIVE,
    ENTRY_ROW,
    FETCH_BANK,
    FETCH_BURSTS,
    FETCH_COLUMN,
    FETCH_JOINS,
    FETCH_LENGTH,
    FETCH_PHASE,
    FETCH_ROW,
    FETCHED,
    FETCHES,
    FIRST,
    FREE,
    HEAD,
    LAST,
    LAST_BANK,
    MAY_PRECHARGE,
    NEXT,
    ONE_ROW_FROM,
    READ_FROM,
    READS,
    ROW,
    TAIL,
    WAITING_FROM,
    WAITS,
)
from ppim.engine.pim.limits import tally_reads
from ppim.engine.pim.state import FINISH, PREFETCH_READS, ROW_HITS
from ppim.engine.pim.state import READS as READS_COUNTED
from ppim.jit import helper
from ppim.program.instruction import NONE


@helper(forceinline=True)
def add_fetch(p, a, bank, row, column, bursts, phase, joins):
    """One run is to be fetched by all units."""
    channel = a.channel
    place = channel[FETCHES]
    before = a.fetches[(place - 1) & a.fetch_mask]
    if before[FETCH_BANK] != bank or before[FETCH_ROW] != row:
        channel[ONE_ROW_FROM] = place
    channel[FETCHES] = place + 1
    item = a.fetches[place & a.fetch_mask]
    item[FETCH_BANK] = bank
    item[FETCH_ROW] = row
    item[FETCH_COLUMN] = column
    item[FETCH_BURSTS] = bursts
    item[FETCH_PHASE] = phase
    item[FETCH_JOINS] = joins
    item[FETCH_LENGTH] = (bursts - 1) * a.read_to_read
    for number in range(p.units):
        unit = a.unit[number]
        unit[NEXT] = min(unit[NEXT], joins)


@helper(forceinline=True)
def fetches_left(a, unit):
    """How many a unit has still to read or to take into its queues."""
    return a.channel[FETCHES] - unit[FETCHED]


@helper(forceinline=True)
def next_fetch(a, unit):
    """The first of them."""
    return a.fetches[unit[FETCHED] & a.fetch_mask]


@helper
def wait_behind(a, unit, first_lane):
    """Whether they wait for the one row for which the unit's only entry waits: they change nothing until it is read."""
    if unit[FETCHED] < a.channel[ONE_ROW_FROM] or unit[FIRST] != unit[LAST]:
        return False
    fetch = next_fetch(a, unit)
    lane = first_lane + fetch[FETCH_BANK]
    bank = a.bank[lane]
    return (
        unit[ACTIVE] == 1 << fetch[FETCH_BANK]
        and bank[TAIL] - bank[HEAD] == 1
        and a.entries[lane, bank[HEAD] & a.entry_mask, ENTRY_ROW] == fetch[FETCH_ROW]
    )


@helper
def enter_first_fetches(p, a, number):
    """Those take their places that an idle unit has to see first: one, where the rest waits behind it."""
    unit = a.unit[number]
    one_row = unit[FETCHED] >= a.channel[ONE_ROW_FROM]
    enter_fetches(p, a, number, unit[FETCHED] + 1 if one_row else a.channel[FETCHES])


@helper
def enter_fetches(p, a, number, stop):
    """Fetches before the one at place `stop` take their places in the unit's queues."""
    unit = a.unit[number]
    for place in range(unit[FETCHED], stop):
        item = a.fetches[place & a.fetch_mask]
        lane = (number << p.bank_bits) + item[FETCH_BANK]
        phase, joins = item[FETCH_PHASE], item[FETCH_JOINS]
        enter(
            p,
            a,
            number,
            lane,
            item[FETCH_ROW],
            item[FETCH_COLUMN],
            item[FETCH_BURSTS],
            NONE,
            1,
            phase,
            joins,
        )
    unit[FETCHED] = stop


@helper(forceinline=True)
def comes_alone(a, place, end):
    """Whether no other bank's fetch behind the one at `place` joins up to cycle `end`."""
    behind = place + 1
    if place >= a.channel[ONE_ROW_FROM] or behind == a.channel[FETCHES]:
        return True
    return a.fetches[behind & a.fetch_mask, FETCH_JOINS] > end


@helper(forceinline=True)
def read_fetches(p, state, a, number, last):
    """An idle unit READs from open rows what it has to fetch, in cycles up to `last`."""
    unit = a.unit[number]
    place, stop = unit[FETCHED], a.channel[FETCHES]
    first_place, lane, reads, end = place, 0, 0, 0
    free, waiting_from = max(unit[FREE], unit[READ_FROM]), unit[WAITING_FROM]
    while place < stop:
        item = a.fetches[place & a.fetch_mask]
        lane = (number << p.bank_bits) + item[FETCH_BANK]
        bank = a.bank[lane]
        joins, bursts = item[FETCH_JOINS], item[FETCH_BURSTS]
        first = max(joins, free)
        until = first + item[FETCH_LENGTH]
        if bank[ROW] != item[FETCH_ROW] or until > last or not comes_alone(a, place, until):
            break
        end = until
        paint_reads(p, a, first, bursts, end + p.unit_read_latency)
        waiting_from = max(waiting_from, joins)
        if waiting_from < first:
            # From its first READ on data are under way, which counts alike.
            paint(a, WAITS, waiting_from, first)
        waiting_from = end
        bank[READS] += bursts
        bank[MAY_PRECHARGE] = max(bank[MAY_PRECHARGE], end + a.read_to_precharge)
        if state.log_capacity > 0:
            log_reads(state, a, lane, item[FETCH_COLUMN], bursts, first)
        free = end + a.read_to_read
        reads += bursts
        place += 1
    if place > first_place:
        unit[FETCHED] = place
        unit[FREE] = end + 1
        unit[WAITING_FROM] = end
        unit[LAST_BANK] = lane & (p.banks_per_unit - 1)
        unit[READ_FROM] = free
        tally_reads(p, state, a.number, lane, reads, False)
        counters = state.channel[a.number]
        counters[READS_COUNTED] += reads
        counters[ROW_HITS] += reads  # others opened the rows
        counters[PREFETCH_READS] += reads
        counters[FINISH] = max(counters[FINISH], end + p.unit_read_latency)
