"""Activate windows of a rank (compiled into the kernel)."""

from ppim.check import layout
from ppim.check.tally import note_margin, remember
from ppim.jit import helper


@helper(forceinline=True)
def check_windows(rules, state, tally, channel, rank, block, at):
    """Hold an activate against the one `most` activates ago, and keep it."""
    count = state.n_activates[channel, rank]
    ring = state.activates[channel, rank]
    now = block[at, layout.TIME]
    for window in range(len(rules.window_most)):
        most = rules.window_most[window]
        if count >= most:
            slot = (count - most) % layout.LONGEST_WINDOW
            margin = now - ring[slot, layout.TIME] - rules.window_cycles[window]
            note_margin(tally, rules.window_name[window], margin, channel, block, at, ring, slot)
    remember(ring, count % layout.LONGEST_WINDOW, block, at)
    state.n_activates[channel, rank] = count + 1
