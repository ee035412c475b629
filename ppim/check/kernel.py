"""One pass over a block of commands; the only entry into compiled code."""

from ppim.check import buses, commands, distances, intervals, resolve, states, windows
from ppim.check.layout import AWAKE, CHANNEL_FIELD, CLOSED, KIND, LANE, TIME
from ppim.check.tally import note_state
from ppim.jit import helper, njit


@helper(forceinline=True)
def _check_precharge_all(rules, layout, state, tally, channel, lane, block, at):
    """Every open bank of the rank is precharged; to those that are closed nothing happens."""
    first = lane // layout.banks_per_rank * layout.banks_per_rank
    block[at, KIND] = commands.PRECHARGE
    for each in range(first, first + layout.banks_per_rank):
        if state.open_row[channel, each] != CLOSED:
            block[at, LANE] = each
            distances.check_distances(
                rules, layout, state, tally, commands.PRECHARGE, channel, each, block, at
            )
    for each in range(first, first + layout.banks_per_rank):
        if state.open_row[channel, each] != CLOSED:
            block[at, LANE] = each
            state.open_row[channel, each] = CLOSED
            distances.remember_command(rules, layout, state, commands.PRECHARGE, channel, each, block, at)


@njit
def check_block(rules, layout, state, tally, is_ever_late, block):
    """Hold commands (int64, shape (commands, BLOCK_FIELDS), in the order of the file) against all rules.

    Changes `state` and `tally`, and may change `block`.
    """
    for at in range(len(block)):
        channel, kind, lane = block[at, CHANNEL_FIELD], block[at, KIND], block[at, LANE]
        now = block[at, TIME]
        rank = state.rank_of[lane]
        note_state(tally, resolve.ORDER, now >= state.last_cycle[channel], channel, block, at, block, -1)
        state.last_cycle[channel] = max(now, state.last_cycle[channel])
        states.check_sleep(layout, state, tally, kind, channel, rank, block, at)
        buses.check_command_bus(layout, state, tally, channel, lane, block, at)
        if kind == commands.PRECHARGE_ALL:
            _check_precharge_all(rules, layout, state, tally, channel, lane, block, at)
            continue
        distances.check_distances(rules, layout, state, tally, kind, channel, lane, block, at)
        # Whoever reads, what is written comes from the host.
        if kind <= commands.WRITE_P and (layout.watch_bus or kind >= commands.WRITE):
            buses.check_data_bus(layout, state, tally, channel, block, at)
        if kind == commands.ACTIVATE:
            windows.check_windows(rules, state, tally, channel, rank, block, at)
        if kind == commands.REFRESH or (kind == commands.REFRESH_BANK and layout.bank_refresh):
            intervals.check_refresh(layout, state, tally, kind, channel, lane, is_ever_late, block, at)
        if kind < commands.OF_A_RANK_FROM:
            states.check_bank_state(layout, state, tally, kind, channel, lane, block, at)
        elif kind in (commands.REFRESH, commands.SELF_REFRESH_ENTER):
            states.check_rank_state(layout, state, tally, channel, rank, block, at)
        elif kind == commands.SELF_REFRESH_EXIT and not layout.bank_refresh:
            intervals.skip_sleep(layout, state, channel, rank, block, at)
        distances.remember_command(rules, layout, state, kind, channel, lane, block, at)


@njit
def check_end(layout, state, tally, end, seen, block):
    """What is owed when the trace ends at cycle `end` by channels that were `seen`; `block` holds one row for the end."""
    for channel in range(layout.channels):
        for rank in range(layout.ranks):
            if seen[channel] and state.asleep[channel, rank] == AWAKE:
                intervals.check_owed(layout, state, tally, channel, rank, end, block)
