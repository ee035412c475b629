"""The general kernel: one channel in any controller mode, entry by entry.

The work of a cycle is done as host-controller.md §12 describes it. Cycles in which nothing was done are
skipped up to the next one in which something can have changed: an arrival, a refresh falling due, or any
earliest cycle of any bank being reached.
"""

from numba import int64

from ppim.engine import banks as b, codes
from ppim.engine.host import columns as s, effects, events, general_queues, selection, sleep
from ppim.engine.host.arrivals import register_arrivals
from ppim.engine.host.moves import move_one
from ppim.engine.host.refresh import next_refresh, note_refresh, skip_idle_refreshes
from ppim.engine.host.slots import is_write, slot_field
from ppim.engine.refresh import BY_BANK, INTERVAL, POLICY, due_cycle
from ppim.jit import helper

# --- refresh -------------------------------------------------------------------------------------


@helper
def _refresh_command(h, lane, cycle):
    """What the pending refresh needs in `cycle`: (command or NO_COMMAND, lane)."""
    if h.plan[POLICY] != BY_BANK:
        command, where, _ = b.refresh_rank_step(h.banks, lane // h.banks.shape.banks_per_rank, cycle)
        return command, where
    if h.banks.open_row[lane] != codes.NO_ROW:
        due = b.earliest_cycle(h.banks, b.PRE, lane) <= cycle
        return (codes.PRECHARGE if due else codes.NO_COMMAND), lane
    due = b.earliest_slow_cycle(h.banks, codes.REFRESH_BANK, lane) <= cycle
    return (codes.REFRESH_BANK if due else codes.NO_COMMAND), lane


@helper
def _serve_refresh(h, cycle):
    """The command that the pending refresh needs, its lane, and the lane whose queues the refresh holds."""
    sleep.drop_left_out(h, cycle)
    number = next_refresh(h)
    if due_cycle(h.plan, number) > cycle:
        return int64(codes.NO_COMMAND), int64(codes.NO_LANE), int64(codes.NO_LANE)
    held = sleep.refresh_target(h, number)
    command, lane = _refresh_command(h, held, cycle)
    if _is_refresh(command):
        note_refresh(h, number, cycle)
    return command, lane, held


@helper(forceinline=True)
def _is_refresh(command):
    return command in (codes.REFRESH, codes.REFRESH_BANK)


@helper(forceinline=True)
def _is_held(h, queue, lane):
    """Whether the pending refresh of `lane` (NO_LANE: none) keeps a queue from selection.

    A bank refresh holds the bank's queue, a rank refresh all queues of the rank.
    """
    if lane == codes.NO_LANE:
        return False
    if h.plan[POLICY] == BY_BANK:
        return queue == general_queues.queue_of(h, lane)
    return h.banks.rank_of[queue * h.rules[s.LANES_PER_QUEUE]] == h.banks.rank_of[lane]


@helper(forceinline=True)
def _skip_refreshes(h, until):
    if h.clocks[s.REFRESHES_ON_TIME] > 0 and sleep.is_periodic(h):
        skip_idle_refreshes(h, until, sleep.refreshes_per_round(h))


# --- commands ------------------------------------------------------------------------------------


@helper
def _precharge_allowed(h, queue, position, lane):
    """No older entry for the bank, and no younger one that wants its open row while it is protected."""
    for other in range(h.lengths[queue]):
        slot = general_queues.entry_slot(h, queue, other)
        if slot_field(h, slot, s.SLOT_LANE) == lane:
            if other < position:
                return False
            if slot_field(h, slot, s.SLOT_ROW) == h.banks.open_row[lane] and selection.is_protected(h, lane):
                return False
    return True


@helper
def _behind_read(h, queue, position):
    """Whether an older read of the queue wants the same column as the write at `position`."""
    slot = general_queues.entry_slot(h, queue, position)
    for older in range(position):
        if selection.must_wait_for(h, slot, general_queues.entry_slot(h, queue, older)):
            return True
    return False


@helper
def _needed(h, queue, position, cycle):
    """The command an entry's bank needs, if it may be issued in `cycle`, else NO_COMMAND."""
    slot = general_queues.entry_slot(h, queue, position)
    lane = slot_field(h, slot, s.SLOT_LANE)
    if sleep.sleeps(h, h.banks.rank_of[lane]):
        exits = b.earliest_slow_cycle(h.banks, codes.SELF_REFRESH_EXIT, lane) <= cycle
        return codes.SELF_REFRESH_EXIT if exits else codes.NO_COMMAND
    wanted = selection.wanted_class(
        h.banks.open_row[lane], slot_field(h, slot, s.SLOT_ROW), is_write(h, slot)
    )
    if b.earliest_cycle(h.banks, wanted, lane) > cycle:
        return codes.NO_COMMAND
    if wanted == b.ACT:
        return codes.ACTIVATE
    if wanted == b.PRE:
        return codes.PRECHARGE if _precharge_allowed(h, queue, position, lane) else codes.NO_COMMAND
    closes = h.rules[s.CLOSE_PAGE] != 0
    if wanted == b.COLUMN_READ:
        return codes.READ_P if closes else codes.READ
    if _behind_read(h, queue, position):
        return codes.NO_COMMAND
    return codes.WRITE_P if closes else codes.WRITE


@helper
def _select(h, held, cycle):
    """Round-robin choice among queues: (command or NO_COMMAND, lane, position)."""
    queue = h.clocks[s.POINTER]
    for _ in range(h.rules[s.N_QUEUES]):
        queue = queue + 1 if queue + 1 < h.rules[s.N_QUEUES] else int64(0)
        if h.lengths[queue] == 0 or _is_held(h, queue, held):
            continue
        for position in range(h.lengths[queue]):
            command = _needed(h, queue, position, cycle)
            if command != codes.NO_COMMAND:
                selection.note_found(h, queue, command)
                slot = general_queues.entry_slot(h, queue, position)
                return command, slot_field(h, slot, s.SLOT_LANE), position
    return int64(codes.NO_COMMAND), int64(codes.NO_LANE), int64(0)


@helper
def _carry_out(h, command, lane, position, held, cycle):
    """Issue a command with all its effects; returns the lane whose queues a refresh still holds."""
    queue = general_queues.queue_of(h, lane)
    if selection.is_column(command):
        effects.note_column_command(h, command, lane, general_queues.entry_slot(h, queue, position), cycle)
        general_queues.remove_entry(h, queue, position)
        if command in (codes.READ_P, codes.WRITE_P):
            b.close_bank(h.banks, lane, cycle)
    else:
        row = int64(effects.NOT_GIVEN)
        if command == codes.ACTIVATE:
            row = slot_field(h, general_queues.entry_slot(h, queue, position), s.SLOT_ROW)
        effects.note_row_command(h, command, lane, row, cycle)
        sleep.note_sleep(h, command, h.banks.rank_of[lane], cycle)
    h.counters[command] += 1
    b.apply_all(h.banks, command, lane, cycle)
    return int64(codes.NO_LANE) if _is_refresh(command) else held


@helper(forceinline=True)
def _lose(h, command, lane, position):
    """Following DRAMsim3, a second column command that may not go with the first is lost."""
    if selection.is_column(command) and h.rules[s.FOLLOW_DEFECTS] != 0:
        general_queues.remove_entry(h, general_queues.queue_of(h, lane), position)


# --- cycles --------------------------------------------------------------------------------------


@helper(forceinline=True)
def _move(h, position, writes, cycle):  # noqa: ARG001 - the signature is both kernels'
    """Move a transaction to its command queue."""
    slot = general_queues.pop_waiting(h, position, writes)
    lane = slot_field(h, slot, s.SLOT_LANE)
    general_queues.append_entry(h, general_queues.queue_of(h, lane), slot)
    h.ranks[h.banks.rank_of[lane] * s.RANK_FIELDS + s.HAD_TRAFFIC] = 1


@helper
def _register_arrivals(h, cycle):
    register_arrivals(h, cycle, general_queues.append_waiting)


@helper(forceinline=True)
def _register_last(h, cycle):
    _register_arrivals(h, cycle)
    h.clocks[s.NEXT_MOVE] = min(h.clocks[s.NEXT_MOVE], cycle + 1)


@helper
def _run_cycle(h, cycle):
    """The work of one cycle; whether anything was done."""
    _register_arrivals(h, cycle - 1)
    command = selection.issue_commands(h, cycle, _serve_refresh, _select, _carry_out, _lose)
    if command == codes.NO_COMMAND:
        rank = sleep.who_falls_asleep(h, cycle)
        if rank >= 0:
            command, lane = codes.SELF_REFRESH_ENTER, rank * h.banks.shape.banks_per_rank
            _carry_out(h, command, lane, int64(0), int64(codes.NO_LANE), cycle)
    moved = move_one(h, cycle, general_queues.oldest_with_room, general_queues.oldest_write, _move)
    return command != codes.NO_COMMAND or moved


@helper
def _next_change(h, cycle):
    """First cycle after an idle one in which anything can have become possible."""
    following = h.clocks[s.NEXT_ARRIVAL]
    if h.rules[s.SELF_REFRESH] == 0 or not sleep.all_sleep(h):
        number = max(h.clocks[s.REFRESHES_SERVED], cycle // h.plan[INTERVAL]) + 1
        following = min(following, due_cycle(h.plan, number))
    if h.rules[s.SELF_REFRESH] != 0 and cycle + 1 < h.rules[s.SREF_THRESHOLD]:
        following = min(following, h.rules[s.SREF_THRESHOLD] - 1)
    return min(following, b.next_possibility(h.banks, cycle))


@helper(forceinline=True)
def _next_event(h):
    """NEXT_MOVE is the next cycle to run."""
    return min(h.clocks[s.NEXT_MOVE], h.clocks[s.NEXT_ARRIVAL])


@helper(forceinline=True)
def _is_short(h):
    """Slots of reads that DRAMsim3 loses are never given back."""
    return h.clocks[s.N_FREE] <= 2 * h.rules[s.TRANS_SIZE]


@helper(forceinline=True)
def _run_event(h, cycle):
    """Run `cycle` and note which one to run next."""
    h.clocks[s.NEXT_MOVE] = cycle + 1 if _run_cycle(h, cycle) else _next_change(h, cycle)


@helper(forceinline=True)
def advance_general(h, cycle, goal):
    """As `events.advance`."""
    return events.advance(h, cycle, goal, _skip_refreshes, _next_event, _register_last, _is_short, _run_event)
