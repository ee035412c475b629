"""Streams: which instruction or deliver uses a slot, and what sending it does (docs/model.md §2)."""

from __future__ import annotations

from ppim.engine.codes import NEVER
from ppim.engine.pim.account import note_slot, ring_is_short, settle
from ppim.engine.pim.bus import bus_free_from, reserve
from ppim.engine.pim.complete import accumulator_opens, complete_one, operand_arrives, queue_transfer
from ppim.engine.pim.heap import ITEM, READY, SHARED, SIZE, pop
from ppim.engine.pim.heap import ORDER as DUE
from ppim.engine.pim.limits import INSTRUCTION
from ppim.engine.pim.queues import phases_of, queue_of, take_entry
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
    ENTRY_SHARERS,
    ENTRY_TOTAL,
    FREE_COUNT,
    INSTRUCTIONS,
    JOIN_CYCLE,
    JOIN_ENTRY,
    JOIN_TAIL,
    NEXT_EVENT,
    OCCUPIED,
    OPEN,
    PHASE_COUNT,
    PHASE_HEAD,
    PHASE_TAIL,
    PHASE_VALUE,
    PHASES_NEXT,
    PHASES_NONE,
    PHASES_TABLE,
    TO_UNIT,
    TRANSFERS_SENT,
)
from ppim.jit import helper
from ppim.program.instruction import (
    ADDRESS,
    ALL,
    BURSTS,
    CHANNEL,
    DELIVER,
    HIT,
    KIND,
    LAST_DEMAND,
    LOOKUP,
    LOOKUP_SUM,
    N_SUMS,
    NONE,
    ORDER,
    PREFETCH,
    SHARERS,
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
from ppim.program.state import (
    DELIVERS,
    FRONT,
    FRONT_ACCUMULATOR,
    FRONT_BARRIER,
    FRONT_DELIVER,
    FRONT_EMPTY,
    FRONT_QUEUE,
    FRONT_READY,
    HEAD,
    NEXT_SLOT,
    OLDEST_TURN,
    RELEASE,
    SLOTS,
    TAIL,
    TURN_BATCH,
    WAKE,
)

SENT = 0
NO_ROOM = 1  # a bank queue is full
POOL_FULL = 2  # the pool of entries has to grow


@helper(forceinline=True)
def count_runs(parameters, address, bursts):
    """DRAM rows that an access touches."""
    column = address & (parameters.bursts_per_row - 1)
    return (column + bursts + parameters.bursts_per_row - 1) >> parameters.column_bits


@helper(forceinline=True)
def lane_of_run(parameters, unit, address, run):
    """(lane, DRAM row) of the run-th row that an access touches: next bank of the unit, then next row."""
    place = (address >> parameters.column_bits) + run
    bank = place & (parameters.banks_per_unit - 1)
    return (unit << parameters.bank_bits) + bank, place >> parameters.bank_bits


@helper(forceinline=True)
def has_room(parameters, state, channel, unit, kind, address, runs):
    """Whether every run finds a place in its bank's queue."""
    if parameters.queue_entries == 0:
        return True
    for run in range(runs):
        lane, _ = lane_of_run(parameters, unit, address, run)
        # Runs beyond the unit's banks come to a bank a second time.
        needed = 1 + (run >> parameters.bank_bits)
        queue = queue_of(parameters, kind, lane)
        if state.lane[channel, queue, OCCUPIED] + needed > parameters.queue_entries:
            return False
    return True


@helper(forceinline=True)
def enter_phase(state, channel, unit, phase, entries):
    """Count entries of a phase in a unit."""
    mask = state.phase_mask
    tail = state.unit[channel, unit, PHASE_TAIL]
    last = (tail - 1) & mask
    if (
        tail > state.unit[channel, unit, PHASE_HEAD]
        and state.phases[channel, unit, last, PHASE_VALUE] == phase
    ):
        state.phases[channel, unit, last, PHASE_COUNT] += entries
        return
    state.phases[channel, unit, tail & mask, PHASE_VALUE] = phase
    state.phases[channel, unit, tail & mask, PHASE_COUNT] = entries
    state.unit[channel, unit, PHASE_TAIL] = tail + 1


@helper(forceinline=True)
def phase_of(parameters, kind, turn):
    """Phase of an entry (docs/model.md §5)."""
    if parameters.phases == PHASES_NONE:
        return 0
    is_demand = 0 if kind == PREFETCH else 1
    if parameters.phases == PHASES_TABLE:
        return 2 * turn + is_demand
    if parameters.phases == PHASES_NEXT:
        return turn
    return is_demand


@helper(forceinline=True)
def enqueue(parameters, state, channel, unit, kind, address, bursts, turn, lookup, sharers, number, cycle):
    """Send the runs of one instruction to the queues of its banks, where they join two cycles on."""
    runs = count_runs(parameters, address, bursts)
    phase = phase_of(parameters, kind, turn)
    if parameters.phases != PHASES_NONE:
        enter_phase(state, channel, phases_of(parameters, kind, unit), phase, runs)
    leader = -1
    column = address & (parameters.bursts_per_row - 1)
    left = bursts
    for run in range(runs):
        lane, row = lane_of_run(parameters, unit, address, run)
        entry = take_entry(state, channel)
        if run == 0:
            leader = entry
        item = state.entries[channel, entry]
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
        item[ENTRY_SHARERS] = sharers
        left -= item[ENTRY_BURSTS]
        column = 0
        state.lane[channel, queue_of(parameters, kind, lane), OCCUPIED] += 1
        place = state.channel[channel, JOIN_TAIL] & state.join_mask
        state.joins[channel, place, JOIN_CYCLE] = cycle + ACTS_AFTER
        state.joins[channel, place, JOIN_ENTRY] = entry
        state.channel[channel, JOIN_TAIL] += 1
    state.channel[channel, NEXT_EVENT] = min(state.channel[channel, NEXT_EVENT], cycle + ACTS_AFTER)


@helper(forceinline=True)
def send_reads(parameters, state, instruction, cycle):
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
            if not has_room(parameters, state, channel, unit, kind, address, runs):
                return NO_ROOM
            row = phases_of(parameters, kind, unit)
            if state.unit[channel, row, PHASE_TAIL] - state.unit[channel, row, PHASE_HEAD] > state.phase_mask:
                return POOL_FULL
        if state.channel[channel, FREE_COUNT] < runs * (stop_unit - first_unit):
            return POOL_FULL
    # What all units execute serves a lookup of each.
    lookup = instruction[LOOKUP]
    step = 0 if lookup == NONE else 1
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
                lookup,
                instruction[SHARERS],
                instruction[ORDER],
                cycle,
            )
            lookup += step
    return SENT


@helper(forceinline=True)
def send_transfer(parameters, rings, state, instruction, cycle):
    """TRANSFER: its sums are sent when they are complete; without a sum it only takes its slot."""
    turn = instruction[TURN]
    if instruction[N_SUMS] == 0:
        channel = max(instruction[CHANNEL], 0)
        state.channel[channel, OPEN] += 1
        complete_one(rings, state, channel, turn, cycle + ACTS_AFTER)
        return
    for number in range(instruction[SUM], instruction[SUM] + instruction[N_SUMS]):
        row = number & rings.sum_mask
        channel = rings.sums[row, SUM_CHANNEL]
        settle(parameters, state, channel, cycle)
        state.channel[channel, OPEN] += 1
        rings.sums[row, SUM_SENT] = cycle
        rings.sums[row, SUM_ORDER] = state.channel[channel, TRANSFERS_SENT]
        rings.sums[row, SUM_BURSTS] = instruction[BURSTS]
        state.channel[channel, TRANSFERS_SENT] += 1
        if rings.sums[row, SUM_LOOKUPS] == 0:
            queue_transfer(rings, state, number)


@helper(forceinline=True)
def owner_channel(rings, lookup):
    """Channel of the unit that a lookup belongs to."""
    number = rings.lookups[lookup & rings.lookup_mask, LOOKUP_SUM]
    return rings.sums[number & rings.sum_mask, SUM_CHANNEL]


@helper(forceinline=True)
def send_deliver(parameters, rings, state, stream, cycle):
    """The oldest deliver that is due goes to its lookup's unit over the channel's bus.

    False when the ring of the account has to grow first.
    """
    lookup = state.delivers[stream, 0, ITEM]
    bursts = state.delivers[stream, 0, SIZE]
    sharers = state.delivers[stream, 0, SHARED]
    channel = owner_channel(rings, lookup)
    if ring_is_short(state, channel, cycle):
        return False
    pop(state.delivers, stream, rings.stream[stream, DELIVERS])
    rings.stream[stream, DELIVERS] -= 1
    settle(parameters, state, channel, cycle)
    free = bus_free_from(parameters, state, channel, TO_UNIT, ANY_RANK)
    start = max(cycle + parameters.write_latency, free)
    end = start + bursts * parameters.bus_burst_cycles
    reserve(state, channel, TO_UNIT, ANY_RANK, start, end, False)
    state.channel[channel, INSTRUCTIONS] += 1
    state.channel[channel, DELIVER_BURSTS] += bursts
    for user in range(lookup, lookup + sharers + 1):
        operand_arrives(parameters, rings, state, user, end)
    return True


@helper(forceinline=True)
def barrier_opens(parameters, rings, instruction):
    """Cycle from which an instruction's turn may be sent; NEVER while turns before it are incomplete."""
    if parameters.barrier == BARRIER_NONE or instruction[KIND] > LAST_DEMAND:
        return 0
    oldest = rings.marks[OLDEST_TURN]
    turn = instruction[TURN]
    if oldest < turn:
        if parameters.barrier == BARRIER_TABLE:
            return NEVER
        mask = rings.turn_mask
        if rings.turns[oldest & mask, TURN_BATCH] != rings.turns[turn & mask, TURN_BATCH]:
            return NEVER
    return rings.marks[RELEASE]


@helper(forceinline=True)
def send(parameters, rings, state, instruction, cycle):
    """Send one instruction; SENT, NO_ROOM or POOL_FULL."""
    kind = instruction[KIND]
    if kind == TRANSFER:
        send_transfer(parameters, rings, state, instruction, cycle)
    elif kind == HIT:
        arrival = cycle + ACTS_AFTER + parameters.cache_latency
        lookups = open_lookups(parameters, rings, state, instruction, cycle)
        for user in range(instruction[LOOKUP], instruction[LOOKUP] + lookups):
            operand_arrives(parameters, rings, state, user, arrival)
    else:
        outcome = send_reads(parameters, state, instruction, cycle)
        if outcome != SENT:
            return outcome
        if kind != PREFETCH:
            open_lookups(parameters, rings, state, instruction, cycle)
    return SENT


@helper(forceinline=True)
def open_lookups(parameters, rings, state, instruction, cycle):
    """Count what a demand instruction serves as open in its lookups' channels; the number of its lookups."""
    if instruction[UNIT] == ALL:
        return open_all_units(parameters, state, instruction, cycle)
    channel = owner_channel(rings, instruction[LOOKUP])
    lookups = 1 + instruction[SHARERS]
    if instruction[KIND] == HIT:
        settle(parameters, state, channel, cycle)
    state.channel[channel, OPEN] += lookups
    return lookups


@helper
def open_all_units(parameters, state, instruction, cycle):
    """`open_lookups` for an instruction that all units of its channels execute."""
    first, stop = instruction[CHANNEL], instruction[CHANNEL] + 1
    if instruction[CHANNEL] == ALL:
        first, stop = 0, parameters.channels
    for channel in range(first, stop):
        if instruction[KIND] == HIT:
            settle(parameters, state, channel, cycle)
        state.channel[channel, OPEN] += parameters.units
    return (stop - first) * parameters.units


@helper(forceinline=True)
def count_instruction(parameters, state, instruction):
    """An instruction counts in every channel that receives it."""
    if instruction[CHANNEL] == ALL:
        for channel in range(parameters.channels):
            state.channel[channel, INSTRUCTIONS] += 1
    else:
        state.channel[instruction[CHANNEL], INSTRUCTIONS] += 1


@helper(forceinline=True)
def wait(parameters, rings, state, stream, why):
    """The stream cannot send its next instruction; a deliver may still go ahead of it."""
    rings.stream[stream, FRONT] = why
    rings.stream[stream, WAKE] = NEVER
    if rings.stream[stream, DELIVERS] > 0 and not parameters.in_order:
        rings.stream[stream, WAKE] = max(rings.stream[stream, NEXT_SLOT], state.delivers[stream, 0, READY])


@helper(forceinline=True)
def use_slot(parameters, rings, state, stream, cycle, is_demand):
    """The slot of `cycle` is used; demand, delivers and the transfers of sums wait for the barrier."""
    note_slot(parameters, state, stream, cycle)
    state.peaks[stream, INSTRUCTION] += is_demand
    rings.stream[stream, SLOTS] += 1
    rings.stream[stream, NEXT_SLOT] = cycle + parameters.interval
    rings.stream[stream, WAKE] = rings.stream[stream, NEXT_SLOT]


@helper
def step_deliver(parameters, rings, state, stream, instruction, cycle):
    """The next instruction of a stream delivers: it is sent when the host holds the row; False to grow first."""
    due = NEVER
    if rings.stream[stream, DELIVERS] > 0 and state.delivers[stream, 0, READY] == instruction[ORDER]:
        due = state.delivers[stream, 0, DUE]
    if due > cycle:
        rings.stream[stream, FRONT] = FRONT_DELIVER
        rings.stream[stream, WAKE] = due
        return True
    if not send_deliver(parameters, rings, state, stream, cycle):
        return False
    go_on(parameters, rings, state, stream, cycle, True)
    return True


@helper
def lacks_accumulator(parameters, rings, state, stream, instruction, cycle):
    """Whether a stream has to wait because a unit has too many sums open."""
    if instruction[KIND] > LAST_DEMAND:
        return False
    opens = accumulator_opens(parameters, rings, state, instruction[LOOKUP])
    if opens <= cycle:
        return False
    wait(parameters, rings, state, stream, FRONT_ACCUMULATOR)
    rings.stream[stream, WAKE] = min(rings.stream[stream, WAKE], opens)
    return True


@helper(forceinline=True)
def go_on(parameters, rings, state, stream, cycle, is_demand):
    """The instruction at the head of the stream has used the slot of `cycle`."""
    rings.stream[stream, FRONT] = FRONT_READY
    rings.stream[stream, HEAD] += 1
    use_slot(parameters, rings, state, stream, cycle, is_demand)
    if rings.stream[stream, HEAD] == rings.stream[stream, TAIL]:
        wait(parameters, rings, state, stream, FRONT_EMPTY)


@helper(forceinline=True)
def step_front(parameters, rings, state, stream, cycle):
    """What a stream does at the end of `cycle`; False when something has to grow first."""
    if cycle < rings.stream[stream, NEXT_SLOT]:
        rings.stream[stream, WAKE] = rings.stream[stream, NEXT_SLOT]
        return True
    if (
        rings.stream[stream, DELIVERS] > 0
        and not parameters.in_order
        and state.delivers[stream, 0, READY] <= cycle
    ):
        if not send_deliver(parameters, rings, state, stream, cycle):
            return False
        use_slot(parameters, rings, state, stream, cycle, True)
        return True
    if rings.stream[stream, HEAD] == rings.stream[stream, TAIL]:
        wait(parameters, rings, state, stream, FRONT_EMPTY)
        return True
    place = rings.stream[stream, HEAD] & rings.instruction_mask
    instruction = rings.instructions[stream, place]
    if parameters.in_order and instruction[KIND] == DELIVER:
        return step_deliver(parameters, rings, state, stream, instruction, cycle)
    opens = barrier_opens(parameters, rings, instruction)
    if opens > cycle:
        wait(parameters, rings, state, stream, FRONT_BARRIER)
        if opens < NEVER:
            rings.stream[stream, FRONT] = FRONT_READY
            rings.stream[stream, WAKE] = min(rings.stream[stream, WAKE], opens)
        return True
    if parameters.accumulators and lacks_accumulator(parameters, rings, state, stream, instruction, cycle):
        return True
    outcome = send(parameters, rings, state, instruction, cycle)
    if outcome == POOL_FULL:
        return False
    if outcome == NO_ROOM:
        wait(parameters, rings, state, stream, FRONT_QUEUE)
        return True
    count_instruction(parameters, state, instruction)
    is_demand = instruction[KIND] != PREFETCH and (instruction[KIND] != TRANSFER or instruction[N_SUMS] > 0)
    go_on(parameters, rings, state, stream, cycle, is_demand)
    return True
