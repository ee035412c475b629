"""What a host run did, per channel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppim.dram.energy import EnergyCounts
from ppim.engine import codes
from ppim.engine.banks import active_cycles
from ppim.engine.command_stream import CommandStream
from ppim.engine.host import columns as s
from ppim.engine.host.general_state import GeneralState
from ppim.engine.host.latencies import Latencies, SharedCommands, latencies_of
from ppim.engine.host.latency import READS, WRITES
from ppim.engine.host.state import HostState

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
    read_latencies: Latencies  # of reads_done
    write_latencies: Latencies  # of writes whose WRITE was issued, up to their data, absorbed ones included
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
        return self.commands[:, [codes.READ, codes.READ_P, codes.WRITE, codes.WRITE_P]].sum(axis=1)

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
            activates=int(of[codes.ACTIVATE]),
            reads=int(of[codes.READ] + of[codes.READ_P]),
            writes=int(of[codes.WRITE] + of[codes.WRITE_P]),
            refreshes=int(of[codes.REFRESH]),
            bank_refreshes=int(of[codes.REFRESH_BANK]),
            active_cycles=self.active_cycles[channel].tolist(),
            idle_cycles=self.idle_cycles[channel].tolist(),
            self_refresh_cycles=self.self_refresh_cycles[channel].tolist(),
        )


def _self_refresh_cycles(state: HostState | GeneralState, cycles: int) -> Counts:
    """From the cycle after the entry up to the cycle before the exit."""
    if isinstance(state, HostState):
        return np.zeros_like(state.banks.active_cycles)
    ranks = state.ranks.reshape(len(state.ranks), -1, s.RANK_FIELDS)
    entered, left = ranks[:, :, s.SLEEPS_SINCE], ranks[:, :, s.SLEPT_UNTIL]
    return np.where(entered == codes.NEVER, 0, np.minimum(left, cycles) - entered - 1)


def collect(
    state: HostState | GeneralState,
    cycles: int,
    streams: list[CommandStream] | None,
    shared: list[SharedCommands],
) -> HostResult:
    """The result of a state that has been advanced to the end of cycle `cycles` - 1."""
    of = state.counters.copy()
    active = active_cycles(state.banks, cycles)
    asleep = _self_refresh_cycles(state, cycles)
    return HostResult(
        cycles=cycles,
        accepted=int(of[:, [s.ACCEPTED_READS, s.ACCEPTED_WRITES]].sum()),
        refused_cycles=int(state.front[s.REFUSED_CYCLES]),
        last_accepted_cycle=int(state.front[s.ACCEPTED_AT]),
        reads=of[:, s.ACCEPTED_READS],
        writes=of[:, s.ACCEPTED_WRITES],
        merged_reads=of[:, s.MERGED_READS],
        merged_writes=of[:, s.MERGED_WRITES],
        forwarded=of[:, s.FORWARDED],
        commands=of[:, : s.READ_HITS],
        read_row_hits=of[:, s.READ_HITS],
        write_row_hits=of[:, s.WRITE_HITS],
        demand_precharges=of[:, s.DEMAND_PRECHARGES],
        dual_commands=of[:, s.DUAL_COMMANDS],
        reads_done=of[:, s.READS_DONE],
        writes_done=of[:, s.WRITES_DONE],
        read_latency_sum=of[:, s.READ_LATENCY],
        write_latency_sum=of[:, s.WRITE_LATENCY],
        read_latencies=latencies_of(READS, of, state.spread, shared),
        write_latencies=latencies_of(WRITES, of, state.spread, shared),
        interarrival_sum=of[:, s.LAST_STAMP],
        last_read_cycle=of[:, s.LAST_READ_CYCLE],
        last_write_cycle=of[:, s.LAST_WRITE_CYCLE],
        active_cycles=active,
        idle_cycles=cycles - active - asleep,
        self_refresh_cycles=asleep,
        command_streams=streams,
    )
