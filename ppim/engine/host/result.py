"""What a host run did, per channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppim.dram.energy import EnergyCounts
from ppim.engine.banks import Banks
from ppim.engine.codes import (
    ACTIVATE,
    NEVER,
    READ,
    READ_P,
    REFRESH,
    REFRESH_BANK,
    WRITE,
    WRITE_P,
)
from ppim.engine.command_stream import CommandStream
from ppim.engine.host.general_state import RANK_FIELDS, SLEEPS_SINCE, SLEPT_UNTIL, GeneralState
from ppim.engine.host.state import (
    ACCEPTED_AT,
    ACCEPTED_READS,
    ACCEPTED_WRITES,
    DEMAND_PRECHARGES,
    DUAL_COMMANDS,
    FORWARDED,
    LAST_READ_CYCLE,
    LAST_STAMP,
    LAST_WRITE_CYCLE,
    MERGED_READS,
    MERGED_WRITES,
    READ_HITS,
    READ_LATENCY,
    READS_DONE,
    REFUSED_CYCLES,
    WRITE_HITS,
    WRITE_LATENCY,
    WRITES_DONE,
    HostState,
)

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class HostResult:
    """Counts of a host run; arrays of int64 of shape (channels,) unless stated.

    Requests that were accepted are column commands (still queued ones included), merged or forwarded.
    """

    cycles: int  # simulated: 0 .. cycles - 1; of a drained run, all up to the last completion
    accepted: int  # requests the front end handed over, of those that were fed
    refused_cycles: int  # cycles in which a due request found its channel full
    last_accepted_cycle: int  # -1: none
    reads: Counts  # accepted
    writes: Counts
    merged_reads: Counts  # served by another read's column command
    merged_writes: Counts  # absorbed by a write that had not been issued yet
    forwarded: Counts  # reads answered from such a write
    commands: Counts  # (channels, 10) issued, by command code
    read_row_hits: Counts
    write_row_hits: Counts
    demand_precharges: Counts  # chosen by selection, also those an HBM second slot did not issue
    dual_commands: Counts
    reads_done: Counts  # completed by the last cycle, merged and forwarded ones included
    writes_done: Counts
    read_latency_sum: Counts  # cycles, over reads_done
    write_latency_sum: Counts  # cycles, over WRITE commands
    interarrival_sum: Counts  # cycles, over accepted requests
    last_read_cycle: Counts  # of a column command; -1: none
    last_write_cycle: Counts
    active_cycles: Counts  # (channels, ranks)
    idle_cycles: Counts  # (channels, ranks) all banks closed
    self_refresh_cycles: Counts  # (channels, ranks)
    command_streams: list[CommandStream] | None

    @property
    def last_command_cycle(self) -> Counts:
        """Cycle of the last column command of each channel; -1: none."""
        return np.maximum(self.last_read_cycle, self.last_write_cycle)

    @property
    def column_commands(self) -> Counts:
        """READs and WRITEs of each channel, with or without auto-precharge."""
        return self.commands[:, [READ, READ_P, WRITE, WRITE_P]].sum(axis=1)

    @property
    def row_hits(self) -> Counts:
        """Column commands that were not the first after their ACTIVATE."""
        return self.read_row_hits + self.write_row_hits

    @property
    def average_read_latency(self) -> NDArray[np.float64]:
        """Cycles per completed read; 0 without any."""
        return self.read_latency_sum / np.maximum(self.reads_done, 1)

    def energy_counts(self, channel: int) -> EnergyCounts:
        """What the energy of a channel is computed from."""
        of = self.commands[channel]
        return EnergyCounts(
            activates=int(of[ACTIVATE]),
            reads=int(of[READ] + of[READ_P]),
            writes=int(of[WRITE] + of[WRITE_P]),
            refreshes=int(of[REFRESH]),
            bank_refreshes=int(of[REFRESH_BANK]),
            active_cycles=self.active_cycles[channel].tolist(),
            idle_cycles=self.idle_cycles[channel].tolist(),
            self_refresh_cycles=self.self_refresh_cycles[channel].tolist(),
        )


def _active_cycles(banks: Banks, cycles: int) -> Counts:
    running = np.where(banks.n_open > 0, cycles - banks.active_since, 0)
    return banks.active_cycles + running


def _self_refresh_cycles(state: HostState | GeneralState, cycles: int) -> Counts:
    """From the cycle after the entry up to the cycle before the exit."""
    if isinstance(state, HostState):
        return np.zeros_like(state.banks.active_cycles)
    ranks = state.ranks.reshape(len(state.ranks), -1, RANK_FIELDS)
    entered, left = ranks[:, :, SLEEPS_SINCE], ranks[:, :, SLEPT_UNTIL]
    return np.where(entered == NEVER, 0, np.minimum(left, cycles) - entered - 1)


def collect(state: HostState | GeneralState, cycles: int, streams: list[CommandStream] | None) -> HostResult:
    """The result of a state that has been advanced to the end of cycle `cycles` - 1."""
    of = state.counters.copy()
    active = _active_cycles(state.banks, cycles)
    asleep = _self_refresh_cycles(state, cycles)
    return HostResult(
        cycles=cycles,
        accepted=int(of[:, [ACCEPTED_READS, ACCEPTED_WRITES]].sum()),
        refused_cycles=int(state.front[REFUSED_CYCLES]),
        last_accepted_cycle=int(state.front[ACCEPTED_AT]),
        reads=of[:, ACCEPTED_READS],
        writes=of[:, ACCEPTED_WRITES],
        merged_reads=of[:, MERGED_READS],
        merged_writes=of[:, MERGED_WRITES],
        forwarded=of[:, FORWARDED],
        commands=of[:, :READ_HITS],
        read_row_hits=of[:, READ_HITS],
        write_row_hits=of[:, WRITE_HITS],
        demand_precharges=of[:, DEMAND_PRECHARGES],
        dual_commands=of[:, DUAL_COMMANDS],
        reads_done=of[:, READS_DONE],
        writes_done=of[:, WRITES_DONE],
        read_latency_sum=of[:, READ_LATENCY],
        write_latency_sum=of[:, WRITE_LATENCY],
        interarrival_sum=of[:, LAST_STAMP],
        last_read_cycle=of[:, LAST_READ_CYCLE],
        last_write_cycle=of[:, LAST_WRITE_CYCLE],
        active_cycles=active,
        idle_cycles=cycles - active - asleep,
        self_refresh_cycles=asleep,
        command_streams=streams,
    )
