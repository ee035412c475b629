"""Note what a rule was held against, and what broke it (compiled into the kernel)."""

from ppim.check import layout
from ppim.jit import helper

NO_ROW = -1


@helper(forceinline=True)
def note_violation(tally, rule, margin, channel, block, at, table, slot):
    """Keep one violation: command `at` of the block, and row `slot` of a table of earlier ones (-1: none)."""
    tally.broken[rule] += 1
    n_found = tally.n_found[0]
    if n_found < len(tally.found):
        record = tally.found[n_found]
        record[layout.V_RULE] = rule
        record[layout.V_MARGIN] = margin
        record[layout.V_CHANNEL] = channel
        for field in range(layout.FIELDS):
            record[layout.V_LATER + field] = block[at, field]
            record[layout.V_EARLIER + field] = -1 if slot < 0 else table[slot, field]
    tally.n_found[0] += 1


@helper(forceinline=True)
def note_margin(tally, rule, margin, channel, block, at, table, slot):
    """Count a pair that was held against a distance; a negative margin is a violation."""
    tally.checked[rule] += 1
    tally.least[rule] = min(tally.least[rule], margin)
    if margin == 0:
        tally.tight[rule] += 1
    elif margin < 0:
        note_violation(tally, rule, margin, channel, block, at, table, slot)


@helper(forceinline=True)
def note_state(tally, rule, is_kept, channel, block, at, table, slot):
    """Count a command that was held against a rule about states."""
    tally.checked[rule] += 1
    if not is_kept:
        note_violation(tally, rule, layout.NO_MARGIN, channel, block, at, table, slot)


@helper(forceinline=True)
def remember(table, slot, block, at):
    """Copy command `at` of the block to row `slot` of a table."""
    for field in range(layout.FIELDS):
        table[slot, field] = block[at, field]


@helper(forceinline=True)
def has_been(table, slot):
    """Whether row `slot` holds a command."""
    return table[slot, layout.TIME] >= 0
