"""Figures of a replay of plain requests: one row a channel, the CSV file, and the conservation check."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from ppim.dram.device import Device
from ppim.dram.energy import Energy, EnergyCounts, channel_energy_pj
from ppim.engine.codes import PRECHARGE
from ppim.engine.host.latencies import Latencies
from ppim.engine.host.result import HostResult
from ppim.stats.counters import ON_REPLAY_LINES, REPLAY_COLUMNS
from ppim.stats.latency import PERCENTILES, Distribution, Histogram

COLUMNS = (*ON_REPLAY_LINES, *REPLAY_COLUMNS)
"""Columns of the stats CSV, in order."""
NO_CYCLE = -1


@dataclass(frozen=True)
class ChannelCounts:
    """What one channel did in a replay; commands are counted when issued."""

    channel: int
    requests: int  # taken in by the channel
    merged: int  # served by the command of another request to the same byte address
    forwarded: int  # reads answered from a waiting write
    last_command_cycle: int | None  # of the last READ or WRITE
    row_hits: int  # column commands that found their row open from an earlier one
    read_latency_sum_cycles: int  # over completed reads
    completed_reads: int
    precharges: int  # explicit ones
    energy: EnergyCounts

    @property
    def column_commands(self) -> int:
        return self.energy.reads + self.energy.writes

    @property
    def served(self) -> int:
        """Requests accounted for: by a command of their own, merged, or forwarded."""
        return self.column_commands + self.merged + self.forwarded

    @property
    def average_read_latency_cycles(self) -> float:
        """Mean over completed reads, 0 without any, as DRAMsim3 prints it."""
        return self.read_latency_sum_cycles / self.completed_reads if self.completed_reads else 0.0


@dataclass(frozen=True)
class ReplayFigures:
    """A whole replay: the device, its length in memory cycles, and all channels."""

    device: Device
    cycles: int
    channels: Sequence[ChannelCounts]
    reads: Latencies  # of all channels
    writes: Latencies

    @classmethod
    def of(cls, device: Device, result: HostResult) -> ReplayFigures:
        """The counts of an engine in the words of the stats file."""
        channels = [_counts_of(result, channel) for channel in range(len(result.reads))]
        return cls(device, result.cycles, channels, result.read_latencies, result.write_latencies)

    def total(self, name: str) -> int:
        """Sum over channels of the count called `name`."""
        return sum(getattr(channel, name) for channel in self.channels)

    @property
    def time_ns(self) -> float:
        return self.cycles * self.device.timing.tCK

    @property
    def achieved_gb_per_s(self) -> float:
        """Bytes of all served requests per time, merged and forwarded ones included, as DRAMsim3 counts."""
        if not self.cycles:
            return 0.0
        return self.total("served") * self.device.organization.burst_bytes / self.time_ns

    def energies_pj(self) -> list[Energy]:
        return [channel_energy_pj(self.device, channel.energy) for channel in self.channels]

    def read_latency(self, channels: Sequence[int] | None = None) -> Histogram:
        """Latencies of the reads of some channels, or of all, in cycles."""
        return self._histogram(self.reads, channels)

    def write_latency(self, channels: Sequence[int] | None = None) -> Histogram:
        """The same of writes, up to their last data, those included that an older one took along."""
        return self._histogram(self.writes, channels)

    def _histogram(self, counted: Latencies, channels: Sequence[int] | None) -> Histogram:
        return Histogram.of_requests(counted, range(len(self.channels)) if channels is None else channels)

    @property
    def latency(self) -> dict[str, Distribution]:
        """Of all channels' reads and writes, in ns; without kinds of which there were none."""
        period = self.device.timing.tCK
        kinds = {"read": self.read_latency(), "write": self.write_latency()}
        found = {name: each.distribution(lambda cycles: cycles * period) for name, each in kinds.items()}
        return {name: one for name, one in found.items() if one is not None}

    def rows(self) -> Iterable[dict[str, Any]]:
        """One row a channel, by the names of `COLUMNS`."""
        for channel, energy in zip(self.channels, self.energies_pj(), strict=True):
            yield self._row(channel, energy)

    def _row(self, channel: ChannelCounts, energy: Energy) -> dict[str, Any]:
        counts = channel.energy
        last = channel.last_command_cycle
        spread = self.read_latency([channel.channel])
        return {
            "device": self.device.name,
            "channel": channel.channel,
            "cycles": self.cycles,
            "last_command_cycle": "" if last is None else last,
            "requests": channel.requests,
            "merged": channel.merged,
            "forwarded": channel.forwarded,
            "reads": counts.reads,
            "writes": counts.writes,
            "activates": counts.activates,
            "precharges": channel.precharges,
            "refreshes": counts.refreshes + counts.bank_refreshes,
            "row_hits": channel.row_hits,
            "average_read_latency_cycles": channel.average_read_latency_cycles,
            **{f"read_latency_{percent}_cycles": spread.percentile(percent) for percent in PERCENTILES},
            "read_latency_max_cycles": spread.longest,
            "bytes_dram": channel.column_commands * self.device.organization.burst_bytes,
            "energy_activate_pj": energy.activate,
            "energy_read_pj": energy.read,
            "energy_write_pj": energy.write,
            "energy_refresh_pj": energy.refresh + energy.refresh_bank,
            "energy_background_pj": energy.background,
            "energy_total_pj": energy.total,
        }


def _counts_of(result: HostResult, channel: int) -> ChannelCounts:
    last = int(result.last_command_cycle[channel])
    return ChannelCounts(
        channel=channel,
        requests=int(result.reads[channel] + result.writes[channel]),
        merged=int(result.merged_reads[channel] + result.merged_writes[channel]),
        forwarded=int(result.forwarded[channel]),
        last_command_cycle=None if last == NO_CYCLE else last,
        row_hits=int(result.row_hits[channel]),
        read_latency_sum_cycles=int(result.read_latency_sum[channel]),
        completed_reads=int(result.reads_done[channel]),
        precharges=int(result.commands[channel, PRECHARGE]),
        energy=result.energy_counts(channel),
    )


def write_csv(figures: ReplayFigures, stream: TextIO) -> None:
    """The stats CSV; numbers are written with all their digits."""
    writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(figures.rows())
