"""The event loop: in each channel from one cycle in which something can happen to the next.

Channels run ahead of each other as far as none can tell (`lookahead`): their events are in order in each of
them, not over all.
"""

from ppim.engine.banks import channel_banks
from ppim.engine.codes import NEVER
from ppim.engine.pim import heap, state as s
from ppim.engine.pim.by_cycle import account, data, issue, queues
from ppim.engine.pim.by_cycle.streams import step_front
from ppim.engine.pim.lookahead import FURTHEST_AHEAD, IN_STEP
from ppim.engine.pim.rules import barrier, commands, refresh, streams
from ppim.jit import helper, njit
from ppim.program import state as r

# Rounds without a single READ or slot after which something is wrong, unless arithmetic goes on: refreshes
# alone come one in tREFI, and no latency is longer.
FRUITLESS_ROUNDS = 1 << 18

GO_ON = -1


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
        queues.note_lane(p, state, b, channel, lane, cycle)
        if p.phases == s.PHASES_BUFFERED:
            unit = lane >> p.bank_bits
            queues.choose_queues(p, state, b, channel, unit)
            for other in range(unit << p.bank_bits, (unit + 1) << p.bank_bits):
                queues.note_lane(p, state, b, channel, other, cycle)


@helper(forceinline=True)
def next_event(p, state, channel, cycle, gate):
    """First cycle after `cycle` in which something can happen in a channel, as far as is known now."""
    row = state.channel[channel]
    following = min(row[s.READY_CYCLE], gate)
    following = min(following, issue.next_refresh_event(p, row))
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
    account.note_waits(p, state, b, channel)
    state.channel[channel, s.NEXT_EVENT] = next_event(p, state, channel, cycle, gate)


@helper
def any_log_is_full(p, state):
    """The same of any channel: what is sent to one can be noted in another."""
    full = 0
    for channel in range(p.channels):
        full += commands.log_is_full(state, channel)
    return full > 0


@helper(forceinline=True)
def earliest_event(rings, state, n_channels):
    """First cycle in which one of the channels or streams has something to do."""
    cycle = NEVER
    for channel in range(n_channels):
        cycle = min(cycle, state.channel[channel, s.NEXT_EVENT])
    for stream in range(rings.n_streams):
        cycle = min(cycle, rings.stream[stream, r.WAKE])
    return cycle


@helper
def lacks_other(rings):
    """Whether the oldest turn lacks nothing but its part in the other memory, so that its end may be past."""
    oldest = rings.marks[r.OLDEST_TURN]
    if oldest == rings.marks[r.NEXT_TURN]:
        return False
    turn = rings.turns[oldest & rings.turn_mask]
    return turn[r.TURN_CLOSED] and turn[r.TURN_DONE] == turn[r.TURN_LEFT] - 1 and not turn[r.TURN_TWIN_DONE]


@helper(forceinline=True)
def reason_to_stop(p, rings, state, cycle, final):
    """Whether channels in step must not or need not go on at `cycle`: REFILL, DONE, or GO_ON.

    When every stream waits at a barrier or for more program and all that was sent is complete, the
    release lies with another memory. It cannot come before what has been simulated, so no event has been
    taken too early. Where the release lies there already, those that wait hold up all.
    """
    waiting = 0
    empty = 0
    for stream in range(rings.n_streams):
        if rings.stream[stream, r.FRONT] == r.FRONT_EMPTY:
            if not final and streams.needs_more(p, rings, stream, cycle):
                return s.REFILL
            empty += 1
        elif rings.stream[stream, r.FRONT] == r.FRONT_BARRIER:
            waiting += 1
    if p.tied and waiting > 0 and lacks_other(rings):
        return s.DONE if final else s.REFILL
    if waiting + empty < rings.n_streams:
        return GO_ON
    in_flight = 0
    for channel in range(p.channels):
        in_flight += state.channel[channel, s.OPEN]
        if waiting == 0:
            in_flight += state.pool - state.channel[channel, s.FREE_COUNT]
    if in_flight > 0:
        return GO_ON
    return s.DONE if final else s.REFILL


@helper
def lacks_program(p, rings, state, channel, cycle):
    """Whether a channel's stream could have sent by `cycle` what it gets next, and that would matter to the channel."""
    if streams.needs_more(p, rings, channel, cycle):
        return True
    in_flight = state.channel[channel, s.OPEN] + state.pool - state.channel[channel, s.FREE_COUNT]
    late = cycle >= rings.stream[channel, r.NEXT_SLOT]
    return late and in_flight > 0 and streams.may_get_transfers(rings)


@helper(forceinline=True)
def stands_still(p, rings, state, channel, cycle, final):
    """Whether a channel by itself must not or need not go on at `cycle`.

    While something of it is in flight, its turns are incomplete, so that no barrier that it waits at opens
    before what it simulates. With nothing in flight it stands still: others may open the barrier any time.
    """
    front = rings.stream[channel, r.FRONT]
    if front == r.FRONT_EMPTY:
        if not final and lacks_program(p, rings, state, channel, cycle):
            return True
    elif front != r.FRONT_BARRIER:
        return False
    in_flight = state.channel[channel, s.OPEN]
    if front == r.FRONT_EMPTY or p.phases == s.PHASES_NONE:
        # Entries that wait are demand; or prefetches, which a barrier does not wait for.
        in_flight += state.pool - state.channel[channel, s.FREE_COUNT]
    return in_flight == 0


@helper(forceinline=True)
def waits_for_others(p, rings, channel):
    """Whether a channel's stream waits for what other channels may complete, whatever is in flight in its own."""
    front = rings.stream[channel, r.FRONT]
    return front == r.FRONT_ACCUMULATOR or (front == r.FRONT_BARRIER and p.turns_open > 0)


@helper(forceinline=True)
def least_notice(p):
    """Least cycles from an event that completes a turn, or a transfer, to what it lets be sent, but 1 or more."""
    completion = min(p.unit_read_latency + p.host_latency, s.ACTS_AFTER + p.host_latency)
    return max(min(completion, p.bus_burst_cycles), 1)


@helper(forceinline=True)
def next_in_channel(rings, state, channel):
    """First cycle in which a channel or its own stream has something to do."""
    return min(state.channel[channel, s.NEXT_EVENT], rings.stream[channel, r.WAKE])


@helper(forceinline=True)
def look_apart(p, rings, state, ahead, final):
    """(Whether channels that run ahead of each other must not or need not go on, the first event of those that can)."""
    earliest, lacks, going = NEVER, NEVER, 0
    for channel in range(p.channels):
        cycle = next_in_channel(rings, state, channel)
        if not stands_still(p, rings, state, channel, cycle, final):
            going += 1
            earliest = min(earliest, cycle)
        stream = rings.stream[channel]
        if (
            stream[r.FRONT] == r.FRONT_EMPTY
            and not final
            and lacks_program(p, rings, state, channel, stream[r.NEXT_SLOT])
        ):
            lacks = min(lacks, stream[r.NEXT_SLOT])
    # What a stream gets next could tie channels from its next slot on.
    if lacks < NEVER and (going == 0 or (ahead < FURTHEST_AHEAD and lacks <= earliest)):
        return s.REFILL, earliest
    if going == 0:
        return s.DONE if final else s.REFILL, earliest
    return s.STUCK if earliest == NEVER else GO_ON, earliest


@helper
def arithmetic_end(p, state):
    """When the last unit is done with what it can add up now: a full buffer may wait as long."""
    end = 0
    for channel in range(p.channels):
        for unit in range(p.units):
            end = max(end, state.unit[channel, unit, s.COMPUTE_FREE])
    return end


@helper
def has_no_time(p, state, channel, cycle):
    """Whether refreshes leave a channel no time for a READ; not so if it waits for arithmetic to make room."""
    row = state.channel[channel]
    if not refresh.leaves_no_time(row):
        return False
    row[s.FRUITLESS] = 0
    return arithmetic_end(p, state) <= cycle


@helper(forceinline=True)
def run_channels(p, rings, state, banks, board, ahead, final, until):
    """Run all channels with their streams, from event to event, as far as they go; a status.

    Round after round: in each, every channel up to the same cycle, which is `ahead` after the first event of
    any. What a channel does to another in a round takes effect later than that (`lookahead`).
    """
    fruitless, seen = 0, 0
    apart = ahead > IN_STEP and until == NEVER
    while True:
        # Before anything else goes on, or what waits for a turn would be woken late.
        if ahead < FURTHEST_AHEAD and barrier.release_turns(p, rings, state, board) == barrier.TIMES_FULL:
            return s.GROW
        cycle, limit, waiting_limit = 0, until, NEVER
        if apart:
            reason, cycle = look_apart(p, rings, state, ahead, final)
            limit = cycle + ahead
            waiting_limit = cycle + least_notice(p)
            if reason != GO_ON:
                return reason
        elif until == NEVER:
            cycle = earliest_event(rings, state, p.channels)
            limit = cycle + 1
            reason = reason_to_stop(p, rings, state, cycle, final)
            if reason != GO_ON:
                return reason
        progress = 0
        for channel in range(p.channels):
            b = channel_banks(banks, channel)
            # One stream for all acts behind all channels.
            stream = 0 if p.global_stream else channel
            acts = not p.global_stream or channel == p.channels - 1
            while True:
                now = state.channel[channel, s.NEXT_EVENT]
                if acts:
                    now = min(now, rings.stream[stream, r.WAKE])
                if now >= limit:
                    break
                if apart and rings.stream[stream, r.FRONT] != r.FRONT_READY:
                    if stands_still(p, rings, state, channel, now, final):
                        break
                    if now >= waiting_limit and waits_for_others(p, rings, channel):
                        break
                if p.keeps_events and any_log_is_full(p, state):
                    return s.LOG_FULL
                if state.channel[channel, s.NEXT_EVENT] <= now:
                    if commands.log_is_full(state, channel):
                        return s.LOG_FULL
                    if account.ring_is_short(state, channel, now):
                        return s.GROW
                    channel_cycle(p, rings, state, b, channel, now)
                if (
                    acts
                    and rings.stream[stream, r.WAKE] <= now
                    and not step_front(p, rings, state, stream, now)
                ):
                    return s.GROW
            if has_no_time(p, state, channel, now):
                return s.NO_TIME
            progress += state.channel[channel, s.READS] + rings.stream[stream, r.SLOTS]
            progress += state.channel[channel, s.FRUITLESS]  # which `has_no_time` counts
        if until < NEVER:
            return s.DONE
        fruitless = fruitless + 1 if progress == seen else 0
        seen = progress
        if fruitless > FRUITLESS_ROUNDS:
            if arithmetic_end(p, state) <= cycle:
                return s.STUCK
            fruitless = 0


@njit
def settle_all(parameters, state, cycle):
    """Count the cycles of all channels up to the end of the run."""
    for channel in range(parameters.channels):
        account.settle(parameters, state, channel, cycle)
