"""Write an instruction at the tail of a stream."""

from __future__ import annotations

from ppim.jit import helper
from ppim.program.instruction import (
    ADDRESS,
    BURSTS,
    CHANNEL,
    DELIVER,
    HIT,
    KIND,
    LOOKUP,
    N_SUMS,
    NONE,
    ORDER,
    READ_OUT,
    SUM,
    TURN,
    UNIT,
)
from ppim.program.state import NEXT_READ_OUT, TAIL, TURN_LEFT


@helper(forceinline=True)
def append(rings, stream, kind, channel, unit, address, bursts, turn, lookup, first_sum, n_sums):
    """Write one instruction at the tail of a stream."""
    mask = rings.instruction_mask
    row = rings.instructions[stream, rings.stream[stream, TAIL] & mask]
    row[KIND] = kind
    row[CHANNEL] = channel
    row[UNIT] = unit
    row[ADDRESS] = address
    row[BURSTS] = bursts
    row[TURN] = turn
    row[LOOKUP] = lookup
    row[SUM] = first_sum
    row[N_SUMS] = n_sums
    if kind == READ_OUT:
        row[ORDER] = rings.marks[NEXT_READ_OUT]
        rings.marks[NEXT_READ_OUT] += 1
    rings.stream[stream, TAIL] += 1


@helper
def append_deliver(rings, recipe, owner, bursts, turn, lookup, sharers):
    """Write the deliver of the read-out that was written last, to its lookup's owner."""
    stream = 0 if recipe.global_stream else owner.channel
    order = rings.marks[NEXT_READ_OUT] - 1
    append(rings, stream, DELIVER, owner.channel, owner.unit, 0, bursts, turn, lookup, order, sharers)


@helper(forceinline=True)
def append_hit(rings, recipe, owner, turn, lookup, sharers):
    """All rows of a lookup lie in its unit, which still has to be told to add them."""
    stream = 0 if recipe.global_stream else owner.channel
    append(rings, stream, HIT, owner.channel, owner.unit, 0, 0, turn, lookup, NONE, sharers)
    rings.turns[turn & rings.turn_mask, TURN_LEFT] += 1 + sharers
