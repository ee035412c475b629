"""How long each GnR took: kept when its turn is complete, and taken by whoever runs the engine (docs/model.md §14).

Bags of a turn are sent together: a GnR begins with the first slot of its turn's demand and ends with the transfer of
its last sum, or with the last addition where the host adds.
"""

from __future__ import annotations

from ppim.jit import helper
from ppim.program import instruction as ins, state as r

# Columns of a row of `times`.
TURN = 0
BATCH = 1
BAG = 2
START = 3
END = 4
TIMES_COLUMNS = 5

# The first row: how many follow, and for how many more there was no room.
HEAD = 0
COUNT = 0
SHORT = 1


@helper(forceinline=True)
def note_start(rings, turn, cycle):
    """Demand of a turn is sent in `cycle`."""
    row = rings.turns[turn & rings.turn_mask]
    row[r.TURN_START] = min(row[r.TURN_START], cycle)


@helper(forceinline=True)
def end_of_sums(rings, turn):
    """One past the last sum of a turn."""
    number = rings.turns[turn & rings.turn_mask, r.TURN_FIRST_SUM]
    while number < rings.marks[r.NEXT_SUM] and rings.sums[number & rings.sum_mask, ins.SUM_TURN] == turn:
        number += 1
    return number


@helper
def needs_room(rings, state, turn):
    """Whether the times of a turn's bags might not find room; notes how much they need."""
    needed = end_of_sums(rings, turn) - rings.turns[turn & rings.turn_mask, r.TURN_FIRST_SUM]
    if 1 + state.times[HEAD, COUNT] + needed <= state.times_capacity:
        return False
    state.times[HEAD, SHORT] = needed
    return True


@helper
def keep(rings, state, turn):
    """Keep a row for each bag of a complete turn; a bag's sums lie one behind the other."""
    row = rings.turns[turn & rings.turn_mask]
    count = state.times[HEAD, COUNT]
    bag = ins.NONE
    for number in range(row[r.TURN_FIRST_SUM], end_of_sums(rings, turn)):
        item = rings.sums[number & rings.sum_mask]
        if item[ins.SUM_BAG] != bag:
            bag = item[ins.SUM_BAG]
            count += 1
            kept = state.times[count]
            kept[TURN] = turn
            kept[BATCH] = row[r.TURN_BATCH]
            kept[BAG] = bag
            kept[START] = row[r.TURN_START]
            kept[END] = 0
        kept = state.times[count]
        kept[END] = max(kept[END], item[ins.SUM_READY])
    state.times[HEAD, COUNT] = count
