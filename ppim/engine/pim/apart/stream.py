"""A channel's stream, ahead of its units as far as no queue can be full (docs/model.md §2)."""

from __future__ import annotations

from ppim.engine.codes import NEVER
from ppim.engine.pim.apart.complete import operand_arrives, queue_transfer
from ppim.engine.pim.apart.cycles import note_slot, paint
from ppim.engine.pim.apart.fetches import add_fetch, enter_fetches, fetches_left
from ppim.engine.pim.apart.queues import enter
from ppim.engine.pim.apart.state import (
    FETCHES,
    HOLDING,
    HORIZON,
    NEXT,
    REFRESH_LOOK,
    ROOM,
    SETTLED,
    UNDER_WAY,
)
from ppim.engine.pim.apart.state import (
    HEAD as QUEUE_HEAD,
)
from ppim.engine.pim.apart.state import (
    TAIL as QUEUE_TAIL,
)
from ppim.engine.pim.complete import complete_one
from ppim.engine.pim.frontend import barrier_opens, count_runs, lane_of_run, phase_of
from ppim.engine.pim.heap import READY
from ppim.engine.pim.limits import INSTRUCTION
from ppim.engine.pim.state import (
    ACTS_AFTER,
    DONE,
    INSTRUCTIONS,
    OPEN,
    REFILL,
    TRANSFERS_SENT,
    TRANSFERS_WAITING,
)
from ppim.jit import helper
from ppim.program.instruction import (
    ADDRESS,
    ALL,
    BURSTS,
    HIT,
    KIND,
    LOOKUP,
    LOOKUP_OPERANDS,
    N_SUMS,
    PREFETCH,
    READ,
    SHARERS,
    SUM,
    SUM_BURSTS,
    SUM_LOOKUPS,
    SUM_ORDER,
    SUM_SENT,
    TRANSFER,
    TURN,
    UNIT,
)
from ppim.program.state import (
    FRONT,
    FRONT_BARRIER,
    FRONT_EMPTY,
    FRONT_READY,
    HEAD,
    NEXT_SLOT,
    SLOTS,
    TAIL,
    TURN_DONE,
)

GOES_ON = -1  # the units have to come nearer first


@helper(forceinline=True)
def units_of(p, instruction):
    """(first, behind the last) unit of an instruction."""
    unit = instruction[UNIT]
    if unit == ALL:
        return 0, p.units
    return unit, unit + 1


@helper(forceinline=True)
def places_of_run(p, run):
    """Entries that an instruction has in a bank at most, up to the run-th: runs come to a bank again."""
    return 1 + (run >> p.bank_bits)


@helper
def count_room(p, a):
    """Places that every queue has, those taken that a unit has still to fetch."""
    most = 0
    for number in range(p.units):
        longest = 0
        for lane in range(number << p.bank_bits, (number + 1) << p.bank_bits):
            bank = a.bank[lane]
            longest = max(longest, bank[QUEUE_TAIL] - bank[QUEUE_HEAD])
        most = max(most, longest + fetches_left(a, a.unit[number]))
    return p.queue_entries - most


@helper
def runs_fit(p, a, instruction):
    """Whether every run finds a place in its own bank."""
    address = instruction[ADDRESS]
    first, stop = units_of(p, instruction)
    for run in range(count_runs(p, address, instruction[BURSTS])):
        most = p.queue_entries - places_of_run(p, run)
        lane, _ = lane_of_run(p, first, address, run)
        for number in range(first, stop):
            enter_fetches(p, a, number, a.channel[FETCHES])
            bank = a.bank[lane]
            if bank[QUEUE_TAIL] - bank[QUEUE_HEAD] > most:
                return False
            lane += p.banks_per_unit
    return True


@helper(forceinline=True)
def has_room(p, a, instruction):
    """Whether every run finds a place; units that lag behind can only have more of it."""
    row = a.channel
    needed = places_of_run(p, count_runs(p, instruction[ADDRESS], instruction[BURSTS]) - 1)
    row[ROOM] -= needed
    if row[ROOM] >= 0:
        return True
    row[ROOM] = count_room(p, a) - needed
    return row[ROOM] >= 0 or runs_fit(p, a, instruction)


@helper(forceinline=True)
def send_prefetch(p, a, instruction, cycle):
    """PREFETCH: its runs, for all units."""
    address, left = instruction[ADDRESS], instruction[BURSTS]
    phase = phase_of(p, PREFETCH, instruction[TURN])
    column = address & (p.bursts_per_row - 1)
    run = 0
    while left > 0:
        bursts = min(left, p.bursts_per_row - column)
        bank, row = lane_of_run(p, 0, address, run)
        add_fetch(p, a, bank, row, column, bursts, phase, cycle + ACTS_AFTER)
        left -= bursts
        column = 0
        run += 1


@helper(forceinline=True)
def send_reads(p, rings, state, a, instruction, cycle):
    """READ: its runs in its units, each run an operand of its own."""
    address, left = instruction[ADDRESS], instruction[BURSTS]
    phase = phase_of(p, READ, instruction[TURN])
    users = instruction[SHARERS] + 1
    first, stop = units_of(p, instruction)
    column = address & (p.bursts_per_row - 1)
    run = 0
    while left > 0:
        bursts = min(left, p.bursts_per_row - column)
        lane, row = lane_of_run(p, first, address, run)
        # A READ that all units execute serves one lookup in each.
        lookup = instruction[LOOKUP]
        for unit in range(first, stop):
            if fetches_left(a, a.unit[unit]):
                enter_fetches(p, a, unit, a.channel[FETCHES])
            enter(p, a, unit, lane, row, column, bursts, lookup, users, phase, cycle + ACTS_AFTER)
            lane += p.banks_per_unit
            lookup += 1
        left -= bursts
        column = 0
        run += 1
    served = users + stop - first - 1
    state.channel[a.number, OPEN] += served * run
    if run > 1:
        expect_more(rings, instruction, served, run - 1)


@helper
def expect_more(rings, instruction, served, more):
    """A READ of several runs completes once for each of them: so much is not done yet for its turn."""
    for lookup in range(instruction[LOOKUP], instruction[LOOKUP] + served):
        rings.lookups[lookup & rings.lookup_mask, LOOKUP_OPERANDS] += more
    rings.turns[instruction[TURN] & rings.turn_mask, TURN_DONE] -= served * more


@helper(forceinline=True)
def send_transfer(rings, state, a, instruction, cycle):
    """TRANSFER: its sum is sent when it is complete; without a sum it only takes its slot."""
    state.channel[a.number, OPEN] += 1
    if instruction[N_SUMS] == 0:
        complete_one(rings, state, a.number, instruction[TURN], cycle + ACTS_AFTER)
        return
    row = rings.sums[instruction[SUM] & rings.sum_mask]
    row[SUM_SENT] = cycle
    row[SUM_ORDER] = state.channel[a.number, TRANSFERS_SENT]
    row[SUM_BURSTS] = instruction[BURSTS]
    state.channel[a.number, TRANSFERS_SENT] += 1
    if row[SUM_LOOKUPS] == 0:
        queue_transfer(rings, state, a, instruction[SUM], cycle)


@helper(forceinline=True)
def send_hit(p, rings, state, a, instruction, cycle):
    """HIT: the units have come up to its slot, since arithmetic is done in order."""
    users = instruction[SHARERS] + 1
    first, stop = units_of(p, instruction)
    state.channel[a.number, OPEN] += users + stop - first - 1
    arrival = cycle + ACTS_AFTER + p.cache_latency
    for unit in range(first, stop):
        paint(a, UNDER_WAY, cycle, arrival)
        lookup = instruction[LOOKUP] + unit - first
        for user in range(lookup, lookup + users):
            operand_arrives(p, rings, state, a, unit, user, cycle, arrival)


@helper(forceinline=True)
def use_slot(p, rings, state, a, instruction, cycle):
    """The instruction is sent in `cycle`."""
    note_slot(p, a, cycle)
    kind = instruction[KIND]
    is_demand = kind != PREFETCH and (kind != TRANSFER or instruction[N_SUMS] > 0)
    state.peaks[a.number, INSTRUCTION] += is_demand
    state.channel[a.number, INSTRUCTIONS] += 1
    stream = rings.stream[a.number]
    stream[FRONT] = FRONT_READY
    stream[HEAD] += 1
    stream[SLOTS] += 1
    stream[NEXT_SLOT] = cycle + p.interval


@helper(forceinline=True)
def next_change(p, state, a):
    """No command, refresh apart, and no transfer comes before this cycle; NEVER: nothing is left."""
    first = NEVER
    for unit in range(p.units):
        first = min(first, a.unit[unit, NEXT])
    if first < NEVER and a.channel[HOLDING]:
        first = max(first, a.channel[REFRESH_LOOK])
    if state.channel[a.number, TRANSFERS_WAITING] > 0:
        first = min(first, state.transfers[a.number, 0, READY])
    if first == NEVER:
        return NEVER
    return max(first, a.channel[HORIZON] + 1)


@helper(forceinline=True)
def wait_for_program(p, rings, state, a, final):
    """Nothing is left to send: (REFILL or DONE, _), or (GOES_ON, cycle) while units have something to do."""
    stream = rings.stream[a.number]
    goal = next_change(p, state, a) if final else stream[NEXT_SLOT] - p.interval + 1
    if goal < NEVER and goal > a.channel[HORIZON]:
        return GOES_ON, goal
    stream[FRONT] = FRONT_EMPTY
    return DONE if final else REFILL, NEVER


@helper(forceinline=True)
def wait_at_barrier(p, rings, state, a, final):
    """As `wait_for_program`, until all that the barrier waits for is complete.

    The barrier opens after this channel's last completion: `unit_read_latency` after a READ that is still to
    come, or after the first transfer that waits.
    """
    horizon = a.channel[HORIZON]
    counters = state.channel[a.number]
    stream = rings.stream[a.number]
    if counters[OPEN] == 0:
        stream[FRONT] = FRONT_BARRIER
        return DONE if final else REFILL, NEVER
    if horizon <= stream[NEXT_SLOT]:
        return GOES_ON, stream[NEXT_SLOT] + 1
    if counters[TRANSFERS_WAITING] == counters[OPEN]:
        return GOES_ON, state.transfers[a.number, 0, READY]
    return GOES_ON, horizon + p.unit_read_latency + p.host_latency


@helper(forceinline=True)
def act_stream(p, rings, state, a, final):
    """Send what can be sent: (status, _), or (GOES_ON, cycle up to which the units have to come first)."""
    stream = rings.stream[a.number]
    while True:
        if stream[HEAD] == stream[TAIL]:
            return wait_for_program(p, rings, state, a, final)
        instruction = rings.instructions[a.number, stream[HEAD] & rings.instruction_mask]
        opens = barrier_opens(p, rings, instruction)
        if opens == NEVER:
            return wait_at_barrier(p, rings, state, a, final)
        cycle = max(stream[NEXT_SLOT], opens)
        lags = a.channel[HORIZON] < cycle
        if lags and cycle > a.channel[SETTLED] + a.span:
            return GOES_ON, cycle
        kind = instruction[KIND]
        if kind == TRANSFER:
            send_transfer(rings, state, a, instruction, cycle)
        elif kind == HIT:
            if lags:
                return GOES_ON, cycle
            send_hit(p, rings, state, a, instruction, cycle)
        else:
            if not has_room(p, a, instruction):
                if not lags:
                    # No room at the end of `cycle`, nor before the next command.
                    cycle = next_change(p, state, a)
                    stream[NEXT_SLOT] = cycle
                return GOES_ON, cycle
            if kind == PREFETCH:
                send_prefetch(p, a, instruction, cycle)
            else:
                send_reads(p, rings, state, a, instruction, cycle)
        use_slot(p, rings, state, a, instruction, cycle)
