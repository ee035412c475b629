"""The slow twin of PIM mode: objects for every part of `docs/model.md`, and a clock that ticks every cycle.

Nothing is skipped, cached or shared with the engine: each method says one rule of the model (§) or of the
timing table (host-controller.md §9-11), so that it can be read against the text. What the text leaves open is
decided where a comment begins with "Decided".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from ppim.dram.device import Device
from ppim.prefetch.base import Phase
from ppim.program.instruction import (
    ADDRESS,
    ALL,
    BURSTS,
    CHANNEL,
    DELIVER,
    HIT,
    KIND,
    LISTED,
    LOOKUP,
    LOOKUP_BURSTS,
    LOOKUP_COMPUTE,
    LOOKUP_OPERANDS,
    LOOKUP_SUM,
    MOVE_IN,
    MOVE_OUT,
    N_SUMS,
    NONE,
    ORDER,
    PREFETCH,
    READ,
    READ_OUT,
    RECEIVER_LOOKUP,
    RECEIVER_MARK,
    RECEIVER_SHARERS,
    SHARERS,
    STEP,
    SUM,
    SUM_BURSTS,
    SUM_CHANNEL,
    SUM_LOOKUPS,
    SUM_ORDINAL,
    SUM_PARENT,
    SUM_TURN,
    SUM_UNIT,
    TRANSFER,
    TURN,
    UNIT,
    Program,
)
from ppim.systems.spec import SystemSpec

ACTIVATE_COMMAND = "activate"
PRECHARGE_COMMAND = "precharge"
READ_COMMAND = "read"
WRITE_COMMAND = "write"
REFRESH_COMMAND = "refresh"

READS_THAT_END_ROW_PROTECTION = 4
ACTIVATES_IN_WINDOW = 4
ACTIVATES_IN_LONG_WINDOW = 32
COMMAND_DELAY = 2  # cycles from a slot to the first command (§2)
ACCESSES = (READ, READ_OUT, HIT)
MOVES = (MOVE_OUT, MOVE_IN)
DEMAND = (*ACCESSES, *MOVES)
OUTWARDS, INWARDS = "outwards", "inwards"


class TwinStuckError(RuntimeError):
    """The program did not complete within the allowed cycles, or left work that can never complete."""


@dataclass(frozen=True)
class Command:
    """One DRAM command; fields that do not apply are -1, as in a command trace."""

    cycle: int
    command: str
    rank: int
    bankgroup: int = -1
    bank: int = -1
    row: int = -1
    column: int = -1


@dataclass(frozen=True)
class BusUse:
    """Cycles start..end-1 of a channel's data bus."""

    start: int
    end: int
    kind: str  # "read_out" (of rows that move, too), "deliver", "write" or "transfer"
    rank: int  # of a read-out, else -1

    @property
    def direction(self) -> str:
        return INWARDS if self.kind in ("deliver", "write") else OUTWARDS


@dataclass
class ChannelResult:
    """Counts of one channel up to the end of the run; bursts are column accesses."""

    instructions: int = 0
    reads: int = 0
    writes: int = 0
    activates: int = 0
    precharges: int = 0
    refreshes: int = 0
    row_hits: int = 0
    prefetch_reads: int = 0
    read_out_bursts: int = 0
    delivered_bursts: int = 0
    transfer_bursts: int = 0
    compute_cycles: int = 0
    active: list[tuple[int, int]] = field(default_factory=list)  # (cycle, rank) with an open bank
    commands: list[Command] = field(default_factory=list)
    bus_uses: list[BusUse] = field(default_factory=list)


@dataclass
class TwinResult:
    """What a run did.

    Attributes
    ----------
    cycles : int
        Last completion; commands of cycles 0..cycles-1 are counted.
    turn_complete : list of int
        Completion of each turn.
    slots : list of dict
        For each instruction: stream -> cycle of its slot.
    deliver_slots : dict
        READ_OUT instruction -> cycle of its deliver's slot, of the last one if it has several.
    lookup_complete, lookup_end : list of int
        Cycle in which a lookup has all operands, and in which its arithmetic ends.
    sum_ready : list of int
        Cycle in which a sum is complete.
    transfer_starts : list of tuple
        (channel, sum, start of bus use) of each transfer that moved something.
    delivers : list of tuple
        (slot, channel, READ_OUT instruction) of each deliver.
    """

    cycles: int
    channels: list[ChannelResult]
    turn_complete: list[int]
    slots: list[dict[int, int]]
    deliver_slots: dict[int, int]
    lookup_complete: list[int]
    lookup_end: list[int]
    sum_ready: list[int]
    transfer_starts: list[tuple[int, int, int]]
    delivers: list[tuple[int, int, int]]


def simulate(
    device: Device, system: SystemSpec, program: Program, *, most_cycles: int = 1_000_000
) -> TwinResult:
    """Run `program` on the PIM units of `system`, one cycle after the other.

    Raises
    ------
    ValueError
        The system asks for something that the twin does not have.
    TwinStuckError
        Not complete after `most_cycles` cycles, or the program's lookups and sums do not add up.
    """
    return Simulation(device, system, program).run(most_cycles)


@dataclass(eq=False)
class Lookup:
    """One lookup in the unit that owns it."""

    index: int
    sum: Sum
    unit: Unit
    operands_missing: int
    compute_cycles: int
    buffer_bursts: int
    complete: int = 0  # latest arrival of an operand so far
    end: int = -1  # of its arithmetic, once known


@dataclass(eq=False)
class Sum:
    """Partial sum of one bag in one unit; or what a collector makes of a bag's partial sums (§4)."""

    index: int
    channel: int
    unit: int  # NONE: a collector's
    lookups_missing: int  # a collector's: partial sums
    ordinal: int  # sums that its unit had before it
    bursts: int  # a collector's
    turn: Turn
    parent: Sum | None = None  # the collector's sum that it is added to
    ready: int = 0  # latest end of an addition so far
    left: int | None = None  # end of its transfer, once known


@dataclass(eq=False)
class Turn:
    """One table's part of one batch."""

    batch: int
    left: int = 0  # demand instructions and transfers whose completion is not known yet
    complete: int = 0
    elsewhere: Callable[[int], bool] | None = (
        None  # whether its part in another memory is complete by a cycle
    )

    def done(self, time: int) -> None:
        self.left -= 1
        self.complete = max(self.complete, time)

    def is_complete_by(self, t: int) -> bool:
        is_complete_here = self.left == 0 and self.complete <= t
        return is_complete_here and (self.elsewhere is None or self.elsewhere(t))


@dataclass(eq=False)
class Instruction:
    """One row of the program."""

    index: int
    kind: int
    channel: int
    unit: int
    address: int
    bursts: int
    turn_index: int
    turn: Turn
    lookups: list[Lookup]  # that use the row; where several units do, in their order
    sums: list[Sum]
    read_out: int  # of a DELIVER: index of the instruction whose data it sends
    phase: int

    @property
    def lookup(self) -> Lookup:
        """The first lookup that is served."""
        return self.lookups[0]

    def lookups_in(self, unit: Unit) -> list[Lookup]:
        """Those whose operand the row is when it is in `unit`."""
        return [x for x in self.lookups if x.unit is unit]


@dataclass(eq=False)
class Delivery:
    """Read data that the host holds (at `ready`) for some lookups of one unit."""

    instruction: Instruction
    lookups: list[Lookup]
    ready: int


@dataclass(eq=False)
class Transfer:
    """One vector of partial sums on its way out."""

    sum: Sum
    bursts: int
    sent: int
    turn: Turn

    @property
    def ready(self) -> int:
        return max(self.sent + COMMAND_DELAY, self.sum.ready)

    @property
    def is_collected(self) -> bool:
        """Whether it is a collector's sum that leaves."""
        return self.sum.unit == NONE


@dataclass(eq=False)
class Access:
    """What one instruction reads in one unit: its runs together."""

    instruction: Instruction
    bursts_left: int


@dataclass(eq=False)
class Entry:
    """One run: the bursts of an instruction that lie in one row of one bank."""

    access: Access
    row: int
    column: int  # of the next burst
    bursts_left: int

    @property
    def kind(self) -> int:
        return self.access.instruction.kind

    @property
    def phase(self) -> int:
        return self.access.instruction.phase


class Bus:
    """Data bus of a channel (§4): one end of reservation, nothing is inserted before it."""

    def __init__(self, turnaround_cycles: int) -> None:
        self.turnaround_cycles = turnaround_cycles
        self.uses: list[BusUse] = []
        self.end = 0  # of what is reserved, and of the instructions that took its pins

    def free_from(self, kind: str, rank: int = -1) -> int:
        """First cycle at which a use of this kind may start."""
        if not self.uses:
            return self.end
        last = self.uses[-1]
        direction = INWARDS if kind in ("deliver", "write") else OUTWARDS
        # Decided: ranks are changed between read-outs only; transfers and delivers have no rank.
        rank_changes = kind == last.kind == "read_out" and rank != last.rank
        if direction != last.direction or rank_changes:
            return self.end + self.turnaround_cycles
        return self.end

    def take_pins(self, t: int, cycles: int) -> None:
        """§2: an instruction that is sent at t; what is reserved already keeps its place."""
        self.end = max(self.end, t) + cycles

    def reserve(self, start: int, length: int, kind: str, rank: int = -1) -> int:
        assert start >= self.free_from(kind, rank)
        self.uses.append(BusUse(start, start + length, kind, rank))
        self.end = start + length
        return self.end


class Bank:
    """Row state, earliest times and queue of one bank."""

    def __init__(self, rank: int, bankgroup: int, bank: int) -> None:
        self.rank = rank
        self.bankgroup = bankgroup
        self.bank = bank
        self.unit: Unit
        self.queue: list[Entry] = []
        self.prefetch_queue: list[Entry] = []  # with prefetch = "next"
        self.open_row: int | None = None
        self.reads_since_activate = 0
        self.earliest = {
            ACTIVATE_COMMAND: 0,
            PRECHARGE_COMMAND: 0,
            READ_COMMAND: 0,
            WRITE_COMMAND: 0,
            REFRESH_COMMAND: 0,
        }


class Unit:
    """A PIM unit: its banks, its arithmetic, its place in the round robins."""

    def __init__(self, channel: Channel, index: int, banks: list[Bank]) -> None:
        self.channel = channel
        self.index = index
        self.banks = banks
        for bank in banks:
            bank.unit = self
        self.last_issuer = 0  # Decided: as host-controller.md §7, the first look starts after bank 0.
        self.joining: list[tuple[Bank, Entry]] = []  # sent in the cycle before
        self.arithmetic_end = 0
        self.lookups: list[Lookup] = []  # complete or sure to become so, in order of arithmetic

    def runs(self, address: int, bursts: int) -> list[tuple[Bank, int, int, int]]:
        """(bank, row, first column, bursts) of each DRAM row that an access touches (§3)."""
        per_row = self.channel.simulation.device.organization.bursts_per_row
        runs = []
        while bursts:
            column = address % per_row
            bank = self.banks[address // per_row % len(self.banks)]
            row = address // per_row // len(self.banks)
            length = min(bursts, per_row - column)
            runs.append((bank, row, column, length))
            address += length
            bursts -= length
        return runs

    def queue_of(self, bank: Bank, kind: int) -> list[Entry]:
        """§5: with two buffers, prefetches have queues of their own."""
        has_two = self.channel.simulation.system.prefetch.policy.buffers == 2
        return bank.prefetch_queue if has_two and kind == PREFETCH else bank.queue

    def places_taken(self, bank: Bank, kind: int) -> int:
        """Of the queue of a bank; what was sent in this cycle has its place already."""
        queue = self.queue_of(bank, kind)
        joining = [x for to, x in self.joining if to is bank and self.queue_of(to, x.kind) is queue]
        return len(queue) + len(joining)

    def look(self) -> tuple[list[list[Entry]], int | None]:
        """(queue of each bank that is looked at, phase that may issue)."""
        if self.channel.simulation.system.prefetch.policy.buffers == 1:
            return [bank.queue for bank in self.banks], self.smallest_phase()
        entries = [entry for bank in self.banks for entry in bank.queue + bank.prefetch_queue]
        entries += [entry for _, entry in self.joining]
        used = min((x.access.instruction.turn_index for x in entries if x.kind != PREFETCH), default=None)
        fetched = min((x.access.instruction.turn_index for x in entries if x.kind == PREFETCH), default=None)
        demand_may_issue = used is not None and (fetched is None or fetched > used)
        if demand_may_issue and any(bank.queue for bank in self.banks):
            return [bank.queue for bank in self.banks], used
        if fetched is not None and used is not None and used <= fetched - 2:
            fetched = None
        return [bank.prefetch_queue for bank in self.banks], fetched

    def smallest_phase(self) -> int | None:
        """Smallest phase with a burst still to be read (§5), entries on their way included."""
        phases = [entry.phase for bank in self.banks for entry in bank.queue + bank.prefetch_queue]
        phases += [entry.phase for _, entry in self.joining]
        return min(phases, default=None)

    def buffered_bursts(self, t: int) -> int:
        """Bursts of lookups that are complete and whose arithmetic has not ended (§6)."""
        return sum(lookup.buffer_bursts for lookup in self.lookups if lookup.complete <= t < lookup.end)

    def operand(self, lookup: Lookup, arrival: int) -> None:
        """An operand will be in the unit at `arrival`; the last one appends the arithmetic (§6)."""
        lookup.operands_missing -= 1
        lookup.complete = max(lookup.complete, arrival)
        if lookup.operands_missing == 0:
            lookup.end = max(lookup.complete, self.arithmetic_end) + lookup.compute_cycles
            self.arithmetic_end = lookup.end
            self.lookups.append(lookup)
            lookup.sum.lookups_missing -= 1
            lookup.sum.ready = max(lookup.sum.ready, lookup.end)
            self.channel.simulation.completed(lookup.end)

    def act(self, t: int) -> bool:
        """Issue at most one command; whether it was an ACTIVATE."""
        queues, phase = self.look()
        for step in range(1, len(self.banks) + 1):
            index = (self.last_issuer + step) % len(self.banks)
            bank = self.banks[index]
            offer = self.offer(bank, queues[index], phase, t)
            if offer is not None:
                command, entry = offer
                self.channel.issue(command, bank, t, entry)
                self.last_issuer = index
                return command == ACTIVATE_COMMAND
        return False

    def offer(self, bank: Bank, queue: list[Entry], phase: int | None, t: int) -> tuple[str, Entry] | None:
        """The command that a bank would issue at t for entries of this phase, and the entry that wants it (§3)."""
        window = queue[: self.channel.simulation.system.pim.unit_window]
        visible = [entry for entry in window if entry.phase == phase]
        if not visible:
            return None
        oldest = visible[0]
        if bank.open_row is None:
            return (ACTIVATE_COMMAND, oldest) if self.channel.may_activate(bank, t) else None
        row_is_protected = (
            any(entry.row == bank.open_row for entry in visible)
            and bank.reads_since_activate < READS_THAT_END_ROW_PROTECTION
        )
        for entry in visible:
            if entry.row == bank.open_row:
                if entry.kind == MOVE_IN:
                    if self.may_write(bank, t):
                        return WRITE_COMMAND, entry
                elif self.may_read(bank, entry, t):
                    return READ_COMMAND, entry
            elif entry is oldest and not row_is_protected and bank.earliest[PRECHARGE_COMMAND] <= t:
                return PRECHARGE_COMMAND, entry
        return None

    def may_write(self, bank: Bank, t: int) -> bool:
        """§15: its data come over the channel's bus, from t + WL on."""
        if bank.earliest[WRITE_COMMAND] > t:
            return False
        write_latency = self.channel.simulation.device.timing.write_latency
        return self.channel.bus.free_from("write") <= t + write_latency

    def may_read(self, bank: Bank, entry: Entry, t: int) -> bool:
        if bank.earliest[READ_COMMAND] > t:
            return False
        if entry.kind in (READ_OUT, MOVE_OUT):
            read_latency = self.channel.simulation.device.timing.read_latency
            return self.channel.bus.free_from("read_out", bank.rank) <= t + read_latency
        limit = self.channel.simulation.system.compute.unit_buffer_bursts
        return limit == 0 or entry.kind == PREFETCH or self.buffered_bursts(t) < limit


class Channel:
    """Banks, units, refresh list, bus and waiting transfers of one channel."""

    def __init__(self, simulation: Simulation, index: int) -> None:
        self.simulation = simulation
        self.index = index
        organization = simulation.device.organization
        self.banks = [
            Bank(rank, bankgroup, bank)
            for rank in range(organization.ranks)
            for bankgroup in range(organization.bankgroups)
            for bank in range(organization.banks_per_group)
        ]
        self.units = [
            Unit(self, unit, banks)
            for unit, banks in enumerate(group_banks(self.banks, simulation.system.pim.level))
        ]
        self.last_activator = 0  # Decided: as host-controller.md §7, the first look starts after unit 0.
        self.bus = Bus(simulation.device.timing.tRTRS)
        self.transfers: list[Transfer] = []
        self.link_ends: dict[object, int] = {}  # end of the last use of each link to a collector (§4)
        self.refresh_list: list[int] = []  # ranks
        self.next_rank_to_refresh = 0
        self.activates: dict[object, list[int]] = {}  # by scope of the activate window
        self.result = ChannelResult()

    # One cycle.

    def act(self, t: int) -> None:
        self.reserve_for_transfers(t)
        self.generate_refresh(t)
        held_rank = self.serve_refresh(t)
        self.let_units_act(t, held_rank)
        self.let_entries_join()
        ranks = {bank.rank for bank in self.banks if bank.open_row is not None}
        self.result.active += [(t, rank) for rank in ranks]

    def reserve_for_transfers(self, t: int) -> None:
        """Transfers that become ready reserve the bus, before commands of this cycle do, as sent (§4)."""
        ready = [x for x in self.transfers if x.sum.lookups_missing == 0 and x.ready <= t]
        # Listed as sent; what a collector sends goes first.
        collected = sorted((x for x in ready if x.is_collected), key=lambda x: x.sum.index)
        for transfer in collected + [x for x in ready if not x.is_collected]:
            self.transfers.remove(transfer)
            length = transfer.bursts * self.simulation.bus_cycles_per_burst
            parent = transfer.sum.parent
            if parent is not None and self.simulation.system.pim.collect in ("tree", "rank", "dimm"):
                link = self.link_of(self.units[transfer.sum.unit])
                end = self.link_ends[link] = max(t, self.link_ends.get(link, 0)) + length
            else:
                start = max(t, self.bus.free_from("transfer"))
                end = self.bus.reserve(start, length, "transfer")
                self.result.transfer_bursts += transfer.bursts if parent is None else 0
                self.simulation.transfer_starts.append((self.index, transfer.sum.index, start))
            transfer.sum.left = end
            transfer.turn.done(end)
            self.simulation.completed(end)
            if parent is not None:
                self.simulation.add_to_collector(parent, end)

    def link_of(self, unit: Unit) -> object:
        """§4: to the tree each unit has its own; to a buffer chip those of a rank share one."""
        if self.simulation.system.pim.collect == "tree":
            return unit.index
        return "rank", unit.banks[0].rank

    def generate_refresh(self, t: int) -> None:
        """host-controller.md §9: at every positive multiple of the interval."""
        device = self.simulation.device
        if t > 0 and t % device.refresh_interval_cycles == 0:
            self.refresh_list.append(self.next_rank_to_refresh)
            if device.controller.refresh_policy == "RANK_LEVEL_STAGGERED":
                self.next_rank_to_refresh = (self.next_rank_to_refresh + 1) % device.organization.ranks

    def serve_refresh(self, t: int) -> int | None:
        """Issue at most one command for the head of the list; the rank that is held at t, if any."""
        if not self.refresh_list:
            return None
        rank = self.refresh_list[0]
        banks = [bank for bank in self.banks if bank.rank == rank]
        for bank in banks:
            if bank.open_row is not None and bank.earliest[PRECHARGE_COMMAND] <= t:
                self.issue(PRECHARGE_COMMAND, bank, t)
                return rank
        if all(bank.open_row is None and bank.earliest[REFRESH_COMMAND] <= t for bank in banks):
            self.issue_refresh(rank, t)
            del self.refresh_list[0]
        return rank

    def let_units_act(self, t: int, held_rank: int | None) -> None:
        start = self.last_activator + 1  # in an earlier cycle
        for step in range(len(self.units)):
            unit = self.units[(start + step) % len(self.units)]
            # Decided: a unit that spans ranks is held as a whole.
            if any(bank.rank == held_rank for bank in unit.banks):
                continue
            if unit.act(t):
                self.last_activator = unit.index

    def let_entries_join(self) -> None:
        for unit in self.units:
            for bank, entry in unit.joining:
                unit.queue_of(bank, entry.kind).append(entry)
            unit.joining.clear()

    # Commands and their timing.

    def activate_window_scope(self, bank: Bank) -> object:
        """Whose activates count together; None: no window (units smaller than a rank, no rules between them)."""
        smaller = len(bank.unit.banks) < self.simulation.device.organization.banks_per_rank
        if smaller and self.simulation.system.pim.cross_unit_timing == "none":
            return None
        return bank.rank

    def may_activate(self, bank: Bank, t: int) -> bool:
        """host-controller.md §10 and §11."""
        if bank.earliest[ACTIVATE_COMMAND] > t:
            return False
        device = self.simulation.device
        scope = self.activate_window_scope(bank)
        if scope is None:
            return True
        earlier = self.activates.get(scope, [])
        if len(earlier) >= ACTIVATES_IN_WINDOW and earlier[-ACTIVATES_IN_WINDOW] > t - device.timing.tFAW:
            return False
        return not (
            device.is_gddr
            and len(earlier) >= ACTIVATES_IN_LONG_WINDOW
            and earlier[-ACTIVATES_IN_LONG_WINDOW] > t - device.timing.t32AW
        )

    def issue(self, command: str, bank: Bank, t: int, entry: Entry | None = None) -> None:
        row = column = -1
        if command == ACTIVATE_COMMAND:
            assert entry is not None
            row = entry.row
            bank.open_row = row
            bank.reads_since_activate = 0
            self.activates.setdefault(self.activate_window_scope(bank), []).append(t)
            self.result.activates += 1
        elif command == PRECHARGE_COMMAND:
            bank.open_row = None
            self.result.precharges += 1
        else:
            assert entry is not None
            row, column = entry.row, entry.column
            (self.write if command == WRITE_COMMAND else self.read)(bank, entry, t)
        for other in self.banks:
            for later, distance in self.distances(command, bank, other).items():
                other.earliest[later] = max(other.earliest[later], t + distance)
        self.result.commands.append(Command(t, command, bank.rank, bank.bankgroup, bank.bank, row, column))

    def issue_refresh(self, rank: int, t: int) -> None:
        for bank in self.banks:
            if bank.rank == rank:
                for later in (ACTIVATE_COMMAND, REFRESH_COMMAND):
                    bank.earliest[later] = max(bank.earliest[later], t + self.simulation.device.timing.tRFC)
        self.result.refreshes += 1
        self.result.commands.append(Command(t, REFRESH_COMMAND, rank))

    def distances(self, command: str, bank: Bank, other: Bank) -> dict[str, int]:
        """One row of the table in host-controller.md §10: later command at `other` -> least distance in cycles.

        Between units the rules of §3 remain: the same bank group's always, tRRD_S under "physical".
        """
        device = self.simulation.device
        timing = device.timing
        one_group = device.organization.bankgroups == 1
        column_same_group = max(timing.burst_cycles, timing.tCCD_S if one_group else timing.tCCD_L)
        column_other_group = max(timing.burst_cycles, timing.tCCD_S)
        activate_same_group = timing.tRRD_S if one_group else timing.tRRD_L
        two_delays = device.is_gddr or device.is_hbm
        own_activate_to_read = timing.tRCDRD if two_delays else timing.tRCD - timing.AL
        own_activate_to_write = timing.tRCDWR if two_delays else timing.tRCD - timing.AL
        # A write's data follow a read's, with time to turn the bus; a read waits for a write's last data.
        read_to_write = timing.read_latency + timing.burst_cycles + timing.tRTRS - timing.write_latency
        written = timing.write_latency + timing.burst_cycles
        write_to_read_same_group = written + (timing.tWTR_S if one_group else timing.tWTR_L)
        has_precharge_distance = device.protocol in ("GDDR5", "GDDR5X", "GDDR6", "LPDDR4")

        same_unit = bank.unit is other.unit
        same_rank = bank.rank == other.rank
        same_group = same_rank and bank.bankgroup == other.bankgroup
        physical = self.simulation.system.pim.cross_unit_timing == "physical"

        if command == ACTIVATE_COMMAND:
            if bank is other:
                return {
                    ACTIVATE_COMMAND: timing.tRC,
                    READ_COMMAND: own_activate_to_read,
                    WRITE_COMMAND: own_activate_to_write,
                    PRECHARGE_COMMAND: timing.tRAS,
                }
            if same_group:
                return {ACTIVATE_COMMAND: activate_same_group}
            if same_rank and (same_unit or physical):
                return {ACTIVATE_COMMAND: timing.tRRD_S}
        elif command == READ_COMMAND:
            if bank is other:
                return {
                    READ_COMMAND: column_same_group,
                    WRITE_COMMAND: read_to_write,
                    PRECHARGE_COMMAND: timing.AL + timing.tRTP,
                }
            if same_group:
                return {READ_COMMAND: column_same_group, WRITE_COMMAND: read_to_write}
            if same_rank and same_unit:
                return {READ_COMMAND: column_other_group, WRITE_COMMAND: read_to_write}
            if same_unit:
                return {READ_COMMAND: timing.burst_cycles + timing.tRTRS, WRITE_COMMAND: read_to_write}
        elif command == WRITE_COMMAND:
            if bank is other:
                return {
                    READ_COMMAND: write_to_read_same_group,
                    WRITE_COMMAND: column_same_group,
                    PRECHARGE_COMMAND: written + timing.tWR,
                }
            if same_group:
                return {READ_COMMAND: write_to_read_same_group, WRITE_COMMAND: column_same_group}
            if same_rank and same_unit:
                return {READ_COMMAND: written + timing.tWTR_S, WRITE_COMMAND: column_other_group}
            if same_unit:
                return {
                    READ_COMMAND: written + timing.tRTRS - timing.read_latency,
                    WRITE_COMMAND: timing.burst_cycles,
                }
        elif command == PRECHARGE_COMMAND:
            if bank is other:
                return {ACTIVATE_COMMAND: timing.tRP, REFRESH_COMMAND: timing.tRP}
            if has_precharge_distance and (same_group or (same_rank and same_unit)):
                return {PRECHARGE_COMMAND: timing.tPPD}
        return {}

    def take_burst(self, bank: Bank, entry: Entry) -> Access:
        """Count a column command of an entry, which leaves its queue with its last one."""
        self.result.row_hits += bank.reads_since_activate > 0
        bank.reads_since_activate += 1
        entry.column += 1
        entry.bursts_left -= 1
        if entry.bursts_left == 0:
            bank.unit.queue_of(bank, entry.kind).remove(entry)
        entry.access.bursts_left -= 1
        return entry.access

    def write(self, bank: Bank, entry: Entry, t: int) -> None:
        """State, data and bus of a WRITE at t (§15)."""
        simulation, timing = self.simulation, self.simulation.device.timing
        self.result.writes += 1
        access = self.take_burst(bank, entry)
        start = t + timing.write_latency
        simulation.completed(self.bus.reserve(start, simulation.bus_cycles_per_burst, "write"))
        if access.bursts_left == 0:
            access.instruction.turn.done(start + timing.burst_cycles)
            simulation.completed(start + timing.burst_cycles)

    def read(self, bank: Bank, entry: Entry, t: int) -> None:
        """State, data and bus of a READ at t (§4)."""
        simulation = self.simulation
        self.result.reads += 1
        access = self.take_burst(bank, entry)
        instruction = access.instruction
        if instruction.kind in (READ_OUT, MOVE_OUT):
            timing = simulation.device.timing
            self.result.read_out_bursts += 1
            start = t + timing.read_latency
            simulation.completed(
                self.bus.reserve(start, simulation.bus_cycles_per_burst, "read_out", bank.rank)
            )
            if access.bursts_left == 0:
                in_host = t + timing.read_latency + timing.burst_cycles
                if instruction.kind == MOVE_OUT:
                    instruction.turn.done(in_host)
                elif simulation.system.pim.consumer == "host":
                    self.serve(instruction.lookups, instruction, in_host)
                else:
                    simulation.hand_to_host(instruction, in_host + simulation.system.pim.host_latency)
            return
        arrival = t + simulation.unit_read_latency
        simulation.completed(arrival)
        if instruction.kind == PREFETCH:
            self.result.prefetch_reads += 1
        elif access.bursts_left == 0:
            self.serve(instruction.lookups_in(bank.unit), instruction, arrival)

    @staticmethod
    def serve(lookups: list[Lookup], instruction: Instruction, arrival: int) -> None:
        """The row of a demand instruction is where these lookups of those that it serves need it (§1)."""
        for lookup in lookups:
            lookup.unit.operand(lookup, arrival)
            instruction.turn.done(arrival)


class Stream:
    """A front end: instructions in program order, and delivers ahead of it (§2)."""

    def __init__(
        self, simulation: Simulation, index: int, channels: list[Channel], instructions: list[Instruction]
    ) -> None:
        self.simulation = simulation
        self.index = index
        self.channels = channels
        self.instructions = instructions
        self.delivers: list[Delivery] = []
        pim = simulation.system.pim
        is_global = pim.frontend == "global"
        self.bits = 1 if is_global else pim.instruction_bits
        self.bits_per_cycle = 1 if is_global else pim.command_bits_per_cycle
        self.has_data_pins = not is_global and pim.instruction_pins == "command-and-data"
        self.path_free = Fraction(0)  # when the last bit of what was sent has gone
        self.slots: list[tuple[int, int]] = []  # (cycle, first cycle in which the next one can begin)

    def act(self, t: int) -> None:
        """As many slots as begin in this cycle."""
        while math.floor(self.path_free) <= t and self.use_slot(t):
            begin = max(self.path_free, Fraction(t))
            self.path_free = begin + Fraction(self.bits, self.bits_per_cycle)
            self.slots.append((t, math.floor(self.path_free)))
            if self.has_data_pins:
                self.channels[0].bus.take_pins(t, math.floor(self.path_free) - t)

    def use_slot(self, t: int) -> bool:
        """Send what comes next; whether there is something."""
        in_order = self.simulation.system.pim.deliver == "in-order"
        due = [] if in_order else [deliver for deliver in self.delivers if deliver.ready <= t]
        if due:
            first = min(due, key=lambda deliver: (deliver.ready, deliver.instruction.index))
            self.delivers.remove(first)
            self.simulation.send_deliver(first, t)
        elif self.instructions and self.instructions[0].kind == DELIVER:
            return self.deliver_in_order(self.instructions[0], t)
        elif self.instructions and not self.is_blocked(self.instructions[0], t):
            self.send(self.instructions.pop(0), t)
        else:
            return False
        return True

    def deliver_in_order(self, instruction: Instruction, t: int) -> bool:
        """Send what the host holds at t of the read-out that a DELIVER belongs to (§2); whether it does."""
        for delivery in self.delivers:
            if delivery.instruction.index == instruction.read_out and delivery.ready <= t:
                self.delivers.remove(delivery)
                self.instructions.pop(0)
                self.simulation.slots[instruction.index][self.index] = t
                self.simulation.send_deliver(delivery, t)
                return True
        return False

    def is_blocked(self, instruction: Instruction, t: int) -> bool:
        if instruction.kind in DEMAND:
            if not self.simulation.is_released(instruction, t):
                return True
            if not all(self.simulation.has_accumulator(x.sum, t) for x in instruction.lookups):
                return True
        room = self.simulation.system.pim.queue_entries
        if room == 0 or instruction.kind in (HIT, TRANSFER):
            return False
        for unit in self.units_of(instruction):
            banks = [run[0] for run in unit.runs(instruction.address, instruction.bursts)]
            if any(unit.places_taken(bank, instruction.kind) + banks.count(bank) > room for bank in banks):
                return True
        return False

    def channels_of(self, instruction: Instruction) -> list[Channel]:
        return [x for x in self.channels if instruction.channel in (ALL, x.index)]

    def units_of(self, instruction: Instruction) -> list[Unit]:
        return [
            unit
            for channel in self.channels_of(instruction)
            for unit in channel.units
            if instruction.unit in (ALL, unit.index)
        ]

    def send(self, instruction: Instruction, t: int) -> None:
        simulation = self.simulation
        simulation.slots[instruction.index][self.index] = t
        for channel in self.channels_of(instruction):
            channel.result.instructions += 1
        if instruction.kind == HIT:
            arrival = t + COMMAND_DELAY + simulation.system.cache.cache_latency
            for unit in self.units_of(instruction):
                unit.channel.serve(instruction.lookups_in(unit), instruction, arrival)
            simulation.completed(arrival)
        elif instruction.kind == TRANSFER:
            self.send_transfer(instruction, t)
        else:
            for unit in self.units_of(instruction):
                access = Access(instruction, instruction.bursts)
                for bank, row, column, bursts in unit.runs(instruction.address, instruction.bursts):
                    unit.joining.append((bank, Entry(access, row, column, bursts)))

    def send_transfer(self, instruction: Instruction, t: int) -> None:
        """Each channel moves the sums that it has; without any, the transfer is empty (§4)."""
        for channel in self.channels_of(instruction):
            sums = [x for x in instruction.sums if x.channel == channel.index]
            for sum_ in sums:
                channel.transfers.append(Transfer(sum_, instruction.bursts, t, instruction.turn))
            if not sums:
                instruction.turn.done(t + COMMAND_DELAY)
                self.simulation.completed(t + COMMAND_DELAY)


class Simulation:
    """All channels and streams, and what ties them together: delivers, turns, the end."""

    def __init__(self, device: Device, system: SystemSpec, program: Program) -> None:
        refuse_what_is_not_modelled(device)
        self.device = device
        self.system = system
        timing = device.timing
        self.bus_cycles_per_burst = max(timing.burst_cycles, timing.tCCD_S)
        given = system.pim.unit_read_latency
        self.unit_read_latency = timing.read_latency + timing.burst_cycles if given < 0 else given
        self.last_completion = 0
        self.deliver_slots: dict[int, int] = {}
        self.delivers: list[tuple[int, int, int]] = []
        self.transfer_starts: list[tuple[int, int, int]] = []
        self.channels = [Channel(self, channel) for channel in range(device.organization.channels)]
        self.turns = [Turn(int(batch)) for batch in program.turn_batch]
        self.sums = [self.make_sum(index, row) for index, row in enumerate(program.sums)]
        for sum_, row in zip(self.sums, program.sums, strict=True):
            sum_.parent = self.sums[row[SUM_PARENT]] if row[SUM_PARENT] != NONE else None
        self.collected: list[Sum] = []  # in this cycle
        # Receivers stand among lookups, which keep their numbers.
        self.receivers = {
            index: range(row[RECEIVER_LOOKUP], row[RECEIVER_LOOKUP] + 1 + row[RECEIVER_SHARERS])
            for index, row in enumerate(program.lookups)
            if row[RECEIVER_MARK] == NONE
        }
        self.lookup_at = {
            index: self.make_lookup(index, row, program)
            for index, row in enumerate(program.lookups)
            if index not in self.receivers
        }
        self.lookups = list(self.lookup_at.values())
        self.instructions = [
            self.make_instruction(index, row) for index, row in enumerate(program.instructions)
        ]
        self.slots: list[dict[int, int]] = [{} for _ in self.instructions]
        self.streams = self.make_streams()
        self.count_what_turns_wait_for()

    def make_sum(self, index: int, row: np.ndarray) -> Sum:
        return Sum(
            index,
            int(row[SUM_CHANNEL]),
            int(row[SUM_UNIT]),
            int(row[SUM_LOOKUPS]),
            int(row[SUM_ORDINAL]),
            int(row[SUM_BURSTS]),
            self.turns[row[SUM_TURN]],
        )

    def make_lookup(self, index: int, row: np.ndarray, program: Program) -> Lookup:
        sum_row = program.sums[row[LOOKUP_SUM]]
        unit = self.channels[sum_row[SUM_CHANNEL]].units[sum_row[SUM_UNIT]]
        if row[LOOKUP_OPERANDS] < 1:
            raise ValueError(f"lookup {index} waits for no operand, so nothing starts its arithmetic")
        return Lookup(
            index,
            self.sums[row[LOOKUP_SUM]],
            unit,
            int(row[LOOKUP_OPERANDS]),
            int(row[LOOKUP_COMPUTE]),
            int(row[LOOKUP_BURSTS]),
        )

    def make_instruction(self, index: int, row: np.ndarray) -> Instruction:
        kind, turn = int(row[KIND]), int(row[TURN])
        first, n_sums = int(row[SUM]), int(row[N_SUMS])
        return Instruction(
            index,
            kind,
            int(row[CHANNEL]),
            int(row[UNIT]),
            int(row[ADDRESS]),
            int(row[BURSTS]),
            turn,
            self.turns[turn],
            self.lookups_of(kind, row),
            self.sums[first : first + n_sums] if kind == TRANSFER and n_sums else [],
            int(row[ORDER]),
            self.phase(kind, turn),
        )

    def lookups_of(self, kind: int, row: np.ndarray) -> list[Lookup]:
        """Those served: one and its sharers, in one unit or in each that is reached; or one of each unit."""
        if kind not in ACCESSES:
            return []
        first, step, sharers = int(row[LOOKUP]), int(row[STEP]), int(row[SHARERS])
        if kind == READ_OUT and step == LISTED:
            served = [self.receivers[receiver] for receiver in range(first, first + 1 + sharers)]
            return [self.lookup_at[number] for numbers in served for number in numbers]
        if kind == READ_OUT and step:
            return [self.lookup_at[first + n * step] for n in range(1 + sharers)]
        units = 1
        if row[UNIT] == ALL:
            units = sum(len(x.units) for x in self.channels if row[CHANNEL] in (ALL, x.index))
        return [self.lookup_at[first + n * step + s] for n in range(units) for s in range(1 + sharers)]

    def phase(self, kind: int, turn: int) -> int:
        """§5."""
        policy = self.system.prefetch.policy
        if policy.phase == Phase.NEVER:
            return 0
        if policy.phase == Phase.AT_START:
            return 0 if kind == PREFETCH else 1
        if policy.buffers == 2:
            return turn
        return 2 * turn if kind == PREFETCH else 2 * turn + 1

    def make_streams(self) -> list[Stream]:
        if self.system.pim.frontend == "global":
            return [Stream(self, 0, self.channels, list(self.instructions))]
        return [
            Stream(
                self,
                channel.index,
                [channel],
                [x for x in self.instructions if x.channel in (ALL, channel.index)],
            )
            for channel in self.channels
        ]

    def count_what_turns_wait_for(self) -> None:
        """§7: demand reads, delivers (one for each unit that a read-out is for), hits, moves, transfers (full and empty)."""
        for stream in self.streams:
            for instruction in stream.instructions:
                if instruction.kind in ACCESSES:
                    instruction.turn.left += len(instruction.lookups)
                elif instruction.kind in MOVES:
                    instruction.turn.left += 1
                elif instruction.kind == TRANSFER:
                    for channel in stream.channels_of(instruction):
                        sums = sum(x.channel == channel.index for x in instruction.sums)
                        instruction.turn.left += max(sums, 1)
        for sum_ in self.sums:
            if sum_.unit == NONE:
                sum_.turn.left += 1

    # What ties channels together.

    def completed(self, time: int) -> None:
        self.last_completion = max(self.last_completion, time)

    def hand_to_host(self, instruction: Instruction, ready: int) -> None:
        """The host will hold the row of a READ_OUT: for each unit a deliver, in the stream of its channel."""
        for unit in dict.fromkeys(lookup.unit for lookup in instruction.lookups):
            (stream,) = (x for x in self.streams if unit.channel in x.channels)
            stream.delivers.append(Delivery(instruction, instruction.lookups_in(unit), ready))

    def send_deliver(self, delivery: Delivery, t: int) -> None:
        """§4: it reserves the bus of the owner's channel at its slot."""
        instruction, unit = delivery.instruction, delivery.lookups[0].unit
        bus = unit.channel.bus
        start = max(t + self.device.timing.write_latency, bus.free_from("deliver"))
        end = bus.reserve(start, instruction.bursts * self.bus_cycles_per_burst, "deliver")
        unit.channel.result.instructions += 1
        unit.channel.result.delivered_bursts += instruction.bursts
        self.deliver_slots[instruction.index] = t
        self.delivers.append((t, unit.channel.index, instruction.index))
        unit.channel.serve(delivery.lookups, instruction, end)
        self.completed(end)

    def add_to_collector(self, collector: Sum, end: int) -> None:
        """§4: a partial sum arrives; the last one lets the bag's sum leave."""
        pim = self.system.pim
        levels = 1
        if pim.collect == "tree":
            levels = math.ceil(math.log2(sum(len(channel.units) for channel in self.channels)))
        collector.ready = max(collector.ready, end + levels * pim.collect_cycles)
        collector.lookups_missing -= 1
        if collector.lookups_missing == 0:
            self.collected.append(collector)

    def list_collected(self) -> None:
        """Collectors' sums join the transfers of their channels without an instruction."""
        for sum_ in self.collected:
            transfer = Transfer(sum_, sum_.bursts, -COMMAND_DELAY, sum_.turn)
            self.channels[sum_.channel].transfers.append(transfer)
        self.collected.clear()

    def has_accumulator(self, sum_: Sum, t: int) -> bool:
        """§6: the sum that is in the way has left the unit by t."""
        limit = self.system.compute.unit_accumulators
        if limit == 0:
            return True
        before = [
            x
            for x in self.sums
            if (x.channel, x.unit, x.ordinal) == (sum_.channel, sum_.unit, sum_.ordinal - limit)
        ]
        return all(x.left is not None and x.left <= t for x in before)

    def is_released(self, instruction: Instruction, t: int) -> bool:
        """§7; decided: all turns (batches) before it must be complete, not only the one just before."""
        barrier = self.system.pim.barrier
        if barrier == "none":
            limit = self.system.pim.turns_open
            before = self.turns[: max(instruction.turn_index + 1 - limit, 0)] if limit else []
        elif barrier == "table":
            before = self.turns[: instruction.turn_index]
        else:
            before = [turn for turn in self.turns if turn.batch < instruction.turn.batch]
        return all(turn.is_complete_by(t - self.system.pim.host_latency) for turn in before)

    # The clock.

    def run(self, most_cycles: int) -> TwinResult:
        t = 0
        while t < self.last_completion or self.has_work():
            if t >= most_cycles:
                raise TwinStuckError(f"not complete after {most_cycles} cycles")
            self.step(t)
            t += 1
        return self.finish()

    def step(self, t: int) -> None:
        """One cycle."""
        for channel in self.channels:
            channel.act(t)
        self.list_collected()
        for stream in self.streams:
            stream.act(t)

    def finish(self, end: int | None = None) -> TwinResult:
        """What is counted, once all work is done; `end`: of a run that another memory ends."""
        if any(lookup.operands_missing for lookup in self.lookups):
            raise TwinStuckError("a lookup still waits for operands that no instruction brings")
        if any(sum_.lookups_missing for sum_ in self.sums):
            raise TwinStuckError("a sum still waits for lookups that are not there")
        return self.collect(self.last_completion if end is None else end)

    def has_work(self) -> bool:
        return any(stream.instructions or stream.delivers for stream in self.streams) or any(
            channel.transfers or any(unit.smallest_phase() is not None for unit in channel.units)
            for channel in self.channels
        )

    def collect(self, end: int) -> TwinResult:
        for channel in self.channels:
            channel.result.bus_uses = channel.bus.uses
            channel.result.active = [one for one in channel.result.active if one[0] < end]
        for lookup in self.lookups:
            lookup.unit.channel.result.compute_cycles += lookup.compute_cycles
        return TwinResult(
            self.last_completion,
            [channel.result for channel in self.channels],
            [turn.complete for turn in self.turns],
            self.slots,
            self.deliver_slots,
            [lookup.complete for lookup in self.lookups],
            [lookup.end for lookup in self.lookups],
            [x.ready for x in self.sums],
            self.transfer_starts,
            self.delivers,
        )


def group_banks(banks: list[Bank], level: str) -> list[list[Bank]]:
    """The banks of each unit of a channel, in the order of their flat ids."""
    groups: dict[object, list[Bank]] = {}
    for bank in banks:
        key = {
            "channel": (),
            "rank": (bank.rank,),
            "bankgroup": (bank.rank, bank.bankgroup),
            "bank": (bank.rank, bank.bankgroup, bank.bank),
        }[level]
        groups.setdefault(key, []).append(bank)
    return list(groups.values())


def refuse_what_is_not_modelled(device: Device) -> None:
    if device.controller.refresh_policy == "BANK_LEVEL_STAGGERED":
        raise ValueError("PIM mode refreshes ranks; BANK_LEVEL_STAGGERED is not modelled")
