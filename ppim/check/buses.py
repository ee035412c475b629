"""Command buses and the data bus (compiled into the kernel)."""

from ppim.check import commands, resolve
from ppim.check.layout import BUS_USES, COLUMN_SLOT, KIND, LONG_AGO, ROW_SLOT, TIME
from ppim.check.tally import has_been, note_margin, remember
from ppim.jit import helper


@helper(forceinline=True)
def check_command_bus(layout, state, tally, channel, lane, block, at):
    """One command a cycle on a bus; a PIM unit has one of its own, refreshes have the channel's."""
    kind = block[at, KIND]
    base = channel * layout.slots
    if layout.has_units and kind < commands.OF_A_RANK_FROM:
        slot = base + layout.unit_base + lane // layout.banks_per_unit
    elif layout.dual and kind < commands.ACTIVATE:
        slot = base + layout.slot_base + COLUMN_SLOT
    else:
        slot = base + layout.slot_base + ROW_SLOT
    if has_been(state.last, slot):
        margin = block[at, TIME] - state.last[slot, TIME] - 1
        note_margin(tally, resolve.COMMAND_BUS, margin, channel, block, at, state.last, slot)
    remember(state.last, slot, block, at)


@helper(forceinline=True)
def check_data_bus(layout, state, tally, channel, block, at):
    """A burst may not overlap another one on the channel's data bus."""
    latency = layout.read_latency if block[at, KIND] <= commands.READ_P else layout.write_latency
    start = block[at, TIME] + latency
    end = start + layout.burst_cycles
    count = state.n_bus[channel]
    ring, starts = state.bus[channel], state.bus_start[channel]
    worst, worst_slot = start - state.bus_end[channel], (count - 1) % BUS_USES
    if worst < 0:
        # Some burst ends later; it may begin later still, as a read's data do that come after those of a write.
        worst = 0
        for slot in range(BUS_USES):
            if starts[slot] != LONG_AGO:
                overlap = min(end, starts[slot] + layout.burst_cycles) - max(start, starts[slot])
                if -overlap < worst:
                    worst, worst_slot = -overlap, slot
        if worst == 0:
            worst = 1  # beside each other, but not one behind the other: no edge to call tight
    if count:
        note_margin(tally, resolve.DATA_BUS, worst, channel, block, at, ring, worst_slot)
    slot = count % BUS_USES
    remember(ring, slot, block, at)
    starts[slot] = start
    state.n_bus[channel] = count + 1
    state.bus_end[channel] = max(state.bus_end[channel], end)
