"""What `ppim replay` says on stderr, and the check that no request got lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ppim.errors import PpimError
from ppim.stats.replay import ReplayFigures
from ppim.units import ceil_div

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
    merging: bool
    refused_cycles: int  # cycles in which a due request found its channel's queue full
    last_accepted_cycle: int  # -1: none


def injection_gb_per_s(figures: ReplayFigures, inject: int) -> float:
    """Bandwidth at which `inject` requests per memory cycle ask."""
    return inject * figures.device.organization.burst_bytes / figures.device.timing.tCK


def what_binds(figures: ReplayFigures, front: FrontEnd) -> tuple[str, float]:
    """What the front end spent most of its cycles on up to the last acceptance, and the share of them.

    A cycle is spent handing requests over (bound by injection), holding a due request that its channel
    has no room for (by the memory), or waiting for the next arrival cycle (by the trace).
    """
    handing_over = ceil_div(figures.total("requests"), front.inject)
    all_cycles = front.last_accepted_cycle + 1
    shares = {
        "injection": handing_over,
        "memory": front.refused_cycles,
        "the trace's arrival cycles": all_cycles - handing_over - front.refused_cycles,
    }
    name = max(shares, key=lambda name: shares[name])
    return name, shares[name] / all_cycles


def check_conservation(figures: ReplayFigures, front: FrontEnd, *, complete: bool) -> None:
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


def summary(figures: ReplayFigures, front: FrontEnd) -> Iterator[str]:
    """Lines of the summary."""
    device, organization = figures.device, figures.device.organization
    yield f"{front.path}: {front.requests:,} requests, format {front.format}"
    if front.beyond_device:
        yield (
            f"  {front.beyond_device:,} addresses lie beyond the {organization.capacity_bytes / GIBIBYTE:g} GiB "
            "of the device and alias lower ones, as in DRAMsim3"
        )
    yield f"{device.name}: {figures.cycles:,} cycles, {figures.time_ns / 1e3:,.3f} us"
    yield _served(figures, front)
    yield _commands(figures)
    latency_sum, reads = figures.total("read_latency_sum_cycles"), figures.total("completed_reads")
    if reads:
        yield f"  read latency: {latency_sum / reads:.1f} cycles on average"
    yield _bandwidth(figures, front)
    if figures.total("requests"):
        yield _binding(figures, front)
    yield _energy(figures)


def _served(figures: ReplayFigures, front: FrontEnd) -> str:
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


def _commands(figures: ReplayFigures) -> str:
    activates = sum(channel.energy.activates for channel in figures.channels)
    refreshes = sum(channel.energy.refreshes + channel.energy.bank_refreshes for channel in figures.channels)
    commands, hits = figures.total("column_commands"), figures.total("row_hits")
    share = f" ({hits / commands:.1%} of column commands)" if commands else ""
    return (
        f"  commands: {activates:,} activates, {figures.total('precharges'):,} precharges, "
        f"{refreshes:,} refreshes; {hits:,} row hits{share}"
    )


def _bandwidth(figures: ReplayFigures, front: FrontEnd) -> str:
    peak = figures.device.peak_gb_per_s
    offered = injection_gb_per_s(figures, front.inject)
    return (
        f"  bandwidth: {figures.achieved_gb_per_s:.1f} GB/s achieved; limits: memory {peak:.1f} GB/s at peak, "
        f"injection {offered:.1f} GB/s ({front.inject} a cycle)"
    )


def _binding(figures: ReplayFigures, front: FrontEnd) -> str:
    name, share = what_binds(figures, front)
    return f"  bound by: {name} ({share:.0%} of the cycles until the last request was taken in)"


def _energy(figures: ReplayFigures) -> str:
    energies = figures.energies_pj()
    parts = {name: sum(getattr(energy, name) for energy in energies) for name in ENERGY_PARTS}
    shown = ", ".join(
        f"{name.replace('_', ' ')} {value / PICOJOULES_PER_NANOJOULE:,.1f}"
        for name, value in parts.items()
        if value
    )
    total = sum(energy.total for energy in energies) / PICOJOULES_PER_NANOJOULE
    return f"  energy: {total:,.1f} nJ" + (f" ({shown})" if shown else "")
