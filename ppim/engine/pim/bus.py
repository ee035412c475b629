"""The channel's external data bus: one end of reservation, never anything before it (docs/model.md §4)."""

from __future__ import annotations

from ppim.engine.pim.account import COMES_END, note_use
from ppim.engine.pim.complete import add_to_parent, complete_one, free_accumulator
from ppim.engine.pim.heap import ITEM, READY, SIZE, pop
from ppim.engine.pim.limits import BUS
from ppim.engine.pim.state import (
    ANY_RANK,
    BUS_DIRECTION,
    BUS_END,
    BUS_RANK,
    BUS_UNUSED,
    COLLECT_TREE,
    LINK_FREE,
    TO_HOST,
    TO_UNIT,
    TRANSFER_BURSTS,
    TRANSFER_CYCLES,
    TRANSFERS_WAITING,
)
from ppim.jit import helper
from ppim.program.instruction import NONE, SUM_PARENT, SUM_TURN, SUM_UNIT


@helper(forceinline=True)
def bus_free_from(parameters, state, channel, direction, rank):
    """First cycle in which data of this direction (and rank, for read-outs) may start."""
    turns_round = (
        state.channel[channel, BUS_DIRECTION] != BUS_UNUSED
        and state.channel[channel, BUS_DIRECTION] != direction
    )
    changes_rank = (
        rank != ANY_RANK
        and state.channel[channel, BUS_RANK] != ANY_RANK
        and state.channel[channel, BUS_RANK] != rank
    )
    if turns_round or changes_rank:
        return state.channel[channel, BUS_END] + parameters.turnaround
    return state.channel[channel, BUS_END]


@helper(forceinline=True)
def reserve(state, channel, direction, rank, start, end, is_read_out):
    """Take the bus from `start` up to `end`."""
    note_use(state, channel, start, end)
    state.peaks[channel, BUS] += end - start
    if not is_read_out:
        state.account[channel, COMES_END] = end
    state.channel[channel, BUS_END] = end
    state.channel[channel, BUS_DIRECTION] = direction
    state.channel[channel, BUS_RANK] = rank


@helper
def use_link(state, channel, unit, cycle, taken):
    """A partial sum goes up its unit's link to the tree behind those before it; when it has gone."""
    end = max(cycle, state.unit[channel, unit, LINK_FREE]) + taken
    state.unit[channel, unit, LINK_FREE] = end
    return end


@helper(forceinline=True)
def start_ready_transfers(parameters, rings, state, channel, cycle):
    """Transfers that are ready by now reserve the bus, in order of readiness and sending."""
    while state.channel[channel, TRANSFERS_WAITING] > 0 and state.transfers[channel, 0, READY] <= cycle:
        number = state.transfers[channel, 0, ITEM]
        bursts = state.transfers[channel, 0, SIZE]
        pop(state.transfers, channel, state.channel[channel, TRANSFERS_WAITING])
        state.channel[channel, TRANSFERS_WAITING] -= 1
        row = number & rings.sum_mask
        parent = rings.sums[row, SUM_PARENT]
        taken = bursts * parameters.bus_burst_cycles
        if parent != NONE and parameters.collect == COLLECT_TREE:
            end = use_link(state, channel, rings.sums[row, SUM_UNIT], cycle, taken)
        else:
            start = max(cycle, bus_free_from(parameters, state, channel, TO_HOST, ANY_RANK))
            end = start + taken
            reserve(state, channel, TO_HOST, ANY_RANK, start, end, False)
            state.channel[channel, TRANSFER_CYCLES] += taken
            # What the base die collects does not leave the memory.
            state.channel[channel, TRANSFER_BURSTS] += bursts if parent == NONE else 0
        if parameters.accumulators:
            free_accumulator(parameters, rings, state, row, end)
        complete_one(rings, state, channel, rings.sums[row, SUM_TURN], end)
        if parent != NONE:
            add_to_parent(parameters, rings, state, parent, cycle, end)


@helper(forceinline=True)
def read_out_gate(parameters, state, channel):
    """First cycle in which a read-out may be issued as far as the bus is concerned."""
    end = state.channel[channel, BUS_END]
    if state.channel[channel, BUS_DIRECTION] == TO_UNIT:
        end += parameters.turnaround
    return end - parameters.read_latency
