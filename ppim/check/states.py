"""Bank states and self refresh: what a command may find (compiled into the kernel)."""

from ppim.check import commands, distances, resolve
from ppim.check.layout import AWAKE, CLOSED, LINE, ROW, UNKNOWN_ROW
from ppim.check.tally import has_been, note_state
from ppim.jit import helper


@helper(forceinline=True)
def _opener(layout, state, channel, lane):
    """Row of the activate that was last in a bank; -1 if there was none."""
    slot = distances.slot_in_bank(layout, channel * layout.slots, commands.ACTIVATE, lane)
    return slot if has_been(state.last, slot) else -1


@helper(forceinline=True)
def check_bank_state(layout, state, tally, kind, channel, lane, block, at):
    """A command of one bank finds the bank as it needs it, and leaves it changed."""
    open_row = state.open_row[channel, lane]
    opener = _opener(layout, state, channel, lane)
    row = block[at, ROW]
    if kind <= commands.WRITE_P:
        note_state(tally, resolve.CLOSED_BANK, open_row != CLOSED, channel, block, at, state.last, opener)
        if open_row >= 0 and row >= 0:
            note_state(tally, resolve.OTHER_ROW, open_row == row, channel, block, at, state.last, opener)
        if kind in (commands.READ_P, commands.WRITE_P):
            state.open_row[channel, lane] = CLOSED
    elif kind == commands.ACTIVATE:
        note_state(tally, resolve.OPEN_BANK, open_row == CLOSED, channel, block, at, state.last, opener)
        state.open_row[channel, lane] = row if row >= 0 else UNKNOWN_ROW
    elif kind == commands.PRECHARGE:
        note_state(tally, resolve.CLOSED_BANK, open_row != CLOSED, channel, block, at, state.last, opener)
        state.open_row[channel, lane] = CLOSED
    elif kind == commands.REFRESH_BANK:
        note_state(tally, resolve.OPEN_BANK, open_row == CLOSED, channel, block, at, state.last, opener)


@helper(forceinline=True)
def check_rank_state(layout, state, tally, channel, rank, block, at):
    """A refresh, or an entry into self refresh, finds all banks of its rank closed."""
    found = -1
    for lane in range(rank * layout.banks_per_rank, (rank + 1) * layout.banks_per_rank):
        if state.open_row[channel, lane] != CLOSED:
            found = lane
            break
    opener = _opener(layout, state, channel, found) if found >= 0 else -1
    note_state(tally, resolve.OPEN_ROWS, found < 0, channel, block, at, state.last, opener)


@helper(forceinline=True)
def check_sleep(layout, state, tally, kind, channel, rank, block, at):
    """A sleeping rank takes nothing but the exit, which only a sleeping rank takes."""
    is_asleep = state.asleep[channel, rank] != AWAKE
    slot = channel * layout.slots + layout.whole_base + commands.SELF_REFRESH_ENTER * layout.ranks + rank
    if not has_been(state.last, slot):
        slot = -1
    is_right = is_asleep == (kind == commands.SELF_REFRESH_EXIT)
    note_state(tally, resolve.SELF_REFRESH, is_right, channel, block, at, state.last, slot)
    if kind == commands.SELF_REFRESH_ENTER:
        state.asleep[channel, rank] = block[at, LINE]
    elif kind == commands.SELF_REFRESH_EXIT:
        state.asleep[channel, rank] = AWAKE
