"""Streams: which instruction or deliver uses a slot, and what sending it does (docs/model.md §2)."""

from __future__ import annotations

from ppim.engine.codes import NEVER
from ppim.engine.pim.bus import bus_free_from, reserve
from ppim.engine.pim.complete import complete_one, operand_arrives, queue_transfer
from ppim.engine.pim.heap import pop
from ppim.engine.pim.queues import take_entry
from ppim.engine.pim.state import (
    ACTS_AFTER,
    ANY_RANK,
    BARRIER_NONE,
    BARRIER_TABLE,
    DELIVER_BURSTS,
    ENTRY_BURSTS,
    ENTRY_COLUMN,
    ENTRY_KIND,
    ENTRY_LANE,
    ENTRY_LEADER,
    ENTRY_LOOKUP,
    ENTRY_NUMBER,
    ENTRY_PHASE,
    ENTRY_READY,
    ENTRY_ROW,
    ENTRY_RUNS,
    ENTRY_TOTAL,
    FRONT_BARRIER,
    FRONT_EMPTY,
    FRONT_QUEUE,
    FRONT_READY,
    INSTRUCTIONS,
    PHASES_NONE,
    PHASES_TABLE,
    TO_UNIT,
)
from ppim.jit import njit
from ppim.program.instruction import (
    ADDRESS,
    ALL,
    BURSTS,
    CHANNEL,
    HIT,
    KIND,
    LOOKUP,
    LOOKUP_SUM,
    N_SUMS,
    NONE,
    PREFETCH,
    SUM,
    SUM_BURSTS,
    SUM_CHANNEL,
    SUM_LOOKUPS,
    SUM_ORDER,
    SUM_SENT,
    TRANSFER,
    TURN,
    UNIT,
)
from ppim.program.state import OLDEST_TURN, TURN_BATCH

SENT = 0
NO_ROOM = 1  # a bank queue is full
POOL_FULL = 2  # the pool of entries has to grow


@njit(cache=False)
def count_runs(parameters, address, bursts):
    """DRAM rows that an access touches."""
    column = address % parameters.bursts_per_row
    return (column + bursts + parameters.bursts_per_row - 1) // parameters.bursts_per_row


@njit(cache=False)
def lane_of_run(parameters, unit, address, run):
    """(lane, DRAM row) of the run-th row that an access touches: next bank of the unit, then next row."""
    place = address // parameters.bursts_per_row + run
    return (
        unit * parameters.banks_per_unit + place % parameters.banks_per_unit,
        place // parameters.banks_per_unit,
    )


@njit(cache=False)
def has_room(parameters, queues, channel, unit, address, runs):
    """Whether every run finds a place in its bank's queue."""
    if parameters.queue_entries == 0:
        return True
    for run in range(runs):
        lane, _ = lane_of_run(parameters, unit, address, run)
        # Runs beyond the unit's banks come to a bank a second time.
        needed = 1 + run // parameters.banks_per_unit
        if queues.occupied[channel, lane] + needed > parameters.queue_entries:
            return False
    return True


@njit(cache=False)
def enter_phase(units, channel, unit, phase, entries):
    """Count entries of a phase in a unit."""
    mask = units.phase_value.shape[2] - 1
    tail = units.phase_tail[channel, unit]
    last = (tail - 1) & mask
    if tail > units.phase_head[channel, unit] and units.phase_value[channel, unit, last] == phase:
        units.phase_count[channel, unit, last] += entries
        return
    units.phase_value[channel, unit, tail & mask] = phase
    units.phase_count[channel, unit, tail & mask] = entries
    units.phase_tail[channel, unit] = tail + 1


@njit(cache=False)
def phase_of(parameters, kind, turn):
    """Phase of an entry (docs/model.md §5)."""
    if parameters.phases == PHASES_NONE:
        return 0
    is_demand = 0 if kind == PREFETCH else 1
    if parameters.phases == PHASES_TABLE:
        return 2 * turn + is_demand
    return is_demand


@njit(cache=False)
def enqueue(parameters, state, channel, unit, kind, address, bursts, turn, lookup, number, cycle):
    """Send the runs of one instruction to the queues of its banks, where they join two cycles on."""
    queues = state.queues
    runs = count_runs(parameters, address, bursts)
    phase = phase_of(parameters, kind, turn)
    if parameters.phases != PHASES_NONE:
        enter_phase(state.units, channel, unit, phase, runs)
    leader = -1
    column = address % parameters.bursts_per_row
    left = bursts
    for run in range(runs):
        lane, row = lane_of_run(parameters, unit, address, run)
        entry = take_entry(queues, channel)
        if run == 0:
            leader = entry
        item = queues.entries[channel, entry]
        item[ENTRY_LANE] = lane
        item[ENTRY_ROW] = row
        item[ENTRY_COLUMN] = column
        item[ENTRY_BURSTS] = min(left, parameters.bursts_per_row - column)
        item[ENTRY_KIND] = kind
        item[ENTRY_LOOKUP] = lookup
        item[ENTRY_PHASE] = phase
        item[ENTRY_LEADER] = leader
        item[ENTRY_RUNS] = runs
        item[ENTRY_READY] = 0
        item[ENTRY_TOTAL] = bursts
        item[ENTRY_NUMBER] = number
        left -= item[ENTRY_BURSTS]
        column = 0
        queues.occupied[channel, lane] += 1
        place = queues.join_tail[channel] & (queues.join_cycle.shape[1] - 1)
        queues.join_cycle[channel, place] = cycle + ACTS_AFTER
        queues.join_entry[channel, place] = entry
        queues.join_tail[channel] += 1
    if cycle + ACTS_AFTER < state.look.next_event[channel]:
        state.look.next_event[channel] = cycle + ACTS_AFTER


@njit(cache=False)
def send_reads(parameters, state, instruction, number, cycle):
    """READ, READ_OUT or PREFETCH: all its entries in all its units, or nothing."""
    kind = instruction[KIND]
    address = instruction[ADDRESS]
    bursts = instruction[BURSTS]
    runs = count_runs(parameters, address, bursts)
    first_channel, stop_channel = instruction[CHANNEL], instruction[CHANNEL] + 1
    if instruction[CHANNEL] == ALL:
        first_channel, stop_channel = 0, parameters.channels
    first_unit, stop_unit = instruction[UNIT], instruction[UNIT] + 1
    if instruction[UNIT] == ALL:
        first_unit, stop_unit = 0, parameters.units
    for channel in range(first_channel, stop_channel):
        for unit in range(first_unit, stop_unit):
            if not has_room(parameters, state.queues, channel, unit, address, runs):
                return NO_ROOM
        if state.queues.free_count[channel] < runs * (stop_unit - first_unit):
            return POOL_FULL
    for channel in range(first_channel, stop_channel):
        for unit in range(first_unit, stop_unit):
            enqueue(
                parameters,
                state,
                channel,
                unit,
                kind,
                address,
                bursts,
                instruction[TURN],
                instruction[LOOKUP],
                number,
                cycle,
            )
    return SENT


@njit(cache=False)
def send_transfer(parameters, rings, state, instruction, cycle):
    """TRANSFER: its sums are sent when they are complete; without a sum it only takes its slot."""
    turn = instruction[TURN]
    if instruction[N_SUMS] == 0:
        channel = max(instruction[CHANNEL], 0)
        state.front.open[channel] += 1
        complete_one(parameters, rings, state, channel, turn, cycle + ACTS_AFTER)
        return
    for number in range(instruction[SUM], instruction[SUM] + instruction[N_SUMS]):
        row = number & (len(rings.sums) - 1)
        channel = rings.sums[row, SUM_CHANNEL]
        state.front.open[channel] += 1
        rings.sums[row, SUM_SENT] = cycle
        rings.sums[row, SUM_ORDER] = state.front.sent[channel]
        rings.sums[row, SUM_BURSTS] = instruction[BURSTS]
        state.front.sent[channel] += 1
        if rings.sums[row, SUM_LOOKUPS] == 0:
            queue_transfer(rings, state, number)


@njit(cache=False)
def owner_channel(rings, lookup):
    """Channel of the unit that a lookup belongs to."""
    number = rings.lookups[lookup & (len(rings.lookups) - 1), LOOKUP_SUM]
    return rings.sums[number & (len(rings.sums) - 1), SUM_CHANNEL]


@njit(cache=False)
def send_deliver(parameters, rings, state, stream, cycle):
    """The oldest deliver that is due goes to its lookup's unit over the channel's bus."""
    front = state.front
    lookup = front.deliver_lookup[stream, 0]
    bursts = front.deliver_bursts[stream, 0]
    pop(
        front.deliver_ready,
        front.deliver_order,
        front.deliver_lookup,
        front.deliver_bursts,
        front.deliver_count,
        stream,
    )
    channel = owner_channel(rings, lookup)
    free = bus_free_from(parameters, state.bus, channel, TO_UNIT, ANY_RANK)
    end = max(cycle + parameters.write_latency, free) + bursts * parameters.bus_burst_cycles
    reserve(state.bus, channel, TO_UNIT, ANY_RANK, end)
    state.counters[channel, INSTRUCTIONS] += 1
    state.counters[channel, DELIVER_BURSTS] += bursts
    operand_arrives(parameters, rings, state, lookup, end)


@njit(cache=False)
def barrier_open(parameters, rings, state, instruction, cycle):
    """Whether a demand instruction's turn may be sent at `cycle`."""
    if parameters.barrier == BARRIER_NONE or instruction[KIND] == PREFETCH or instruction[KIND] == TRANSFER:
        return True
    oldest = rings.marks[OLDEST_TURN]
    turn = instruction[TURN]
    if oldest < turn:
        if parameters.barrier == BARRIER_TABLE:
            return False
        mask = len(rings.turns) - 1
        if rings.turns[oldest & mask, TURN_BATCH] != rings.turns[turn & mask, TURN_BATCH]:
            return False
    return state.front.release[0] <= cycle


@njit(cache=False)
def send(parameters, rings, state, stream, instruction, cycle):
    """Send one instruction; SENT, NO_ROOM or POOL_FULL."""
    kind = instruction[KIND]
    if kind == TRANSFER:
        send_transfer(parameters, rings, state, instruction, cycle)
    elif kind == HIT:
        channel = instruction[CHANNEL]
        state.front.open[channel] += 1
        operand_arrives(
            parameters, rings, state, instruction[LOOKUP], cycle + ACTS_AFTER + parameters.cache_latency
        )
    else:
        outcome = send_reads(parameters, state, instruction, rings.head[stream], cycle)
        if outcome != SENT:
            return outcome
        if instruction[LOOKUP] != NONE:
            state.front.open[owner_channel(rings, instruction[LOOKUP])] += 1
    return SENT


@njit(cache=False)
def count_instruction(parameters, state, instruction):
    """An instruction counts in every channel that receives it."""
    if instruction[CHANNEL] == ALL:
        for channel in range(parameters.channels):
            state.counters[channel, INSTRUCTIONS] += 1
    else:
        state.counters[instruction[CHANNEL], INSTRUCTIONS] += 1


@njit(cache=False)
def wait(front, stream, why):
    """The stream cannot send its next instruction; a deliver may still go ahead of it."""
    front.state[stream] = why
    front.wake[stream] = NEVER
    if front.deliver_count[stream] > 0:
        front.wake[stream] = max(front.next_slot[stream], front.deliver_ready[stream, 0])


@njit(cache=False)
def use_slot(parameters, front, stream, cycle):
    """The slot of `cycle` is used."""
    front.slots[stream] += 1
    front.next_slot[stream] = cycle + parameters.interval
    front.wake[stream] = front.next_slot[stream]


@njit(cache=False)
def step_front(parameters, rings, state, stream, cycle):
    """What a stream does at the end of `cycle`; False when the pool of entries has to grow first."""
    front = state.front
    if cycle < front.next_slot[stream]:
        front.wake[stream] = front.next_slot[stream]
        return True
    if front.deliver_count[stream] > 0 and front.deliver_ready[stream, 0] <= cycle:
        send_deliver(parameters, rings, state, stream, cycle)
        use_slot(parameters, front, stream, cycle)
        return True
    if rings.head[stream] == rings.tail[stream]:
        wait(front, stream, FRONT_EMPTY)
        return True
    place = rings.head[stream] & (rings.streams.shape[1] - 1)
    instruction = rings.streams[stream, place]
    if not barrier_open(parameters, rings, state, instruction, cycle):
        wait(front, stream, FRONT_BARRIER)
        return True
    outcome = send(parameters, rings, state, stream, instruction, cycle)
    if outcome == POOL_FULL:
        return False
    if outcome == NO_ROOM:
        wait(front, stream, FRONT_QUEUE)
        return True
    front.state[stream] = FRONT_READY
    count_instruction(parameters, state, instruction)
    rings.head[stream] += 1
    use_slot(parameters, front, stream, cycle)
    if rings.head[stream] == rings.tail[stream]:
        wait(front, stream, FRONT_EMPTY)
    return True
