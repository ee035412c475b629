"""A unit's buffer: bursts of complete lookups until their arithmetic ends (docs/model.md §6)."""

from ppim.engine.pim import state as s
from ppim.jit import helper


@helper
def keep(state, channel, unit, complete, end, bursts):
    """The bursts of a lookup stay in its unit's buffer from `complete` up to `end`."""
    row = state.unit[channel, unit]
    place = state.buffer[channel, unit, row[s.BUFFER_TAIL] & state.buffer_mask]
    place[s.BUFFER_COMPLETE] = complete
    place[s.BUFFER_END] = end
    place[s.BUFFER_BURSTS] = bursts
    row[s.BUFFER_TAIL] += 1


@helper(forceinline=True)
def allows(p, state, channel, unit, cycle):
    """Whether the unit's buffer takes another burst at `cycle`."""
    row, mask = state.unit[channel, unit], state.buffer_mask
    while (
        row[s.BUFFER_HEAD] < row[s.BUFFER_TAIL]
        and state.buffer[channel, unit, row[s.BUFFER_HEAD] & mask, s.BUFFER_END] <= cycle
    ):
        row[s.BUFFER_HEAD] += 1
    held = 0
    for number in range(row[s.BUFFER_HEAD], row[s.BUFFER_TAIL]):
        place = state.buffer[channel, unit, number & mask]
        if place[s.BUFFER_COMPLETE] <= cycle:
            held += place[s.BUFFER_BURSTS]
    return held < p.buffer_bursts
