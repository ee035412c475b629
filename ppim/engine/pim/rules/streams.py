"""Streams: instructions in program order (docs/model.md §2)."""

from ppim.engine.pim import state as s
from ppim.engine.pim.rules import events
from ppim.jit import helper
from ppim.program import instruction as ins, state as r


@helper(forceinline=True)
def is_at_end(rings, stream):
    """Whether a stream has no instruction left, as far as the program is written."""
    return rings.stream[stream, r.HEAD] == rings.stream[stream, r.TAIL]


@helper(forceinline=True)
def next_instruction(rings, stream):
    """The instruction at the head of a stream that has one."""
    return rings.instructions[stream, rings.stream[stream, r.HEAD] & rings.instruction_mask]


@helper(forceinline=True)
def go_on(p, rings, state, stream, cycle):
    """The instruction at the head of a stream has used the slot of `cycle`."""
    if p.keeps_events:
        events.keep_instruction(rings, state, stream, cycle)
    row = rings.stream[stream]
    row[r.FRONT] = r.FRONT_READY
    row[r.HEAD] += 1


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
    if oldest == last and not rings.turns[last & mask, r.TURN_CLOSED]:
        # So may its demand.
        return True
    same_batch = rings.turns[oldest & mask, r.TURN_BATCH] == rings.turns[last & mask, r.TURN_BATCH]
    return p.barrier != s.BARRIER_TABLE and same_batch


@helper
def may_get_transfers(rings):
    """Whether the last turn is not written to its end, so that transfers may follow where there is none of its demand.

    All that such a transfer needs is delivered, or read before.
    """
    last = rings.marks[r.NEXT_TURN] - 1
    return last >= rings.marks[r.OLDEST_TURN] and not rings.turns[last & rings.turn_mask, r.TURN_CLOSED]
