"""What a command changes beside queues and earliest cycles: log, open row, counters. host-controller.md §15."""

from numba import int64

from ppim.engine import codes
from ppim.engine.banks import close_bank, open_bank
from ppim.engine.host import columns as s, latency
from ppim.engine.host.slots import note_done, release_slot, slot_field
from ppim.jit import helper

NOT_GIVEN = -1


@helper(forceinline=True)
def _log(h, cycle, command, lane, row, column):
    """Append to the command log, if there is one."""
    if h.rules[s.LOG_SIZE] != 0:
        at = h.clocks[s.LOG_USED] * codes.LOG_FIELDS
        h.log[at + codes.LOG_CYCLE] = cycle
        h.log[at + codes.LOG_COMMAND] = command
        h.log[at + codes.LOG_LANE] = lane
        h.log[at + codes.LOG_ROW] = row
        h.log[at + codes.LOG_COLUMN] = column
        h.clocks[s.LOG_USED] += 1


@helper(forceinline=True)
def note_row_command(h, command, lane, row, cycle):
    """Note a command other than READ or WRITE; `row`: of an ACTIVATE, else NOT_GIVEN."""
    _log(h, cycle, command, lane, row, NOT_GIVEN)
    if command == codes.ACTIVATE:
        open_bank(h.banks, lane, row, cycle)
        h.lanes[lane * s.LANE_FIELDS + s.ACCESSES] = 0
    elif command == codes.PRECHARGE:
        close_bank(h.banks, lane, cycle)


@helper(forceinline=True)
def note_column_command(h, command, lane, slot, cycle):
    """Note a READ or WRITE of a slot, and give the slot back."""
    accesses = lane * s.LANE_FIELDS + s.ACCESSES
    is_hit = int64(h.lanes[accesses] != 0)
    if command <= codes.READ_P:
        _finish_read(h, slot * s.SLOT_FIELDS, cycle)
        h.counters[s.READ_HITS] += is_hit
    else:
        _finish_write(h, slot * s.SLOT_FIELDS, cycle)
        h.counters[s.WRITE_HITS] += is_hit
    _log(h, cycle, command, lane, h.banks.open_row[lane], slot_field(h, slot, s.SLOT_COLUMN))
    h.lanes[accesses] += 1
    release_slot(h, slot)


@helper(forceinline=True)
def _finish_read(h, at, cycle):
    readers = h.pool[at + s.SLOT_READERS]
    completion = cycle + h.rules[s.READ_DELAY]
    h.counters[s.LAST_READ_CYCLE] = cycle
    h.counters[s.LAST_COMPLETION] = max(h.counters[s.LAST_COMPLETION], completion)
    note_done(h, completion, h.pool[at + s.SLOT_ADDRESS], readers)
    if completion <= h.rules[s.LAST_CYCLE]:
        h.counters[s.READS_DONE] += readers
        h.counters[s.READ_LATENCY] += completion * readers - h.pool[at + s.SLOT_STAMPS]
        latency.note(h, latency.READS, at, readers == 1, completion)


@helper(forceinline=True)
def _finish_write(h, at, cycle):
    completion = cycle + h.rules[s.WRITE_DELAY]
    h.counters[s.LAST_WRITE_CYCLE] = cycle
    h.counters[s.LAST_COMPLETION] = max(h.counters[s.LAST_COMPLETION], completion)
    h.counters[s.WRITE_LATENCY] += completion - h.pool[at + s.SLOT_STAMPS]
    latency.note(h, latency.WRITES, at, h.pool[at + s.SLOT_READERS] == 0, completion)
