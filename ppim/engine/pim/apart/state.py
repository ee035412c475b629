"""State of the fast engine: what it keeps beside `PimState`.

Units that are bank groups of one rank share nothing but the spacing of ACTIVATEs, the refresh and the
stream. So a unit is run on its own up to its next ACTIVATE, and a stream runs ahead of the units as far as
no queue can be full. All arrays are int64 with named columns; times are memory cycles.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ppim.jit import helper
from ppim.jit.tables import bare, bare_rows

# Columns of `channel`: commands of cycles up to this one are issued,
HORIZON = 0
# ... cycles before this one are counted in classes (`cycles`),
SETTLED = 1
# ... ACTIVATEs of the rank: the first cycle in which distances between units allow one, the last four,
GATE = 2
WINDOW = 3  # up to 6; a ring
WINDOW_NEXT = 7
ACTIVATED_LAST = 8  # unit
ACTIVATED_BEFORE = 9  # unit that had activated last before the cycle of the last ACTIVATE
ACTIVATED_AT = 10
# ... the refresh: cycle of the next one due, first cycle after the last one's hold,
REFRESH_DUE = 11
RELEASED = 12
HOLDING = 13  # 1: a refresh holds the units
HELD_FROM = 14
REFRESH_LOOK = 15  # first cycle in which the refresh can need a command
# ... stretches of cycles without a gap that are still to be painted (`cycles`).
SENDING_FROM = 16
SENDING_END = 17
USED_FROM = 18  # the bus moves data
USED_END = 19
RESERVED_FROM = 20  # the bus is reserved
RESERVED_END = 21
# ... its list of prefetches (`fetches`),
FETCHES = 22  # added so far
ONE_ROW_FROM = 23  # place from which on all are in one row
# ... and places that every queue is known to have.
ROOM = 24
APART_COLUMNS = 25

WINDOW_ACTIVATES = 4
ALL_CHANNELS = -1

# Columns of `unit`.
NEXT = 0  # its next command is not before this cycle
NEXT_LANE = 1  # where `NEXT` is an ACTIVATE that may be issued
FREE = 2  # first cycle in which it may issue
READ_FROM = 3  # distance from its last READ
ACTIVATE_FROM = 4  # distance from its last ACTIVATE
ACTIVE = 5  # mask of its banks that have entries which selection sees
LAST_BANK = 6  # that issued last
PHASE = 7  # of the entries that are seen
FIRST = 8  # ring of entries that have not been seen yet
LAST = 9
WAITING_FROM = 10  # some entry has been seen all the time since
COMPUTE_FREE = 11  # end of the arithmetic appended so far
FETCHED = 12  # prefetches of the channel that it has read, or taken into its queues
UNIT_COLUMNS = 16  # a multiple of a cache line

# Columns of `bank`.
ROW = 0  # open row, or NO_ROW
READS = 1  # since its ACTIVATE
MAY_ACTIVATE = 2  # first cycle, as far as the bank's own commands are concerned
MAY_READ = 3
MAY_PRECHARGE = 4
HEAD = 5  # its queue, a ring of entries
SEEN = 6  # entries at the head that have joined and are of the unit's phase
TAIL = 7
BANK_COLUMNS = 8  # a cache line

# Columns of an entry.
ENTRY_ROW = 0
ENTRY_COLUMN = 1  # of the next burst
ENTRY_BURSTS = 2  # still to be read
ENTRY_LENGTH = 3  # bursts in all
ENTRY_LOOKUP = 4  # NONE for a prefetch
ENTRY_USERS = 5  # lookups from there on that use it
ENTRY_COLUMNS = 8  # a cache line

# Columns of an entry that has not been seen yet.
JOIN_BANK = 0  # of the unit
JOIN_CYCLE = 1  # from which selection sees it
JOIN_PHASE = 2
JOIN_COLUMNS = 4

# Columns of a prefetch on the channel's list.
FETCH_BANK = 0  # of each unit
FETCH_ROW = 1
FETCH_COLUMN = 2
FETCH_BURSTS = 3
FETCH_PHASE = 4
FETCH_JOINS = 5  # cycle from which selection sees it
FETCH_LENGTH = 6  # cycles from its first READ to its last
FETCH_COLUMNS = 8  # a cache line

# Kinds of bits (`cycles`).
MOVES = 0  # a command, data into a unit or on the bus
REFRESHES = 1  # a refresh holds the units, or has not ended
COMPUTES = 2  # a transfer that was sent waits for arithmetic alone
UNDER_WAY = 3  # data are on their way
RESERVED = 4  # the bus is reserved
WAITS = 5  # an entry that selection sees waits
SENDS = 6  # an instruction's slot lasts
N_KINDS = 8  # a cache line for each word of all kinds


class Apart(NamedTuple):
    """The fast engine's own state; `rules` are distances between commands in cycles.

    Attributes
    ----------
    channel : ndarray, shape (channels, APART_COLUMNS)
    unit : ndarray, shape (channels, units, UNIT_COLUMNS)
    bank : ndarray, shape (channels, lanes, BANK_COLUMNS)
    may_refresh : ndarray, shape (channels, lanes)
        First cycle in which a closed bank may be refreshed.
    entries : ndarray, shape (channels, lanes, ring, ENTRY_COLUMNS)
    joins : ndarray, shape (channels, units, ring, JOIN_COLUMNS)
        Entries that have not been seen yet, in program order.
    fetches : ndarray, shape (channels, ring, FETCH_COLUMNS)
        Prefetches that some unit has still to read or to take into its queues, in program order.
    bits : ndarray, shape (channels, words, N_KINDS)
        Ring of words, one bit a cycle and kind (`cycles`).
    read_patterns : ndarray, shape (bursts_per_row + 1,)
        By number of READs, the bits that they set (`cycles`).
    """

    number: int  # of the channel, in its part (`channel_of`)
    channel: np.ndarray
    unit: np.ndarray
    bank: np.ndarray
    may_refresh: np.ndarray
    entries: np.ndarray
    joins: np.ndarray
    fetches: np.ndarray
    bits: np.ndarray
    read_patterns: np.ndarray
    entry_mask: int
    join_mask: int
    fetch_mask: int
    word_mask: int
    span: int  # cycles that may be simulated before they are settled
    activate_to_activate: int  # of a bank
    activate_to_unit: int  # of another bank of the unit
    activate_to_rank: int  # of another unit
    activate_window: int
    activate_to_read: int
    activate_to_precharge: int
    read_to_read: int
    read_to_precharge: int
    precharge_to_activate: int
    precharge_to_refresh: int
    refresh_to_activate: int
    refresh_to_refresh: int


@helper(forceinline=True)
def channel_of(apart, channel):
    """One channel's part as bare tables, for use inside a kernel: the same without the channel axis."""
    return Apart(
        channel,
        bare_rows(apart.channel, APART_COLUMNS)[channel],
        bare_rows(apart.unit, UNIT_COLUMNS)[channel],
        bare_rows(apart.bank, BANK_COLUMNS)[channel],
        bare(apart.may_refresh)[channel],
        bare_rows(apart.entries, ENTRY_COLUMNS)[channel],
        bare_rows(apart.joins, JOIN_COLUMNS)[channel],
        bare_rows(apart.fetches, FETCH_COLUMNS)[channel],
        bare_rows(apart.bits, N_KINDS)[channel],
        bare(apart.read_patterns),
        apart.entry_mask,
        apart.join_mask,
        apart.fetch_mask,
        apart.word_mask,
        apart.span,
        apart.activate_to_activate,
        apart.activate_to_unit,
        apart.activate_to_rank,
        apart.activate_window,
        apart.activate_to_read,
        apart.activate_to_precharge,
        apart.read_to_read,
        apart.read_to_precharge,
        apart.precharge_to_activate,
        apart.precharge_to_refresh,
        apart.refresh_to_activate,
        apart.refresh_to_refresh,
    )
