"""Streams: which instruction or deliver uses a slot, and what sending it does (docs/model.md §2)."""

from ppim.engine.codes import NEVER
from ppim.engine.pim import heap, state as s
from ppim.engine.pim.by_cycle import account, data, queues
from ppim.engine.pim.rules import (
    accumulators,
    barrier,
    compute,
    delivers,
    moves,
    phases,
    room,
    runs,
    slots,
    streams,
    targets,
    times,
    transfers,
)
from ppim.jit import helper
from ppim.program import instruction as ins, state as r

SENT = 0
QUEUE_FULL = 1  # a bank queue is full
POOL_FULL = 2  # the pool of entries has to grow


@helper(forceinline=True)
def has_room(p, state, channel, unit, kind, address, n_runs):
    """Whether every run finds a place in its bank's queue."""
    if p.queue_entries == 0:
        return True
    for run in range(n_runs):
        lane, _ = runs.lane_of_run(p, unit, address, run)
        taken = state.lane[channel, queues.queue_of(p, kind, lane), s.OCCUPIED]
        if not room.has_place(p, p.queue_entries, taken, run):
            return False
    return True


@helper(forceinline=True)
def enter_phase(state, channel, unit, phase, entries):
    """Count entries of a phase in a unit."""
    mask = state.phase_mask
    tail = state.unit[channel, unit, s.PHASE_TAIL]
    last = (tail - 1) & mask
    if (
        tail > state.unit[channel, unit, s.PHASE_HEAD]
        and state.phases[channel, unit, last, s.PHASE_VALUE] == phase
    ):
        state.phases[channel, unit, last, s.PHASE_COUNT] += entries
        return
    state.phases[channel, unit, tail & mask, s.PHASE_VALUE] = phase
    state.phases[channel, unit, tail & mask, s.PHASE_COUNT] = entries
    state.unit[channel, unit, s.PHASE_TAIL] = tail + 1


@helper(forceinline=True)
def enqueue(p, state, channel, unit, instruction, lookup, cycle):
    """Send the runs of one instruction to the queues of a unit's banks, where they join two cycles on."""
    kind, address, bursts = instruction[ins.KIND], instruction[ins.ADDRESS], instruction[ins.BURSTS]
    n_runs = runs.count_runs(p, address, bursts)
    phase = phases.phase_of(p, kind, instruction[ins.TURN])
    if p.phases != s.PHASES_NONE:
        enter_phase(state, channel, queues.phases_of(p, kind, unit), phase, n_runs)
    leader = s.NO_ENTRY
    for run in range(n_runs):
        lane, row = runs.lane_of_run(p, unit, address, run)
        entry = queues.take_entry(state, channel)
        if run == 0:
            leader = entry
        item = state.entries[channel, entry]
        item[s.ENTRY_LANE] = lane
        item[s.ENTRY_ROW] = row
        item[s.ENTRY_COLUMN], item[s.ENTRY_BURSTS] = runs.bursts_of_run(p, address, bursts, run)
        item[s.ENTRY_KIND] = kind
        item[s.ENTRY_LOOKUP] = lookup
        item[s.ENTRY_PHASE] = phase
        item[s.ENTRY_LEADER] = leader
        item[s.ENTRY_RUNS] = n_runs
        item[s.ENTRY_READY] = 0
        item[s.ENTRY_TOTAL] = bursts
        item[s.ENTRY_NUMBER] = instruction[ins.TURN if moves.is_move(kind) else ins.ORDER]
        item[s.ENTRY_SHARERS] = instruction[ins.SHARERS]
        item[s.ENTRY_STEP] = instruction[ins.STEP]
        state.lane[channel, queues.queue_of(p, kind, lane), s.OCCUPIED] += 1
        place = state.channel[channel, s.JOIN_TAIL] & state.join_mask
        state.joins[channel, place, s.JOIN_CYCLE] = slots.joins_at(cycle)
        state.joins[channel, place, s.JOIN_ENTRY] = entry
        state.channel[channel, s.JOIN_TAIL] += 1
    state.channel[channel, s.NEXT_EVENT] = min(state.channel[channel, s.NEXT_EVENT], slots.joins_at(cycle))


@helper(forceinline=True)
def send_reads(p, state, instruction, cycle):
    """READ, READ_OUT, MOVE_OUT, MOVE_IN or PREFETCH: all its entries in all its units, or nothing."""
    kind = instruction[ins.KIND]
    address = instruction[ins.ADDRESS]
    bursts = instruction[ins.BURSTS]
    n_runs = runs.count_runs(p, address, bursts)
    first_channel, stop_channel = targets.channels_of(p, instruction)
    first_unit, stop_unit = targets.units_of(p, instruction)
    for channel in range(first_channel, stop_channel):
        for unit in range(first_unit, stop_unit):
            if not has_room(p, state, channel, unit, kind, address, n_runs):
                return QUEUE_FULL
            row = queues.phases_of(p, kind, unit)
            if (
                state.unit[channel, row, s.PHASE_TAIL] - state.unit[channel, row, s.PHASE_HEAD]
                > state.phase_mask
            ):
                return POOL_FULL
        if state.channel[channel, s.FREE_COUNT] < n_runs * (stop_unit - first_unit):
            return POOL_FULL
    reached = 0
    for channel in range(first_channel, stop_channel):
        for unit in range(first_unit, stop_unit):
            enqueue(
                p, state, channel, unit, instruction, targets.first_lookup_in(instruction, reached), cycle
            )
            reached += 1
    return SENT


@helper(forceinline=True)
def send_transfer(p, rings, state, instruction, cycle):
    """TRANSFER: its sums are sent when they are complete; without a sum it only takes its slot."""
    if instruction[ins.N_SUMS] == 0:
        transfers.send_empty(rings, state, max(instruction[ins.CHANNEL], 0), instruction[ins.TURN], cycle)
        return
    for number in range(instruction[ins.SUM], instruction[ins.SUM] + instruction[ins.N_SUMS]):
        account.settle(p, state, rings.sums[number & rings.sum_mask, ins.SUM_CHANNEL], cycle)
        transfers.send_sum(rings, state, number, instruction[ins.BURSTS], cycle)


@helper(forceinline=True)
def send_deliver(p, rings, state, stream, cycle):
    """The oldest deliver that is due goes to its lookup's unit over the channel's bus.

    False when the ring of the account has to grow first.
    """
    channel = delivers.owner_of_next(rings, state, stream)
    if account.ring_is_short(state, channel, cycle):
        return False
    account.settle(p, state, channel, cycle)
    lookup, sharers, start, end = delivers.send_next(p, rings, state, stream, channel, cycle)
    account.note_use(state, channel, start, end)
    state.account[channel, account.COMES_END] = end
    for user in range(lookup, lookup + sharers + 1):
        data.lookup_operand(p, rings, state, user, end)
    return True


@helper(forceinline=True)
def send(p, rings, state, instruction, cycle):
    """Send one instruction; SENT, QUEUE_FULL or POOL_FULL."""
    kind = instruction[ins.KIND]
    if kind == ins.TRANSFER:
        send_transfer(p, rings, state, instruction, cycle)
    elif kind == ins.HIT:
        for reached in range(open_lookups(p, rings, state, instruction, cycle)):
            first = targets.first_lookup_in(instruction, reached)
            for user in range(first, first + 1 + instruction[ins.SHARERS]):
                data.lookup_operand(p, rings, state, user, slots.hit_arrives(p, cycle))
    else:
        outcome = send_reads(p, state, instruction, cycle)
        if outcome != SENT:
            return outcome
        if kind <= ins.LAST_ACCESS:
            open_lookups(p, rings, state, instruction, cycle)
        elif kind <= ins.LAST_DEMAND:
            state.channel[instruction[ins.CHANNEL], s.OPEN] += 1
    return SENT


@helper(forceinline=True)
def open_lookups(p, rings, state, instruction, cycle):
    """Count what a demand instruction serves as open in its lookups' channels; the units that execute it."""
    if instruction[ins.UNIT] == ins.ALL:
        return open_all_units(p, state, instruction, cycle)
    channel = compute.owner_channel(rings, instruction[ins.LOOKUP])
    if targets.goes_to_several(instruction):
        delivers.expect(rings, state, instruction)
        return 1
    if instruction[ins.KIND] == ins.HIT:
        account.settle(p, state, channel, cycle)
    state.channel[channel, s.OPEN] += targets.lookups_of(instruction, 1)
    return 1


@helper
def open_all_units(p, state, instruction, cycle):
    """`open_lookups` for an instruction that all units of its channels execute."""
    first, stop = targets.channels_of(p, instruction)
    lookups = targets.lookups_of(instruction, p.units)
    for channel in range(first, stop):
        if instruction[ins.KIND] == ins.HIT:
            account.settle(p, state, channel, cycle)
        state.channel[channel, s.OPEN] += lookups
    return (stop - first) * p.units


@helper(forceinline=True)
def count_instruction(p, state, instruction):
    """An instruction counts in every channel that receives it."""
    first, stop = targets.channels_of(p, instruction)
    for channel in range(first, stop):
        state.channel[channel, s.INSTRUCTIONS] += 1


@helper(forceinline=True)
def wait(p, rings, state, stream, why):
    """The stream cannot send its next instruction; a deliver may still go ahead of it."""
    rings.stream[stream, r.FRONT] = why
    rings.stream[stream, r.WAKE] = NEVER
    if rings.stream[stream, r.DELIVERS] > 0 and not p.in_order:
        rings.stream[stream, r.WAKE] = max(
            rings.stream[stream, r.NEXT_SLOT], state.delivers[stream, 0, heap.READY_AT]
        )


@helper(forceinline=True)
def take_slot(p, rings, state, stream, cycle, is_demand):
    """The slot of `cycle` is used; demand, delivers and the transfers of sums wait for the barrier."""
    next_slot = slots.use_slot(p, rings, state, stream, cycle, is_demand)
    account.note_slot(p, state, stream, cycle, next_slot)
    rings.stream[stream, r.WAKE] = next_slot


@helper
def step_deliver(p, rings, state, stream, instruction, cycle):
    """The next instruction of a stream delivers: it is sent when the host holds the row; False to grow first."""
    due = NEVER
    if (
        rings.stream[stream, r.DELIVERS] > 0
        and state.delivers[stream, 0, heap.READY_AT] == instruction[ins.ORDER]
    ):
        due = state.delivers[stream, 0, heap.TIE_BREAK]
    if due > cycle:
        rings.stream[stream, r.FRONT] = r.FRONT_DELIVER
        rings.stream[stream, r.WAKE] = due
        return True
    if not send_deliver(p, rings, state, stream, cycle):
        return False
    leave_slot(p, rings, state, stream, cycle, True)
    return True


@helper
def lacks_accumulator(p, rings, state, stream, instruction, cycle):
    """Whether a stream has to wait because a unit has too many sums open."""
    if instruction[ins.KIND] > ins.LAST_ACCESS:
        return False
    opens = accumulators.opens_all(p, rings, state, instruction)
    if opens <= cycle:
        return False
    wait(p, rings, state, stream, r.FRONT_ACCUMULATOR)
    rings.stream[stream, r.WAKE] = min(rings.stream[stream, r.WAKE], opens)
    return True


@helper(forceinline=True)
def leave_slot(p, rings, state, stream, cycle, is_demand):
    """The instruction at the head of the stream has used the slot of `cycle`."""
    take_slot(p, rings, state, stream, cycle, is_demand)
    streams.go_on(p, rings, state, stream, cycle)
    if streams.is_at_end(rings, stream):
        wait(p, rings, state, stream, r.FRONT_EMPTY)


@helper(forceinline=True)
def step_front(p, rings, state, stream, cycle):
    """What a stream does at the end of `cycle`; False when something has to grow first."""
    if cycle < rings.stream[stream, r.NEXT_SLOT]:
        rings.stream[stream, r.WAKE] = rings.stream[stream, r.NEXT_SLOT]
        return True
    if (
        rings.stream[stream, r.DELIVERS] > 0
        and not p.in_order
        and state.delivers[stream, 0, heap.READY_AT] <= cycle
    ):
        if not send_deliver(p, rings, state, stream, cycle):
            return False
        take_slot(p, rings, state, stream, cycle, True)
        return True
    if streams.is_at_end(rings, stream):
        wait(p, rings, state, stream, r.FRONT_EMPTY)
        return True
    instruction = streams.next_instruction(rings, stream)
    if p.in_order and instruction[ins.KIND] == ins.DELIVER:
        return step_deliver(p, rings, state, stream, instruction, cycle)
    opens = barrier.opens(p, rings, state, instruction)
    if opens > cycle:
        wait(p, rings, state, stream, r.FRONT_BARRIER)
        if opens < NEVER:
            rings.stream[stream, r.FRONT] = r.FRONT_READY
            rings.stream[stream, r.WAKE] = min(rings.stream[stream, r.WAKE], opens)
        return True
    if p.accumulators and lacks_accumulator(p, rings, state, stream, instruction, cycle):
        return True
    outcome = send(p, rings, state, instruction, cycle)
    if outcome == POOL_FULL:
        return False
    if outcome == QUEUE_FULL:
        wait(p, rings, state, stream, r.FRONT_QUEUE)
        return True
    count_instruction(p, state, instruction)
    if instruction[ins.KIND] <= ins.LAST_DEMAND:
        times.note_start(rings, instruction[ins.TURN], cycle)
    leave_slot(p, rings, state, stream, cycle, targets.waits_for_barrier(instruction))
    return True
