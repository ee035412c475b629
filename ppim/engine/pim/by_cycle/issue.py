"""One cycle of a channel's banks: refresh first, then every unit at most one command."""

from ppim.engine import banks, codes, lane_masks
from ppim.engine.pim import state as s
from ppim.engine.pim.by_cycle import account, data, queues
from ppim.engine.pim.rules import (
    buffer,
    bus,
    commands,
    delivers,
    limits,
    moves,
    refresh,
    round_robin,
    selection,
    targets,
    turns,
)
from ppim.jit import helper
from ppim.jit.bits import count_trailing_zeros
from ppim.program import instruction as ins, state as r


@helper(forceinline=True)
def wants(b, later_class, lane):
    """Whether a lane is a candidate for a class of commands."""
    word = b.candidates[banks.candidates_of(lane_masks.word_of(lane), later_class)]
    return word & lane_masks.bit_of(lane) != 0


@helper(forceinline=True)
def close_gate(p, b):
    """No read-out is a candidate."""
    for word in range(p.mask_words):
        b.candidates[banks.candidates_of(word, banks.COLUMN_WRITE)] = 0


@helper
def may_issue(p, state, b, channel, lane, kind, cycle):
    """Whether the next column command of an entry of a kind may be issued now, where rows move."""
    later = banks.COLUMN_WRITE if kind == ins.MOVE_IN else banks.COLUMN_READ
    if banks.earliest_cycle(b, later, lane) > cycle:
        return False
    if kind == ins.MOVE_IN:
        return moves.may_write(p, state, channel, cycle)
    if kind in (ins.READ_OUT, ins.MOVE_OUT):
        free = bus.free_from(p, state, channel, s.TO_HOST, lane >> p.rank_bits)
        return free <= cycle + p.read_latency
    if p.buffer_bursts and kind == ins.READ:
        if buffer.allows(p, state, channel, lane >> p.bank_bits, cycle):
            return True
        state.account[channel, account.BUFFER_HELD] = cycle + 1
        return False
    return True


@helper
def choose_where_rows_move(p, state, b, channel, lane, cycle):
    """`choose_column` for entries that wait for more than two things: one after the other, oldest first."""
    n_visible = queues.visible(p, state, channel, lane)
    queue, row = queues.looked_at(p, state, channel, lane), b.open_row[lane]
    for place in range(n_visible):
        if state.window[channel, queue, place, s.WINDOW_ROW] == row:
            entry = state.window[channel, queue, place, s.WINDOW_ENTRY]
            kind = state.entries[channel, entry, s.ENTRY_KIND]
            if may_issue(p, state, b, channel, lane, kind, cycle):
                return place
    return selection.NO_PLACE


@helper(forceinline=True)
def choose_column(p, state, b, channel, lane, cycle):
    """Place in the window of the entry that a lane would read or write now, or -1; oldest first."""
    if p.writes:
        return choose_where_rows_move(p, state, b, channel, lane, cycle)
    n_visible = queues.visible(p, state, channel, lane)
    queue = queues.looked_at(p, state, channel, lane)
    stays, leaves = queues.first_hits(p, state, channel, queue, n_visible, b.open_row[lane])
    if stays >= 0:
        if banks.earliest_cycle(b, banks.COLUMN_READ, lane) > cycle:
            stays = -1
        elif p.buffer_bursts:
            entry = state.window[channel, queue, stays, s.WINDOW_ENTRY]
            if state.entries[channel, entry, s.ENTRY_KIND] != ins.PREFETCH:
                unit = lane >> p.bank_bits
                if not buffer.allows(p, state, channel, unit, cycle):
                    stays = -1
                    state.account[channel, account.BUFFER_HELD] = cycle + 1
    if leaves >= 0:
        rank = lane >> p.rank_bits
        free = bus.free_from(p, state, channel, s.TO_HOST, rank)
        if (
            banks.earliest_cycle(b, banks.COLUMN_WRITE, lane) > cycle
            or not wants(b, banks.COLUMN_WRITE, lane)
            or free > cycle + p.read_latency
        ):
            leaves = -1
    if stays < 0:
        return leaves
    if leaves < 0:
        return stays
    return min(stays, leaves)


@helper(forceinline=True)
def next_phase(p, state, b, channel, unit, row):
    """Drop the unit's finished phases; its banks then see the next one's entries."""
    mask = state.phase_mask
    head = state.unit[channel, row, s.PHASE_HEAD]
    while (
        head < state.unit[channel, row, s.PHASE_TAIL]
        and state.phases[channel, row, head & mask, s.PHASE_COUNT] == 0
    ):
        head += 1
    state.unit[channel, row, s.PHASE_HEAD] = head
    if p.phases == s.PHASES_BUFFERED:
        queues.choose_queues(p, state, b, channel, unit)
    for lane in range(unit << p.bank_bits, (unit + 1) << p.bank_bits):
        queues.renew_wishes(p, state, b, channel, lane, state.lane[channel, lane, s.READS_SINCE_ACTIVATE])


@helper(forceinline=True)
def finish_run(p, rings, state, channel, entry, cycle):
    """The last burst of a run was read or written: its instruction's data may be complete."""
    kind = state.entries[channel, entry, s.ENTRY_KIND]
    leader = state.entries[channel, entry, s.ENTRY_LEADER]
    if kind in (ins.READ_OUT, ins.MOVE_OUT):
        arrival = cycle + p.read_latency + p.burst_cycles
    elif kind == ins.MOVE_IN:
        arrival = moves.written_at(p, cycle)
    else:
        arrival = cycle + p.unit_read_latency
    if entry != leader:
        queues.free_entry(state, channel, entry)
    state.entries[channel, leader, s.ENTRY_READY] = max(
        state.entries[channel, leader, s.ENTRY_READY], arrival
    )
    state.entries[channel, leader, s.ENTRY_RUNS] -= 1
    if state.entries[channel, leader, s.ENTRY_RUNS] > 0:
        return
    ready = state.entries[channel, leader, s.ENTRY_READY]
    lookup = state.entries[channel, leader, s.ENTRY_LOOKUP]
    if kind == ins.PREFETCH:
        turns.finish_at(state, channel, ready)
    elif kind > ins.LAST_ACCESS:
        turns.complete_one(rings, state, channel, state.entries[channel, leader, s.ENTRY_NUMBER], ready)
    elif kind == ins.READ_OUT and not p.host_consumes:
        item = state.entries[channel, leader]
        delivers.hand_to_host(
            p,
            rings,
            state,
            lookup,
            item[s.ENTRY_SHARERS],
            item[s.ENTRY_STEP],
            item[s.ENTRY_TOTAL],
            item[s.ENTRY_NUMBER],
            ready + p.host_latency,
        )
    else:
        for user in range(lookup, lookup + state.entries[channel, leader, s.ENTRY_SHARERS] + 1):
            data.lookup_operand(p, rings, state, user, ready)
    queues.free_entry(state, channel, leader)


@helper(forceinline=True)
def read_burst(p, rings, state, b, channel, lane, place, cycle):
    """READ the next burst of a window entry, or WRITE it."""
    queue = queues.looked_at(p, state, channel, lane)
    entry = state.window[channel, queue, place, s.WINDOW_ENTRY]
    item = state.entries[channel, entry]
    kind = item[s.ENTRY_KIND]
    before, command = state.lane[channel, lane, s.READS_SINCE_ACTIVATE], codes.READ
    if kind == ins.MOVE_IN:
        command = codes.WRITE
        moves.count_write(state, channel, before)
    else:
        commands.count_reads(state, channel, 1, before, kind == ins.PREFETCH)
    state.lane[channel, lane, s.READS_SINCE_ACTIVATE] += 1
    user = item[s.ENTRY_LOOKUP] if kind <= ins.LAST_ACCESS else ins.NONE
    if state.log_capacity > 0 and item[s.ENTRY_STEP] == ins.LISTED:
        user, _ = targets.delivered_to(rings, user, ins.LISTED, 0)
    commands.keep_log(
        state,
        channel,
        cycle,
        command,
        lane,
        b.open_row[lane],
        item[s.ENTRY_COLUMN],
        user,
        kind,
    )
    item[s.ENTRY_COLUMN] += 1
    item[s.ENTRY_BURSTS] -= 1
    if kind in (ins.READ_OUT, ins.MOVE_OUT):
        if not p.writes:
            command = codes.WRITE  # the class that has a read-out's timing
            close_gate(p, b)
        state.channel[channel, s.READ_OUT_BURSTS] += 1
        start = cycle + p.read_latency
        data.reserve(state, channel, s.TO_HOST, lane >> p.rank_bits, start, start + p.bus_burst_cycles)
        turns.finish_at(state, channel, start + p.bus_burst_cycles)
        account.note_arrival(state, channel, start + p.burst_cycles)
    elif kind == ins.MOVE_IN:
        start = cycle + p.write_latency
        data.reserve(state, channel, s.TO_UNIT, s.ANY_RANK, start, start + p.bus_burst_cycles)
        turns.finish_at(state, channel, start + p.bus_burst_cycles)
        account.note_arrival(state, channel, moves.written_at(p, cycle))
    else:
        account.note_read(p, state, channel, cycle)
    account.note_command(state, channel, cycle)
    limits.tally_reads(p, state, channel, lane, 1, kind != ins.PREFETCH)
    unit = lane >> p.bank_bits
    if item[s.ENTRY_BURSTS] == 0:
        phase_done = False
        row = queues.phases_of(p, kind, unit)
        if p.phases != s.PHASES_NONE:
            head = state.unit[channel, row, s.PHASE_HEAD] & state.phase_mask
            state.phases[channel, row, head, s.PHASE_COUNT] -= 1
            phase_done = state.phases[channel, row, head, s.PHASE_COUNT] == 0
        queues.leave(state, channel, queue, place)
        if p.phases == s.PHASES_BUFFERED and queue == lane:
            state.unit[channel, unit, s.DEMAND_JOINED] -= 1
        stream = 0 if p.global_stream else channel
        if rings.stream[stream, r.FRONT] == r.FRONT_QUEUE:
            rings.stream[stream, r.FRONT] = r.FRONT_READY
            rings.stream[stream, r.WAKE] = max(rings.stream[stream, r.NEXT_SLOT], cycle)
        finish_run(p, rings, state, channel, entry, cycle)
        if phase_done:
            next_phase(p, state, b, channel, unit, row)
        elif p.phases == s.PHASES_BUFFERED:
            queues.choose_queues(p, state, b, channel, unit)
    if item[s.ENTRY_BURSTS] == 0 or place > 0:
        # Otherwise the oldest entry goes on being read: the lane's wishes stay as they are.
        queues.renew_wishes(p, state, b, channel, lane, state.lane[channel, lane, s.READS_SINCE_ACTIVATE])
    banks.apply(b, command, lane, cycle)


@helper(forceinline=True)
def activate(p, state, b, channel, lane, cycle):
    """Open the row that the lane's oldest entry wants."""
    queue = queues.looked_at(p, state, channel, lane)
    row = state.window[channel, queue, 0, s.WINDOW_ROW]
    kind = state.entries[channel, state.window[channel, queue, 0, s.WINDOW_ENTRY], s.ENTRY_KIND]
    account.note_command(state, channel, cycle)
    commands.count_activate(p, state, channel, lane, row, kind != ins.PREFETCH, cycle)
    banks.open_bank(b, lane, row, cycle)
    state.lane[channel, lane, s.READS_SINCE_ACTIVATE] = 0
    state.channel[channel, s.LAST_ACTIVATOR] = lane >> p.bank_bits
    queues.renew_wishes(p, state, b, channel, lane, 0)
    banks.apply(b, codes.ACTIVATE, lane, cycle)


@helper(forceinline=True)
def precharge(p, state, b, channel, lane, cycle):
    """Close a bank."""
    account.note_command(state, channel, cycle)
    commands.count_precharge(state, channel, lane, cycle)
    banks.close_bank(b, lane, cycle)
    queues.renew_wishes(p, state, b, channel, lane, 0)
    banks.apply(b, codes.PRECHARGE, lane, cycle)


@helper(forceinline=True)
def try_lane(p, rings, state, b, channel, lane, cycle):
    """Issue what a lane offers at `cycle`; whether it offers anything."""
    if b.open_row[lane] == codes.NO_ROW:
        if not wants(b, banks.ACT, lane) or banks.earliest_cycle(b, banks.ACT, lane) > cycle:
            return False
        activate(p, state, b, channel, lane, cycle)
        return True
    if wants(b, banks.PRE, lane) and banks.earliest_cycle(b, banks.PRE, lane) <= cycle:
        precharge(p, state, b, channel, lane, cycle)
        return True
    place = choose_column(p, state, b, channel, lane, cycle)
    if place < 0:
        return False
    read_burst(p, rings, state, b, channel, lane, place, cycle)
    return True


@helper(forceinline=True)
def hold_rank(p, b, row, rank):
    """A refresh of a rank holds its lanes, or all."""
    for word in range(p.mask_words):
        row[s.ELIGIBLE + word] = 0 if p.hold_all else ~b.rank_lanes[word * p.ranks + rank]


@helper(forceinline=True)
def none_is_held(p, row):
    """Whether no refresh holds any lane."""
    all_words = lane_masks.WHOLE_WORD
    for word in range(p.mask_words):
        all_words &= row[s.ELIGIBLE + word]
    return all_words == lane_masks.WHOLE_WORD


@helper(forceinline=True)
def renew_refreshes(p, state, b, channel, cycle):
    """Let go the units of a refresh issued before; hold those of the next one from its time on."""
    row = state.channel[channel]
    if refresh.is_holding(row) or row[s.REFRESH_RELEASED] > cycle:
        return
    if not none_is_held(p, row):
        for word in range(p.mask_words):
            row[s.ELIGIBLE + word] = lane_masks.WHOLE_WORD
        row[s.STALE] = 1
    if refresh.holds_from(row) <= cycle:
        refresh.hold(row, cycle)
        hold_rank(p, b, row, refresh.head_rank(p, row))
        row[s.STALE] = 1


@helper(forceinline=True)
def next_refresh_event(p, row):
    """When the refresh of a channel has something to do."""
    if refresh.is_holding(row):
        return row[s.REFRESH_LOOK]
    return refresh.holds_from(row) if none_is_held(p, row) else row[s.REFRESH_RELEASED]


@helper(forceinline=True)
def serve_refresh(p, state, b, channel, cycle):
    """Holds and commands of refreshes (host-controller.md §9); at most one command."""
    renew_refreshes(p, state, b, channel, cycle)
    row = state.channel[channel]
    if row[s.REFRESH_LOOK] > cycle:
        return
    rank = refresh.head_rank(p, row)
    command, lane, next_look = banks.refresh_rank_step(b, rank, cycle)
    row[s.REFRESH_LOOK] = max(next_look, cycle + 1)
    if command == codes.NO_COMMAND:
        return
    if command == codes.PRECHARGE:
        precharge(p, state, b, channel, lane, cycle)
    else:
        account.note_command(state, channel, cycle)
        account.note_refresh(p, state, channel, rank, cycle)
        commands.count_refresh(state, channel, lane, cycle)
        banks.apply(b, codes.REFRESH, lane, cycle)
        refresh.serve(p, row, cycle)
    # The units are asked next, for this very cycle.
    row[s.STALE] = 1


@helper(forceinline=True)
def look_for_ready(p, state, b, channel, cycle):
    """Find the first cycle, `cycle` or later, in which a lane may issue, and which lanes may then."""
    row = state.channel[channel]
    row[s.READY_CYCLE] = codes.NEVER
    for word in range(p.mask_words):
        at, lanes = banks.scan_word(b, word, cycle, row[s.ELIGIBLE + word])
        if at < row[s.READY_CYCLE]:
            row[s.READY_CYCLE] = at
            for before in range(word):
                row[s.READY_LANES + before] = 0
        row[s.READY_LANES + word] = lanes if at == row[s.READY_CYCLE] else 0


@helper(forceinline=True)
def issue_units(p, rings, state, b, channel, cycle):
    """Every unit that is not held issues at most one command.

    Lanes that are ready at the start of the cycle are asked; a command of another unit can only delay
    them, which `try_lane` sees. So the banks are searched once a cycle, however many units issue.
    """
    row = state.channel[channel]
    if row[s.STALE]:
        row[s.STALE] = 0
        look_for_ready(p, state, b, channel, cycle)
    if row[s.READY_CYCLE] > cycle:
        return
    first_lane = round_robin.first_lane(p, row[s.LAST_ACTIVATOR])
    for step in range(p.mask_words + 1):
        word = round_robin.word_in_turn(p, step, first_lane)
        ready = row[s.READY_LANES + word] & round_robin.lanes_in_turn(p, step, first_lane)
        while ready:
            unit = (word * lane_masks.WORD_LANES + count_trailing_zeros(ready)) >> p.bank_bits
            start = unit << p.bank_bits
            lanes = (ready >> (start & lane_masks.IN_WORD)) & p.bank_mask
            ready ^= lanes << (start & lane_masks.IN_WORD)
            while lanes:
                bank = round_robin.first_bank_after(lanes, state.unit[channel, unit, s.LAST_BANK])
                if try_lane(p, rings, state, b, channel, start + bank, cycle):
                    state.unit[channel, unit, s.LAST_BANK] = bank
                    break
                lanes &= ~lane_masks.bit_of(bank)
    look_for_ready(p, state, b, channel, cycle + 1)


@helper(forceinline=True)
def open_gate(p, state, b, channel, cycle):
    """Read-outs are candidates while the bus permits; else returns the cycle from which it will."""
    row = state.channel[channel]
    wanted = 0
    for word in range(p.mask_words):
        wanted |= row[s.WANTS_OUT + word]
    if wanted == 0:
        return codes.NEVER
    gate = bus.read_out_gate(p, state, channel)
    if gate > cycle:
        close_gate(p, b)
        return gate
    for word in range(p.mask_words):
        place = banks.candidates_of(word, banks.COLUMN_WRITE)
        if b.candidates[place] != row[s.WANTS_OUT + word]:
            b.candidates[place] = row[s.WANTS_OUT + word]
            row[s.STALE] = 1
    return codes.NEVER
