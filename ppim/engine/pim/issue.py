"""One cycle of a channel's banks: refresh first, then every unit at most one command."""

from __future__ import annotations

from ppim.engine.banks import (
    ACT,
    COLUMN_READ,
    COLUMN_WRITE,
    PRE,
    close_bank,
    earliest_cycle,
    issue,
    open_bank,
    refresh_rank_step,
    scan,
)
from ppim.engine.codes import ACTIVATE, NEVER, NO_COMMAND, NO_ROW, PRECHARGE, READ, REFRESH, WRITE
from ppim.engine.lanes import count_trailing_zeros
from ppim.engine.pim.bus import bus_free_from, read_out_gate, reserve
from ppim.engine.pim.complete import finish_at, operand_arrives
from ppim.engine.pim.heap import push
from ppim.engine.pim.queues import first_hits, free_entry, leave, renew_wishes, visible
from ppim.engine.pim.state import (
    ACTIVATES,
    ENTRY_BURSTS,
    ENTRY_COLUMN,
    ENTRY_KIND,
    ENTRY_LEADER,
    ENTRY_LOOKUP,
    ENTRY_NUMBER,
    ENTRY_READY,
    ENTRY_RUNS,
    ENTRY_TOTAL,
    FRONT_QUEUE,
    FRONT_READY,
    LOG_COLUMN,
    LOG_COMMAND,
    LOG_CYCLE,
    LOG_LANE,
    LOG_ROW,
    PHASES_NONE,
    PRECHARGES,
    PREFETCH_READS,
    READ_OUT_BURSTS,
    READS,
    REFRESHES,
    ROW_HITS,
    TO_HOST,
)
from ppim.jit import njit
from ppim.program.instruction import (
    LOOKUP_SUM,
    PREFETCH,
    READ_OUT,
    SUM_CHANNEL,
)

NOT_A_COLUMN = -1


@njit(cache=False)
def keep_log(state, channel, cycle, command, lane, row, column):
    """Note a command, if commands are kept."""
    if state.log.shape[1] > 0:
        line = state.log[channel, state.log_count[channel]]
        line[LOG_CYCLE] = cycle
        line[LOG_COMMAND] = command
        line[LOG_LANE] = lane
        line[LOG_ROW] = row
        line[LOG_COLUMN] = column
        state.log_count[channel] += 1


@njit(cache=False)
def issue_and_look(state, b, channel, command, lane, cycle):
    """Issue a command with its effect on all banks' timing; lanes that may still issue in this cycle."""
    ready_now, next_cycle, ready_next = issue(b, command, lane, cycle, state.refresh.eligible[channel])
    state.look.ready_cycle[channel] = next_cycle
    state.look.ready_lanes[channel] = ready_next
    return ready_now


@njit(cache=False)
def buffer_allows(parameters, state, channel, unit, cycle):
    """Whether the unit's buffer takes another burst at `cycle`."""
    units = state.units
    mask = units.buffer_end.shape[2] - 1
    while (
        units.buffer_head[channel, unit] < units.buffer_tail[channel, unit]
        and units.buffer_end[channel, unit, units.buffer_head[channel, unit] & mask] <= cycle
    ):
        units.buffer_head[channel, unit] += 1
    held = 0
    for number in range(units.buffer_head[channel, unit], units.buffer_tail[channel, unit]):
        place = number & mask
        if units.buffer_complete[channel, unit, place] <= cycle:
            held += units.buffer_bursts[channel, unit, place]
    return held < parameters.buffer_bursts


@njit(cache=False)
def choose_column(parameters, state, b, channel, lane, cycle):
    """Place in the window of the entry that a lane would read now, or -1; oldest first."""
    n_visible = visible(parameters, state, channel, lane)
    stays, leaves = first_hits(state.queues, channel, lane, n_visible, b.open_row[lane])
    if stays >= 0:
        if earliest_cycle(b, COLUMN_READ, lane) > cycle:
            stays = -1
        elif parameters.buffer_bursts:
            entry = state.queues.window_entry[channel, lane, stays]
            if state.queues.entries[channel, entry, ENTRY_KIND] != PREFETCH:
                unit = lane // parameters.banks_per_unit
                if not buffer_allows(parameters, state, channel, unit, cycle):
                    stays = -1
    if leaves >= 0:
        rank = lane // parameters.banks_per_rank
        free = bus_free_from(parameters, state.bus, channel, TO_HOST, rank)
        if (
            earliest_cycle(b, COLUMN_WRITE, lane) > cycle
            or not (b.candidates[COLUMN_WRITE] >> lane) & 1
            or free > cycle + parameters.read_latency
        ):
            leaves = -1
    if stays < 0:
        return leaves
    if leaves < 0:
        return stays
    return min(stays, leaves)


@njit(cache=False)
def next_phase(parameters, state, b, channel, unit):
    """Drop the unit's finished phases; its banks then see the next one's entries."""
    units = state.units
    mask = units.phase_value.shape[2] - 1
    head = units.phase_head[channel, unit]
    while head < units.phase_tail[channel, unit] and units.phase_count[channel, unit, head & mask] == 0:
        head += 1
    units.phase_head[channel, unit] = head
    for lane in range(unit * parameters.banks_per_unit, (unit + 1) * parameters.banks_per_unit):
        renew_wishes(parameters, state, b, channel, lane, state.units.reads[channel, lane])


@njit(cache=False)
def finish_run(parameters, rings, state, channel, entry, cycle):
    """The last burst of a run was read: its instruction's data may be complete."""
    entries = state.queues.entries
    kind = entries[channel, entry, ENTRY_KIND]
    leader = entries[channel, entry, ENTRY_LEADER]
    if kind == READ_OUT:
        arrival = cycle + parameters.read_latency + parameters.burst_cycles
    else:
        arrival = cycle + parameters.unit_read_latency
    if entry != leader:
        free_entry(state.queues, channel, entry)
    entries[channel, leader, ENTRY_READY] = max(entries[channel, leader, ENTRY_READY], arrival)
    entries[channel, leader, ENTRY_RUNS] -= 1
    if entries[channel, leader, ENTRY_RUNS] > 0:
        return
    ready = entries[channel, leader, ENTRY_READY]
    lookup = entries[channel, leader, ENTRY_LOOKUP]
    if kind == PREFETCH:
        finish_at(state, channel, ready)
    elif kind == READ_OUT:
        sum_row = rings.lookups[lookup & (len(rings.lookups) - 1), LOOKUP_SUM] & (len(rings.sums) - 1)
        stream = 0 if parameters.global_stream else rings.sums[sum_row, SUM_CHANNEL]
        front = state.front
        due = ready + parameters.host_latency
        push(
            front.deliver_ready,
            front.deliver_order,
            front.deliver_lookup,
            front.deliver_bursts,
            front.deliver_count,
            stream,
            due,
            entries[channel, leader, ENTRY_NUMBER],
            lookup,
            entries[channel, leader, ENTRY_TOTAL],
        )
        front.wake[stream] = min(front.wake[stream], max(front.next_slot[stream], due))
    else:
        operand_arrives(parameters, rings, state, lookup, ready)
    free_entry(state.queues, channel, leader)


@njit(cache=False)
def read_burst(parameters, rings, state, b, channel, lane, place, cycle):
    """READ the next burst of a window entry; returns the lanes that may still issue in this cycle."""
    queues = state.queues
    entry = queues.window_entry[channel, lane, place]
    item = queues.entries[channel, entry]
    kind = item[ENTRY_KIND]
    counters = state.counters[channel]
    counters[READS] += 1
    if state.units.reads[channel, lane] > 0:
        counters[ROW_HITS] += 1
    state.units.reads[channel, lane] += 1
    keep_log(state, channel, cycle, READ, lane, b.open_row[lane], item[ENTRY_COLUMN])
    item[ENTRY_COLUMN] += 1
    item[ENTRY_BURSTS] -= 1
    command = READ
    if kind == READ_OUT:
        command = WRITE  # the class that has a read-out's timing
        counters[READ_OUT_BURSTS] += 1
        start = cycle + parameters.read_latency
        reserve(
            state.bus,
            channel,
            TO_HOST,
            lane // parameters.banks_per_rank,
            start + parameters.bus_burst_cycles,
        )
        finish_at(state, channel, start + parameters.bus_burst_cycles)
        b.candidates[COLUMN_WRITE] = 0
    elif kind == PREFETCH:
        counters[PREFETCH_READS] += 1
    unit = lane // parameters.banks_per_unit
    if item[ENTRY_BURSTS] == 0:
        phase_done = False
        if parameters.phases != PHASES_NONE:
            units = state.units
            head = units.phase_head[channel, unit] & (units.phase_value.shape[2] - 1)
            units.phase_count[channel, unit, head] -= 1
            phase_done = units.phase_count[channel, unit, head] == 0
        leave(queues, channel, lane, place)
        stream = 0 if parameters.global_stream else channel
        if state.front.state[stream] == FRONT_QUEUE:
            state.front.state[stream] = FRONT_READY
            state.front.wake[stream] = max(state.front.next_slot[stream], cycle)
        finish_run(parameters, rings, state, channel, entry, cycle)
        if phase_done:
            next_phase(parameters, state, b, channel, unit)
    renew_wishes(parameters, state, b, channel, lane, state.units.reads[channel, lane])
    return issue_and_look(state, b, channel, command, lane, cycle)


@njit(cache=False)
def try_lane(parameters, rings, state, b, channel, lane, cycle):
    """Issue what a lane offers at `cycle`; (whether it did, lanes that may still issue)."""
    bit = 1 << lane
    if b.open_row[lane] == NO_ROW:
        if not b.candidates[ACT] & bit or earliest_cycle(b, ACT, lane) > cycle:
            return False, 0
        row = state.queues.window_row[channel, lane, 0]
        state.counters[channel, ACTIVATES] += 1
        keep_log(state, channel, cycle, ACTIVATE, lane, row, NOT_A_COLUMN)
        open_bank(b, lane, row, cycle)
        state.units.reads[channel, lane] = 0
        state.units.last_activator[channel] = lane // parameters.banks_per_unit
        renew_wishes(parameters, state, b, channel, lane, 0)
        return True, issue_and_look(state, b, channel, ACTIVATE, lane, cycle)
    if b.candidates[PRE] & bit and earliest_cycle(b, PRE, lane) <= cycle:
        return True, precharge(parameters, state, b, channel, lane, cycle)
    place = choose_column(parameters, state, b, channel, lane, cycle)
    if place < 0:
        return False, 0
    return True, read_burst(parameters, rings, state, b, channel, lane, place, cycle)


@njit(cache=False)
def precharge(parameters, state, b, channel, lane, cycle):
    """Close a bank; lanes that may still issue in this cycle."""
    state.counters[channel, PRECHARGES] += 1
    keep_log(state, channel, cycle, PRECHARGE, lane, NO_ROW, NOT_A_COLUMN)
    close_bank(b, lane, cycle)
    renew_wishes(parameters, state, b, channel, lane, 0)
    return issue_and_look(state, b, channel, PRECHARGE, lane, cycle)


@njit(cache=False)
def held_lanes(parameters, state, b, channel):
    """Mask of lanes that the refresh at the head of the list holds."""
    if parameters.hold_all:
        return -1
    return b.rank_lanes[head_rank(parameters, state, channel)]


@njit(cache=False)
def head_rank(parameters, state, channel):
    """Rank of the oldest refresh that is not served."""
    if parameters.refresh_rotates:
        return state.refresh.served[channel] % parameters.ranks
    return 0


@njit(cache=False)
def hold_head(parameters, state, b, channel, cycle):
    """The oldest refresh becomes head of the list: its rank's units are held."""
    state.refresh.eligible[channel] = ~held_lanes(parameters, state, b, channel)
    state.refresh.look[channel] = cycle
    state.look.stale[channel] = 1


@njit(cache=False)
def renew_refreshes(parameters, state, b, channel, cycle):
    """Let go the units of a refresh issued before; generate refreshes that are due; hold the head's units."""
    refresh = state.refresh
    if refresh.release[channel] <= cycle:
        refresh.release[channel] = NEVER
        refresh.eligible[channel] = -1
        state.look.stale[channel] = 1
        if refresh.generated[channel] > refresh.served[channel]:
            hold_head(parameters, state, b, channel, cycle)
    while refresh.due[channel] <= cycle:
        refresh.due[channel] += parameters.refresh_interval
        refresh.generated[channel] += 1
        if refresh.generated[channel] == refresh.served[channel] + 1:
            hold_head(parameters, state, b, channel, cycle)


@njit(cache=False)
def serve_refresh(parameters, state, b, channel, cycle):
    """Generation and service of refreshes (golden README 3.9); at most one command."""
    refresh = state.refresh
    renew_refreshes(parameters, state, b, channel, cycle)
    if refresh.look[channel] > cycle:
        return
    command, lane, next_look = refresh_rank_step(b, head_rank(parameters, state, channel), cycle)
    refresh.look[channel] = max(next_look, cycle + 1)
    if command == NO_COMMAND:
        return
    if command == PRECHARGE:
        ready_now = precharge(parameters, state, b, channel, lane, cycle)
    else:
        state.counters[channel, REFRESHES] += 1
        keep_log(state, channel, cycle, REFRESH, lane, NO_ROW, NOT_A_COLUMN)
        ready_now = issue_and_look(state, b, channel, REFRESH, lane, cycle)
        refresh.served[channel] += 1
        refresh.look[channel] = NEVER
        refresh.release[channel] = cycle + 1
    # The units are asked next, for this very cycle.
    state.look.stale[channel] = 0
    state.look.ready_cycle[channel] = cycle
    state.look.ready_lanes[channel] = ready_now


@njit(cache=False)
def issue_units(parameters, rings, state, b, channel, cycle):
    """Every unit that is not held issues at most one command."""
    look = state.look
    if look.stale[channel]:
        look.stale[channel] = 0
        look.ready_cycle[channel], look.ready_lanes[channel] = scan(b, cycle, state.refresh.eligible[channel])
    if look.ready_cycle[channel] > cycle:
        return
    ready = look.ready_lanes[channel]
    first_unit = state.units.last_activator[channel] + 1
    issued = False
    for step in range(parameters.units):
        unit = first_unit + step
        if unit >= parameters.units:
            unit -= parameters.units
        start = unit * parameters.banks_per_unit
        lanes = (ready >> start) & parameters.bank_mask
        while lanes:
            after = state.units.last_bank[channel, unit] + 1
            if after == parameters.banks_per_unit:
                after = 0
            later = lanes >> after
            bank = after + count_trailing_zeros(later) if later else count_trailing_zeros(lanes)
            did, still_ready = try_lane(parameters, rings, state, b, channel, start + bank, cycle)
            if did:
                state.units.last_bank[channel, unit] = bank
                ready = still_ready
                issued = True
                break
            lanes &= ~(1 << bank)
    if not issued:
        look.ready_cycle[channel], look.ready_lanes[channel] = scan(
            b, cycle + 1, state.refresh.eligible[channel]
        )


@njit(cache=False)
def open_gate(parameters, state, b, channel, cycle):
    """Read-outs are candidates while the bus permits; else returns the cycle from which it will."""
    wanted = state.look.wants_out[channel]
    if wanted == 0:
        return NEVER
    gate = read_out_gate(parameters, state.bus, channel)
    if gate > cycle:
        b.candidates[COLUMN_WRITE] = 0
        return gate
    if b.candidates[COLUMN_WRITE] != wanted:
        b.candidates[COLUMN_WRITE] = wanted
        state.look.stale[channel] = 1
    return NEVER
