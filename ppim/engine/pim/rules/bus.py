"""The channel's external data bus: one end of reservation, never anything before it (docs/model.md §4)."""

from ppim.engine.pim import state as s
from ppim.engine.pim.rules import limits
from ppim.jit import helper


@helper(forceinline=True)
def free_from(p, state, channel, direction, rank):
    """First cycle in which data of this direction (and rank, for read-outs) may start."""
    row = state.channel[channel]
    turns_round = row[s.BUS_DIRECTION] != s.BUS_UNUSED and row[s.BUS_DIRECTION] != direction
    changes_rank = rank != s.ANY_RANK and row[s.BUS_RANK] != s.ANY_RANK and row[s.BUS_RANK] != rank
    if turns_round or changes_rank:
        return row[s.BUS_END] + p.turnaround
    return row[s.BUS_END]


@helper(forceinline=True)
def reserve(state, channel, direction, rank, start, end):
    """Take the bus from `start` up to `end`."""
    state.peaks[channel, limits.DATA_BUS] += end - start
    row = state.channel[channel]
    row[s.BUS_END] = end
    row[s.BUS_DIRECTION] = direction
    row[s.BUS_RANK] = rank


@helper(forceinline=True)
def read_out_gate(p, state, channel):
    """First cycle in which a read-out may be issued as far as the bus is concerned."""
    end = state.channel[channel, s.BUS_END]
    if state.channel[channel, s.BUS_DIRECTION] == s.TO_UNIT:
        end += p.turnaround
    return end - p.read_latency


@helper(forceinline=True)
def take_pins(state, channel, cycle, stop):
    """An instruction that is sent in `cycle` has the data pins until `stop`: what is reserved next begins as much later."""
    row = state.channel[channel]
    row[s.BUS_END] = max(row[s.BUS_END], cycle) + stop - cycle
