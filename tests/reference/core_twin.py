"""Cores that wait for their lines, before the slow controller of `host_twin`: docs/model.md, "Host", in plain Python.

Memory and cores are stepped cycle by cycle of the memory. In each, what the cores do up to this cycle is done in the
order of its ticks; what they ask the memory for stands in one line before its front end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ppim.dram.device import Device
from tests.reference.host_twin import Channel, Entry, Issued, map_address

TICKS = 1024  # in a memory cycle


class Line(NamedTuple):
    """One line of a row; `address` is None where the cache has it."""

    address: int | None
    size: int


Row = Sequence[Line]
Bag = Sequence[Row]


class Step(NamedTuple):
    line: Line
    begins_row: bool
    ends_row: bool


@dataclass
class Core:
    now: int = 0
    row_ends: int = 0
    steps: deque[Step] = field(default_factory=deque)
    places: list[int | None] = field(default_factory=list)
    """Of each line under way the tick at which it is there; None: not known yet."""
    finished: bool = False


@dataclass
class CoreRun:
    """What happened: each channel's commands, and when all was over."""

    commands: list[list[Issued]]
    cycles: int
    accepted: list[tuple[int, int, int]]
    """Cycle, core and address of each request, in the order in which they entered the memory."""


class Cores:
    """The cores, the cache's port, and the bags that nobody has taken yet."""

    def __init__(
        self, bags: Sequence[Bag], *, cores: int, places: int, row: int, near: int, rate: int
    ) -> None:
        self.bags = deque(bags)
        self.cores = [Core() for _ in range(cores)]
        self.n_places, self.row, self.near, self.rate = places, row, near, rate
        self.cache_free = 0
        self.last = 0
        self.asked: deque[tuple[int, int]] = deque()  # core, address

    def asks_at(self, core: Core) -> int | None:
        """Tick at which a core can go on; None if that is not known, or never."""
        if core.finished:
            return None
        if not core.steps or len(core.places) < self.n_places:
            return core.now
        known = [tick for tick in core.places if tick is not None]
        return max(core.now, min(known)) if known else None

    def work(self, until: int) -> None:
        """All that reaches the cache or the memory's controller up to a tick."""
        while True:
            ticks = [
                (tick, n) for n, core in enumerate(self.cores) if (tick := self.asks_at(core)) is not None
            ]
            if not ticks:
                return
            tick, number = min(ticks)
            core = self.cores[number]
            if not core.steps:
                if self.bags:
                    core.steps.extend(steps_of(self.bags.popleft()))
                else:
                    core.finished = True
                continue
            begin = max(tick, self.cache_free)
            if begin + self.near > until:
                return
            self.ask(core, number, begin)

    def ask(self, core: Core, number: int, begin: int) -> None:
        if len(core.places) == self.n_places:
            core.places.remove(min(tick for tick in core.places if tick is not None))
        step = core.steps.popleft()
        if step.line.address is None:
            core.places.append(begin + self.near)
            self.last = max(self.last, begin + self.near)
        else:
            core.places.append(None)
            self.asked.append((number, step.line.address))
        if self.rate:
            self.cache_free = begin + step.line.size * TICKS // self.rate
        if step.begins_row:
            core.row_ends = begin + self.row
            self.last = max(self.last, core.row_ends)
        core.now = max(begin, core.row_ends) if step.ends_row else begin

    def receive(self, number: int, tick: int) -> None:
        core = self.cores[number]
        core.places[core.places.index(None)] = tick
        self.last = max(self.last, tick)


def steps_of(bag: Bag) -> list[Step]:
    return [
        Step(line, begins_row=place == 0, ends_row=place == len(row) - 1)
        for row in bag
        for place, line in enumerate(row)
    ]


def run_cores(
    device: Device,
    bags: Sequence[Bag],
    *,
    cores: int,
    places: int,
    row: int = 0,
    near: int = 0,
    far: int = 0,
    rate: int = 0,
    inject: int = 1,
) -> CoreRun:
    """Serve all bags.

    Parameters
    ----------
    bags
        Bags of rows of lines, in the order in which cores take them.
    cores, places
        Cores, and lines that may be under way for each.
    row, near, far
        Ticks: that a row keeps its core; from a core to the cache's answer or the memory's controller; from the
        memory's last data to the core.
    rate
        Bytes that the cache delivers in a memory cycle; 0: any number.
    inject
        Requests that the memory accepts in a cycle.
    """
    channels = [
        Channel(device, follow_defects=False, merging=False) for _ in range(device.organization.channels)
    ]
    host = Cores(bags, cores=cores, places=places, row=row, near=near, rate=rate)
    owner: list[int] = []  # of each accepted request
    under_way: set[int] = set()
    accepted: list[tuple[int, int, int]] = []
    t = 0
    while True:
        for channel in channels:
            channel.step(t)
        for channel in channels:
            for request in sorted(under_way & channel.completions.keys()):
                if channel.completions[request] <= t:
                    under_way.remove(request)
                    host.receive(owner[request], channel.completions[request] * TICKS + far)
        host.work(t * TICKS)
        for _ in range(inject):
            if not host.asked:
                break
            number, address = host.asked[0]
            at = map_address(device, address)
            if not channels[at.channel].has_room(False):
                break
            host.asked.popleft()
            channels[at.channel].accept(Entry(address, False, t + 1, len(owner), at))
            under_way.add(len(owner))
            owner.append(number)
            accepted.append((t, number, address))
        if all(core.finished for core in host.cores) and not under_way and not host.asked:
            break
        t += 1
    return CoreRun([channel.commands for channel in channels], -(-host.last // TICKS), accepted)
