"""Accumulators: how many sums a unit may have open (`unit_accumulators`, docs/model.md §2)."""

from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.engine.pim.rules import targets
from ppim.jit import helper
from ppim.program import instruction as ins, state as r


@helper(forceinline=True)
def accumulator_of(p, state, row):
    """The accumulator that a sum (a row of `sums`) uses in its unit."""
    place = row[ins.SUM_ORDINAL] % p.accumulators
    return state.accumulators[row[ins.SUM_CHANNEL], row[ins.SUM_UNIT], place]


@helper
def free(p, rings, state, row, end):
    """The transfer of a sum (a row of `sums`) has left its unit at `end`: streams that wait for its accumulator look again."""
    if row[ins.SUM_UNIT] == ins.NONE:
        return
    place = accumulator_of(p, state, row)
    place[s.ACCUMULATOR_SUM] = row[ins.SUM_ORDINAL]
    place[s.ACCUMULATOR_FREE] = end
    for stream in range(rings.n_streams):
        waiting = rings.stream[stream]
        if waiting[r.FRONT] == r.FRONT_ACCUMULATOR:
            waiting[r.WAKE] = min(waiting[r.WAKE], max(waiting[r.NEXT_SLOT], end))


@helper
def opens(p, rings, state, lookup):
    """Cycle from which a lookup's sum has an accumulator in its unit; NEVER while another sum has it."""
    row = rings.sums[rings.lookups[lookup & rings.lookup_mask, ins.LOOKUP_SUM] & rings.sum_mask]
    if row[ins.SUM_ORDINAL] < p.accumulators:
        return 0
    place = accumulator_of(p, state, row)
    # Sums leave a unit's accumulator in their order, and this one cannot have left.
    if place[s.ACCUMULATOR_SUM] == row[ins.SUM_ORDINAL] - p.accumulators:
        return place[s.ACCUMULATOR_FREE]
    return NEVER


@helper
def opens_all(p, rings, state, instruction):
    """Cycle from which the sums of all lookups that a demand instruction serves have accumulators (`opens`)."""
    units, sharers = targets.n_units_served(p, instruction), targets.sharers_in_unit(instruction)
    found = 0
    for unit in range(units):
        first = targets.first_lookup_in(instruction, unit)
        if targets.goes_to_several(instruction):
            first, sharers = targets.delivered_to(rings, instruction[ins.LOOKUP], instruction[ins.STEP], unit)
        for lookup in range(first, first + 1 + sharers):
            found = max(found, opens(p, rings, state, lookup))
    return found
