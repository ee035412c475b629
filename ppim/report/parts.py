"""What bars of time, traffic and energy are made of: names for people, and colours that all readers can tell apart.

The colours are those of Okabe and Ito (Color Universal Design, 2008), with two greys. They also differ in brightness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ppim.report.read import Run

BLUE, SKY, GREEN, YELLOW = "#0072B2", "#56B4E9", "#009E73", "#F0E442"
ORANGE, RED, PINK, GREY, DARK = "#E69F00", "#D55E00", "#CC79A7", "#C8C8C8", "#5F5F5F"
SERIES = (BLUE, ORANGE, GREEN, RED, PINK, SKY, DARK, YELLOW)
"""Colours of curves, in the order of their use."""


@dataclass(frozen=True)
class Part:
    """One part of a stacked bar.

    Attributes
    ----------
    name : str
        Column of the stats CSV, or what stands for several.
    label : str
        For people.
    colour : str
    meaning : str
    """

    name: str
    label: str
    colour: str
    meaning: str


TIME = (
    Part("busy_cycles", "busy", BLUE, "a command or data on the move"),
    Part("stall_refresh_cycles", "refresh", PINK, "a refresh holds back what waits"),
    Part("stall_compute_cycles", "compute", GREEN, "waiting for arithmetic"),
    Part("stall_bus_cycles", "bus", ORANGE, "waiting for the external bus"),
    Part("stall_bank_cycles", "bank", RED, "waiting for a bank, or for data that it was asked for"),
    Part("stall_issue_cycles", "issue", SKY, "waiting for instruction slots"),
    Part("idle_cycles", "idle", GREY, "at a barrier, or for lack of work"),
)
"""Classes of cycles: each cycle of a channel is in one."""

WHOLE = Part("whole", "not divided (host)", DARK, "hosts have no classes of cycles")

DRAM_TRAFFIC = (
    Part("demand", "demand", BLUE, "reads and writes that an access asks for"),
    Part("prefetch", "prefetch", SKY, "reads ahead of use"),
)
"""Bytes between DRAM banks and their units or bus."""

OUTSIDE_TRAFFIC = (
    Part("outward", "read out, sums, host", ORANGE, "rows read out, sums of bags, and all that a host reads"),
    Part("delivered", "delivered", RED, "rows that the host sends to PIM units"),
)
"""Bytes on the external data bus."""

ENERGY = (
    Part("energy_activate_pj", "activate", BLUE, "opening and closing DRAM rows"),
    Part("energy_read_pj", "read", SKY, "READ commands, without I/O"),
    Part("energy_write_pj", "write", YELLOW, "WRITE commands, without I/O"),
    Part("energy_refresh_pj", "refresh", PINK, "refreshes"),
    Part("energy_background_pj", "background", GREY, "standby of the DRAM"),
    Part("energy_cache_pj", "cache", GREEN, "SRAM"),
    Part("energy_compute_pj", "compute", RED, "arithmetic of the units"),
    Part("energy_collect_pj", "collect", DARK, "adding sums on their way"),
    Part("energy_io_pj", "I/O", ORANGE, "bits over the external pins"),
)
"""Parts of `energy_total_pj`."""


def time_parts(run: Run) -> dict[str, float]:
    """Nanoseconds of each class of cycles; of `whole` for a run that has none."""
    return dict(run.class_ns) or {WHOLE.name: run.time_ns}


def traffic_parts(run: Run) -> dict[str, float]:
    """Bytes of each part of `DRAM_TRAFFIC` and `OUTSIDE_TRAFFIC`."""
    bursts = run.totals.get("reads", 0) + run.totals.get("writes", 0)
    dram, outside = run.totals.get("bytes_dram", 0), run.totals.get("bytes_external", 0)
    prefetch = run.totals.get("prefetch_reads", 0) * dram / bursts if bursts else 0
    delivered = run.totals.get("bytes_delivered", 0)
    return {
        "demand": dram - prefetch,
        "prefetch": prefetch,
        "outward": outside - delivered,
        "delivered": delivered,
    }


def energy_parts(run: Run) -> dict[str, float]:
    """Picojoules of each part; empty where the run has no total, because a figure is missing for something it did."""
    if "energy_total_pj" not in run.totals:
        return {}
    return {part.name: run.totals[part.name] for part in ENERGY if part.name in run.totals}


def used(parts: Sequence[Part], values: Sequence[Mapping[str, float]]) -> list[Part]:
    """Parts that are not zero everywhere."""
    return [part for part in parts if any(each.get(part.name) for each in values)]
