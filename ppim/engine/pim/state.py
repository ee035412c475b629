"""State of a PIM run: flat arrays, first index the channel (or the stream), times in memory cycles.

A *lane* is a bank of the channel. Entries of a bank's queue beyond the visible window hang in a linked
list behind it, so that a queue may be unlimited.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Columns of a queue entry.
ENTRY_LANE = 0
ENTRY_ROW = 1
ENTRY_COLUMN = 2  # next burst of the DRAM row
ENTRY_BURSTS = 3  # bursts still to be read
ENTRY_KIND = 4  # READ, READ_OUT or PREFETCH
ENTRY_LOOKUP = 5
ENTRY_PHASE = 6
ENTRY_NEXT = 7  # next entry of the free list or of a queue's tail
ENTRY_LEADER = 8  # first run of the same instruction
ENTRY_RUNS = 9  # of a leader: runs not finished
ENTRY_READY = 10  # of a leader: arrival of its latest finished run
ENTRY_TOTAL = 11  # of a leader: bursts of the instruction
ENTRY_NUMBER = 12  # of a leader: program order
ENTRY_COLUMNS = 13

NO_ENTRY = -1

ACTS_AFTER = 2  # cycles from an instruction's slot to its first effect (golden README 3.3: accepted t, command t+2)

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
PHASES_TABLE = 1
PHASES_ALL = 2

# Why a stream does not send.
FRONT_READY = 0
FRONT_BARRIER = 1
FRONT_QUEUE = 2
FRONT_EMPTY = 3

# Per-channel counters.
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
N_COUNTERS = 13

# What a call of the engine ends with.
DONE = 0  # the whole program is complete
REFILL = 1  # a stream has run out of instructions
GROW = 2  # the pool of entries is full
LOG_FULL = 3  # the commands kept have to be taken
STUCK = 4  # nothing can happen any more, yet not all is complete: a fault of the engine

# Columns of the log.
LOG_CYCLE = 0
LOG_COMMAND = 1
LOG_LANE = 2
LOG_ROW = 3
LOG_COLUMN = 4
LOG_COLUMNS = 5
LOG_MARGIN = 256  # commands that one cycle of a channel can add at most


class Parameters(NamedTuple):
    """Everything constant in a run, as integers; cycles of the memory clock."""

    channels: int
    units: int  # of a channel
    banks_per_unit: int
    bank_mask: int  # as many low bits as a unit has banks
    lanes: int
    ranks: int
    banks_per_rank: int
    bursts_per_row: int
    interval: int
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
    phases: int
    refresh_interval: int  # 0: none
    refresh_rotates: int  # 1: rank after rank; 0: always rank 0
    hold_all: int  # 1: a unit spans ranks, a refresh holds them all
    cache_latency: int
    buffer_bursts: int  # 0: unlimited


class Queues(NamedTuple):
    """Bank queues. C channels, L lanes, W window entries, N pool entries, J joining entries."""

    window_row: np.ndarray  # (C, L, W) DRAM row wanted, oldest first
    window_entry: np.ndarray  # (C, L, W)
    window_phase: np.ndarray  # (C, L, W)
    window_count: np.ndarray  # (C, L)
    tail_first: np.ndarray  # (C, L) first entry behind the window, or NO_ENTRY
    tail_last: np.ndarray  # (C, L)
    occupied: np.ndarray  # (C, L) entries, those that are joining included
    entries: np.ndarray  # (C, N, ENTRY_COLUMNS)
    free_first: np.ndarray  # (C,)
    free_count: np.ndarray  # (C,)
    join_cycle: np.ndarray  # (C, J) ring: when selection sees the entry
    join_entry: np.ndarray  # (C, J)
    join_head: np.ndarray  # (C,)
    join_tail: np.ndarray  # (C,)


class Units(NamedTuple):
    """PIM units. U units of a channel; P and K are powers of two."""

    last_bank: np.ndarray  # (C, U) bank of the unit that issued last
    last_activator: np.ndarray  # (C,)
    reads: np.ndarray  # (C, L) READs of a bank since its ACTIVATE
    phase_value: np.ndarray  # (C, U, P) ring: phases with unfinished entries, ascending
    phase_count: np.ndarray  # (C, U, P) their unfinished entries
    phase_head: np.ndarray  # (C, U)
    phase_tail: np.ndarray  # (C, U)
    compute_free: np.ndarray  # (C, U) end of the arithmetic appended so far
    buffer_complete: np.ndarray  # (C, U, K) ring: when a lookup's operands are there
    buffer_end: np.ndarray  # (C, U, K) end of its arithmetic
    buffer_bursts: np.ndarray  # (C, U, K)
    buffer_head: np.ndarray  # (C, U)
    buffer_tail: np.ndarray  # (C, U)


class Bus(NamedTuple):
    """External data bus of each channel, and the transfers that wait to become ready (a heap)."""

    end: np.ndarray  # (C,) end of the last reservation
    direction: np.ndarray  # (C,)
    rank: np.ndarray  # (C,) of the last read-out, or ANY_RANK
    heap_ready: np.ndarray  # (C, H)
    heap_order: np.ndarray  # (C, H) order of sending
    heap_sum: np.ndarray  # (C, H)
    heap_bursts: np.ndarray  # (C, H)
    heap_count: np.ndarray  # (C,)


class Front(NamedTuple):
    """Streams of instructions and the delivers that go ahead of them. S streams."""

    next_slot: np.ndarray  # (S,) earliest cycle of the next slot
    wake: np.ndarray  # (S,) cycle of the next attempt, NEVER while blocked
    state: np.ndarray  # (S,) FRONT_*
    slots: np.ndarray  # (S,) slots used
    sent: np.ndarray  # (C,) transfers sent (their order)
    open: np.ndarray  # (C,) demand, delivers and transfers sent and not complete
    deliver_ready: np.ndarray  # (S, D) heap
    deliver_order: np.ndarray  # (S, D)
    deliver_lookup: np.ndarray  # (S, D)
    deliver_bursts: np.ndarray  # (S, D)
    deliver_count: np.ndarray  # (S,)
    release: np.ndarray  # (2,) cycle from which the oldest turn's demand may be sent; running maximum


class Look(NamedTuple):
    """When a channel is looked at next, and which lanes may issue then."""

    next_event: np.ndarray  # (C,)
    ready_cycle: np.ndarray  # (C,) first cycle in which a lane may issue
    ready_lanes: np.ndarray  # (C,) mask
    stale: np.ndarray  # (C,) 1: ready_* must be found anew
    wants_out: np.ndarray  # (C,) mask of lanes with a read-out to issue, the bus permitting


class Refresh(NamedTuple):
    """Refresh of each channel (golden README 3.9)."""

    due: np.ndarray  # (C,) cycle of the next generation
    generated: np.ndarray  # (C,)
    served: np.ndarray  # (C,)
    look: np.ndarray  # (C,) cycle from which the head can need a command
    release: np.ndarray  # (C,) cycle in which the units held for an issued refresh are let go, or NEVER
    eligible: np.ndarray  # (C,) mask of the lanes that are not held


class PimState(NamedTuple):
    """All of a run's state but banks, timing and refresh, which host mode shares."""

    queues: Queues
    units: Units
    bus: Bus
    front: Front
    counters: np.ndarray  # (C, N_COUNTERS)
    look: Look
    refresh: Refresh
    log: np.ndarray  # (C, entries, LOG_COLUMNS) commands issued; no entries: not kept
    log_count: np.ndarray  # (C,)
    flags: np.ndarray  # (1,) 1 when the pool of entries is full
