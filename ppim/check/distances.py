"""Distances between two commands: look back at the latest one of each kind and relation (compiled into the kernel).

For a relation "another bank of the group" the two latest places are kept, so that one of them is not the command's own.
"""

from ppim.check import constraint
from ppim.check.layout import FIELDS, LANE, TIME
from ppim.check.tally import has_been, note_margin, remember
from ppim.jit import helper


@helper(forceinline=True)
def slot_in_bank(layout, base, kind, lane):
    return base + kind * layout.lanes + lane


@helper(forceinline=True)
def _latest(layout, state, base, kind, scope, lane):
    """Row of the latest command of a kind that stands in a relation to a bank."""
    last = state.last
    if scope == constraint.BANK:
        return slot_in_bank(layout, base, kind, lane)
    if scope == constraint.GROUP:
        slot = base + layout.group_base + 2 * (kind * layout.groups + state.group_of[lane])
        return slot + (last[slot, LANE] == lane)
    rank = state.rank_of[lane]
    if scope == constraint.RANK:
        slot = base + layout.rank_base + 2 * (kind * layout.ranks + rank)
        return slot + (state.group_of[last[slot, LANE]] == state.group_of[lane])
    if scope == constraint.CHANNEL:
        slot = base + layout.channel_base + 2 * kind
        return slot + (state.rank_of[last[slot, LANE]] == rank)
    return base + layout.whole_base + kind * layout.ranks + rank


@helper(forceinline=True)
def check_distances(rules, layout, state, tally, kind, channel, lane, block, at):
    """Hold a command against all distances to earlier ones."""
    base = channel * layout.slots
    now = block[at, TIME]
    for rule in range(rules.start[kind], rules.start[kind + 1]):
        slot = _latest(layout, state, base, rules.earlier[rule], rules.scope[rule], lane)
        if has_been(state.last, slot):
            margin = now - state.last[slot, TIME] - rules.cycles[rule]
            note_margin(tally, rules.name[rule], margin, channel, block, at, state.last, slot)


@helper(forceinline=True)
def _remember_two(last, slot, block, at, same_place):
    """The latest command of all places, and the latest of another place."""
    if not same_place:
        for field in range(FIELDS):
            last[slot + 1, field] = last[slot, field]
    remember(last, slot, block, at)


@helper(forceinline=True)
def remember_command(rules, layout, state, kind, channel, lane, block, at):
    """Keep a command where later ones will look for it."""
    base = channel * layout.slots
    last = state.last
    remember(last, slot_in_bank(layout, base, kind, lane), block, at)
    rank, group = state.rank_of[lane], state.group_of[lane]
    if rules.kept[kind, constraint.GROUP]:
        slot = base + layout.group_base + 2 * (kind * layout.groups + group)
        _remember_two(last, slot, block, at, last[slot, LANE] == lane)
    if rules.kept[kind, constraint.RANK]:
        slot = base + layout.rank_base + 2 * (kind * layout.ranks + rank)
        _remember_two(last, slot, block, at, state.group_of[last[slot, LANE]] == group)
    if rules.kept[kind, constraint.CHANNEL]:
        slot = base + layout.channel_base + 2 * kind
        _remember_two(last, slot, block, at, state.rank_of[last[slot, LANE]] == rank)
    if rules.kept[kind, constraint.WHOLE_RANK]:
        remember(last, base + layout.whole_base + kind * layout.ranks + rank, block, at)
