"""Entries of a unit's queues: they enter, selection sees them, they leave."""

from __future__ import annotations

from ppim.engine.codes import READ
from ppim.engine.pim.apart.state import (
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
    HEAD,
    JOIN_BANK,
    JOIN_CYCLE,
    JOIN_PHASE,
    LAST,
    NEXT,
    PHASE,
    ROW,
    SEEN,
    TAIL,
    WAITING_FROM,
)
from ppim.engine.pim.issue import keep_log
from ppim.jit import helper


@helper(forceinline=True)
def enter(p, a, unit, lane, row, column, bursts, lookup, users, phase, joins):
    """One run goes to the queue of its bank."""
    bank = a.bank[lane]
    tail = bank[TAIL]
    bank[TAIL] = tail + 1
    entry = a.entries[lane, tail & a.entry_mask]
    entry[ENTRY_ROW] = row
    entry[ENTRY_COLUMN] = column
    entry[ENTRY_BURSTS] = bursts
    entry[ENTRY_LENGTH] = bursts
    entry[ENTRY_LOOKUP] = lookup
    entry[ENTRY_USERS] = users
    item = a.unit[unit]
    last = item[LAST]
    item[LAST] = last + 1
    item[NEXT] = min(item[NEXT], joins)
    unseen = a.joins[unit, last & a.join_mask]
    unseen[JOIN_BANK] = lane & (p.banks_per_unit - 1)
    unseen[JOIN_CYCLE] = joins
    unseen[JOIN_PHASE] = phase


@helper(forceinline=True)
def see(p, a, unit, number):
    """Selection sees the unit's next entry."""
    entry = a.joins[number, unit[FIRST] & a.join_mask]
    joins, bank = entry[JOIN_CYCLE], entry[JOIN_BANK]
    if unit[ACTIVE] == 0:
        unit[PHASE] = entry[JOIN_PHASE]
        unit[WAITING_FROM] = max(unit[WAITING_FROM], joins)
    unit[ACTIVE] |= 1 << bank
    unit[FREE] = max(unit[FREE], joins)  # nothing else comes before
    a.bank[(number << p.bank_bits) + bank, SEEN] += 1
    is_left = unit[FIRST] + 1 != unit[LAST]
    unit[FIRST] = (unit[FIRST] + 1) * is_left
    unit[LAST] *= is_left


@helper(forceinline=True)
def leave(a, lane, bank, place):
    """Take an entry out of its queue; those before it move up."""
    while place > 0:
        for column in range(ENTRY_COLUMNS):
            a.entries[lane, (bank[HEAD] + place) & a.entry_mask, column] = a.entries[
                lane, (bank[HEAD] + place - 1) & a.entry_mask, column
            ]
        place -= 1
    bank[SEEN] -= 1
    # An empty queue begins anew: the first places are in the nearest cache.
    is_left = bank[HEAD] + 1 != bank[TAIL]
    bank[HEAD] = (bank[HEAD] + 1) * is_left
    bank[TAIL] *= is_left


@helper
def log_reads(state, a, lane, column, reads, first):
    """Note READs of a bank's open row from a column and from cycle `first` on."""
    row = a.bank[lane, ROW]
    for number in range(reads):
        keep_log(state, a.number, first + number * a.read_to_read, READ, lane, row, column + number)
