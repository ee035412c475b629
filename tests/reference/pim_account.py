"""Where the time goes, cycle by cycle: the classes of docs/model.md §9, read off the slow twin's state.

The twin is watched, not changed: after each of its cycles every channel is asked each class's question in
turn, with what the twin keeps for itself (queues, refreshes, transfers, slots) and nothing of the engine.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from ppim.dram.device import Device
from ppim.program.instruction import HIT, PREFETCH, READ_OUT, Program
from ppim.systems.spec import SystemSpec
from tests.reference.pim_twin import (
    COMMAND_DELAY,
    READ_COMMAND,
    REFRESH_COMMAND,
    Bank,
    Channel,
    Entry,
    Simulation,
    TwinResult,
)

CLASSES = ("busy", "refresh", "compute", "bus", "bank", "issue", "idle")


def simulate_and_classify(
    device: Device, system: SystemSpec, program: Program, *, most_cycles: int = 1_000_000
) -> tuple[TwinResult, list[Counter[str]]]:
    """Run the twin; its result, and for each channel how many of its cycles fall in each class."""
    simulation = Simulation(device, system, program)
    watches = [Watch(simulation, channel) for channel in simulation.channels]
    result = simulation.run(most_cycles)
    return result, [watch.classify_all(result.cycles) for watch in watches]


@dataclass
class Moment:
    """What was true of a channel at the end of one cycle, as far as logs do not tell."""

    refresh_holds_an_entry: bool
    refreshed_rank_has_an_entry: bool
    buffer_holds_a_read: bool
    an_entry_waits: bool
    a_transfer_lacks_arithmetic_only: bool = False
    reserved: int = 0  # bus uses reserved so far


@dataclass
class Watch:
    """Notes a channel's state in every cycle, after its units have acted and after the streams have."""

    simulation: Simulation
    channel: Channel
    moments: list[Moment] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Look on after the units have acted, and again before the next cycle."""
        channel = self.channel
        let_units_act, act = channel.let_units_act, channel.act

        def act_watched(t: int) -> None:
            self.finish_moment(t)
            act(t)

        def let_units_act_watched(t: int, held: int | None) -> None:
            let_units_act(t, held)
            self.moments.append(self.look_at_queues(t, held))

        channel.act = act_watched  # type: ignore[method-assign]
        channel.let_units_act = let_units_act_watched  # type: ignore[method-assign]

    # Looking.

    def look_at_queues(self, t: int, held_rank: int | None) -> Moment:
        waiting = [bank for bank in self.channel.banks if self.visible(bank)]
        refreshes = [x for x in self.channel.result.commands if x.command == REFRESH_COMMAND]
        runs_until = refreshes[-1].cycle + self.simulation.device.timing.tRFC if refreshes else 0
        return Moment(
            refresh_holds_an_entry=any(self.is_held(bank, held_rank) for bank in waiting),
            refreshed_rank_has_an_entry=t < runs_until
            and any(bank.rank == refreshes[-1].rank for bank in waiting),
            buffer_holds_a_read=any(
                not self.is_held(bank, held_rank) and self.is_held_by_buffer(bank, t) for bank in waiting
            ),
            an_entry_waits=bool(waiting),
        )

    def finish_moment(self, t: int) -> None:
        """At the start of cycle t, nothing has changed since the streams acted in t - 1."""
        if t == 0:
            return
        moment = self.moments[t - 1]
        moment.a_transfer_lacks_arithmetic_only = any(
            transfer.sum.lookups_missing == 0 for transfer in self.channel.transfers
        )
        moment.reserved = len(self.channel.bus.uses)

    def visible(self, bank: Bank) -> list[Entry]:
        queues, phase = bank.unit.look()
        window = queues[bank.unit.banks.index(bank)][: self.simulation.system.pim.unit_window]
        return [entry for entry in window if entry.phase == phase]

    def is_held(self, bank: Bank, held_rank: int | None) -> bool:
        return held_rank is not None and any(other.rank == held_rank for other in bank.unit.banks)

    def is_held_by_buffer(self, bank: Bank, t: int) -> bool:
        """A READ of the open row, timing permitting, finds the buffer full."""
        limit = self.simulation.system.compute.unit_buffer_bursts
        wanted = [
            entry
            for entry in self.visible(bank)
            if entry.row == bank.open_row and entry.kind not in (READ_OUT, PREFETCH)
        ]
        return (
            limit > 0
            and bool(wanted)
            and bank.earliest[READ_COMMAND] <= t
            and bank.unit.buffered_bursts(t) >= limit
        )

    # Classes.

    def classify_all(self, cycles: int) -> Counter[str]:
        self.finish_moment(len(self.moments))
        log = Logs.of(self.simulation, self.channel, cycles)
        return Counter(self.classify(t, log) for t in range(cycles))

    def classify(self, t: int, log: Logs) -> str:
        moment = self.moments[t]
        under_way = any(start <= t < end for start, end in log.under_way)
        if t in log.busy:
            return "busy"
        if moment.refresh_holds_an_entry or moment.refreshed_rank_has_an_entry:
            return "refresh"
        if moment.buffer_holds_a_read or (moment.a_transfer_lacks_arithmetic_only and not under_way):
            return "compute"
        reserved = self.channel.bus.uses[: moment.reserved]
        if any(use.kind != "read_out" and use.end > t for use in reserved):
            return "bus"
        if moment.an_entry_waits or under_way:
            return "bank"
        if any(start <= t < end for start, end in log.sending):
            return "issue"
        return "idle"


@dataclass
class Logs:
    """What commands, bus uses and slots of a whole run say about a channel's cycles."""

    busy: set[int]
    under_way: list[tuple[int, int]]  # from READ, HIT or deliver to the data's arrival
    sending: list[tuple[int, int]]  # from a slot to its end, or to the instruction's arrival if that is later

    @classmethod
    def of(cls, simulation: Simulation, channel: Channel, cycles: int) -> Logs:
        timing = simulation.device.timing
        latency, burst = simulation.unit_read_latency, timing.burst_cycles
        busy: set[int] = set()
        under_way = []
        read_outs = {use.start - timing.read_latency for use in channel.bus.uses if use.kind == "read_out"}
        for command in channel.result.commands:
            busy.add(command.cycle)
        for cycle, is_read_out in reads_of(channel, read_outs):
            arrival = cycle + (timing.read_latency + burst if is_read_out else latency)
            under_way.append((cycle, arrival))
            if not is_read_out:
                busy.update(range(max(cycle, arrival - burst), arrival))
        for use in channel.bus.uses:
            busy.update(range(use.start, use.end))
        stream = simulation.streams[0 if len(simulation.streams) == 1 else channel.index]
        sending = [(slot, max(following, slot + COMMAND_DELAY)) for slot, following in stream.slots]
        under_way += operands_sent(simulation, channel)
        return cls({t for t in busy if t < cycles}, merged(under_way), merged(sending))


def reads_of(channel: Channel, read_outs: set[int]) -> list[tuple[int, bool]]:
    """(cycle, is a read-out) of each READ; at most one READ of a cycle is a read-out."""
    reads = [command.cycle for command in channel.result.commands if command.command == READ_COMMAND]
    found = [(cycle, False) for cycle in reads]
    for cycle in read_outs:
        found.remove((cycle, False))
        found.append((cycle, True))
    return found


def operands_sent(simulation: Simulation, channel: Channel) -> list[tuple[int, int]]:
    """(slot, arrival) of hits and delivers that this channel's units receive."""
    found = []
    for instruction, slots in zip(simulation.instructions, simulation.slots, strict=True):
        if instruction.kind == HIT and any(x.unit.channel is channel for x in instruction.lookups):
            (slot,) = slots.values()
            found.append((slot, slot + COMMAND_DELAY + simulation.system.cache.cache_latency))
    delivers = iter(use for use in channel.bus.uses if use.kind == "deliver")
    for slot, to, _ in sorted(simulation.delivers):
        if to == channel.index:
            found.append((slot, next(delivers).end))
    return found


def merged(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same cycles as few disjoint spans."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
