"""One stream for all channels: these come up to its slots as far as it needs (docs/model.md §2)."""

from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.engine.pim.by_unit import cycles, state as u
from ppim.engine.pim.by_unit.channels import run_channels
from ppim.engine.pim.by_unit.stream import enter, has_room, next_change, send_hit
from ppim.engine.pim.rules import commands, slots, streams, targets, times, transfers
from ppim.jit import helper
from ppim.jit.by_address import by_address
from ppim.program import instruction as ins, state as r


@helper
def come_up(p, rings, state, every, first, stop, goal):
    """Channels come up to cycle `goal`, in which a slot may still be used."""
    return run_channels(p, rings, state, every, first, stop, 0, goal + 1, goal, NEVER, NEVER)[0]


@helper
def find_room(p, rings, state, every, channel, instruction):
    """A channel comes up to where it has room for an instruction, from ROOM_FROM on; a status."""
    a = by_address(u.channel_of(every, channel))
    row = a.channel
    while not has_room(p, a, instruction):
        if row[u.HORIZON] >= row[u.ROOM_FROM]:
            if p.queue_entries == 0:
                return s.QUEUES_FULL
            row[u.ROOM_FROM] = next_change(p, state, a)
        status = come_up(p, rings, state, every, channel, channel + 1, row[u.ROOM_FROM])
        if status >= s.GROW:
            return status
    return s.DONE


@helper
def finish_all(p, rings, state, every):
    """All channels do what is left; a status."""
    for channel in range(p.channels):
        a = by_address(u.channel_of(every, channel))
        while next_change(p, state, a) < NEVER:
            status = come_up(p, rings, state, every, channel, channel + 1, next_change(p, state, a))
            if status >= s.GROW:
                return status
    return s.DONE


@helper
def prepare(p, rings, state, every, instruction, slot):
    """Channels come up as far as an instruction needs in a slot of cycle `slot` or later: (status, its cycle)."""
    kind, cycle = instruction[ins.KIND], slot
    first, stop = targets.channels_of(p, instruction)
    if (kind <= ins.LAST_DEMAND and kind != ins.HIT) or kind == ins.PREFETCH:
        for channel in range(first, stop):
            row = every.channel[channel]
            row[u.ROOM_FROM] = max(row[u.ROOM_FROM], slot)
            status = find_room(p, rings, state, every, channel, instruction)
            if status >= s.GROW:
                return status, slot
            cycle = max(cycle, row[u.ROOM_FROM])
    for channel in range(p.channels):
        row = every.channel[channel]
        is_hit = kind == ins.HIT and first <= channel < stop
        if row[u.HORIZON] < cycle and (is_hit or cycle > row[u.COUNTED] + every.span):
            status = come_up(p, rings, state, every, channel, channel + 1, cycle)
            if status >= s.GROW:
                return status, slot
    return s.DONE, cycle


@helper
def send_to_all(p, rings, state, every, instruction, cycle):
    """An instruction goes to all its channels in the slot of `cycle`."""
    kind = instruction[ins.KIND]
    first, stop = targets.channels_of(p, instruction)
    if kind == ins.TRANSFER:
        for number in range(instruction[ins.SUM], instruction[ins.SUM] + instruction[ins.N_SUMS]):
            transfers.send_sum(rings, state, number, instruction[ins.BURSTS], cycle)
        if instruction[ins.N_SUMS] == 0:
            transfers.send_empty(rings, state, max(instruction[ins.CHANNEL], 0), instruction[ins.TURN], cycle)
    first_unit, stop_unit = targets.units_of(p, instruction)
    for channel in range(first, stop):
        state.channel[channel, s.INSTRUCTIONS] += 1
        before = (channel - first) * (stop_unit - first_unit)
        if kind == ins.HIT:
            send_hit(p, rings, state, by_address(u.channel_of(every, channel)), instruction, cycle, before)
        elif kind != ins.TRANSFER:
            enter(p, rings, state, by_address(u.channel_of(every, channel)), instruction, cycle, before)
    if kind <= ins.LAST_DEMAND:
        times.note_start(rings, instruction[ins.TURN], cycle)
    next_slot = slots.use_slot(p, rings, state, 0, cycle, targets.waits_for_barrier(instruction))
    row = every.channel[0]
    if cycle > row[u.SLOTS_END]:
        for channel in range(p.channels):
            cycles.paint(
                by_address(u.channel_of(every, channel)), u.SENDS, row[u.SLOTS_FROM], row[u.SLOTS_END]
            )
        row[u.SLOTS_FROM] = cycle
    row[u.SLOTS_END] = slots.lasts_until(cycle, next_slot)
    streams.go_on(p, rings, state, 0, cycle)


@helper
def run_stream(p, rings, state, every, final):
    """Run one stream for all channels, without barriers: it is ahead of their units; a status."""
    stream = rings.stream[0]
    while not streams.is_at_end(rings, 0):
        if p.keeps_events and commands.log_is_full(state, 0):
            return s.LOG_FULL
        instruction = streams.next_instruction(rings, 0)
        status, cycle = prepare(p, rings, state, every, instruction, stream[r.NEXT_SLOT])
        if status >= s.GROW:
            return status
        send_to_all(p, rings, state, every, instruction, cycle)
    stream[r.FRONT] = r.FRONT_EMPTY
    if final:
        return finish_all(p, rings, state, every)
    status = come_up(p, rings, state, every, 0, p.channels, stream[r.NEXT_SLOT] - p.interval)
    return status if status >= s.GROW else s.REFILL
