"""One cycle of a channel's banks: refresh first, then every unit at most one command."""

from __future__ import annotations

from ppim.engine.banks import (
    ACT,
    COLUMN_READ,
    COLUMN_WRITE,
    PRE,
    apply,
    close_bank,
    earliest_cycle,
    open_bank,
    refresh_rank_step,
    scan,
)
from ppim.engine.codes import ACTIVATE, NEVER, NO_COMMAND, NO_ROW, PRECHARGE, READ, REFRESH, WRITE
from ppim.engine.pim.account import BUFFER_HELD, note_arrival, note_command, note_read, note_refresh
from ppim.engine.pim.bus import bus_free_from, read_out_gate, reserve
from ppim.engine.pim.complete import finish_at, operand_arrives
from ppim.engine.pim.heap import push
from ppim.engine.pim.limits import tally_activate, tally_reads
from ppim.engine.pim.queues import (
    choose_queues,
    first_hits,
    free_entry,
    leave,
    looked_at,
    phases_of,
    renew_wishes,
    visible,
)
from ppim.engine.pim.state import (
    ACTIVATES,
    BUFFER_BURSTS,
    BUFFER_COMPLETE,
    BUFFER_END,
    BUFFER_HEAD,
    BUFFER_TAIL,
    DEMAND_JOINED,
    ELIGIBLE,
    ENTRY_BURSTS,
    ENTRY_COLUMN,
    ENTRY_KIND,
    ENTRY_LEADER,
    ENTRY_LOOKUP,
    ENTRY_NUMBER,
    ENTRY_READY,
    ENTRY_RUNS,
    ENTRY_SHARERS,
    ENTRY_TOTAL,
    LAST_ACTIVATOR,
    LAST_BANK,
    LOG_COLUMN,
    LOG_COMMAND,
    LOG_COUNT,
    LOG_CYCLE,
    LOG_LANE,
    LOG_ROW,
    PHASE_COUNT,
    PHASE_HEAD,
    PHASE_TAIL,
    PHASES_NEXT,
    PHASES_NONE,
    PRECHARGES,
    PREFETCH_READS,
    READ_OUT_BURSTS,
    READS,
    READS_SINCE_ACTIVATE,
    READY_CYCLE,
    READY_LANES,
    REFRESH_DUE,
    REFRESH_LOOK,
    REFRESH_RELEASE,
    REFRESHES,
    REFRESHES_GENERATED,
    REFRESHES_SERVED,
    ROW_HITS,
    STALE,
    TO_HOST,
    WANTS_OUT,
    WINDOW_ENTRY,
    WINDOW_ROW,
)
from ppim.jit import helper
from ppim.jit.bits import count_trailing_zeros
from ppim.program.instruction import LOOKUP_SUM, PREFETCH, READ_OUT, SUM_CHANNEL
from ppim.program.state import DELIVERS, FRONT, FRONT_DELIVER, FRONT_QUEUE, FRONT_READY, NEXT_SLOT, WAKE

NOT_A_COLUMN = -1


@helper(forceinline=True)
def keep_log(state, channel, cycle, command, lane, row, column):
    """Note a command, if commands are kept."""
    if state.log_capacity > 0:
        line = state.log[channel, state.channel[channel, LOG_COUNT]]
        line[LOG_CYCLE] = cycle
        line[LOG_COMMAND] = command
        line[LOG_LANE] = lane
        line[LOG_ROW] = row
        line[LOG_COLUMN] = column
        state.channel[channel, LOG_COUNT] += 1


@helper(forceinline=True)
def buffer_allows(parameters, state, channel, unit, cycle):
    """Whether the unit's buffer takes another burst at `cycle`."""
    mask = state.buffer_mask
    while (
        state.unit[channel, unit, BUFFER_HEAD] < state.unit[channel, unit, BUFFER_TAIL]
        and state.buffer[channel, unit, state.unit[channel, unit, BUFFER_HEAD] & mask, BUFFER_END] <= cycle
    ):
        state.unit[channel, unit, BUFFER_HEAD] += 1
    held = 0
    for number in range(state.unit[channel, unit, BUFFER_HEAD], state.unit[channel, unit, BUFFER_TAIL]):
        place = number & mask
        if state.buffer[channel, unit, place, BUFFER_COMPLETE] <= cycle:
            held += state.buffer[channel, unit, place, BUFFER_BURSTS]
    return held < parameters.buffer_bursts


@helper(forceinline=True)
def choose_column(parameters, state, b, channel, lane, cycle):
    """Place in the window of the entry that a lane would read now, or -1; oldest first."""
    n_visible = visible(parameters, state, channel, lane)
    queue = looked_at(parameters, state, channel, lane)
    stays, leaves = first_hits(state, channel, queue, n_visible, b.open_row[lane])
    if stays >= 0:
        if earliest_cycle(b, COLUMN_READ, lane) > cycle:
            stays = -1
        elif parameters.buffer_bursts:
            entry = state.window[channel, queue, stays, WINDOW_ENTRY]
            if state.entries[channel, entry, ENTRY_KIND] != PREFETCH:
                unit = lane >> parameters.bank_bits
                if not buffer_allows(parameters, state, channel, unit, cycle):
                    stays = -1
                    state.account[channel, BUFFER_HELD] = cycle + 1
    if leaves >= 0:
        rank = lane >> parameters.rank_bits
        free = bus_free_from(parameters, state, channel, TO_HOST, rank)
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


@helper(forceinline=True)
def next_phase(parameters, state, b, channel, unit, row):
    """Drop the unit's finished phases; its banks then see the next one's entries."""
    mask = state.phase_mask
    head = state.unit[channel, row, PHASE_HEAD]
    while (
        head < state.unit[channel, row, PHASE_TAIL]
        and state.phases[channel, row, head & mask, PHASE_COUNT] == 0
    ):
        head += 1
    state.unit[channel, row, PHASE_HEAD] = head
    if parameters.phases == PHASES_NEXT:
        choose_queues(parameters, state, b, channel, unit)
    for lane in range(unit << parameters.bank_bits, (unit + 1) << parameters.bank_bits):
        renew_wishes(parameters, state, b, channel, lane, state.lane[channel, lane, READS_SINCE_ACTIVATE])


@helper
def hand_to_host(parameters, rings, state, channel, leader, due):
    """A read-out is complete: from `due` on the host can deliver it."""
    item = state.entries[channel, leader]
    sum_row = rings.lookups[item[ENTRY_LOOKUP] & rings.lookup_mask, LOOKUP_SUM] & rings.sum_mask
    stream = 0 if parameters.global_stream else rings.sums[sum_row, SUM_CHANNEL]
    first, then = due, item[ENTRY_NUMBER]
    if parameters.in_order:
        first, then = then, first
    push(
        state.delivers,
        stream,
        rings.stream[stream, DELIVERS],
        first,
        then,
        item[ENTRY_LOOKUP],
        item[ENTRY_TOTAL],
        item[ENTRY_SHARERS],
    )
    rings.stream[stream, DELIVERS] += 1
    if not parameters.in_order or rings.stream[stream, FRONT] == FRONT_DELIVER:
        rings.stream[stream, WAKE] = min(
            rings.stream[stream, WAKE], max(rings.stream[stream, NEXT_SLOT], due)
        )


@helper(forceinline=True)
def finish_run(parameters, rings, state, channel, entry, cycle):
    """The last burst of a run was read: its instruction's data may be complete."""
    kind = state.entries[channel, entry, ENTRY_KIND]
    leader = state.entries[channel, entry, ENTRY_LEADER]
    if kind == READ_OUT:
        arrival = cycle + parameters.read_latency + parameters.burst_cycles
    else:
        arrival = cycle + parameters.unit_read_latency
    if entry != leader:
        free_entry(state, channel, entry)
    state.entries[channel, leader, ENTRY_READY] = max(state.entries[channel, leader, ENTRY_READY], arrival)
    state.entries[channel, leader, ENTRY_RUNS] -= 1
    if state.entries[channel, leader, ENTRY_RUNS] > 0:
        return
    ready = state.entries[channel, leader, ENTRY_READY]
    lookup = state.entries[channel, leader, ENTRY_LOOKUP]
    if kind == PREFETCH:
        finish_at(state, channel, ready)
    elif kind == READ_OUT and not parameters.host_consumes:
        hand_to_host(parameters, rings, state, channel, leader, ready + parameters.host_latency)
    else:
        for user in range(lookup, lookup + state.entries[channel, leader, ENTRY_SHARERS] + 1):
            operand_arrives(parameters, rings, state, user, ready)
    free_entry(state, channel, leader)


@helper(forceinline=True)
def read_burst(parameters, rings, state, b, channel, lane, place, cycle):
    """READ the next burst of a window entry."""
    queue = looked_at(parameters, state, channel, lane)
    entry = state.window[channel, queue, place, WINDOW_ENTRY]
    item = state.entries[channel, entry]
    kind = item[ENTRY_KIND]
    counters = state.channel[channel]
    counters[READS] += 1
    if state.lane[channel, lane, READS_SINCE_ACTIVATE] > 0:
        counters[ROW_HITS] += 1
    state.lane[channel, lane, READS_SINCE_ACTIVATE] += 1
    keep_log(state, channel, cycle, READ, lane, b.open_row[lane], item[ENTRY_COLUMN])
    item[ENTRY_COLUMN] += 1
    item[ENTRY_BURSTS] -= 1
    command = READ
    if kind == READ_OUT:
        command = WRITE  # the class that has a read-out's timing
        counters[READ_OUT_BURSTS] += 1
        start = cycle + parameters.read_latency
        reserve(
            state,
            channel,
            TO_HOST,
            lane >> parameters.rank_bits,
            start,
            start + parameters.bus_burst_cycles,
            True,
        )
        finish_at(state, channel, start + parameters.bus_burst_cycles)
        b.candidates[COLUMN_WRITE] = 0
        note_arrival(state, channel, start + parameters.burst_cycles)
    else:
        counters[PREFETCH_READS] += kind == PREFETCH
        note_read(parameters, state, channel, cycle)
    note_command(state, channel, cycle)
    tally_reads(parameters, state, channel, lane, 1, kind != PREFETCH)
    unit = lane >> parameters.bank_bits
    if item[ENTRY_BURSTS] == 0:
        phase_done = False
        phases = phases_of(parameters, kind, unit)
        if parameters.phases != PHASES_NONE:
            head = state.unit[channel, phases, PHASE_HEAD] & state.phase_mask
            state.phases[channel, phases, head, PHASE_COUNT] -= 1
            phase_done = state.phases[channel, phases, head, PHASE_COUNT] == 0
        leave(state, channel, queue, place)
        if parameters.phases == PHASES_NEXT and queue == lane:
            state.unit[channel, unit, DEMAND_JOINED] -= 1
        stream = 0 if parameters.global_stream else channel
        if rings.stream[stream, FRONT] == FRONT_QUEUE:
            rings.stream[stream, FRONT] = FRONT_READY
            rings.stream[stream, WAKE] = max(rings.stream[stream, NEXT_SLOT], cycle)
        finish_run(parameters, rings, state, channel, entry, cycle)
        if phase_done:
            next_phase(parameters, state, b, channel, unit, phases)
        elif parameters.phases == PHASES_NEXT:
            choose_queues(parameters, state, b, channel, unit)
    if item[ENTRY_BURSTS] == 0 or place > 0:
        # Otherwise the oldest entry goes on being read: the lane's wishes stay as they are.
        renew_wishes(parameters, state, b, channel, lane, state.lane[channel, lane, READS_SINCE_ACTIVATE])
    apply(b, command, lane, cycle)


@helper(forceinline=True)
def activate(parameters, state, b, channel, lane, cycle):
    """Open the row that the lane's oldest entry wants."""
    queue = looked_at(parameters, state, channel, lane)
    row = state.window[channel, queue, 0, WINDOW_ROW]
    kind = state.entries[channel, state.window[channel, queue, 0, WINDOW_ENTRY], ENTRY_KIND]
    note_command(state, channel, cycle)
    tally_activate(parameters, state, channel, lane, kind != PREFETCH)
    state.channel[channel, ACTIVATES] += 1
    keep_log(state, channel, cycle, ACTIVATE, lane, row, NOT_A_COLUMN)
    open_bank(b, lane, row, cycle)
    state.lane[channel, lane, READS_SINCE_ACTIVATE] = 0
    state.channel[channel, LAST_ACTIVATOR] = lane >> parameters.bank_bits
    renew_wishes(parameters, state, b, channel, lane, 0)
    apply(b, ACTIVATE, lane, cycle)


@helper(forceinline=True)
def precharge(parameters, state, b, channel, lane, cycle):
    """Close a bank."""
    note_command(state, channel, cycle)
    state.channel[channel, PRECHARGES] += 1
    keep_log(state, channel, cycle, PRECHARGE, lane, NO_ROW, NOT_A_COLUMN)
    close_bank(b, lane, cycle)
    renew_wishes(parameters, state, b, channel, lane, 0)
    apply(b, PRECHARGE, lane, cycle)


@helper(forceinline=True)
def try_lane(parameters, rings, state, b, channel, lane, cycle):
    """Issue what a lane offers at `cycle`; whether it offers anything."""
    bit = 1 << lane
    if b.open_row[lane] == NO_ROW:
        if not b.candidates[ACT] & bit or earliest_cycle(b, ACT, lane) > cycle:
            return False
        activate(parameters, state, b, channel, lane, cycle)
        return True
    if b.candidates[PRE] & bit and earliest_cycle(b, PRE, lane) <= cycle:
        precharge(parameters, state, b, channel, lane, cycle)
        return True
    place = choose_column(parameters, state, b, channel, lane, cycle)
    if place < 0:
        return False
    read_burst(parameters, rings, state, b, channel, lane, place, cycle)
    return True


@helper(forceinline=True)
def held_lanes(parameters, state, b, channel):
    """Mask of lanes that the refresh at the head of the list holds."""
    if parameters.hold_all:
        return -1
    return b.rank_lanes[head_rank(parameters, state, channel)]


@helper(forceinline=True)
def head_rank(parameters, state, channel):
    """Rank of the oldest refresh that is not served."""
    if parameters.refresh_rotates:
        return state.channel[channel, REFRESHES_SERVED] % parameters.ranks
    return 0


@helper(forceinline=True)
def hold_head(parameters, state, b, channel, cycle):
    """The oldest refresh becomes head of the list: its rank's units are held."""
    state.channel[channel, ELIGIBLE] = ~held_lanes(parameters, state, b, channel)
    state.channel[channel, REFRESH_LOOK] = cycle
    state.channel[channel, STALE] = 1


@helper(forceinline=True)
def renew_refreshes(parameters, state, b, channel, cycle):
    """Let go the units of a refresh issued before; generate refreshes that are due; hold the head's units."""
    if state.channel[channel, REFRESH_RELEASE] <= cycle:
        state.channel[channel, REFRESH_RELEASE] = NEVER
        state.channel[channel, ELIGIBLE] = -1
        state.channel[channel, STALE] = 1
        if state.channel[channel, REFRESHES_GENERATED] > state.channel[channel, REFRESHES_SERVED]:
            hold_head(parameters, state, b, channel, cycle)
    while state.channel[channel, REFRESH_DUE] <= cycle:
        state.channel[channel, REFRESH_DUE] += parameters.refresh_interval
        state.channel[channel, REFRESHES_GENERATED] += 1
        if state.channel[channel, REFRESHES_GENERATED] == state.channel[channel, REFRESHES_SERVED] + 1:
            hold_head(parameters, state, b, channel, cycle)


@helper(forceinline=True)
def serve_refresh(parameters, state, b, channel, cycle):
    """Generation and service of refreshes (golden README 3.9); at most one command."""
    renew_refreshes(parameters, state, b, channel, cycle)
    if state.channel[channel, REFRESH_LOOK] > cycle:
        return
    command, lane, next_look = refresh_rank_step(b, head_rank(parameters, state, channel), cycle)
    state.channel[channel, REFRESH_LOOK] = max(next_look, cycle + 1)
    if command == NO_COMMAND:
        return
    if command == PRECHARGE:
        precharge(parameters, state, b, channel, lane, cycle)
    else:
        rank = head_rank(parameters, state, channel)
        note_command(state, channel, cycle)
        note_refresh(parameters, state, channel, b.rank_lanes[rank], cycle)
        state.channel[channel, REFRESHES] += 1
        keep_log(state, channel, cycle, REFRESH, lane, NO_ROW, NOT_A_COLUMN)
        apply(b, REFRESH, lane, cycle)
        state.channel[channel, REFRESHES_SERVED] += 1
        state.channel[channel, REFRESH_LOOK] = NEVER
        state.channel[channel, REFRESH_RELEASE] = cycle + 1
    # The units are asked next, for this very cycle.
    state.channel[channel, STALE] = 1


@helper(forceinline=True)
def issue_units(parameters, rings, state, b, channel, cycle):
    """Every unit that is not held issues at most one command.

    Lanes that are ready at the start of the cycle are asked; a command of another unit can only delay
    them, which `try_lane` sees. So the banks are searched once a cycle, however many units issue.
    """
    if state.channel[channel, STALE]:
        state.channel[channel, STALE] = 0
        state.channel[channel, READY_CYCLE], state.channel[channel, READY_LANES] = scan(
            b, cycle, state.channel[channel, ELIGIBLE]
        )
    if state.channel[channel, READY_CYCLE] > cycle:
        return
    ready = state.channel[channel, READY_LANES]
    unit = state.channel[channel, LAST_ACTIVATOR]
    for _ in range(parameters.units):
        unit += 1
        if unit == parameters.units:
            unit = 0
        start = unit << parameters.bank_bits
        lanes = (ready >> start) & parameters.bank_mask
        while lanes:
            after = state.unit[channel, unit, LAST_BANK] + 1
            if after == parameters.banks_per_unit:
                after = 0
            later = lanes >> after
            bank = after + count_trailing_zeros(later) if later else count_trailing_zeros(lanes)
            if try_lane(parameters, rings, state, b, channel, start + bank, cycle):
                state.unit[channel, unit, LAST_BANK] = bank
                break
            lanes &= ~(1 << bank)
    state.channel[channel, READY_CYCLE], state.channel[channel, READY_LANES] = scan(
        b, cycle + 1, state.channel[channel, ELIGIBLE]
    )


@helper(forceinline=True)
def open_gate(parameters, state, b, channel, cycle):
    """Read-outs are candidates while the bus permits; else returns the cycle from which it will."""
    wanted = state.channel[channel, WANTS_OUT]
    if wanted == 0:
        return NEVER
    gate = read_out_gate(parameters, state, channel)
    if gate > cycle:
        b.candidates[COLUMN_WRITE] = 0
        return gate
    if b.candidates[COLUMN_WRITE] != wanted:
        b.candidates[COLUMN_WRITE] = wanted
        state.channel[channel, STALE] = 1
    return NEVER
