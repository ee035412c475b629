"""State of a PIM run: flat arrays with named columns, times in memory cycles.

A *lane* is a bank of the channel. Entries of a bank's queue beyond the visible window hang in a linked
list behind it, so that a queue may be unlimited.
"""

from typing import Any, NamedTuple

import numpy as np

from ppim.engine.codes import LOG_COLUMN
from ppim.engine.lane_masks import MOST_WORDS
from ppim.jit.pack import pack

# Columns of a queue entry; the first five are those of both engines.
ENTRY_ROW = 0
ENTRY_COLUMN = 1  # next burst of the DRAM row
ENTRY_BURSTS = 2  # bursts still to be read
ENTRY_LOOKUP = 3  # NONE for a prefetch
ENTRY_SHARERS = 4  # lookups behind that one which use the row too (of a leader)
ENTRY_LANE = 5
ENTRY_KIND = 6  # READ, READ_OUT, MOVE_OUT, MOVE_IN or PREFETCH
ENTRY_PHASE = 7
ENTRY_NEXT = 8  # next entry of the free list or of a queue's tail
ENTRY_LEADER = 9  # first run of the same instruction
ENTRY_RUNS = 10  # of a leader: runs not finished
ENTRY_READY = 11  # of a leader: arrival of its latest finished run
ENTRY_TOTAL = 12  # of a leader: bursts of the instruction
ENTRY_NUMBER = 13  # of a leader that is read out: place among all read-outs; of one that moves: its turn
ENTRY_STEP = 14  # of a leader that is read out: 0, or from one lookup that gets it to the next, or LISTED
ENTRY_COLUMNS = 15

NO_ENTRY = -1

ACTS_AFTER = 2  # cycles from an instruction's slot to its first effect (host-controller.md §3: accepted t, command t+2)

# Directions of the channel's bus.
BUS_UNUSED = -1
TO_HOST = 0
TO_UNIT = 1
ANY_RANK = -1

# Barriers.
BARRIER_NONE = 0
BARRIER_TABLE = 1
BARRIER_BATCH = 2

# How entries are ordered by phase (docs/model.md §5).
PHASES_NONE = 0
PHASES_BY_TURN = 1
PHASES_AT_START = 2
PHASES_BUFFERED = 3  # prefetches have queues and phases of their own

# Who adds up the partial sums of a bag.
COLLECT_HOST = 0
COLLECT_BASE_DIE = 1
COLLECT_TREE = 2
COLLECT_BUFFER = 3  # in the buffer chip of a rank or DIMM

# Columns of `channel`: what a channel counts, ...
INSTRUCTIONS = 0
READS = 1
ACTIVATES = 2
PRECHARGES = 3
REFRESHES = 4
ROW_HITS = 5
PREFETCH_READS = 6
READ_OUT_BURSTS = 7
DELIVER_BURSTS = 8
TRANSFER_BURSTS = 9
TRANSFER_CYCLES = 10
COMPUTE_CYCLES = 11
FINISH = 12  # latest completion
WRITES = 13
N_COUNTERS = 14
# ... when it is looked at next, and which lanes may issue then,
NEXT_EVENT = 14
READY_CYCLE = 15  # first cycle in which a lane may issue
READY_LANES = 16  # mask, of as many words as there are lanes for
STALE = READY_LANES + MOST_WORDS  # 1: the two before must be found anew
WANTS_OUT = STALE + 1  # mask of lanes with a read-out to issue, the bus permitting
# ... its refresh (host-controller.md §9),
REFRESH_DUE = WANTS_OUT + MOST_WORDS  # when the oldest refresh that is not served falls due
REFRESH_RELEASED = REFRESH_DUE + 1  # first cycle after the last one's REFRESH
REFRESH_LOOK = (
    REFRESH_DUE + 2
)  # first cycle in which the refresh that holds its units can need a command, or NEVER
ELIGIBLE = REFRESH_DUE + 3  # mask of the lanes that are not held
# ... its bus,
BUS_END = ELIGIBLE + MOST_WORDS  # end of the last reservation
BUS_DIRECTION = BUS_END + 1
BUS_RANK = BUS_END + 2  # of the last read-out, or ANY_RANK
TRANSFERS_WAITING = BUS_END + 3  # size of its heap of transfers
TRANSFERS_SENT = BUS_END + 4
# ... and the rest.
OPEN = TRANSFERS_SENT + 1  # demand, delivers and transfers sent and not complete
FREE_FIRST = OPEN + 1  # free list of entries
FREE_COUNT = OPEN + 2
JOIN_HEAD = OPEN + 3
JOIN_TAIL = OPEN + 4
LAST_ACTIVATOR = OPEN + 5  # unit
LOG_COUNT = OPEN + 6
# Of refreshes between which no row could be used (`rules.refresh`).
COLUMNS_BEFORE = OPEN + 7  # READs and WRITEs up to the last REFRESH
ACTIVATES_BEFORE = OPEN + 8  # the same of ACTIVATEs
FRUITLESS = OPEN + 9  # such refreshes since the last READ or WRITE
CHANNEL_COLUMNS = OPEN + 10

# Columns of `lane`.
WINDOW_COUNT = 0
READS_SINCE_ACTIVATE = 1  # as in the other engine's `bank`
TAIL_FIRST = 2  # first entry behind the window, or NO_ENTRY
TAIL_LAST = 3
OCCUPIED = 4  # entries, those that are joining included
LANE_COLUMNS = 5

# Columns of a place in a window.
WINDOW_ROW = ENTRY_ROW
WINDOW_ENTRY = 1
WINDOW_PHASE = 2
WINDOW_COLUMNS = 3

# Columns of a joining entry.
JOIN_CYCLE = 0  # when selection sees it
JOIN_ENTRY = 1
JOIN_COLUMNS = 2

# Columns of `unit`; the first two are those of both engines.
LAST_BANK = 0  # bank of the unit that issued last
COMPUTE_FREE = 1  # end of the arithmetic appended so far
PHASE_HEAD = 2
PHASE_TAIL = 3
BUFFER_HEAD = 4
BUFFER_TAIL = 5
DEMAND_JOINED = 6  # demand entries in its queues
SEES_FETCHES = 7  # 1: its prefetch queues are looked at, not the others (PHASES_BUFFERED)
LINK_FREE = 8  # end of the last use of the link to its collector (the first unit's, of those that share one)
UNIT_COLUMNS = 9

# Columns of an accumulator.
ACCUMULATOR_SUM = 0  # ordinal of the last sum that has left it, or NO_SUM
ACCUMULATOR_FREE = 1  # from which cycle on another may use it
ACCUMULATOR_COLUMNS = 2
NO_SUM = -1

# Columns of a phase with unfinished entries.
PHASE_VALUE = 0
PHASE_COUNT = 1
PHASE_COLUMNS = 2

# Columns of a complete lookup whose bursts the unit's buffer holds.
BUFFER_COMPLETE = 0
BUFFER_END = 1  # of its arithmetic
BUFFER_BURSTS = 2
BUFFER_COLUMNS = 3

# What a call of the engine ends with.
DONE = 0  # the whole program is complete
REFILL = 1  # a stream has run out of instructions
GROW = 2  # the pool of entries is full
LOG_FULL = 3  # the commands kept have to be taken
STUCK = 4  # nothing can happen any more, yet not all is complete: a fault of the engine
GIVEN_UP = 5  # another part of the run has failed
NO_ROOM = 6  # the rings are too small for the next turn
BITS_FULL = 7  # a turn has more cycles than there are bits for (`by_unit.cycles`)
BAGS_FULL = 8  # a barrier waits for more bags than there is room for (`by_unit.exchange`)
NO_TIME = 9  # refreshes leave no time for a READ
QUEUES_FULL = 10  # queues without a limit have to grow (`by_unit.setup`)

# Of the log. The first columns of a command are `codes.LOG_CYCLE` and so on; of a READ or WRITE there are
LOG_USER = LOG_COLUMN + 1  # the first lookup that it serves, NONE where it serves none
LOG_KIND = LOG_COLUMN + 2  # of what it is part: READ, READ_OUT, MOVE_OUT, MOVE_IN or PREFETCH
LOG_FIELDS = 12  # `rules.events` says what the lines of other events have
LOG_MARGIN = 256  # commands that one cycle of a channel can add at most


class Parameters(NamedTuple):
    """Everything constant in a run, as integers; cycles of the memory clock."""

    channels: int  # of this part of the memory
    part: int  # which one it is
    parts: int  # that run beside each other and meet at barriers
    units: int  # of a channel
    banks_per_unit: int
    bank_mask: int  # as many low bits as a unit has banks
    bank_bits: int  # banks_per_unit, banks_per_rank and bursts_per_row are powers of two
    rank_bits: int
    column_bits: int
    lanes: int
    mask_words: int  # of a mask of all lanes
    ranks: int
    banks_per_rank: int
    bursts_per_row: int
    interval: int  # whole cycles from one slot of a stream to the next,
    interval_part: int  # and so many parts of a cycle,
    interval_parts: int  # of which a cycle has so many
    data_pins: int  # 1: instructions take the pins of the data bus as well
    global_stream: int
    host_latency: int
    queue_entries: int  # 0: unlimited
    window: int
    unit_read_latency: int
    read_latency: int  # RL
    write_latency: int  # WL
    burst_cycles: int  # B
    bus_burst_cycles: int  # max(B, tCCD_S)
    turnaround: int  # tRTRS
    barrier: int
    turns_open: int  # without a barrier; 0: any number
    phases: int
    demand_comes_first: int  # 1: a stream gets nothing for a turn before its demand
    refresh_interval: int  # 0: none
    refresh_rotates: int  # 1: rank after rank; 0: always rank 0
    hold_all: int  # 1: a unit spans ranks, a refresh holds them all
    cache_latency: int
    buffer_bursts: int  # 0: unlimited
    in_order: int  # 1: delivers are instructions of the program
    accumulators: int  # of a unit; 0: unlimited
    collect: int
    link_units: int  # units that share a link to their collector; 0: partial sums go over the channel's bus
    collect_delay: int  # from a partial sum's arrival at its collector to its addition
    host_consumes: int  # 1: what is read out stays with the host
    refresh_cycles: int  # tRFC
    row_cycles: int  # tRC
    column_cycles: int  # least distance of two READs of one column set
    column_set_bits: int  # a column set is the bank group, or the rank where units span bank groups
    activate_spacing: int  # tRRD_S, 0 where it does not hold between units
    activate_window: int  # tFAW, 0: none
    tied: int  # 1: each turn waits for the same turn of another memory too
    writes: int  # 1: rows move, so that a column command may be a WRITE
    keeps_events: int  # 1: the log has more than commands (`rules.events`)


class PimState(NamedTuple):
    """All of a run's state but banks, timing and refresh, which host mode shares. All int64.

    Few arrays with named columns, so that what is used together lies together.

    Attributes
    ----------
    channel : ndarray, shape (channels, CHANNEL_COLUMNS)
    lane : ndarray, shape (channels, lanes, LANE_COLUMNS)
        Under PHASES_BUFFERED twice as many: behind the lanes, their queues of prefetches; so in `window`.
    window : ndarray, shape (channels, lanes, window, WINDOW_COLUMNS)
        Visible entries of each bank, oldest first.
    entries : ndarray, shape (channels, pool, ENTRY_COLUMNS)
    joins : ndarray, shape (channels, ring, JOIN_COLUMNS)
    unit : ndarray, shape (channels, units, UNIT_COLUMNS)
    phases : ndarray, shape (channels, units, ring, PHASE_COLUMNS)
        Phases with unfinished entries, ascending. Under PHASES_BUFFERED twice as many, as in `unit`: behind the
        units, the turns of their prefetches.
    buffer : ndarray, shape (channels, units, ring, BUFFER_COLUMNS)
    accumulators : ndarray, shape (channels, units, accumulators, ACCUMULATOR_COLUMNS)
        The n-th sum of a unit uses the place n modulo their number.
    transfers : ndarray, shape (channels, capacity, HEAP_COLUMNS)
        Heaps of transfers whose readiness is known; item: sum, size: bursts.
    delivers : ndarray, shape (streams, capacity, HEAP_COLUMNS)
        Heaps of delivers; item: lookup, size: bursts. With `in_order` by the place of their read-outs in the
        program, and READY and ORDER change places.
    log : ndarray, shape (channels, capacity, LOG_FIELDS)
        Commands issued, and other events if they are kept; capacity 0: nothing is.
    account : ndarray, shape (channels, ACCOUNT_COLUMNS)
        Classes of cycles (`account`).
    moving : ndarray, shape (channels, words, 1)
        Ring of bits, one a cycle: something moves (`account`).
    tally : ndarray, shape (channels, places, TALLY_COLUMNS)
        Work of banks, column sets, ranks, units and links (`limits`).
    peaks : ndarray, shape (channels, N_LIMITS)
        Most work since the last barrier (`limits`).
    bounds : ndarray, shape (BOUNDS_SIZE,)
        Lower bounds so far (`limits`).
    released : ndarray, shape (turns_open,)
        At its number modulo their number, when the demand of a turn may be sent, once the turn that it waits for is complete.
    times : ndarray, shape (capacity, TIMES_COLUMNS)
        Times of GnRs that are complete (`times`).
    join_mask, phase_mask, buffer_mask, moving_mask : int
        Sizes of rings less one.
    pool, log_capacity, times_capacity : int
        Entries, and lines of the log, of a channel; rows of times.
    log_margin : int
        Lines that may be added before it is looked whether the log has room.
    """

    channel: np.ndarray
    lane: np.ndarray
    window: np.ndarray
    entries: np.ndarray
    joins: np.ndarray
    unit: np.ndarray
    phases: np.ndarray
    buffer: np.ndarray
    accumulators: np.ndarray
    transfers: np.ndarray
    delivers: np.ndarray
    log: np.ndarray
    account: np.ndarray
    moving: np.ndarray
    tally: np.ndarray
    peaks: np.ndarray
    bounds: np.ndarray
    released: np.ndarray
    times: np.ndarray
    join_mask: int
    phase_mask: int
    buffer_mask: int
    moving_mask: int
    pool: int
    log_capacity: int
    log_margin: int
    times_capacity: int


def as_state(*, log_margin: int = LOG_MARGIN, **arrays: np.ndarray) -> PimState:
    """A state of these arrays, with the numbers that follow from their sizes; `log_margin` is of the log."""
    return PimState(
        **arrays,
        join_mask=arrays["joins"].shape[1] - 1,
        phase_mask=arrays["phases"].shape[2] - 1,
        buffer_mask=arrays["buffer"].shape[2] - 1,
        moving_mask=arrays["moving"].shape[1] - 1,
        pool=arrays["entries"].shape[1],
        log_capacity=arrays["log"].shape[1],
        log_margin=log_margin,
        times_capacity=arrays["times"].shape[0],
    )


def pack_state(state: PimState) -> Any:
    """The state for kernels."""
    return pack(
        state,
        channel=CHANNEL_COLUMNS,
        lane=LANE_COLUMNS,
        window=WINDOW_COLUMNS,
        entries=ENTRY_COLUMNS,
        joins=JOIN_COLUMNS,
        unit=UNIT_COLUMNS,
        phases=PHASE_COLUMNS,
        buffer=BUFFER_COLUMNS,
        accumulators=ACCUMULATOR_COLUMNS,
        log=LOG_FIELDS,
        moving=1,
    )
