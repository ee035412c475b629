"""The result of `ppim replay`, what it says on stderr, and the check that no request got lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ppim import __version__
from ppim.dram.device import Device
from ppim.dram.energy import negative_parts
from ppim.errors import PpimError
from ppim.files import atomic_path
from ppim.machine import environment
from ppim.stats import counters, replay
from ppim.stats.latency import PERCENTILES, Distribution
from ppim.units import ceil_div

if TYPE_CHECKING:
    import pandas as pd


GIBIBYTE = 2**30
PICOJOULES_PER_NANOJOULE = 1e3
ENERGY_PARTS = ("activate", "read", "write", "refresh", "refresh_bank", "background")


@dataclass(frozen=True)
class FrontEnd:
    """How the requests came in."""

    path: str
    format: str
    requests: int
    beyond_device: int  # addresses that alias lower ones
    inject: int  # requests per memory cycle at most
    outstanding: int | None  # requests under way at most; None: as many as find room
    merging: bool
    refused_cycles: int  # cycles in which a due request found its channel's queue full
    last_accepted_cycle: int  # -1: none
    request_bytes: int  # that a request can at most ask for, as the addresses are aligned; at most a burst


@dataclass(frozen=True)
class ReplayResult:
    """What a replay of plain requests counted.

    Attributes
    ----------
    figures : ReplayFigures
        Device, length, and the counts of each channel.
    front : FrontEnd
        How the requests came in.
    """

    figures: replay.ReplayFigures
    front: FrontEnd

    @property
    def device(self) -> Device:
        """The memory device, all parameters included."""
        return self.figures.device

    @property
    def cycles(self) -> int:
        """Length of the run in memory cycles."""
        return self.figures.cycles

    @property
    def time_ns(self) -> float:
        """Length of the run in nanoseconds of simulated time."""
        return self.figures.time_ns

    @cached_property
    def channels(self) -> pd.DataFrame:
        """A row a channel, with the columns of the stats CSV; NaN for a cycle that there was none of."""
        import pandas as pd

        rows = (
            {key: None if value == "" else value for key, value in row.items()} for row in self.figures.rows()
        )
        return pd.DataFrame(rows, columns=list(replay.COLUMNS))

    @property
    def totals(self) -> dict[str, int | float]:
        """Sums over the channels, of the columns that have a sum."""
        rows = list(self.figures.rows())
        return {
            name: sum(row[name] for row in rows)
            for name, each in counters.REPLAY_COLUMNS.items()
            if each.over == "sum"
        }

    @property
    def latency(self) -> dict[str, Distribution]:
        """How long a `read` and a `write` took, from acceptance to their last data, in ns."""
        return self.figures.latency

    @property
    def configuration(self) -> dict[str, Any]:
        """All that the run depends on."""
        front = asdict(self.front)
        names = ("path", "format", "inject", "outstanding", "merging")
        return {
            "ppim_version": __version__,
            "environment": environment(),
            **{name: front[name] for name in names},
            "device": asdict(self.device),
        }

    def speedup_over(self, other: ReplayResult) -> float:
        """How many times as fast as another run of the same requests this one is, in simulated time."""
        return other.time_ns / self.time_ns

    def write_csv(self, path: str | Path) -> None:
        """Write the stats CSV, whole or not at all.

        Raises
        ------
        InputError
            A path that cannot be written.
        """
        with atomic_path(Path(path)) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            replay.write_csv(self.figures, file)

    def write_json(self, path: str | Path) -> None:
        """Write totals, and all that is needed to repeat the run; as `write_csv`."""
        content = {
            "cycles": self.cycles,
            "time_ns": self.time_ns,
            "totals": self.totals,
            "latency": {name: asdict(one) for name, one in self.latency.items()},
            **self.configuration,
        }
        with atomic_path(Path(path)) as temporary:
            temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def injection_gb_per_s(figures: replay.ReplayFigures, inject: int) -> float:
    """Bandwidth at which `inject` requests per memory cycle ask."""
    return inject * figures.device.organization.burst_bytes / figures.device.timing.tCK


def what_binds(figures: replay.ReplayFigures, front: FrontEnd) -> tuple[str, float]:
    """What the front end spent most of its cycles on up to the last acceptance, and the share of them.

    A cycle is spent handing requests over (bound by injection), holding a due request that its channel
    has no room for (by the memory), or waiting for the next arrival cycle (by the trace) or, where the requests under
    way are limited, for one of them.
    """
    handing_over = ceil_div(figures.total("requests"), front.inject)
    all_cycles = front.last_accepted_cycle + 1
    waiting = "the trace's arrival cycles"
    if front.outstanding is not None:
        waiting = f"the {front.outstanding:,} requests that may be under way, or {waiting}"
    shares = {
        "injection": handing_over,
        "memory": front.refused_cycles,
        waiting: all_cycles - handing_over - front.refused_cycles,
    }
    name = max(shares, key=lambda name: shares[name])
    return name, shares[name] / all_cycles


def check_conservation(figures: replay.ReplayFigures, front: FrontEnd, *, complete: bool) -> None:
    """Every request is served exactly once: by its own command, by another's, or from a waiting write.

    Parameters
    ----------
    complete : bool
        The run was to finish; otherwise it may stop with requests still under way.

    Raises
    ------
    PpimError
        Requests are missing, or served twice; says how many and in which channel.
    """
    taken = figures.total("requests")
    if complete and taken != front.requests:
        raise PpimError(f"{front.requests - taken:,} of {front.requests:,} requests never entered the memory")
    for channel in figures.channels:
        lost = channel.requests - channel.served
        if lost < 0 or (complete and lost):
            raise PpimError(
                f"channel {channel.channel}: {channel.requests:,} requests taken in, {channel.served:,} served "
                f"({channel.column_commands:,} column commands + {channel.merged:,} merged "
                f"+ {channel.forwarded:,} forwarded)"
            )


def summary_lines(result: ReplayResult) -> Iterator[str]:
    """A few lines for a person."""
    figures, front = result.figures, result.front
    device, organization = figures.device, figures.device.organization
    yield f"{front.path}: {front.requests:,} requests, format {front.format}"
    if front.beyond_device:
        yield (
            f"  {front.beyond_device:,} addresses lie beyond the {organization.capacity_bytes / GIBIBYTE:g} GiB "
            "of the device and alias lower ones, as in DRAMsim3"
        )
    if front.requests and front.request_bytes < organization.burst_bytes:
        yield (
            f"  asked for: {front.requests * front.request_bytes:,} bytes at most, since addresses are multiples of "
            f"{front.request_bytes} bytes only; served in whole bursts of {organization.burst_bytes} bytes"
        )
    yield f"{device.name}: {figures.cycles:,} cycles, {figures.time_ns / 1e3:,.3f} us"
    yield _served(figures, front)
    yield _commands(figures)
    yield from _latencies(figures)
    yield _bandwidth(figures, front)
    if figures.total("requests"):
        yield _binding(figures, front)
    yield _energy(figures)


def note_lines(result: ReplayResult) -> Iterator[str]:
    """What a person should know of the figures."""
    for note in negative_parts(result.device):
        yield f"note: {note}"


def _served(figures: replay.ReplayFigures, front: FrontEnd) -> str:
    reads = sum(channel.energy.reads for channel in figures.channels)
    writes = sum(channel.energy.writes for channel in figures.channels)
    served = figures.total("served")
    off = "" if front.merging else " (merging is off)"
    line = (
        f"  served: {served:,} = {reads:,} reads + {writes:,} writes "
        f"+ {figures.total('merged'):,} merged{off} + {figures.total('forwarded'):,} forwarded"
    )
    if served == front.requests:
        return line
    waiting = figures.total("requests") - served
    return f"{line}; at the end {waiting:,} under way, {front.requests - figures.total('requests'):,} not taken in"


def _commands(figures: replay.ReplayFigures) -> str:
    activates = sum(channel.energy.activates for channel in figures.channels)
    refreshes = sum(channel.energy.refreshes + channel.energy.bank_refreshes for channel in figures.channels)
    commands, hits = figures.total("column_commands"), figures.total("row_hits")
    share = f" ({hits / commands:.1%} of column commands)" if commands else ""
    return (
        f"  commands: {activates:,} activates, {figures.total('precharges'):,} precharges, "
        f"{refreshes:,} refreshes; {hits:,} row hits{share}"
    )


def _latencies(figures: replay.ReplayFigures) -> Iterator[str]:
    for kind, spread in (("read", figures.read_latency()), ("write", figures.write_latency())):
        if spread.count:
            shown = ", ".join(f"{percent} % {spread.percentile(percent):,}" for percent in PERCENTILES)
            yield f"  {kind} latency in cycles: mean {spread.mean:,.1f}, {shown}, most {spread.longest:,}"


def _bandwidth(figures: replay.ReplayFigures, front: FrontEnd) -> str:
    peak = figures.device.peak_gb_per_s
    offered = injection_gb_per_s(figures, front.inject)
    return (
        f"  bandwidth: {figures.achieved_gb_per_s:.1f} GB/s achieved; limits: memory {peak:.1f} GB/s at peak, "
        f"injection {offered:.1f} GB/s ({front.inject} a cycle)"
    )


def _binding(figures: replay.ReplayFigures, front: FrontEnd) -> str:
    name, share = what_binds(figures, front)
    return f"  bound by: {name} ({share:.0%} of the cycles until the last request was taken in)"


def _energy(figures: replay.ReplayFigures) -> str:
    energies = figures.energies_pj()
    parts = {name: sum(getattr(energy, name) for energy in energies) for name in ENERGY_PARTS}
    shown = ", ".join(
        f"{name.replace('_', ' ')} {value / PICOJOULES_PER_NANOJOULE:,.1f}"
        for name, value in parts.items()
        if value
    )
    total = sum(energy.total for energy in energies) / PICOJOULES_PER_NANOJOULE
    return f"  energy: {total:,.1f} nJ" + (f" ({shown})" if shown else "")
