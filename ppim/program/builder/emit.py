"""Write instructions at the tails of streams, and the lookups that they serve."""

from ppim.jit import helper
from ppim.program import instruction as i, state as r


@helper(forceinline=True)
def append(rings, stream, kind, channel, unit, address, bursts, turn, lookup, first_sum, n_sums):
    """Write one instruction at the tail of a stream."""
    mask = rings.instruction_mask
    row = rings.instructions[stream, rings.stream[stream, r.TAIL] & mask]
    row[i.KIND] = kind
    row[i.CHANNEL] = channel
    row[i.UNIT] = unit
    row[i.ADDRESS] = address
    row[i.BURSTS] = bursts
    row[i.TURN] = turn
    row[i.LOOKUP] = lookup
    row[i.SUM] = first_sum
    row[i.N_SUMS] = n_sums
    row[i.STEP] = 0
    if kind == i.READ_OUT:
        row[i.ORDER] = rings.marks[r.NEXT_READ_OUT]
        rings.marks[r.NEXT_READ_OUT] += 1
    rings.stream[stream, r.TAIL] += 1


@helper
def set_step(rings, stream, step):
    """Give the last instruction of a stream its step from one unit's lookups to the next unit's."""
    rings.instructions[stream, (rings.stream[stream, r.TAIL] - 1) & rings.instruction_mask, i.STEP] = step


@helper
def append_deliver(rings, recipe, owner, bursts, turn, lookup, sharers):
    """Write the deliver of the read-out that was written last, to its lookup's owner."""
    stream = 0 if recipe.global_stream else owner.channel
    order = rings.marks[r.NEXT_READ_OUT] - 1
    append(rings, stream, i.DELIVER, owner.channel, owner.unit, 0, bursts, turn, lookup, order, sharers)


@helper(forceinline=True)
def append_hit(rings, recipe, owner, turn, lookup, sharers):
    """All rows of a lookup lie in its unit, which still has to be told to add them."""
    stream = 0 if recipe.global_stream else owner.channel
    append(rings, stream, i.HIT, owner.channel, owner.unit, 0, 0, turn, lookup, i.NONE, sharers)
    rings.turns[turn & rings.turn_mask, r.TURN_LEFT] += 1 + sharers


@helper(forceinline=True)
def append_transfer(rings, recipe, channel, unit, bursts, turn, first_sum, n_sums):
    """Consecutive sums leave their units; an empty transfer has none."""
    stream = 0 if recipe.global_stream else channel
    append(rings, stream, i.TRANSFER, channel, unit, 0, bursts, turn, i.NONE, first_sum, n_sums)
    # It completes once for each of its sums, an empty one once.
    rings.turns[turn & rings.turn_mask, r.TURN_LEFT] += max(n_sums, 1)


@helper(forceinline=True)
def write_lookup(rings, number, slot, operands, compute, bursts):
    """Write the row of a lookup that adds to the sum `slot` when so many operands are there."""
    row = rings.lookups[number & rings.lookup_mask]
    row[i.LOOKUP_SUM] = slot
    row[i.LOOKUP_OPERANDS] = operands
    row[i.LOOKUP_COMPUTE] = compute
    row[i.LOOKUP_READY] = 0
    row[i.LOOKUP_BURSTS] = bursts
    rings.sums[slot & rings.sum_mask, i.SUM_LOOKUPS] += 1
