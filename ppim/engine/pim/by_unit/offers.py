"""What a bank and a unit offer next, as far as is known (docs/model.md §3)."""

from ppim.engine.codes import NEVER, NO_ROW
from ppim.engine.pim import state as s
from ppim.engine.pim.by_unit import state as u
from ppim.engine.pim.rules import bus, round_robin, selection
from ppim.jit import helper
from ppim.jit.bits import count_trailing_zeros

# What a bank offers, where it is not the place of the entry to be read: an ACTIVATE, a PRECHARGE, or to read the
# entry at a place behind this out.
OFFERS_ACTIVATE = -1
OFFERS_PRECHARGE = -2
OFFERS_OUT = 1 << 20


@helper(forceinline=True)
def first_hit(p, a, lane, bank):
    """Place of the oldest entry behind the first that selection sees and that wants the open row, or NO_PLACE."""
    stop = min(bank[u.SEEN], p.window)
    return selection.next_hit(a.entries, lane, bank[u.QUEUE_HEAD], a.entry_mask, 1, stop, bank[u.ROW])


@helper(forceinline=True)
def offer_activate(a, unit, bank, free):
    """`offer` of a bank that is closed."""
    distance = max(unit[u.ACTIVATE_FROM], a.channel[u.GATE])
    return max(free, max(bank[u.MAY_ACTIVATE], distance)), OFFERS_ACTIVATE


@helper(forceinline=True)
def first_hits(p, a, lane, bank):
    """Places of the oldest entries that selection sees and that want the open row: (one that stays, one read out).

    What is younger than one that stays does not matter.
    """
    leaves = selection.NO_PLACE
    for place in range(min(bank[u.SEEN], p.window)):
        entry = a.entries[lane, (bank[u.QUEUE_HEAD] + place) & a.entry_mask]
        if entry[s.ENTRY_ROW] == bank[u.ROW]:
            if entry[u.ENTRY_OUT] == u.NO_OUT:
                return place, leaves
            leaves = place if leaves < 0 else leaves
    return selection.NO_PLACE, leaves


@helper(forceinline=True)
def offer_either(p, state, a, unit, lane, free):
    """`offer` where entries are read out: those wait for the bus too."""
    bank = a.bank[lane]
    if bank[u.ROW] == NO_ROW:
        return offer_activate(a, unit, bank, free)
    read_at = max(free, max(bank[u.MAY_READ], unit[u.READ_FROM]))
    stays, leaves = first_hits(p, a, lane, bank)
    at, what = read_at, stays
    if leaves >= 0:
        out_at = max(read_at, bus.read_out_gate(p, state, a.number))
        if stays < 0 or out_at == read_at:
            at, what = out_at, OFFERS_OUT + leaves
    if (
        stays != 0
        and leaves != 0
        and selection.offers_precharge(max(stays, leaves), bank[s.READS_SINCE_ACTIVATE])
    ):
        precharge_at = max(free, bank[u.MAY_PRECHARGE])
        if precharge_at <= at or max(stays, leaves) < 0:
            return precharge_at, OFFERS_PRECHARGE
    return at, what


@helper(forceinline=True)
def offer(p, a, unit, lane, free):
    """(cycle, what) of the command that a bank with entries offers first; not before `free`."""
    bank = a.bank[lane]
    if bank[u.ROW] == NO_ROW:
        return offer_activate(a, unit, bank, free)
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


@helper
def best_of_either(p, state, a, unit, first_lane):
    """`best_offer` where entries are read out."""
    mask, last = unit[u.ACTIVE], unit[s.LAST_BANK]
    best, best_what, best_lane = NEVER, 0, first_lane
    while mask:
        bit = round_robin.first_bank_after(mask, last)
        mask &= ~(1 << bit)
        at, what = offer_either(p, state, a, unit, first_lane + bit, unit[u.FREE])
        if at < best:
            best, best_what, best_lane = at, what, first_lane + bit
    return best, best_what, best_lane
