"""The event loop: from one cycle in which something can happen to the next, in one order of time."""

from ppim.engine.banks import channel_banks
from ppim.engine.codes import NEVER
from ppim.engine.pim import heap, state as s
from ppim.engine.pim.by_cycle import account, data, issue, queues
from ppim.engine.pim.by_cycle.streams import step_front
from ppim.engine.pim.rules import barrier
from ppim.engine.pim.state import bare_state
from ppim.jit import helper, njit
from ppim.program import instruction as ins, state as r

# Events without a single READ or slot after which something is wrong, unless arithmetic goes on: refreshes
# alone come one in tREFI, and no latency is longer.
FRUITLESS_EVENTS = 1 << 18


@helper(forceinline=True)
def join_arrivals(p, state, b, channel, cycle):
    """Entries sent two cycles ago are seen from now on."""
    mask = state.join_mask
    while state.channel[channel, s.JOIN_HEAD] < state.channel[channel, s.JOIN_TAIL]:
        place = state.channel[channel, s.JOIN_HEAD] & mask
        if state.joins[channel, place, s.JOIN_CYCLE] > cycle:
            break
        lane = queues.join(p, state, channel, state.joins[channel, place, s.JOIN_ENTRY])
        state.channel[channel, s.JOIN_HEAD] += 1
        queues.renew_wishes(p, state, b, channel, lane, state.lane[channel, lane, s.READS_SINCE_ACTIVATE])
        queues.note_lane(state, b, channel, lane, cycle)
        if p.phases == s.PHASES_BUFFERED:
            unit = lane >> p.bank_bits
            queues.choose_queues(p, state, b, channel, unit)
            for other in range(unit << p.bank_bits, (unit + 1) << p.bank_bits):
                queues.note_lane(state, b, channel, other, cycle)


@helper(forceinline=True)
def next_event(state, channel, cycle, gate):
    """First cycle after `cycle` in which something can happen in a channel, as far as is known now."""
    row = state.channel[channel]
    following = min(row[s.READY_CYCLE], gate)
    following = min(following, issue.next_refresh_event(row))
    if row[s.JOIN_HEAD] < row[s.JOIN_TAIL]:
        place = row[s.JOIN_HEAD] & state.join_mask
        following = min(following, state.joins[channel, place, s.JOIN_CYCLE])
    if row[s.TRANSFERS_WAITING] > 0:
        following = min(following, state.transfers[channel, 0, heap.READY_AT])
    if row[s.STALE]:
        following = cycle
    return max(following, cycle + 1)


@helper(forceinline=True)
def channel_cycle(p, rings, state, b, channel, cycle):
    """Everything that happens in a channel in `cycle` before its stream acts; sets its next event."""
    account.settle(p, state, channel, cycle)
    data.start_ready_transfers(p, rings, state, channel, cycle)
    join_arrivals(p, state, b, channel, cycle)
    issue.serve_refresh(p, state, b, channel, cycle)
    issue.open_gate(p, state, b, channel, cycle)
    issue.issue_units(p, rings, state, b, channel, cycle)
    gate = issue.open_gate(p, state, b, channel, cycle)
    account.note_waits(state, b, channel)
    state.channel[channel, s.NEXT_EVENT] = next_event(state, channel, cycle, gate)


@helper(forceinline=True)
def log_is_full(state, channel):
    """Whether the commands kept have to be taken before another cycle."""
    capacity = state.log_capacity
    return capacity > 0 and state.channel[channel, s.LOG_COUNT] > capacity - s.LOG_MARGIN


@helper(forceinline=True)
def earliest_event(rings, state, first, stop, first_stream, stop_stream):
    """First cycle in which one of the channels or streams has something to do."""
    cycle = NEVER
    for channel in range(first, stop):
        cycle = min(cycle, state.channel[channel, s.NEXT_EVENT])
    for stream in range(first_stream, stop_stream):
        cycle = min(cycle, rings.stream[stream, r.WAKE])
    return cycle


@helper
def needs_more(p, rings, stream, cycle):
    """Whether a stream without instructions could have sent what it gets next by `cycle`.

    Not so if that is demand of a turn to come, which waits for a barrier that is surely ahead: a turn (or
    batch) before it is incomplete.
    """
    if cycle < rings.stream[stream, r.NEXT_SLOT]:
        return False
    oldest, last = rings.marks[r.OLDEST_TURN], rings.marks[r.NEXT_TURN] - 1
    if not p.demand_comes_first or oldest > last:
        return True
    tail = rings.stream[stream, r.TAIL]
    if tail > 0 and rings.instructions[stream, (tail - 1) & rings.instruction_mask, ins.TURN] == last:
        # Transfers of this turn may follow.
        return True
    mask = rings.turn_mask
    same_batch = rings.turns[oldest & mask, r.TURN_BATCH] == rings.turns[last & mask, r.TURN_BATCH]
    return p.barrier != s.BARRIER_TABLE and same_batch


@helper
def lacks_other(rings):
    """Whether the oldest turn lacks nothing but its part in the other memory, so that its end may be past."""
    oldest = rings.marks[r.OLDEST_TURN]
    if oldest == rings.marks[r.NEXT_TURN]:
        return False
    turn = rings.turns[oldest & rings.turn_mask]
    return turn[r.TURN_CLOSED] and turn[r.TURN_DONE] == turn[r.TURN_LEFT] - 1 and not turn[r.TURN_TWIN_DONE]


@helper(forceinline=True)
def reason_to_stop(p, rings, state, first, stop, first_stream, stop_stream, cycle, final):
    """Whether the channels must not or need not go on at `cycle`: REFILL, DONE, or -1 to go on.

    When every stream waits at a barrier or for more program and all that was sent is complete, the
    release lies with other channels. It cannot come before what has been simulated, so no event has been
    taken too early. Where the release lies with another memory, those that wait hold up all.
    """
    waiting = 0
    empty = 0
    for stream in range(first_stream, stop_stream):
        if rings.stream[stream, r.FRONT] == r.FRONT_EMPTY:
            if not final and needs_more(p, rings, stream, cycle):
                return s.REFILL
            empty += 1
        elif rings.stream[stream, r.FRONT] == r.FRONT_BARRIER:
            waiting += 1
    if p.tied and waiting > 0 and lacks_other(rings):
        return s.DONE if final else s.REFILL
    if waiting + empty < stop_stream - first_stream:
        return -1
    in_flight = 0
    for channel in range(first, stop):
        in_flight += state.channel[channel, s.OPEN]
        if waiting == 0:
            in_flight += state.pool - state.channel[channel, s.FREE_COUNT]
    if in_flight > 0:
        return -1
    return s.DONE if final else s.REFILL


@helper
def arithmetic_end(p, state, first, stop):
    """When the last unit is done with what it can add up now: a full buffer may wait as long."""
    end = 0
    for channel in range(first, stop):
        for unit in range(p.units):
            end = max(end, state.unit[channel, unit, s.COMPUTE_FREE])
    return end


@helper(forceinline=True)
def run_group(p, rings, state, banks, board, first, stop, first_stream, stop_stream, final, until):
    """Run channels first..stop-1 with their streams from event to event, in one order of time."""
    fruitless, seen = 0, 0
    while True:
        cycle = earliest_event(rings, state, first, stop, first_stream, stop_stream)
        if until == NEVER:
            reason = reason_to_stop(p, rings, state, first, stop, first_stream, stop_stream, cycle, final)
            if reason >= 0:
                return reason
        elif cycle >= until:
            return s.DONE
        progress = 0
        for channel in range(first, stop):
            limit = cycle
            if stop - first == 1 and rings.stream[first_stream, r.FRONT] == r.FRONT_READY:
                # Alone, and its stream sleeps: no one else can act before it wakes.
                limit = max(cycle, rings.stream[first_stream, r.WAKE] - 1)
            b = channel_banks(banks, channel)
            while state.channel[channel, s.NEXT_EVENT] <= limit:
                if log_is_full(state, channel):
                    return s.LOG_FULL
                if account.ring_is_short(state, channel, state.channel[channel, s.NEXT_EVENT]):
                    return s.GROW
                channel_cycle(p, rings, state, b, channel, state.channel[channel, s.NEXT_EVENT])
            progress += state.channel[channel, s.READS]
        for stream in range(first_stream, stop_stream):
            while rings.stream[stream, r.WAKE] <= cycle:  # a cycle may have several slots
                if not step_front(p, rings, state, stream, cycle):
                    return s.GROW
            progress += rings.stream[stream, r.SLOTS]
        if stop_stream - first_stream > 1 or stop - first > 1 or p.turns_open:
            barrier.release_turns(p, rings, state, board)
        fruitless = fruitless + 1 if progress == seen else 0
        seen = progress
        if fruitless > FRUITLESS_EVENTS and until == NEVER:
            if arithmetic_end(p, state, first, stop) <= cycle:
                return s.STUCK
            fruitless = 0


@njit
def settle_all(parameters, owned_state, cycle):
    """Count the cycles of all channels up to the end of the run."""
    state = bare_state(owned_state)
    for channel in range(parameters.channels):
        account.settle(parameters, state, channel, cycle)
