"""A host that reads every row through its last-level cache."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.engine import codes
from ppim.engine.commands import CommandSink
from ppim.engine.host import HostReplay, sources
from ppim.program import llc
from ppim.stats import counters, energy, latency, result
from ppim.systems.spec import HostSpec, SystemSpec
from ppim.trace.reader import TraceChunk, TraceReader
from ppim.units import ceil_div

LINES_PER_CALL = 1 << 20


class HostRun:
    """The host reads every row through its last-level cache; misses go to the memory.

    With an open loop they go there in the trace's order, as fast as the cache can have asked for them. With a closed
    one cores take the bags, and ask for a line when one of those that they wait for has come.
    """

    def __init__(
        self, reader: TraceReader, system: SystemSpec, device: Device, commands: CommandSink | None = None
    ) -> None:
        self.reader, self.system, self.device = reader, system, device
        self.parts = 1
        host = system.host
        self.layout = llc.lay_out(reader.meta, device)
        self.llc_bytes = llc.scaled_bytes(host, reader.meta)
        self.tags = llc.make_llc(host, self.llc_bytes)
        self.counted = np.zeros((device.organization.channels, llc.N_LLC_COUNTS), dtype=np.int64)
        self.commands = commands
        self.channels = range(device.organization.channels)
        self.is_closed = host.loop == "closed"
        # Requests that the cache lets through are distinct loads of the host: none is merged.
        self.replay = HostReplay(
            device,
            inject=host.requests_per_cycle,
            merge=False,
            command_trace=commands is not None,
            sources=_cores(device, host) if self.is_closed else None,
        )
        line, longest = host.llc_line_bytes, int(self.layout.row_bytes.max())
        self.lines_of_row = longest // line + (longest + 2 * line) // self.layout.burst_bytes + 4  # at most
        self.taken = 0  # bytes through the cache so far

    @property
    def placements(self) -> tuple[None]:
        """No unit reads rows."""
        return (None,)

    def feed(self, chunk: TraceChunk) -> None:
        """Filter a chunk and offer its misses, whole bags at a time."""
        bags = llc.first_accesses(chunk)
        first, accesses = 0, LINES_PER_CALL // self.lines_of_row
        while first < len(bags) - 1:
            last = int(np.searchsorted(bags, bags[first] + accesses, side="right")) - 1
            last = max(last, first + 1)
            self._feed(chunk, bags[first : last + 1])
            first = last
            if self.commands is not None:
                self.commands(self.channels, self.replay.take_commands())

    def _feed(self, chunk: TraceChunk, bags: NDArray[np.int64]) -> None:
        start, stop = int(bags[0]), int(bags[-1])
        host, line = self.system.host, self.system.host.llc_line_bytes
        rows = np.empty(stop - start + 1, dtype=np.int64)
        addresses = np.empty((stop - start) * self.lines_of_row, dtype=np.int64)
        sizes = np.empty_like(addresses)
        n = llc.list_lines(
            self.layout, self.tags, line, chunk, start, stop, self.counted, rows, addresses, sizes
        )
        addresses, sizes = addresses[:n], sizes[:n]
        missed = addresses != llc.FOUND
        if self.is_closed:
            begins_row = np.zeros(n, dtype=np.bool_)
            begins_row[rows[:-1]] = True
            kinds = np.where(missed, sources.READ, sources.IN_CACHE).astype(np.uint8)
            cycles = np.zeros(n, dtype=np.int64)
            self.replay.feed_lines(
                sources.Lines(rows[bags - start], kinds, addresses, cycles, sizes, begins_row), is_last=False
            )
        else:
            before = self.taken + np.concatenate(([0], np.cumsum(np.add.reduceat(sizes, rows[:-1]))))
            cycles = np.repeat(before[:-1] // host.llc_bytes_per_cycle, np.diff(rows))[missed]
            self.replay.feed(addresses[missed], np.zeros(cycles.size, dtype=np.bool_), cycles)
            self.taken = int(before[-1])

    def finish(self, batches: int) -> result.SimulationResult:
        """Drain the memory and collect."""
        if self.is_closed:
            self.replay.feed_lines(sources.no_lines(), is_last=True)
        host = self.replay.finish()
        paced = ceil_div(self.taken, self.system.host.llc_bytes_per_cycle)
        last = self.replay.last_cycle_of_sources if self.is_closed else paced
        if self.commands is not None and host.command_streams is not None:
            self.commands(self.channels, host.command_streams)
        requests = {
            "READS": host.reads,
            "WRITES": host.writes,
            "ROW_HITS": host.row_hits,
            "COLUMN_COMMANDS": host.column_commands,
        }
        org = self.device.organization
        told: counters.Sources = {
            "run": {"BATCHES": np.full(org.channels, batches)},
            "requests": requests,
            "commands": counters.Table(host.commands, codes),
            "llc": counters.Table(self.counted, llc),
        }
        counts = counters.evaluate("host", told, org.channels, org.burst_bytes)
        cycles = max(host.cycles, last)
        as_run = replace(self.system, host=replace(self.system.host, llc_bytes=self.llc_bytes))
        period = self.device.timing.tCK
        reads = latency.Histogram.of_requests(host.read_latencies, self.channels).distribution(
            lambda cycles: cycles * period
        )
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
            latency={} if reads is None else {"read": reads},
            energy=energy.host_energy(
                self.device, as_run, dram, counts, cycles=cycles, simulated=host.cycles
            ),
        )

    def close(self) -> None:
        """It has no threads of its own."""


def _cores(device: Device, host: HostSpec) -> sources.Sources:
    return sources.make_sources(
        device,
        host.cores,
        host.misses_per_core,
        row_ns=host.row_ns,
        near_ns=host.llc_ns,
        far_ns=host.memory_ns,
        bytes_per_cycle=host.llc_bytes_per_cycle,
    )
