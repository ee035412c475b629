"""Where rows travel: round after round, every channel up to the same cycle (docs/performance-log.md).

What one channel reads out another gets through the host, so many cycles later at least (`lookahead`). In a round all
that a stream can have to deliver is known. Delivers and READs for the host share the bus in order of time: units come
up to a deliver's slot before it is sent.
"""

from ppim.engine.codes import NEVER
from ppim.engine.pim import heap, state as s
from ppim.engine.pim.by_unit import outs, state as u
from ppim.engine.pim.by_unit.stream import GOES_ON, NO_PLACE, UNITS_FIRST, next_change, next_command, send
from ppim.engine.pim.rules import accumulators, barrier, commands, streams
from ppim.jit import helper
from ppim.jit.by_address import by_address
from ppim.program import instruction as ins, state as r


@helper
def next_instruction(p, rings, state, a):
    """First cycle in which the stream can send its next instruction; NEVER: it has none, or it is not known."""
    if streams.is_at_end(rings, a.number):
        return NEVER
    instruction = streams.next_instruction(rings, a.number)
    opens = barrier.opens(p, rings, state, instruction)
    if p.accumulators and opens < NEVER and instruction[ins.KIND] <= ins.LAST_ACCESS:
        opens = max(opens, accumulators.opens_all(p, rings, state, instruction))
    if opens == NEVER:
        return NEVER
    return max(max(rings.stream[a.number, r.NEXT_SLOT], opens), a.channel[u.ROOM_FROM])


@helper(forceinline=True)
def find_instruction(p, rings, state, a):
    """`next_instruction`, which is kept until the stream has sent something."""
    a.channel[u.INSTRUCTION_AT] = next_instruction(p, rings, state, a)


@helper(forceinline=True)
def known_instruction(p, rings, state, a):
    """`next_instruction`, as it was found before."""
    if a.channel[u.INSTRUCTION_AT] == NEVER:
        find_instruction(p, rings, state, a)
    return a.channel[u.INSTRUCTION_AT]


@helper(forceinline=True)
def next_deliver(rings, state, a):
    """First cycle in which it can send a deliver, of those that are known; or NEVER."""
    stream = rings.stream[a.number]
    if stream[r.DELIVERS] == 0:
        return NEVER
    return max(stream[r.NEXT_SLOT], state.delivers[a.number, 0, heap.READY_AT])


@helper(forceinline=True)
def is_under_way(state, a):
    """Whether a channel has something to do, or waits for what others do; without it, it stands still and needs no program."""
    return state.channel[a.number, s.OPEN] > 0 or next_command(state, a) < NEVER


@helper
def known_until(p, rings, state, a, final):
    """Last cycle that a channel may come up to: before what its stream would get, if that had more program; or NEVER."""
    stream = rings.stream[a.number]
    if final or not streams.is_at_end(rings, a.number):
        return NEVER
    more = streams.needs_more(p, rings, a.number, stream[r.NEXT_SLOT])
    if more or (streams.may_get_transfers(rings) and is_under_way(state, a)):
        return stream[r.NEXT_SLOT] - p.interval
    return NEVER


@helper(forceinline=True)
def next_transfer(state, a):
    """When the first transfer is ready, of those that are known; or NEVER."""
    waits = state.channel[a.number, s.TRANSFERS_WAITING] > 0
    return state.transfers[a.number, 0, heap.READY_AT] if waits else NEVER


@helper(forceinline=True)
def quiet_until(p, state, a, command):
    """What a stream waits for, a barrier or more program, does not come before this cycle is over; NEVER: any time.

    All that the channel has to do is demand, which a barrier waits for: what it has READ arrives later. `command` is
    its next one, or NEVER.
    """
    if command < NEVER:
        command += min(p.unit_read_latency, p.read_latency + p.burst_cycles) - 1
    return min(command, next_transfer(state, a))


@helper
def wait(p, rings, state, a):
    """The stream has nothing to send: cycle up to which units and transfers go on."""
    at_end = streams.is_at_end(rings, a.number)
    rings.stream[a.number, r.FRONT] = r.FRONT_EMPTY if at_end else r.FRONT_BARRIER
    own = quiet_until(p, state, a, next_command(state, a))
    return a.channel[u.HORIZON] if own == NEVER else own


@helper
def act_in_round(p, rings, state, a, final, limit, quiet):
    """Send what can be sent before cycle `limit`: (status, _), or (GOES_ON, cycle up to which the units go)."""
    row = a.channel
    while True:
        if p.keeps_events and commands.log_is_full(state, a.number):
            return s.LOG_FULL, NEVER
        until = min(known_until(p, rings, state, a, final), limit - 1)
        cycle, due = known_instruction(p, rings, state, a), next_deliver(rings, state, a)
        if cycle == NEVER and (p.turns_open or p.accumulators):
            # What any channel completes may let the stream go on.
            until = min(until, quiet)
        if min(cycle, due) > until:
            goal = wait(p, rings, state, a) if cycle == NEVER else until
            return GOES_ON, min(goal, until)
        if due <= cycle:
            if row[u.HORIZON] < due:
                return GOES_ON, due
            if state.channel[a.number, s.BUS_END] - due > a.span >> 1:
                return s.BITS_FULL, NEVER
            outs.deliver(p, rings, state, a, due)
        else:
            if cycle > row[u.COUNTED] + a.span and row[u.HORIZON] < cycle:
                return GOES_ON, cycle
            sent = send(p, rings, state, a, streams.next_instruction(rings, a.number), cycle)
            if sent == UNITS_FIRST:
                return GOES_ON, cycle
            if sent == NO_PLACE and p.queue_entries == 0:
                return s.QUEUES_FULL, NEVER
            if sent == NO_PLACE:
                row[u.ROOM_FROM] = next_change(p, state, a)
        find_instruction(p, rings, state, a)


@helper
def look_around(p, rings, state, every, final):
    """(Why no channel must or need go on, or GOES_ON; the first event of those that go on; until when none completes anything)."""
    earliest, quiet, lacks, going = NEVER, NEVER, NEVER, 0
    for channel in range(p.channels):
        a = by_address(u.channel_of(every, channel))
        stream = min(known_instruction(p, rings, state, a), next_deliver(rings, state, a))
        command = next_command(state, a)
        quiet = min(quiet, min(stream, quiet_until(p, state, a, command)))
        event = min(stream, min(command, next_transfer(state, a)))
        until = known_until(p, rings, state, a, final)
        if event > until:
            lacks = min(lacks, until)
        elif event < NEVER:
            going += 1
            earliest = min(earliest, event)
    # What a stream gets next can reach other channels from then on.
    if lacks < NEVER and lacks <= earliest:
        return s.REFILL, earliest, quiet
    if going == 0:
        return s.DONE if final else s.REFILL, earliest, quiet
    return GOES_ON, earliest, quiet
