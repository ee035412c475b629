"""Result transfers of a turn, merged with the prefetches for the next (docs/model.md §1)."""

from ppim.jit import helper
from ppim.program import instruction as i, state as r
from ppim.program.builder import recipe as b
from ppim.program.builder.emit import append_transfer
from ppim.program.builder.prefetches import append_prefetch
from ppim.program.builder.recipe import number_of_unit


@helper(forceinline=True)
def append_merged(rings, recipe, state, channel, unit, bursts, turn, first_sum, n_sums, next_turn, n_rows):
    """Emit a transfer of a turn and, one to one, the next prefetch of `next_turn` in that stream."""
    stream = 0 if recipe.global_stream else channel
    append_transfer(rings, recipe, channel, unit, bursts, turn, first_sum, n_sums)
    if state.prefetched[stream] < n_rows:
        append_prefetch(rings, recipe, state, stream, next_turn, state.prefetched[stream])
        state.prefetched[stream] += 1


@helper(forceinline=True)
def note_opened(recipe, state):
    """A turn begins: sums that units have opened so far are not its own."""
    for unit in range(recipe.channels * recipe.units_per_channel):
        state.opened_before[unit] = state.opened[unit]


@helper(forceinline=True)
def most_transfers(recipe, state):
    """Most transfers of the pending turn in one stream: one for each bag and unit of a channel, or each sum there."""
    most = state.pending[b.PENDING_BAGS] * recipe.units_per_channel
    if recipe.transfer_all:
        return most
    if recipe.global_stream:
        return min(most, state.pending[b.PENDING_STOP_SUM] - state.pending[b.PENDING_FIRST_SUM])
    most = 0
    for channel in range(recipe.channels):
        opened = 0
        for unit in range(recipe.units_per_channel):
            own = number_of_unit(recipe, channel, unit)
            opened += state.opened[own] - state.opened_before[own]
        most = max(most, opened)
    return most


@helper
def has_left(rings, recipe, state, number):
    """Whether a sum's transfer stands before the first instruction of a sum that needed its accumulator."""
    row = rings.sums[number & rings.sum_mask]
    own = number_of_unit(recipe, row[i.SUM_CHANNEL], row[i.SUM_UNIT])
    return row[i.SUM_ORDINAL] + recipe.accumulators < state.opened[own]


@helper(forceinline=True)
def emit_transfers_of_sums(rings, recipe, state, next_turn, n_rows):
    """A transfer for each sum of the pending turn: they were opened in the order in which they leave."""
    turn, bursts = state.pending[b.PENDING_TURN], recipe.vector_bursts
    for number in range(state.pending[b.PENDING_FIRST_SUM], state.pending[b.PENDING_STOP_SUM]):
        row = rings.sums[number & rings.sum_mask]
        # The sum of a bag's collector leaves by itself.
        if recipe.collect and row[i.SUM_UNIT] == i.NONE:
            continue
        if recipe.accumulators and has_left(rings, recipe, state, number):
            continue
        channel, unit = row[i.SUM_CHANNEL], row[i.SUM_UNIT]
        append_merged(rings, recipe, state, channel, unit, bursts, turn, number, 1, next_turn, n_rows)


@helper
def is_collected(rings, bag, position, stop):
    """Whether the sum at `position`, of those before `stop`, is a collector's of a bag."""
    row = rings.sums[position & rings.sum_mask]
    return position < stop and row[i.SUM_BAG] == bag and row[i.SUM_UNIT] == i.NONE


@helper
def emit_transfers_of_units(rings, recipe, state, next_turn, n_rows):
    """Transfers of the pending turn by bag and unit: of all channels at once, or of empty bags too."""
    sum_mask = rings.sum_mask
    turn, bursts = state.pending[b.PENDING_TURN], recipe.vector_bursts
    position = state.pending[b.PENDING_FIRST_SUM]
    stop = state.pending[b.PENDING_STOP_SUM]
    for bag in range(state.pending[b.PENDING_BAGS]):
        # Sums of a bag's collectors stand before its partial sums, and leave by themselves.
        while recipe.collect and is_collected(rings, bag, position, stop):
            position += 1
        for unit in range(recipe.units_per_channel):
            first = position
            while (
                position < stop
                and rings.sums[position & sum_mask, i.SUM_BAG] == bag
                and rings.sums[position & sum_mask, i.SUM_UNIT] == unit
            ):
                position += 1
            if recipe.global_stream:
                n_sums = position - first
                if n_sums or recipe.transfer_all:
                    append_merged(
                        rings, recipe, state, i.ALL, unit, bursts, turn, first, n_sums, next_turn, n_rows
                    )
                continue
            for channel in range(recipe.channels):
                has_sum = first < position and rings.sums[first & sum_mask, i.SUM_CHANNEL] == channel
                n_sums = int(has_sum)
                append_merged(
                    rings, recipe, state, channel, unit, bursts, turn, first, n_sums, next_turn, n_rows
                )
                first += n_sums


@helper(forceinline=True)
def emit_transfers(rings, recipe, state, next_turn, n_rows):
    """Transfers of the pending turn, merged one to one with prefetches of the `n_rows` rows listed for the next."""
    if not recipe.host_consumes:
        if recipe.global_stream or recipe.transfer_all:
            emit_transfers_of_units(rings, recipe, state, next_turn, n_rows)
        else:
            emit_transfers_of_sums(rings, recipe, state, next_turn, n_rows)
    rings.turns[state.pending[b.PENDING_TURN] & rings.turn_mask, r.TURN_CLOSED] = 1
    state.pending[b.PENDING_TURN] = i.NONE
