"""A host that reads every row through its last-level cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ppim.engine import codes
from ppim.engine.host import HostReplay
from ppim.program import llc
from ppim.stats import counters, energy, result
from ppim.units import ceil_div

if TYPE_CHECKING:
    from ppim.dram.device import Device
    from ppim.engine.commands import CommandSink
    from ppim.systems.spec import SystemSpec
    from ppim.trace.reader import TraceChunk, TraceReader

ACCESSES_PER_LLC_CALL = 1 << 16


class HostRun:
    """The host reads every row through its last-level cache; misses go to the memory, in order."""

    def __init__(
        self, reader: TraceReader, system: SystemSpec, device: Device, commands: CommandSink | None = None
    ) -> None:
        self.reader, self.system, self.device = reader, system, device
        self.parts = 1
        self.layout = llc.lay_out(reader.meta, device)
        self.tags = llc.make_llc(system.host)
        self.counted = np.zeros((device.organization.channels, llc.N_LLC_COUNTS), dtype=np.int64)
        # Requests that the cache lets through are distinct loads of the host: none is merged.
        self.commands = commands
        self.channels = range(device.organization.channels)
        self.replay = HostReplay(
            device,
            inject=system.host.requests_per_cycle,
            merge=False,
            command_trace=commands is not None,
        )
        line = system.host.llc_line_bytes
        bursts = (int(self.layout.row_bytes.max()) + 2 * line) // self.layout.burst_bytes + 2
        self.requests = np.empty(ACCESSES_PER_LLC_CALL * bursts, dtype=np.int64)
        self.cycles = np.empty_like(self.requests)
        self.taken = np.zeros(1, dtype=np.int64)

    def feed(self, chunk: TraceChunk) -> None:
        """Filter a chunk and offer its misses."""
        for start in range(0, len(chunk.row), ACCESSES_PER_LLC_CALL):
            stop = min(start + ACCESSES_PER_LLC_CALL, len(chunk.row))
            n = llc.filter_accesses(
                self.layout,
                self.tags,
                self.system.host.llc_line_bytes,
                self.system.host.llc_bytes_per_cycle,
                chunk,
                start,
                stop,
                self.counted,
                self.taken,
                self.requests,
                self.cycles,
            )
            self.replay.feed(self.requests[:n], np.zeros(n, dtype=np.bool_), self.cycles[:n])
            if self.commands is not None:
                self.commands(self.channels, self.replay.take_commands())

    def finish(self, batches: int) -> result.SimulationResult:
        """Drain the memory and collect."""
        host = self.replay.finish()
        if self.commands is not None and host.command_streams is not None:
            self.commands(self.channels, host.command_streams)
        requests = {
            "READS": host.reads,
            "WRITES": host.writes,
            "ROW_HITS": host.row_hits,
            "COLUMN_COMMANDS": host.column_commands,
        }
        org = self.device.organization
        sources: counters.Sources = {
            "run": {"BATCHES": np.full(org.channels, batches)},
            "requests": requests,
            "commands": counters.Table(host.commands, codes),
            "llc": counters.Table(self.counted, llc),
        }
        counts = counters.evaluate("host", sources, org.channels, org.burst_bytes)
        cycles = max(host.cycles, ceil_div(int(self.taken[0]), self.system.host.llc_bytes_per_cycle))
        dram = [host.energy_counts(channel) for channel in self.channels]
        return result.SimulationResult(
            trace=self.reader.path,
            algorithm=self.reader.meta.algorithm,
            system=self.system,
            device=self.device,
            memory=result.FIRST_MEMORY if self.device.is_hbm else result.SECOND_MEMORY,
            cycles=cycles,
            batches=batches,
            counts=counts,
            made_by=self.reader.meta.command_line,
            energy=energy.host_energy(
                self.device, self.system, dram, counts, cycles=cycles, simulated=host.cycles
            ),
        )

    def close(self) -> None:
        """It has no threads of its own."""
