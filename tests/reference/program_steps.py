"""What the program builder's twin writes: instructions, lookups and sums by name."""

from __future__ import annotations

from dataclasses import dataclass, field

SumName = tuple[int, int, int, int]  # turn, bag, channel, unit


@dataclass(frozen=True)
class Step:
    """One instruction of one stream. `lookup` counts the trace's lookups; a HIT has no address."""

    kind: int
    channel: int
    unit: int
    turn: int
    address: int = 0
    bursts: int = 0
    lookup: int | None = None
    sharers: int = 0
    sums: tuple[SumName, ...] = ()
    order: int | None = None  # of a READ_OUT among all of the program, and of its DELIVER
    # From the lookup of one unit to the next unit's, where several use the row; LISTED: `lookup` is the first receiver.
    step: int = 0


@dataclass
class LookupStep:
    sum: SumName
    operands: int = 0
    compute_cycles: int = 0
    bursts: int = 0
    macs: int = 0


@dataclass(frozen=True)
class ReceiverStep:
    """Lookups of one unit to which a row is delivered, among those of their turn."""

    sum: SumName
    lookup: int
    sharers: int


@dataclass
class TwinProgram:
    """What the builder should write and count."""

    streams: list[list[Step]]
    lookups: list[LookupStep | ReceiverStep] = field(default_factory=list)
    sums: dict[SumName, int] = field(default_factory=dict)  # lookups of each
    ordinals: dict[SumName, int] = field(default_factory=dict)  # sums of its unit before it
    # turn, bag, (channel, number) of a collector -> sums that it adds up
    collected: dict[tuple[int, int, tuple[int, int]], list[SumName]] = field(default_factory=dict)
    turn_batch: list[int] = field(default_factory=list)
    counts: dict[str, list[int]] = field(default_factory=dict)  # by channel
    unit_accesses: list[int] = field(default_factory=list)
