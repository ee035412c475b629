"""A channel's stream, ahead of its units as far as no queue can be full (docs/model.md §2)."""

from ppim.engine.codes import NEVER
from ppim.engine.pim import heap, state as s
from ppim.engine.pim.by_unit import cycles, fetches, outs, queues, state as u
from ppim.engine.pim.by_unit.transfers import channels_meet
from ppim.engine.pim.rules import (
    barrier,
    commands,
    compute,
    phases,
    refresh,
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

GOES_ON = -1  # the units have to come nearer first

# What comes of sending an instruction.
SENT = 0
UNITS_FIRST = 1  # the units have to come up to its slot
NO_PLACE = 2  # a queue is full


@helper
def count_room(p, a):
    """Places that every queue has, those taken that a unit has still to fetch."""
    most = 0
    for number in range(p.units):
        longest = 0
        for lane in range(number << p.bank_bits, (number + 1) << p.bank_bits):
            bank = a.bank[lane]
            longest = max(longest, bank[u.QUEUE_TAIL] - bank[u.QUEUE_HEAD])
        most = max(most, longest + fetches.fetches_left(a, a.unit[number]))
    return a.places - most


@helper
def runs_fit(p, a, instruction):
    """Whether every run finds a place in its own bank."""
    address = instruction[ins.ADDRESS]
    first, stop = targets.units_of(p, instruction)
    for run in range(runs.count_runs(p, address, instruction[ins.BURSTS])):
        lane, _ = runs.lane_of_run(p, first, address, run)
        for number in range(first, stop):
            fetches.enter_fetches(p, a, number, a.channel[u.FETCHES_ADDED])
            bank = a.bank[lane]
            if not room.has_place(p, a.places, bank[u.QUEUE_TAIL] - bank[u.QUEUE_HEAD], run):
                return False
            lane += p.banks_per_unit
    return True


@helper(forceinline=True)
def has_room(p, a, instruction):
    """Whether every run finds a place; units that lag behind can only have more of it."""
    row = a.channel
    needed = room.places_up_to(p, runs.count_runs(p, instruction[ins.ADDRESS], instruction[ins.BURSTS]) - 1)
    row[u.ROOM_KNOWN] -= needed
    if row[u.ROOM_KNOWN] >= 0:
        return True
    row[u.ROOM_KNOWN] = count_room(p, a) - needed
    return row[u.ROOM_KNOWN] >= 0 or runs_fit(p, a, instruction)


@helper(forceinline=True)
def send_prefetch(p, a, instruction, cycle):
    """PREFETCH: its runs, for all units."""
    address, bursts = instruction[ins.ADDRESS], instruction[ins.BURSTS]
    phase = phases.phase_of(p, ins.PREFETCH, instruction[ins.TURN])
    for run in range(runs.count_runs(p, address, bursts)):
        bank, row = runs.lane_of_run(p, 0, address, run)
        column, length = runs.bursts_of_run(p, address, bursts, run)
        fetches.add_fetch(p, a, bank, row, column, length, phase, slots.joins_at(cycle))


@helper(forceinline=True)
def send_reads(p, rings, state, a, instruction, cycle, before):
    """READ: its runs in its units, each run an operand of its own; `before`: units of other channels that come first."""
    address, bursts = instruction[ins.ADDRESS], instruction[ins.BURSTS]
    phase = phases.phase_of(p, ins.READ, instruction[ins.TURN])
    sharers = instruction[ins.SHARERS]
    first, stop = targets.units_of(p, instruction)
    n_runs = runs.count_runs(p, address, bursts)
    for run in range(n_runs):
        lane, row = runs.lane_of_run(p, first, address, run)
        column, length = runs.bursts_of_run(p, address, bursts, run)
        for unit in range(first, stop):
            if fetches.fetches_left(a, a.unit[unit]):
                fetches.enter_fetches(p, a, unit, a.channel[u.FETCHES_ADDED])
            lookup = targets.first_lookup_in(instruction, before + unit - first)
            queues.enter(
                p,
                a,
                unit,
                lane,
                row,
                column,
                length,
                lookup,
                sharers,
                u.NO_OUT,
                phase,
                slots.joins_at(cycle),
            )
            lane += p.banks_per_unit
    state.channel[a.number, s.OPEN] += targets.lookups_of(instruction, stop - first) * n_runs
    if n_runs > 1:
        expect_more(rings, instruction, before, stop - first, n_runs - 1)


@helper
def expect_more(rings, instruction, before, units, more):
    """A READ of several runs completes once for each of them: so much is not done yet for its turn."""
    for unit in range(before, before + units):
        first = targets.first_lookup_in(instruction, unit)
        for lookup in range(first, first + 1 + instruction[ins.SHARERS]):
            rings.lookups[lookup & rings.lookup_mask, ins.LOOKUP_OPERANDS] += more
    row = rings.turns[instruction[ins.TURN] & rings.turn_mask]
    row[r.TURN_DONE] -= targets.lookups_of(instruction, units) * more


@helper(forceinline=True)
def send_transfer(rings, state, a, instruction, cycle):
    """TRANSFER: its sum is sent when it is complete; without a sum it only takes its slot."""
    if instruction[ins.N_SUMS] == 0:
        transfers.send_empty(rings, state, a.number, instruction[ins.TURN], cycle)
    else:
        transfers.send_sum(rings, state, instruction[ins.SUM], instruction[ins.BURSTS], cycle)


@helper(forceinline=True)
def send_hit(p, rings, state, a, instruction, cycle, before):
    """HIT: the units have come up to its slot, since arithmetic is done in order."""
    first, stop = targets.units_of(p, instruction)
    state.channel[a.number, s.OPEN] += targets.lookups_of(instruction, stop - first)
    arrival = slots.hit_arrives(p, cycle)
    cycles.paint(a, u.UNDER_WAY, cycle, arrival)
    for unit in range(before, before + stop - first):
        lookup = targets.first_lookup_in(instruction, unit)
        for user in range(lookup, lookup + 1 + instruction[ins.SHARERS]):
            compute.operand_arrives(p, rings, state, user, cycle, arrival)


@helper(forceinline=True)
def leave_slot(p, rings, state, a, instruction, cycle):
    """The instruction is sent in `cycle`."""
    if instruction[ins.KIND] <= ins.LAST_DEMAND:
        times.note_start(rings, instruction[ins.TURN], cycle)
    state.channel[a.number, s.INSTRUCTIONS] += 1
    waits = targets.waits_for_barrier(instruction)
    cycles.note_slot(a, cycle, slots.use_slot(p, rings, state, a.number, cycle, waits))
    streams.go_on(p, rings, state, a.number, cycle)


@helper(forceinline=True)
def next_command(state, a):
    """No command, refresh apart, comes before this cycle; NEVER: nothing is left."""
    first = a.channel[u.NEXT_COMMAND]
    row = state.channel[a.number]
    if first < NEVER and refresh.is_holding(row):
        first = max(first, row[s.REFRESH_LOOK])
    return first


@helper(forceinline=True)
def next_change(p, state, a):
    """`next_command`, and no transfer of its own comes before this cycle."""
    first = next_command(state, a)
    if not channels_meet(p) and state.channel[a.number, s.TRANSFERS_WAITING] > 0:
        first = min(first, state.transfers[a.number, 0, heap.READY_AT])
    if first == NEVER:
        return NEVER
    return max(first, a.channel[u.HORIZON] + 1)


@helper(forceinline=True)
def wait_for_program(p, rings, state, a, final, reach):
    """Nothing is left to send: (REFILL or DONE, _), or (GOES_ON, cycle) while units have something to do."""
    stream = rings.stream[a.number]
    goal = stream[r.NEXT_SLOT] - p.interval
    if final:
        goal = next_change(p, state, a)
        goal = reach if goal == NEVER else goal
    if goal < NEVER and goal > a.channel[u.HORIZON]:
        stream[r.FRONT] = r.FRONT_READY
        return GOES_ON, goal
    stream[r.FRONT] = r.FRONT_EMPTY
    return s.DONE if final else s.REFILL, NEVER


@helper(forceinline=True)
def wait_at_barrier(p, rings, state, a, final, reach):
    """As `wait_for_program`, until all that the barrier waits for is complete, or is but transfers where channels meet.

    The barrier opens after this channel's last completion: `unit_read_latency` after a READ that is still to
    come, or after the first transfer that waits. Where channels meet, it opens after that of all (`reach`).
    """
    horizon = a.channel[u.HORIZON]
    counters = state.channel[a.number]
    stream = rings.stream[a.number]
    meet = channels_meet(p)
    if counters[s.OPEN] == counters[s.TRANSFERS_WAITING] * meet:
        if horizon < reach < NEVER:
            return GOES_ON, reach
        stream[r.FRONT] = r.FRONT_BARRIER
        return s.DONE if final else s.REFILL, NEVER
    if horizon <= stream[r.NEXT_SLOT]:
        return GOES_ON, stream[r.NEXT_SLOT] + 1
    if not meet and counters[s.TRANSFERS_WAITING] == counters[s.OPEN]:
        return GOES_ON, state.transfers[a.number, 0, heap.READY_AT]
    return GOES_ON, horizon + p.unit_read_latency + p.host_latency


@helper
def enter(p, rings, state, a, instruction, cycle, before):
    """What is read goes to the queues of a channel's units; `before` as in `send_reads`."""
    kind = instruction[ins.KIND]
    if kind == ins.PREFETCH:
        send_prefetch(p, a, instruction, cycle)
    elif kind == ins.READ_OUT:
        outs.send(p, rings, state, a, instruction, cycle)
    else:
        send_reads(p, rings, state, a, instruction, cycle, before)


@helper
def send(p, rings, state, a, instruction, cycle):
    """Send an instruction in the slot of `cycle`; SENT, UNITS_FIRST or NO_PLACE."""
    kind = instruction[ins.KIND]
    lags = a.channel[u.HORIZON] < cycle
    if kind == ins.TRANSFER:
        send_transfer(rings, state, a, instruction, cycle)
    elif kind == ins.HIT:
        if lags:
            return UNITS_FIRST
        send_hit(p, rings, state, a, instruction, cycle, 0)
    else:
        if not has_room(p, a, instruction):
            return UNITS_FIRST if lags else NO_PLACE
        enter(p, rings, state, a, instruction, cycle, 0)
    leave_slot(p, rings, state, a, instruction, cycle)
    return SENT


@helper(forceinline=True)
def act_stream(p, rings, state, a, final, reach):
    """Send what can be sent: (status, _), or (GOES_ON, cycle up to which the units have to come first)."""
    stream = rings.stream[a.number]
    while True:
        if p.keeps_events and commands.log_is_full(state, a.number):
            return s.LOG_FULL, NEVER
        if streams.is_at_end(rings, a.number):
            return wait_for_program(p, rings, state, a, final, reach)
        instruction = streams.next_instruction(rings, a.number)
        opens = barrier.opens(p, rings, state, instruction)
        if opens == NEVER:
            return wait_at_barrier(p, rings, state, a, final, reach)
        cycle = max(stream[r.NEXT_SLOT], opens)
        if cycle > a.channel[u.COUNTED] + a.span and a.channel[u.HORIZON] < cycle:
            return GOES_ON, cycle
        sent = send(p, rings, state, a, instruction, cycle)
        if sent == UNITS_FIRST:
            return GOES_ON, cycle
        if sent == NO_PLACE:
            if p.queue_entries == 0:
                return s.QUEUES_FULL, NEVER
            # No room at the end of `cycle`, nor before the next command.
            cycle = next_change(p, state, a)
            stream[r.NEXT_SLOT] = cycle
            stream[r.SLOT_PART] = 0  # the path is idle until then
            return GOES_ON, cycle
