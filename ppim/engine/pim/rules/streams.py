"""Streams: instructions in program order (docs/model.md §2)."""

from ppim.engine.pim.rules import events
from ppim.jit import helper
from ppim.program import state as r


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
