"""Entries of a unit's queues: they enter, selection sees them, they leave."""

from ppim.engine.codes import READ
from ppim.engine.pim import state as s
from ppim.engine.pim.by_unit import state as u
from ppim.engine.pim.rules import commands
from ppim.jit import helper


@helper(forceinline=True)
def enter(p, a, unit, lane, row, column, bursts, lookup, sharers, out, phase, joins):
    """One run goes to the queue of its bank; `out` is the place of what it is part of, where that is read out."""
    bank = a.bank[lane]
    tail = bank[u.QUEUE_TAIL]
    bank[u.QUEUE_TAIL] = tail + 1
    entry = a.entries[lane, tail & a.entry_mask]
    entry[s.ENTRY_ROW] = row
    entry[s.ENTRY_COLUMN] = column
    entry[s.ENTRY_BURSTS] = bursts
    entry[u.ENTRY_LENGTH] = bursts
    entry[s.ENTRY_LOOKUP] = lookup
    entry[s.ENTRY_SHARERS] = sharers
    entry[u.ENTRY_OUT] = out
    item = a.unit[unit]
    last = item[u.UNSEEN_TAIL]
    item[u.UNSEEN_TAIL] = last + 1
    item[u.NEXT] = min(item[u.NEXT], joins)
    a.channel[u.NEXT_COMMAND] = min(a.channel[u.NEXT_COMMAND], joins)
    unseen = a.joins[unit, last & a.join_mask]
    unseen[u.JOIN_BANK] = lane & (p.banks_per_unit - 1)
    unseen[s.JOIN_CYCLE] = joins
    unseen[u.JOIN_PHASE] = phase


@helper(forceinline=True)
def see(p, a, unit, number):
    """Selection sees the unit's next entry."""
    entry = a.joins[number, unit[u.UNSEEN_HEAD] & a.join_mask]
    joins, bank = entry[s.JOIN_CYCLE], entry[u.JOIN_BANK]
    if unit[u.ACTIVE] == 0:
        unit[u.PHASE] = entry[u.JOIN_PHASE]
        unit[u.WAITING_FROM] = max(unit[u.WAITING_FROM], joins)
    unit[u.ACTIVE] |= 1 << bank
    unit[u.FREE] = max(unit[u.FREE], joins)  # nothing else comes before
    a.bank[(number << p.bank_bits) + bank, u.SEEN] += 1
    is_left = unit[u.UNSEEN_HEAD] + 1 != unit[u.UNSEEN_TAIL]
    unit[u.UNSEEN_HEAD] = (unit[u.UNSEEN_HEAD] + 1) * is_left
    unit[u.UNSEEN_TAIL] *= is_left


@helper(forceinline=True)
def leave(a, lane, bank, place):
    """Take an entry out of its queue; those before it move up."""
    while place > 0:
        for column in range(u.ENTRY_SIZE):
            a.entries[lane, (bank[u.QUEUE_HEAD] + place) & a.entry_mask, column] = a.entries[
                lane, (bank[u.QUEUE_HEAD] + place - 1) & a.entry_mask, column
            ]
        place -= 1
    bank[u.SEEN] -= 1
    # An empty queue begins anew: the first places are in the nearest cache.
    is_left = bank[u.QUEUE_HEAD] + 1 != bank[u.QUEUE_TAIL]
    bank[u.QUEUE_HEAD] = (bank[u.QUEUE_HEAD] + 1) * is_left
    bank[u.QUEUE_TAIL] *= is_left


@helper
def log_reads(state, a, lane, column, reads, first, user, kind):
    """Note READs of a bank's open row from a column and from cycle `first` on, for a lookup or none."""
    row = a.bank[lane, u.ROW]
    for number in range(reads):
        cycle = first + number * a.read_to_read
        commands.keep_log(state, a.number, cycle, READ, lane, row, column + number, user, kind)
