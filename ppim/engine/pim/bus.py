"""The channel's external data bus: one end of reservation, never anything before it (docs/model.md §4)."""

from __future__ import annotations

from ppim.engine.pim.complete import complete_one
from ppim.engine.pim.heap import pop
from ppim.engine.pim.state import (
    ANY_RANK,
    BUS_UNUSED,
    TO_HOST,
    TO_UNIT,
    TRANSFER_BURSTS,
    TRANSFER_CYCLES,
)
from ppim.jit import njit
from ppim.program.instruction import SUM_TURN


@njit(cache=False)
def bus_free_from(parameters, bus, channel, direction, rank):
    """First cycle in which data of this direction (and rank, for read-outs) may start."""
    turns_round = bus.direction[channel] != BUS_UNUSED and bus.direction[channel] != direction
    changes_rank = rank != ANY_RANK and bus.rank[channel] != ANY_RANK and bus.rank[channel] != rank
    if turns_round or changes_rank:
        return bus.end[channel] + parameters.turnaround
    return bus.end[channel]


@njit(cache=False)
def reserve(bus, channel, direction, rank, end):
    """Take the bus up to `end`."""
    bus.end[channel] = end
    bus.direction[channel] = direction
    bus.rank[channel] = rank


@njit(cache=False)
def start_ready_transfers(parameters, rings, state, channel, cycle):
    """Transfers that are ready by now reserve the bus, in order of readiness and sending."""
    bus = state.bus
    while bus.heap_count[channel] > 0 and bus.heap_ready[channel, 0] <= cycle:
        number = bus.heap_sum[channel, 0]
        bursts = bus.heap_bursts[channel, 0]
        pop(bus.heap_ready, bus.heap_order, bus.heap_sum, bus.heap_bursts, bus.heap_count, channel)
        start = max(cycle, bus_free_from(parameters, bus, channel, TO_HOST, ANY_RANK))
        taken = bursts * parameters.bus_burst_cycles
        reserve(bus, channel, TO_HOST, ANY_RANK, start + taken)
        state.counters[channel, TRANSFER_BURSTS] += bursts
        state.counters[channel, TRANSFER_CYCLES] += taken
        turn = rings.sums[number & (len(rings.sums) - 1), SUM_TURN]
        complete_one(parameters, rings, state, channel, turn, start + taken)


@njit(cache=False)
def read_out_gate(parameters, bus, channel):
    """First cycle in which a read-out may be issued as far as the bus is concerned."""
    end = bus.end[channel]
    if bus.direction[channel] == TO_UNIT:
        end += parameters.turnaround
    return end - parameters.read_latency
