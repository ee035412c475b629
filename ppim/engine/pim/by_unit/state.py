"""State of the fast engine: what it keeps beside `PimState`.

Units that are bank groups of one rank share nothing but the spacing of ACTIVATEs, the refresh and the
stream. So a unit is run on its own up to its next ACTIVATE, and a stream runs ahead of the units as far as
no queue can be full. All arrays are int64 with named columns; times are memory cycles.
"""

from typing import Any, NamedTuple

import numpy as np

from ppim.jit import helper
from ppim.jit.pack import pack

# Columns of `channel`: commands of cycles up to this one are issued,
HORIZON = 0
# ... cycles before this one are counted in classes (`cycles`),
COUNTED = 1
# ... ACTIVATEs of the rank: the first cycle in which distances between units allow one, how many there were, the last four,
GATE = 2
N_ACTIVATES = 3
LAST_ACTIVATES = 4  # up to 7; a ring
ACTIVATED_LAST = 8  # unit
ACTIVATED_BEFORE = 9  # unit that had activated last before the cycle of the last ACTIVATE
ACTIVATED_AT = 10
# ... since when a refresh holds the units,
HELD_FROM = 11
# ... stretches of cycles without a gap that are still to be painted (`cycles`).
SLOTS_FROM = 12
SLOTS_END = 13
USED_FROM = 14  # the bus moves data
USED_END = 15
RESERVED_FROM = 16  # the bus is reserved
RESERVED_END = 17
# ... its list of prefetches (`fetches`),
FETCHES_ADDED = 18
ONE_ROW_FROM = 19  # place from which on all are in one row
# ... places that every queue is known to have,
ROOM_KNOWN = 20
# ... cycles with an open bank, of those counted,
ACTIVE_CYCLES = 21
# ... two more such stretches: transfers wait for arithmetic, delivers are on their way,
COMPUTED_FROM = 22
COMPUTED_END = 23
DELIVERED_FROM = 24
DELIVERED_END = 25
# ... no instruction is sent before this cycle, since a queue is full until then,
ROOM_FROM = 26
# ... and, where rows travel, the first unused place of `outs`, and when the next instruction can be sent, or NEVER.
OUT_FIRST = 27
INSTRUCTION_AT = 28
# ... and its units' next command, refresh apart, is not before this cycle.
NEXT_COMMAND = 29
CHANNEL_SIZE = 32  # a multiple of a cache line

ALL_CHANNELS = -1

# Columns of `unit` behind LAST_BANK.
NEXT = 1  # its next command is not before this cycle
NEXT_LANE = 2  # where `NEXT` is a command that other units may delay
FREE = 3  # first cycle in which it may issue
READ_FROM = 4  # distance from its last READ
ACTIVATE_FROM = 5  # distance from its last ACTIVATE
ACTIVE = 6  # mask of its banks that have entries which selection sees
PHASE = 7  # of the entries that are seen
UNSEEN_HEAD = 8  # ring of entries that have not been seen yet
UNSEEN_TAIL = 9
WAITING_FROM = 10  # some entry has been seen all the time since
FETCHED = 11  # prefetches of the channel that it has read, or taken into its queues
OPEN_BANKS = 12
OPEN_FROM = 13  # some bank of it has been open all the time since
NEXT_WHAT = 14  # what that is (`units`)
UNIT_SIZE = 16  # a multiple of a cache line

# Columns of `bank` beside READS_SINCE_ACTIVATE.
ROW = 0  # open row, or NO_ROW
MAY_ACTIVATE = 2  # first cycle, as far as the bank's own commands are concerned
MAY_READ = 3
MAY_PRECHARGE = 4
QUEUE_HEAD = 5  # its queue, a ring of entries
SEEN = 6  # entries at the head that have joined and are of the unit's phase
QUEUE_TAIL = 7
BANK_SIZE = 8  # a cache line

# Columns of an entry behind those of both engines.
ENTRY_LENGTH = 5  # bursts in all
ENTRY_OUT = 6  # place of what is read out, or NO_OUT
ENTRY_SIZE = 8  # a cache line

NO_OUT = -1

# Columns of what is read out: its instruction's, and
OUT_LOOKUP = 0
OUT_SHARERS = 1
OUT_STEP = 2
OUT_BURSTS = 3
OUT_NUMBER = 4  # its place among all read-outs
OUT_RUNS = 5  # runs that are not finished
OUT_READY = 6  # when the host has the latest finished one
OUT_NEXT = 7  # next unused place
OUT_SIZE = 8  # a cache line

# Columns of an entry that has not been seen yet, behind JOIN_CYCLE.
JOIN_BANK = 1  # of the unit
JOIN_PHASE = 2
JOIN_SIZE = 4

# Columns of a prefetch on the channel's list.
FETCH_BANK = 0  # of each unit
FETCH_ROW = 1
FETCH_COLUMN = 2
FETCH_BURSTS = 3
FETCH_PHASE = 4
FETCH_JOINS = 5  # cycle from which selection sees it
FETCH_LENGTH = 6  # cycles from its first READ to its last
FETCH_SIZE = 8  # a cache line

# Kinds of bits (`cycles`).
MOVES = 0  # a command, data into a unit or on the bus
REFRESHING = 1  # a refresh holds the units, or has not ended
COMPUTES = 2  # a transfer that was sent waits for arithmetic alone
UNDER_WAY = 3  # data are on their way
RESERVED = 4  # the bus is reserved
WAITING = 5  # an entry that selection sees waits
SENDS = 6  # an instruction's slot lasts
OPEN = 7  # a bank is open
BIT_KINDS = 8  # a cache line for each word of all kinds


class ByUnit(NamedTuple):
    """The fast engine's own state; `rules` are distances between commands in cycles.

    Attributes
    ----------
    channel : ndarray, shape (channels, CHANNEL_SIZE)
    sending : ndarray, shape (channels, CHANNEL_SIZE)
        The same; of a channel, the row that has the slots of its stream.
    unit : ndarray, shape (channels, units, UNIT_SIZE)
    bank : ndarray, shape (channels, lanes, BANK_SIZE)
    may_refresh : ndarray, shape (channels, lanes)
        First cycle in which a closed bank may be refreshed.
    entries : ndarray, shape (channels, lanes, ring, ENTRY_SIZE)
    joins : ndarray, shape (channels, units, ring, JOIN_SIZE)
        Entries that have not been seen yet, in program order.
    fetches : ndarray, shape (channels, ring, FETCH_SIZE)
        Prefetches that some unit has still to read or to take into its queues, in program order.
    outs : ndarray, shape (channels, places, OUT_SIZE)
        What is read out, of which some entry is in a queue; unused places are a list.
    bits : ndarray, shape (channels, words, BIT_KINDS)
        Ring of words, one bit a cycle and kind (`cycles`).
    read_patterns : ndarray, shape (bursts_per_row + 1,)
        By number of READs, the bits that they set (`cycles`).
    """

    number: int  # of the channel, in its part (`channel_of`)
    channel: np.ndarray
    sending: np.ndarray
    unit: np.ndarray
    bank: np.ndarray
    may_refresh: np.ndarray
    entries: np.ndarray
    joins: np.ndarray
    fetches: np.ndarray
    outs: np.ndarray
    bits: np.ndarray
    read_patterns: np.ndarray
    entry_mask: int
    join_mask: int
    fetch_mask: int
    word_mask: int
    span: int  # cycles that may be simulated before they are settled
    places: int  # of a queue; where that is unlimited, as far as there is room now
    reads_out: int  # 1: rows travel
    in_rounds: int  # 1: channels wait for each other within a turn (`travel`)
    has_own_stream: int  # 1: each channel; 0: there is one stream for all
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
def channel_of(every, channel):
    """One channel's part: the same without the channel axis."""
    return ByUnit(
        channel,
        every.channel[channel],
        every.sending[channel * every.has_own_stream],
        every.unit[channel],
        every.bank[channel],
        every.may_refresh[channel],
        every.entries[channel],
        every.joins[channel],
        every.fetches[channel],
        every.outs[channel],
        every.bits[channel],
        every.read_patterns,
        every.entry_mask,
        every.join_mask,
        every.fetch_mask,
        every.word_mask,
        every.span,
        every.places,
        every.reads_out,
        every.in_rounds,
        every.has_own_stream,
        every.activate_to_activate,
        every.activate_to_unit,
        every.activate_to_rank,
        every.activate_window,
        every.activate_to_read,
        every.activate_to_precharge,
        every.read_to_read,
        every.read_to_precharge,
        every.precharge_to_activate,
        every.precharge_to_refresh,
        every.refresh_to_activate,
        every.refresh_to_refresh,
    )


def pack_by_unit(every: ByUnit | None) -> Any:
    """The engine's state for kernels."""
    return pack(
        every,
        channel=CHANNEL_SIZE,
        sending=CHANNEL_SIZE,
        unit=UNIT_SIZE,
        bank=BANK_SIZE,
        entries=ENTRY_SIZE,
        joins=JOIN_SIZE,
        fetches=FETCH_SIZE,
        outs=OUT_SIZE,
        bits=BIT_KINDS,
    )
