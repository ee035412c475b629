"""Streams: instructions in program order (docs/model.md §2)."""

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
def go_on(rings, stream):
    """The instruction at the head of a stream is sent."""
    row = rings.stream[stream]
    row[r.FRONT] = r.FRONT_READY
    row[r.HEAD] += 1
