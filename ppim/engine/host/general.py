"""One channel in any controller mode: host-controller.md §5 to §9 and §12 to §14, entry by entry.

The work of a cycle is done as the README describes it. Cycles in which nothing was done are skipped up
to the next one in which something can have changed: an arrival, a refresh falling due, or any earliest
cycle of any bank being reached.
"""

from __future__ import annotations

from numba import int32, int64

from ppim.engine.banks import (
    ACT,
    COLUMN_READ,
    COLUMN_WRITE,
    N_CLASSES,
    PRE,
    apply_all,
    close_bank,
    earliest_cycle,
    earliest_slow_cycle,
    open_bank,
    refresh_rank_step,
)
from ppim.engine.codes import (
    ACTIVATE,
    NEVER,
    NO_COMMAND,
    NO_LANE,
    NO_ROW,
    PRECHARGE,
    READ,
    READ_P,
    REFRESH,
    REFRESH_BANK,
    SELF_REFRESH_ENTER,
    SELF_REFRESH_EXIT,
    WRITE,
    WRITE_P,
)
from ppim.engine.host.arrivals import arrival_waits, register_arrival
from ppim.engine.host.commands import NOT_GIVEN, finish_column, log_command
from ppim.engine.host.events import (
    LOG_FULL,
    MORE_SLOTS,
    beyond_the_run,
    is_reached,
    log_is_full,
    next_arrival,
)
from ppim.engine.host.general_state import (
    CLOSE_PAGE,
    FOLLOW_DEFECTS,
    HAD_TRAFFIC,
    LANES_PER_QUEUE,
    N_QUEUES,
    RANK_FIELDS,
    SELF_REFRESH,
    SLEEPS_SINCE,
    SLEPT_UNTIL,
    SREF_THRESHOLD,
    UNIFIED,
)
from ppim.engine.host.moves import drain_due
from ppim.engine.host.refresh import skip_idle_refreshes
from ppim.engine.host.slots import find_outstanding, release_slot
from ppim.engine.host.state import (
    ARRIVALS,
    ARRIVALS_END,
    DEMAND_PRECHARGES,
    DRAIN,
    DUAL,
    DUAL_COMMANDS,
    N_FREE,
    N_READS,
    N_WRITES,
    NEXT_MOVE,
    NO_SLOT,
    POINTER,
    QUEUE_SIZE,
    QUEUED,
    REFRESHES_ON_TIME,
    REFRESHES_SERVED,
    ROW_HITS_BEFORE_PRECHARGE,
    SLOT_ADDRESS,
    SLOT_COLUMN,
    SLOT_FIELDS,
    SLOT_LANE,
    SLOT_READERS,
    SLOT_ROW,
    TRANS_SIZE,
)
from ppim.engine.refresh import (
    BANK,
    INTERVAL,
    N_RANKS,
    N_TARGETS,
    POLICY,
    SIMULTANEOUS,
    target_lane,
    target_rank,
)
from ppim.jit import helper

NO_QUEUE = -1


# --- slots ---------------------------------------------------------------------------------------


@helper(forceinline=True)
def _slot(h, slot, what):
    return h.pool[slot * SLOT_FIELDS + what]


@helper(forceinline=True)
def _is_write(h, slot):
    return _slot(h, slot, SLOT_READERS) == 0


@helper(forceinline=True)
def _entry(h, queue, position):
    return int64(h.queues[queue * h.rules[QUEUE_SIZE] + position])


@helper(forceinline=True)
def _take_out(slots, start, position, length):
    """Remove one of `length` slots; the younger ones move up."""
    for i in range(start + position, start + length - 1):
        slots[i] = slots[i + 1]


# --- transactions --------------------------------------------------------------------------------


@helper
def _register_arrivals(h, cycle):
    while arrival_waits(h, cycle):
        slot = register_arrival(h)
        if slot != NO_SLOT:
            if _is_write(h, slot) and h.modes[UNIFIED] == 0:
                h.waiting[h.rules[TRANS_SIZE] + h.clocks[N_WRITES]] = int32(slot)
                h.clocks[N_WRITES] += 1
            else:
                h.waiting[h.clocks[N_READS]] = int32(slot)
                h.clocks[N_READS] += 1


@helper
def _first_with_room(h, start, length):
    """Position of the oldest transaction whose command queue has room, or -1."""
    for position in range(length):
        lane = _slot(h, int64(h.waiting[start + position]), SLOT_LANE)
        if h.lengths[lane // h.modes[LANES_PER_QUEUE]] < h.rules[QUEUE_SIZE]:
            return position
    return -1


@helper
def _move(h, start, length, position):
    slot = int64(h.waiting[start + position])
    _take_out(h.waiting, start, position, length)
    lane = _slot(h, slot, SLOT_LANE)
    queue = lane // h.modes[LANES_PER_QUEUE]
    h.queues[queue * h.rules[QUEUE_SIZE] + h.lengths[queue]] = int32(slot)
    h.lengths[queue] += 1
    h.clocks[QUEUED] += 1
    h.ranks[lane // h.banks.shape.banks_per_rank * RANK_FIELDS + HAD_TRAFFIC] = 1


@helper
def _move_read(h):
    """Move from the read queue (unified: from the one queue)."""
    position = _first_with_room(h, 0, h.clocks[N_READS])
    if position < 0:
        return False
    _move(h, 0, h.clocks[N_READS], position)
    h.clocks[N_READS] -= 1
    return True


@helper
def _stands_still(h):
    """Nothing is under way, and the drain that was cancelled would be started again in every cycle."""
    return h.modes[FOLLOW_DEFECTS] == 0 and h.clocks[QUEUED] == 0 and drain_due(h)


@helper
def _move_write(h):
    start, length = h.rules[TRANS_SIZE], h.clocks[N_WRITES]
    position = _first_with_room(h, start, length)
    if position < 0:
        return False
    address = _slot(h, int64(h.waiting[start + position]), SLOT_ADDRESS)
    if find_outstanding(h, address, False) != NO_SLOT:
        h.clocks[DRAIN] = 0
        return _move_read(h) if _stands_still(h) else True
    _move(h, start, length, position)
    h.clocks[N_WRITES] -= 1
    h.clocks[DRAIN] -= 1
    return True


@helper
def _move_one(h):
    """host-controller.md §5; whether anything was done."""
    if h.modes[UNIFIED] != 0:
        return _move_read(h)
    if h.clocks[DRAIN] == 0 and drain_due(h):
        h.clocks[DRAIN] = h.clocks[N_WRITES]
    if h.clocks[DRAIN] > 0:
        return _move_write(h)
    return _move_read(h)


# --- commands ------------------------------------------------------------------------------------


@helper(forceinline=True)
def _sleeps(h, rank):
    at = rank * RANK_FIELDS
    return h.ranks[at + SLEEPS_SINCE] != NEVER and h.ranks[at + SLEPT_UNTIL] == NEVER


@helper
def _precharge_allowed(h, queue, position, lane):
    """No older entry for the bank, and no younger one that wants its open row while it is protected."""
    for other in range(h.lengths[queue]):
        slot = _entry(h, queue, other)
        if _slot(h, slot, SLOT_LANE) == lane:
            if other < position:
                return False
            wants_row = _slot(h, slot, SLOT_ROW) == h.banks.open_row[lane]
            if wants_row and h.accesses[lane] < ROW_HITS_BEFORE_PRECHARGE:
                return False
    return True


@helper
def _behind_read(h, queue, position):
    """Whether an older read of the queue wants the same column as the write at `position`."""
    slot = _entry(h, queue, position)
    for older in range(position):
        other = _entry(h, queue, older)
        if (
            not _is_write(h, other)
            and _slot(h, other, SLOT_LANE) == _slot(h, slot, SLOT_LANE)
            and _slot(h, other, SLOT_ROW) == _slot(h, slot, SLOT_ROW)
            and _slot(h, other, SLOT_COLUMN) == _slot(h, slot, SLOT_COLUMN)
        ):
            return True
    return False


@helper
def _needed(h, queue, position, cycle):
    """The command an entry's bank needs, if it may be issued in `cycle`, else NO_COMMAND."""
    slot = _entry(h, queue, position)
    lane = _slot(h, slot, SLOT_LANE)
    if _sleeps(h, lane // h.banks.shape.banks_per_rank):
        exits = earliest_slow_cycle(h.banks, SELF_REFRESH_EXIT, lane) <= cycle
        return SELF_REFRESH_EXIT if exits else NO_COMMAND
    if h.banks.open_row[lane] == NO_ROW:
        return ACTIVATE if earliest_cycle(h.banks, ACT, lane) <= cycle else NO_COMMAND
    if h.banks.open_row[lane] != _slot(h, slot, SLOT_ROW):
        due = earliest_cycle(h.banks, PRE, lane) <= cycle and _precharge_allowed(h, queue, position, lane)
        return PRECHARGE if due else NO_COMMAND
    if not _is_write(h, slot):
        if earliest_cycle(h.banks, COLUMN_READ, lane) > cycle:
            return NO_COMMAND
        return READ_P if h.modes[CLOSE_PAGE] != 0 else READ
    if earliest_cycle(h.banks, COLUMN_WRITE, lane) > cycle or _behind_read(h, queue, position):
        return NO_COMMAND
    return WRITE_P if h.modes[CLOSE_PAGE] != 0 else WRITE


@helper(forceinline=True)
def _is_held(h, queue, lane):
    """Whether the pending refresh of `lane` (NO_LANE: none) keeps a queue from selection.

    A bank refresh holds the bank's queue, a rank refresh all queues of the rank.
    """
    if lane == NO_LANE:
        return False
    if h.plan[POLICY] == BANK:
        return queue == lane // h.modes[LANES_PER_QUEUE]
    per_rank = h.banks.shape.banks_per_rank
    return queue * h.modes[LANES_PER_QUEUE] // per_rank == lane // per_rank


@helper
def _select(h, held, cycle):
    """host-controller.md §7: (command or NO_COMMAND, queue, position)."""
    for step in range(h.modes[N_QUEUES]):
        queue = (h.clocks[POINTER] + 1 + step) % h.modes[N_QUEUES]
        if _is_held(h, queue, held):
            continue
        for position in range(h.lengths[queue]):
            command = _needed(h, queue, position, cycle)
            if command != NO_COMMAND:
                h.clocks[POINTER] = queue
                if command == PRECHARGE:
                    h.counters[DEMAND_PRECHARGES] += 1
                return command, queue, position
    return int64(NO_COMMAND), int64(NO_QUEUE), int64(0)


@helper(forceinline=True)
def _leave_queue(h, queue, position):
    _take_out(h.queues, queue * h.rules[QUEUE_SIZE], position, h.lengths[queue])
    h.lengths[queue] -= 1
    h.clocks[QUEUED] -= 1


@helper
def _issue_column(h, command, slot, cycle):
    lane = _slot(h, slot, SLOT_LANE)
    is_read = command in (READ, READ_P)
    finish_column(h, is_read, slot, int64(h.accesses[lane] != 0), cycle)
    log_command(h, cycle, command, lane, h.banks.open_row[lane], _slot(h, slot, SLOT_COLUMN))
    release_slot(h, slot)
    if command in (READ, WRITE):
        h.accesses[lane] += 1
    else:
        close_bank(h.banks, lane, cycle)


@helper
def _issue(h, command, lane, slot, cycle):
    """Issue with all effects; `slot` is the request of an ACTIVATE or a column command."""
    rank = lane // h.banks.shape.banks_per_rank
    if command <= WRITE_P:
        _issue_column(h, command, slot, cycle)
    else:
        row = _slot(h, slot, SLOT_ROW) if command == ACTIVATE else int64(NOT_GIVEN)
        log_command(h, cycle, command, lane, row, NOT_GIVEN)
        if command == ACTIVATE:
            open_bank(h.banks, lane, row, cycle)
            h.accesses[lane] = 0
        elif command == PRECHARGE:
            close_bank(h.banks, lane, cycle)
        elif command == SELF_REFRESH_ENTER:
            h.ranks[rank * RANK_FIELDS + SLEEPS_SINCE] = cycle
        elif command == SELF_REFRESH_EXIT:
            h.ranks[rank * RANK_FIELDS + SLEPT_UNTIL] = cycle
    h.counters[command] += 1
    apply_all(h.banks, command, lane, cycle)


@helper(forceinline=True)
def _is_column(command):
    return NO_COMMAND < command <= WRITE_P


@helper
def _issue_selected(h, command, queue, position, cycle):
    slot = _entry(h, queue, position)
    lane = _slot(h, slot, SLOT_LANE)
    if _is_column(command):
        _leave_queue(h, queue, position)
    _issue(h, command, lane, slot, cycle)


@helper
def _second_slot(h, first, held, cycle):
    """host-controller.md §8. Following DRAMsim3, a column command that may not be issued is lost."""
    command, queue, position = _select(h, held, cycle)
    if command == NO_COMMAND:
        return
    if _is_column(command) != _is_column(first):
        _issue_selected(h, command, queue, position, cycle)
        h.counters[DUAL_COMMANDS] += 1
    elif _is_column(command) and h.modes[FOLLOW_DEFECTS] != 0:
        _leave_queue(h, queue, position)


# --- refresh and self refresh --------------------------------------------------------------------


@helper(forceinline=True)
def _slept_at(h, rank, due):
    at = rank * RANK_FIELDS
    return h.ranks[at + SLEEPS_SINCE] < due <= h.ranks[at + SLEPT_UNTIL]


@helper
def _refresh_target(h, number):
    """Lane (the rank's first for a rank refresh) of refresh `number`, or NO_LANE: left out in self refresh."""
    plan, per_rank = h.plan, h.banks.shape.banks_per_rank
    due = number * plan[INTERVAL]
    if plan[POLICY] == SIMULTANEOUS:
        for rank in range(plan[N_RANKS]):
            if not _slept_at(h, rank, due):
                return rank * per_rank
        return NO_LANE
    lane = target_lane(plan, number) if plan[POLICY] == BANK else target_rank(plan, number) * per_rank
    return NO_LANE if _slept_at(h, lane // per_rank, due) else lane


@helper
def _all_sleep(h):
    return _refreshes_per_round(h) == 0


@helper
def _is_periodic(h):
    """Whether an idle channel's rank refreshes repeat: no rank may still fall asleep."""
    if h.plan[POLICY] == BANK:
        return False
    if h.modes[SELF_REFRESH] != 0:
        for rank in range(h.plan[N_RANKS]):
            if h.ranks[rank * RANK_FIELDS + HAD_TRAFFIC] == 0 and not _sleeps(h, rank):
                return False
    return True


@helper
def _refreshes_per_round(h):
    """Refreshes issued while as many fall due as there are targets."""
    n_awake = 0
    for rank in range(h.plan[N_RANKS]):
        n_awake += not _sleeps(h, rank)
    return min(n_awake, h.plan[N_TARGETS])


@helper
def _drop_left_out(h, cycle):
    """Pass over the refreshes that fell due for ranks in self refresh."""
    served = h.clocks[REFRESHES_SERVED]
    if h.modes[SELF_REFRESH] != 0:
        while (served + 1) * h.plan[INTERVAL] <= cycle and _refresh_target(h, served + 1) == NO_LANE:
            served += 1
            if _all_sleep(h):
                served = max(served, cycle // h.plan[INTERVAL])
    h.clocks[REFRESHES_SERVED] = served


@helper(forceinline=True)
def _refresh_pending(h, cycle):
    return (h.clocks[REFRESHES_SERVED] + 1) * h.plan[INTERVAL] <= cycle


@helper
def _refresh_command(h, lane, cycle):
    """What the pending refresh needs in `cycle`: (command or NO_COMMAND, lane)."""
    if h.plan[POLICY] != BANK:
        command, where, _ = refresh_rank_step(h.banks, lane // h.banks.shape.banks_per_rank, cycle)
        return command, where
    if h.banks.open_row[lane] != NO_ROW:
        return (PRECHARGE if earliest_cycle(h.banks, PRE, lane) <= cycle else NO_COMMAND), lane
    return (REFRESH_BANK if earliest_slow_cycle(h.banks, REFRESH_BANK, lane) <= cycle else NO_COMMAND), lane


@helper
def _serve_refresh(h, lane, cycle):
    """Work on the pending refresh of `lane`; (command or NO_COMMAND, lane whose queues it still holds)."""
    command, where = _refresh_command(h, lane, cycle)
    if command == NO_COMMAND:
        return command, lane
    _issue(h, command, where, int64(NO_SLOT), cycle)
    if command == PRECHARGE:
        return command, lane
    number = h.clocks[REFRESHES_SERVED] + 1
    on_time = cycle == number * h.plan[INTERVAL] and command == REFRESH
    h.clocks[REFRESHES_ON_TIME] = h.clocks[REFRESHES_ON_TIME] + 1 if on_time else 0
    h.clocks[REFRESHES_SERVED] = number
    return command, int64(NO_LANE)


@helper
def _fall_asleep(h, cycle):
    """host-controller.md §14: at most one rank enters self refresh."""
    per_rank = h.banks.shape.banks_per_rank
    for rank in range(h.plan[N_RANKS]):
        busy = h.ranks[rank * RANK_FIELDS + HAD_TRAFFIC] != 0 or _sleeps(h, rank)
        # Without traffic no bank was ever open, so every cycle so far counts.
        if busy or cycle + 1 < h.modes[SREF_THRESHOLD]:
            continue
        ready = True
        for lane in range(rank * per_rank, (rank + 1) * per_rank):
            ready = ready and earliest_slow_cycle(h.banks, SELF_REFRESH_ENTER, lane) <= cycle
        if ready:
            _issue(h, SELF_REFRESH_ENTER, rank * per_rank, int64(NO_SLOT), cycle)
            return True
    return False


# --- events --------------------------------------------------------------------------------------


@helper
def _run_cycle(h, cycle):
    """The work of one cycle (host-controller.md §12, 2); whether anything was done."""
    _register_arrivals(h, cycle - 1)
    _drop_left_out(h, cycle)
    command, held = int64(NO_COMMAND), int64(NO_LANE)
    if _refresh_pending(h, cycle):
        held = _refresh_target(h, h.clocks[REFRESHES_SERVED] + 1)
        command, held = _serve_refresh(h, held, cycle)
    if command == NO_COMMAND:
        command, queue, position = _select(h, held, cycle)
        if command != NO_COMMAND:
            _issue_selected(h, command, queue, position, cycle)
    if command != NO_COMMAND and h.rules[DUAL] != 0:
        _second_slot(h, command, held, cycle)
    done = command != NO_COMMAND
    if not done and h.modes[SELF_REFRESH] != 0:
        done = _fall_asleep(h, cycle)
    moved = _move_one(h)
    return done or moved


@helper
def _next_change(h, cycle):
    """First cycle after an idle one in which anything can have become possible."""
    b = h.banks
    following = next_arrival(h)
    if h.modes[SELF_REFRESH] == 0 or not _all_sleep(h):
        due = (max(h.clocks[REFRESHES_SERVED], cycle // h.plan[INTERVAL]) + 1) * h.plan[INTERVAL]
        following = min(following, due)
    if h.modes[SELF_REFRESH] != 0 and cycle + 1 < h.modes[SREF_THRESHOLD]:
        following = min(following, int64(h.modes[SREF_THRESHOLD] - 1))
    for lane in range(b.shape.n_lanes):
        for later_class in range(N_CLASSES):
            at = earliest_cycle(b, later_class, lane)
            if cycle < at < following:
                following = at
        for command in range(REFRESH_BANK, SELF_REFRESH_EXIT + 1):
            at = earliest_slow_cycle(b, command, lane)
            if cycle < at < following:
                following = at
    return following


@helper
def advance_general(h, cycle, goal):
    """As `advance` of the fast kernel; NEXT_MOVE is the next cycle to run. MORE_SLOTS: call with more."""
    while True:
        if h.clocks[REFRESHES_ON_TIME] > 0 and _is_periodic(h):
            skip_idle_refreshes(h, min(cycle, next_arrival(h)), _refreshes_per_round(h))
        at = min(h.clocks[NEXT_MOVE], next_arrival(h))
        if at > cycle:
            if h.clocks[ARRIVALS_END] > 0:
                _register_arrivals(h, cycle)
                h.clocks[ARRIVALS] = h.clocks[ARRIVALS_END] = 0
                h.clocks[NEXT_MOVE] = min(h.clocks[NEXT_MOVE], cycle + 1)
            if is_reached(h, goal):
                return cycle
            at = h.clocks[NEXT_MOVE]
            beyond = beyond_the_run(h, at)
            if beyond != 0:
                return beyond
            cycle = max(at, cycle)
        if log_is_full(h):
            return int64(LOG_FULL)
        if h.clocks[N_FREE] <= 2 * h.rules[TRANS_SIZE]:
            return int64(MORE_SLOTS)
        h.clocks[NEXT_MOVE] = cycle_after(h, at)


@helper(forceinline=True)
def cycle_after(h, cycle):
    """Run `cycle` and tell which one to run next."""
    if _run_cycle(h, cycle):
        return cycle + 1
    return _next_change(h, cycle)
