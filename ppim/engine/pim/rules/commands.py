"""What every command counts and, if commands are kept, the line that it leaves."""

from ppim.engine import codes
from ppim.engine.pim import state as s
from ppim.engine.pim.rules import events, limits
from ppim.jit import helper

NOT_A_COLUMN = -1
NOBODY = -1


@helper(forceinline=True)
def log_is_full(state, channel):
    """Whether what is kept has to be taken before anything else happens in a channel."""
    capacity = state.log_capacity
    return capacity > 0 and state.channel[channel, s.LOG_COUNT] > capacity - state.log_margin


@helper(forceinline=True)
def keep_log(state, channel, cycle, command, lane, row, column, user, kind):
    """Note a command, if commands are kept; of a READ, whom it serves and as what."""
    if state.log_capacity > 0:
        line = events.add_line(state, channel, command, cycle)
        line[codes.LOG_LANE] = lane
        line[codes.LOG_ROW] = row
        line[codes.LOG_COLUMN] = column
        line[s.LOG_USER] = user
        line[s.LOG_KIND] = kind


@helper(forceinline=True)
def count_reads(state, channel, reads, reads_before, is_prefetch):
    """Count READs of an open row that had so many before since its ACTIVATE; the log's lines are the caller's."""
    counters = state.channel[channel]
    counters[s.READS] += reads
    counters[s.ROW_HITS] += reads - (reads_before == 0)
    counters[s.PREFETCH_READS] += reads * is_prefetch


@helper(forceinline=True)
def count_activate(p, state, channel, lane, row, is_demand, cycle):
    """Count an ACTIVATE."""
    state.channel[channel, s.ACTIVATES] += 1
    limits.tally_activate(p, state, channel, lane, is_demand)
    keep_log(state, channel, cycle, codes.ACTIVATE, lane, row, NOT_A_COLUMN, NOBODY, NOBODY)


@helper(forceinline=True)
def count_precharge(state, channel, lane, cycle):
    """Count a PRECHARGE."""
    state.channel[channel, s.PRECHARGES] += 1
    keep_log(state, channel, cycle, codes.PRECHARGE, lane, codes.NO_ROW, NOT_A_COLUMN, NOBODY, NOBODY)


@helper(forceinline=True)
def count_refresh(state, channel, lane, cycle):
    """Count a REFRESH of the rank that begins with `lane`."""
    state.channel[channel, s.REFRESHES] += 1
    keep_log(state, channel, cycle, codes.REFRESH, lane, codes.NO_ROW, NOT_A_COLUMN, NOBODY, NOBODY)
