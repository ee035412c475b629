"""Refresh intervals (compiled into the kernel).

The n-th refresh of a rank falls due n - 1 periods after the first (host-controller.md §9); it comes then, and before the next
one falls due. A rank that sleeps refreshes itself: what falls due meanwhile is left out. Of bank refreshes DRAMsim3 may
owe any number, and with RANK_LEVEL_SIMULTANEOUS it refreshes one rank only, so neither of these is ever late.
"""

from ppim.check import commands, resolve
from ppim.check.layout import LANE, TIME
from ppim.check.tally import has_been, note_margin
from ppim.jit import helper


@helper(forceinline=True)
def due_by(layout, state, lane, cycle):
    """Refreshes of a rank (bank) that fall due up to a cycle, that cycle included."""
    if cycle < state.first_due[lane]:
        return 0
    return (cycle - state.first_due[lane]) // layout.period + 1


@helper(forceinline=True)
def check_refresh(layout, state, tally, kind, channel, lane, is_ever_late, block, at):
    """Hold a refresh against the time at which it fell due."""
    place = lane if layout.bank_refresh else lane // layout.banks_per_rank * layout.banks_per_rank
    now = block[at, TIME]
    done = state.refreshed[channel, place]
    due = state.first_due[place] + done * layout.period
    slot = channel * layout.slots
    if kind == commands.REFRESH:
        slot += layout.whole_base + commands.REFRESH * layout.ranks + lane // layout.banks_per_rank
    else:
        slot += commands.REFRESH_BANK * layout.lanes + lane
    if not has_been(state.last, slot):
        slot = -1
    early = now - (due - layout.slack)
    note_margin(tally, resolve.REFRESH_EARLY, early, channel, block, at, state.last, slot)
    if early < 0:
        return  # one too many: it is none of those that are due
    if is_ever_late:
        late = due + layout.period + layout.slack - 1 - now
        note_margin(tally, resolve.REFRESH_LATE, late, channel, block, at, state.last, slot)
        if late < 0:
            done = due_by(layout, state, place, now) - 1  # those between are missing, and said once
    state.refreshed[channel, place] = done + 1


@helper(forceinline=True)
def skip_sleep(layout, state, channel, rank, block, at):
    """Leave out what fell due while a rank slept."""
    place = rank * layout.banks_per_rank
    due = due_by(layout, state, place, block[at, TIME])
    state.refreshed[channel, place] = max(state.refreshed[channel, place], due)


@helper(forceinline=True)
def check_owed(layout, state, tally, channel, rank, end, block):
    """At the end of a trace no rank's refresh is too late already; `block` holds the end as a command."""
    place = rank * layout.banks_per_rank
    deadline = state.first_due[place] + (state.refreshed[channel, place] + 1) * layout.period + layout.slack
    block[0, LANE] = place
    note_margin(tally, resolve.REFRESH_LATE, deadline - 1 - end, channel, block, 0, block, -1)
