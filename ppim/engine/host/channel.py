"""The fast kernel: one channel's events, in the order in which a cycle's work is done (host-controller.md §12).

Nothing changes between events, so the channel jumps from one to the next: the next command that
selection could find, the next possible move, a buffered arrival (registered in the cycle after it was
accepted, before anything else), the next look at a refresh. An event may come too early (it then finds
nothing to do), never too late.
"""

from numba import int64

from ppim.engine import banks as b, codes
from ppim.engine.host import columns as s, effects, events, queues, selection
from ppim.engine.host.arrivals import register_arrivals
from ppim.engine.host.moves import drain_due, move_one
from ppim.engine.host.refresh import SETTLED_ROUNDS, next_refresh, note_refresh, skip_idle_refreshes
from ppim.engine.refresh import N_TARGETS, due_cycle, target_rank
from ppim.jit import helper
from ppim.jit.bits import count_trailing_zeros

# --- refresh -------------------------------------------------------------------------------------


@helper(forceinline=True)
def _hold_rank(h, rank, cycle):
    """Keep the rank's queues from normal selection until its refresh has been issued."""
    lanes = h.banks.rank_lanes[rank]
    if h.clocks[s.BLOCKED_LANES] != lanes:
        h.clocks[s.BLOCKED_LANES] = lanes
        h.clocks[s.NEXT_COMMAND], h.clocks[s.READY_LANES] = b.scan(h.banks, cycle, ~lanes)


@helper
def _refresh_step(h, cycle):
    """The refresh command due in `cycle`, or NO_COMMAND; notes when to look again."""
    clocks = h.clocks
    number = next_refresh(h)
    rank = target_rank(h.plan, number)
    _hold_rank(h, rank, cycle)
    command, lane, next_look = b.refresh_rank_step(h.banks, rank, cycle)
    if command == codes.NO_COMMAND:
        clocks[s.REFRESH_LOOK] = next_look
    elif command == codes.REFRESH:
        note_refresh(h, number, cycle)
        clocks[s.BLOCKED_LANES] = 0
        clocks[s.REFRESH_LOOK] = max(cycle + 1, due_cycle(h.plan, number + 1))
    else:
        clocks[s.REFRESH_LOOK] = cycle + 1
    return command, lane


@helper(forceinline=True)
def _serve_refresh(h, cycle):
    """The refresh command of the cycle, and the lanes that may issue in it."""
    command, lane = int64(codes.NO_COMMAND), int64(codes.NO_LANE)
    if h.clocks[s.REFRESH_LOOK] <= cycle:
        command, lane = _refresh_step(h, cycle)
    return command, lane, h.clocks[s.READY_LANES] if h.clocks[s.NEXT_COMMAND] <= cycle else int64(0)


@helper(forceinline=True)
def _skip_refreshes(h, until):
    if h.clocks[s.REFRESHES_ON_TIME] >= SETTLED_ROUNDS:
        skip_idle_refreshes(h, until, h.plan[N_TARGETS])


# --- commands ------------------------------------------------------------------------------------


@helper(forceinline=True)
def _next_in_turn(ready, pointer):
    """First lane of `ready` (not empty) after `pointer`, going round."""
    later = ready & (int64(-2) << pointer)
    return count_trailing_zeros(later if later != 0 else ready)


@helper(forceinline=True)
def _is_candidate(h, later_class, lane):
    return (h.banks.candidates[later_class] >> lane) & 1 != 0


@helper(forceinline=True)
def _is_due(h, later_class, lane, cycle):
    return _is_candidate(h, later_class, lane) and b.earliest_cycle(h.banks, later_class, lane) <= cycle


@helper(forceinline=True)
def _choose(h, lane, cycle):
    """The command a ready lane issues in `cycle`, and the position of its queue entry."""
    if h.banks.open_row[lane] == codes.NO_ROW:
        return codes.ACTIVATE, int64(0)
    if _is_due(h, b.PRE, lane, cycle):
        return codes.PRECHARGE, int64(0)
    if not _is_candidate(h, b.COLUMN_WRITE, lane):
        return codes.READ, queues.eligible_read(h, lane)
    read, write = int64(s.NO_POSITION), int64(s.NO_POSITION)
    if _is_due(h, b.COLUMN_READ, lane, cycle):
        read = queues.eligible_read(h, lane)
    if _is_due(h, b.COLUMN_WRITE, lane, cycle):
        write = queues.eligible_write(h, lane)
    if read < write:
        return codes.READ, read
    return codes.WRITE, write


@helper(forceinline=True)
def _select(h, ready, cycle):
    """Round-robin choice among ready lanes: (command or NO_COMMAND, lane, position)."""
    if ready == 0:
        return int64(codes.NO_COMMAND), int64(codes.NO_LANE), int64(0)
    lane = _next_in_turn(ready, h.clocks[s.POINTER])
    command, position = _choose(h, lane, cycle)
    selection.note_found(h, lane, command)
    return command, lane, position


@helper(forceinline=True)
def _issue(h, command, lane, cycle):
    """Issue a command, and note who comes next; returns the lanes that may issue in `cycle` still."""
    ready_now, next_cycle, ready_next = b.issue(h.banks, command, lane, cycle, ~h.clocks[s.BLOCKED_LANES])
    h.clocks[s.NEXT_COMMAND] = next_cycle
    h.clocks[s.READY_LANES] = ready_next
    return ready_now


@helper
def _issue_refresh(h, command, lane, cycle):
    effects.note_row_command(h, command, lane, effects.NOT_GIVEN, cycle)
    return _issue(h, command, lane, cycle)


@helper(forceinline=True)
def _carry_out(h, command, lane, position, ready, cycle):  # noqa: ARG001 - the signature is both kernels'
    """Issue a command with all its effects; returns the lanes that may issue in `cycle` still."""
    h.counters[command] += 1
    if selection.is_column(command):
        slot = queues.entry_slot(h, lane, position)
        effects.note_column_command(h, command, lane, slot, cycle)
        queues.remove_entry(h, lane, position)
        queues.update_candidates(h, lane)
        return _issue(h, codes.READ if command == codes.READ else codes.WRITE, lane, cycle)
    if command == codes.ACTIVATE:
        row = queues.oldest_row(h, lane)
        effects.note_row_command(h, codes.ACTIVATE, lane, row, cycle)
        queues.on_activated(h, lane, row)
        return _issue(h, codes.ACTIVATE, lane, cycle)
    if command == codes.PRECHARGE:
        effects.note_row_command(h, codes.PRECHARGE, lane, effects.NOT_GIVEN, cycle)
        queues.on_precharged(h, lane)
        return _issue(h, codes.PRECHARGE, lane, cycle)
    return _issue_refresh(h, command, lane, cycle)


@helper(forceinline=True)
def _leave_in_queue(h, command, lane, position):
    """A second command that may not go with the first waits (DRAMsim3 loses it)."""


# --- moves ---------------------------------------------------------------------------------------


@helper(forceinline=True)
def _move_possible(h):
    """Whether a look at the transaction queues would change anything."""
    clocks = h.clocks
    if clocks[s.DRAIN] > 0:
        return clocks[s.WRITE_LANES] & clocks[s.ROOM_LANES] != 0
    return clocks[s.READ_LANES] & clocks[s.ROOM_LANES] != 0 or drain_due(h)


@helper(forceinline=True)
def _move(h, lane, writes, cycle):
    """Move the lane's oldest transaction, and note when the bank may want a command."""
    clocks = h.clocks
    position = queues.append_entry(h, lane, queues.pop_waiting(h, lane, writes), writes)
    class_added, cancelled = queues.on_joined(h, lane, position, writes)
    bit = int64(1) << lane
    if clocks[s.BLOCKED_LANES] & bit:
        return
    if cancelled and clocks[s.READY_LANES] & bit:
        clocks[s.NEXT_COMMAND], clocks[s.READY_LANES] = b.scan(h.banks, cycle + 1, ~clocks[s.BLOCKED_LANES])
    elif class_added >= 0:
        at = max(b.earliest_cycle(h.banks, class_added, lane), cycle + 1)
        if at < clocks[s.NEXT_COMMAND]:
            clocks[s.NEXT_COMMAND] = at
            clocks[s.READY_LANES] = bit
        elif at == clocks[s.NEXT_COMMAND]:
            clocks[s.READY_LANES] |= bit


# --- events --------------------------------------------------------------------------------------


@helper(forceinline=True)
def _next_event(h):
    clocks = h.clocks
    return min(
        min(clocks[s.NEXT_COMMAND], clocks[s.NEXT_MOVE]), min(clocks[s.REFRESH_LOOK], clocks[s.NEXT_ARRIVAL])
    )


@helper
def _register_arrivals(h, cycle):
    register_arrivals(h, cycle, queues.append_waiting)


@helper(forceinline=True)
def _register_last(h, cycle):
    _register_arrivals(h, cycle)
    if _move_possible(h):
        h.clocks[s.NEXT_MOVE] = min(h.clocks[s.NEXT_MOVE], cycle + 1)


@helper(forceinline=True)
def _is_short(h):  # noqa: ARG001 - the signature is both kernels'
    """There is a slot for every place in a queue."""
    return False


@helper(forceinline=True)
def _run_event(h, cycle):
    """All that happens in `cycle`."""
    if h.clocks[s.NEXT_ARRIVAL] <= cycle:
        _register_arrivals(h, cycle - 1)
    selection.issue_commands(h, cycle, _serve_refresh, _select, _carry_out, _leave_in_queue)
    if _move_possible(h):
        move_one(h, cycle, queues.oldest_with_room, queues.oldest_write, _move)
        h.clocks[s.NEXT_MOVE] = cycle + 1 if _move_possible(h) else codes.NEVER
    else:
        h.clocks[s.NEXT_MOVE] = codes.NEVER


@helper(forceinline=True)
def advance(h, cycle, goal):
    """As `events.advance`."""
    return events.advance(h, cycle, goal, _skip_refreshes, _next_event, _register_last, _is_short, _run_event)
