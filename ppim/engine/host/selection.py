"""What an entry of a command queue wants, and which two commands go together: host-controller.md §7 and §8."""

from ppim.engine.banks import ACT, COLUMN_READ, COLUMN_WRITE, PRE
from ppim.engine.codes import NO_COMMAND, NO_ROW, PRECHARGE, WRITE_P
from ppim.engine.host import columns as s
from ppim.engine.host.slots import is_write, slot_field
from ppim.jit import helper

ROW_HITS_BEFORE_PRECHARGE = 4


@helper(forceinline=True)
def wanted_class(open_row, row, writes):
    """Class of the command that an entry for `row` wants of a bank that has `open_row`."""
    if open_row == NO_ROW:
        return ACT
    if open_row != row:
        return PRE
    return COLUMN_WRITE if writes else COLUMN_READ


@helper(forceinline=True)
def is_protected(h, lane):
    """Whether waiting row hits keep the lane's row open."""
    return h.lanes[lane * s.LANE_FIELDS + s.ACCESSES] < ROW_HITS_BEFORE_PRECHARGE


@helper(forceinline=True)
def must_wait_for(h, slot, older):
    """Whether a WRITE, of `slot`, must wait for an older entry: a READ of its column."""
    return (
        slot_field(h, older, s.SLOT_COLUMN) == slot_field(h, slot, s.SLOT_COLUMN)
        and slot_field(h, older, s.SLOT_ROW) == slot_field(h, slot, s.SLOT_ROW)
        and slot_field(h, older, s.SLOT_LANE) == slot_field(h, slot, s.SLOT_LANE)
        and not is_write(h, older)
    )


@helper(forceinline=True)
def note_found(h, queue, command):
    """Note that selection has found a command, issued or not."""
    h.clocks[s.POINTER] = queue
    if command == PRECHARGE:
        h.counters[s.DEMAND_PRECHARGES] += 1


@helper(forceinline=True)
def is_column(command):
    """Whether a command (not NO_COMMAND) is a READ or WRITE."""
    return command <= WRITE_P


@helper(forceinline=True)
def issue_commands(h, cycle, serve_refresh, select, carry_out, give_up):
    """Issue a cycle's commands: for a refresh or by selection, and with HBM a second one by selection.

    Parameters
    ----------
    h : HostChannel or GeneralChannel
    cycle : int
    serve_refresh, select, carry_out, give_up : callable
        The kernel's own. `serve_refresh(h, cycle)` returns a command or NO_COMMAND, its lane, and what the
        kernel knows of who may be selected; `select(h, who, cycle)` a command or NO_COMMAND, its lane and
        its position in the queue; `carry_out(h, command, lane, position, who, cycle)` issues and returns
        who may be selected then; `give_up(h, command, lane, position)` is told of a second command that may
        not go with the first.

    Returns
    -------
    int
        The first command, or NO_COMMAND.
    """
    command, lane, who = serve_refresh(h, cycle)
    first, position = NO_COMMAND, 0
    while True:
        if command == NO_COMMAND:
            command, lane, position = select(h, who, cycle)
            if command == NO_COMMAND:
                return first
            if first != NO_COMMAND:
                if is_column(command) == is_column(first):
                    give_up(h, command, lane, position)
                    return first
                h.counters[s.DUAL_COMMANDS] += 1
        who = carry_out(h, command, lane, position, who, cycle)
        if first != NO_COMMAND:
            return first
        if h.rules[s.DUAL] == 0:
            return command
        first, command = command, NO_COMMAND
