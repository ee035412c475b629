"""Choosing and issuing DRAM commands: host-controller.md §7 and §8."""

from __future__ import annotations

from numba import int64

from ppim.engine.banks import (
    COLUMN_READ,
    COLUMN_WRITE,
    PRE,
    close_bank,
    earliest_cycle,
    issue,
    open_bank,
)
from ppim.engine.codes import (
    ACTIVATE,
    LOG_COLUMN,
    LOG_COMMAND,
    LOG_CYCLE,
    LOG_FIELDS,
    LOG_LANE,
    LOG_ROW,
    NO_ROW,
    PRECHARGE,
    READ,
    REFRESH,
    WRITE,
)
from ppim.engine.host.queues import (
    eligible_write,
    on_activated,
    on_precharged,
    remove_entry,
    update_candidates,
)
from ppim.engine.host.slots import release_slot
from ppim.engine.host.state import (
    ACCESSES,
    BLOCKED,
    DEMAND_PRECHARGES,
    HITS,
    LANE_FIELDS,
    LAST_COMPLETION,
    LAST_CYCLE,
    LAST_READ_CYCLE,
    LAST_WRITE_CYCLE,
    LOG_SIZE,
    LOG_USED,
    NEXT_COMMAND,
    NO_POSITION,
    POINTER,
    QUEUE_WIDTH,
    READ_DELAY,
    READ_HITS,
    READ_LATENCY,
    READS_DONE,
    READY,
    SLOT_COLUMN,
    SLOT_FIELDS,
    SLOT_READERS,
    SLOT_STAMPS,
    WRITE_DELAY,
    WRITE_HITS,
    WRITE_LATENCY,
    WRITES,
)
from ppim.jit import helper
from ppim.jit.bits import count_trailing_zeros

NOT_GIVEN = -1


@helper(forceinline=True)
def next_in_turn(ready, pointer):
    """First lane of `ready` (not empty) after `pointer`, going round."""
    later = ready & (int64(-2) << pointer)
    return count_trailing_zeros(later if later != 0 else ready)


@helper(forceinline=True)
def _is_due(h, later_class, lane, cycle):
    wanted = (h.banks.candidates[later_class] >> lane) & 1
    return wanted != 0 and earliest_cycle(h.banks, later_class, lane) <= cycle


@helper(forceinline=True)
def choose(h, lane, cycle):
    """The command a ready lane issues in `cycle`, and the position of its queue entry."""
    if h.banks.open_row[lane] == NO_ROW:
        return ACTIVATE, int64(0)
    if _is_due(h, PRE, lane, cycle):
        return PRECHARGE, int64(0)
    state = lane * LANE_FIELDS
    read, write = int64(NO_POSITION), int64(NO_POSITION)
    if _is_due(h, COLUMN_READ, lane, cycle):
        read = count_trailing_zeros(h.lanes[state + HITS] & ~h.lanes[state + WRITES])
    if _is_due(h, COLUMN_WRITE, lane, cycle):
        write = eligible_write(h, lane)
    if read < write:
        return READ, read
    return WRITE, write


@helper(forceinline=True)
def log_command(h, cycle, command, lane, row, column):
    """Append to the command log, if there is one."""
    if h.rules[LOG_SIZE] != 0:
        at = h.clocks[LOG_USED] * LOG_FIELDS
        h.log[at + LOG_CYCLE] = cycle
        h.log[at + LOG_COMMAND] = command
        h.log[at + LOG_LANE] = lane
        h.log[at + LOG_ROW] = row
        h.log[at + LOG_COLUMN] = column
        h.clocks[LOG_USED] += 1


@helper(forceinline=True)
def finish_column(h, is_read, slot, is_hit, cycle):
    """Count a column command issued in `cycle` for a slot."""
    if is_read:
        _finish_read(h, slot * SLOT_FIELDS, cycle)
        h.counters[READ_HITS] += is_hit
    else:
        _finish_write(h, slot * SLOT_FIELDS, cycle)
        h.counters[WRITE_HITS] += is_hit


@helper(forceinline=True)
def _finish_read(h, at, cycle):
    readers = h.pool[at + SLOT_READERS]
    completion = cycle + h.rules[READ_DELAY]
    h.counters[LAST_READ_CYCLE] = cycle
    h.counters[LAST_COMPLETION] = max(h.counters[LAST_COMPLETION], completion)
    if completion <= h.rules[LAST_CYCLE]:
        h.counters[READS_DONE] += readers
        h.counters[READ_LATENCY] += completion * readers - h.pool[at + SLOT_STAMPS]


@helper(forceinline=True)
def _finish_write(h, at, cycle):
    completion = cycle + h.rules[WRITE_DELAY]
    h.counters[LAST_WRITE_CYCLE] = cycle
    h.counters[LAST_COMPLETION] = max(h.counters[LAST_COMPLETION], completion)
    h.counters[WRITE_LATENCY] += completion - h.pool[at + SLOT_STAMPS]


@helper(forceinline=True)
def _column(h, command, lane, position, cycle):
    """Take the entry out of its queue and count it."""
    state = lane * LANE_FIELDS
    slot = int64(h.queue_slots[lane * h.rules[QUEUE_WIDTH] + position])
    finish_column(h, command == READ, slot, int64(h.lanes[state + ACCESSES] != 0), cycle)
    log_command(h, cycle, command, lane, h.banks.open_row[lane], h.pool[slot * SLOT_FIELDS + SLOT_COLUMN])
    h.lanes[state + ACCESSES] += 1
    remove_entry(h, lane, position)
    release_slot(h, slot)
    update_candidates(h, lane)


@helper(forceinline=True)
def carry_out(h, command, lane, position, cycle):
    """Issue a command with all its effects; returns the lanes that may issue in `cycle` still."""
    if command == ACTIVATE:
        row = int64(h.queue_rows[lane * h.rules[QUEUE_WIDTH]])
        log_command(h, cycle, command, lane, row, NOT_GIVEN)
        open_bank(h.banks, lane, row, cycle)
        on_activated(h, lane, row)
    elif command == PRECHARGE:
        log_command(h, cycle, command, lane, NOT_GIVEN, NOT_GIVEN)
        close_bank(h.banks, lane, cycle)
        on_precharged(h, lane)
    elif command == REFRESH:
        log_command(h, cycle, command, lane, NOT_GIVEN, NOT_GIVEN)
    else:
        _column(h, command, lane, position, cycle)
    h.counters[command] += 1
    ready_now, next_cycle, ready_next = issue(h.banks, command, lane, cycle, ~h.clocks[BLOCKED])
    h.clocks[NEXT_COMMAND] = next_cycle
    h.clocks[READY] = ready_next
    return ready_now


@helper(forceinline=True)
def is_column(command):
    """READ or WRITE."""
    return command <= WRITE


@helper(forceinline=True)
def select(h, ready, cycle):
    """Round-robin choice among ready lanes; moves the pointer and counts on-demand precharges."""
    lane = next_in_turn(ready, h.clocks[POINTER])
    h.clocks[POINTER] = lane
    command, position = choose(h, lane, cycle)
    if command == PRECHARGE:
        h.counters[DEMAND_PRECHARGES] += 1
    return command, lane, position
