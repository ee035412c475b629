"""Slices on tracks: what the lines of a log mean, channel by channel; times in cycles of the memory."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ppim.dram.device import Device
from ppim.dram.timing import COMMANDS
from ppim.engine import codes
from ppim.engine.codes import LOG_COLUMN, LOG_COMMAND, LOG_CYCLE, LOG_LANE, LOG_ROW
from ppim.engine.pim import state as s
from ppim.engine.pim.rules import events
from ppim.program import instruction as ins
from ppim.timeline.names import Names
from ppim.timeline.record import Lines, Recorder

ALL = ins.ALL
KINDS = {
    ins.READ: "READ",
    ins.READ_OUT: "READ_OUT",
    ins.HIT: "HIT",
    ins.MOVE_OUT: "MOVE_OUT",
    ins.MOVE_IN: "MOVE_IN",
    ins.PREFETCH: "PREFETCH",
    ins.TRANSFER: "TRANSFER",
    ins.DELIVER: "DELIVER",
}
OPENS, CLOSES = (codes.ACTIVATE,), (codes.PRECHARGE, codes.READ_P, codes.WRITE_P)
READS, WRITES = (codes.READ, codes.READ_P), (codes.WRITE, codes.WRITE_P)

# Processes.
FRONT_END = -1  # of a stream for all channels, and of turns

# Groups of tracks, in the order in which they are shown.
TURNS, BUSY, STREAM, BUS, REFRESHES, LINKS, COLLECTOR, UNITS, BANKS = range(9)
# ... and of a unit's.
COMMANDS_OF_UNIT, DATA, CACHE, ARITHMETIC = range(4)


class Track(NamedTuple):
    """Where slices stand; sorted as they are shown."""

    channel: int  # or FRONT_END
    group: int
    number: int
    part: int
    name: str


@dataclass(frozen=True)
class Slice:
    """Something from `start` up to `end`, in cycles; an instant where they are equal."""

    name: str
    start: float
    end: float
    args: dict[str, Any] = field(default_factory=dict)


Tracks = dict[Track, list[Slice]]


def tracks_of(recorder: Recorder, names: Names | None = None) -> Tracks:
    """All slices of a memory's window, cut at its ends; no two of a track overlap.

    Parameters
    ----------
    recorder : Recorder
        After the run.
    names : Names, optional
        What turns and addresses stand for.
    """
    found: Tracks = {}
    for channel in range(recorder.device.organization.channels):
        lines = recorder.lines(channel)
        reader = (
            _HostChannel(recorder, channel)
            if recorder.parameters is None
            else _PimChannel(recorder, channel, names)
        )
        for track, one in reader.slices(lines):
            found.setdefault(track, []).append(one)
    first, stop = recorder.window.first, recorder.window.stop
    cut = {track: [c for one in slices if (c := _cut(one, first, stop))] for track, slices in found.items()}
    return dict(sorted(_apart({track: slices for track, slices in cut.items() if slices}).items()))


def _cut(one: Slice, first: float, stop: float) -> Slice | None:
    if one.start >= stop or one.end < first or (one.end == first and one.start < first):
        return None
    return Slice(one.name, max(one.start, first), min(one.end, stop), one.args)


def _apart(tracks: Tracks) -> Tracks:
    """Slices that overlap others of their track go to further tracks of the same name."""
    found: Tracks = {}
    for track, slices in tracks.items():
        ends: list[float] = []
        for one in sorted(slices, key=lambda one: (one.start, one.end)):
            place = next((n for n, end in enumerate(ends) if end <= one.start), len(ends))
            if place == len(ends):
                ends.append(one.end)
            ends[place] = one.end
            name = track.name if place == 0 else f"{track.name} ({place + 1})"
            found.setdefault(track._replace(part=track.part + place, name=name), []).append(one)
    return found


def union(stretches: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Stretches without a gap, of those that overlap or touch."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        elif end > start:
            found.append((start, end))
    return found


PARTS = 100  # tracks that slices of one may be spread over


class _Channel:
    """What host and PIM channels have alike: banks, refreshes, and when anything moves."""

    def __init__(self, recorder: Recorder, channel: int) -> None:
        self.device: Device = recorder.device
        self.window, self.channel = recorder.window, channel
        self.moves: list[tuple[float, float]] = []

    def track(self, group: int, name: str, number: int = 0, part: int = 0) -> Track:
        return Track(self.channel, group, number, part * PARTS, name)

    def bank_name(self, lane: int) -> str:
        """A bank by rank, bank group and bank, as far as there are several."""
        org = self.device.organization
        rank, rest = divmod(lane, org.banks_per_rank)
        group, bank = divmod(rest, org.banks_per_group)
        ranks = f"rank {rank} " if org.ranks > 1 else ""
        groups = f"group {group} " if org.bankgroups > 1 else ""
        return f"{ranks}{groups}bank {bank}"

    def banks(self, commands: Lines) -> Iterator[tuple[Track, Slice]]:
        """Rows from their ACTIVATE up to what closes them."""
        lanes = commands[:, LOG_LANE]
        moves = np.isin(commands[:, LOG_COMMAND], (*OPENS, *CLOSES))
        for lane in np.unique(lanes[moves]).tolist():
            since, row = None, -1
            for line in commands[moves & (lanes == lane)].tolist():
                if line[LOG_COMMAND] == codes.ACTIVATE:
                    since, row = line[LOG_CYCLE], line[LOG_ROW]
                elif since is not None:
                    yield self._open_row(lane, row, since, line[LOG_CYCLE])
                    since = None
            if since is not None:
                yield self._open_row(lane, row, since, self.window.stop)

    def _open_row(self, lane: int, row: int, start: int, end: int) -> tuple[Track, Slice]:
        track = self.track(BANKS, self.bank_name(lane), lane)
        return track, Slice(f"row {row}", start, end, {"dram_row": row})

    def refreshes(self, commands: Lines) -> Iterator[tuple[Track, Slice]]:
        """Refreshes and self-refreshes of ranks, and of single banks."""
        timing, org = self.device.timing, self.device.organization
        asleep: dict[int, int] = {}
        for line in commands[commands[:, LOG_COMMAND] >= codes.REFRESH_BANK].tolist():
            cycle, command, lane = line[LOG_CYCLE], line[LOG_COMMAND], line[LOG_LANE]
            rank = lane // org.banks_per_rank
            track = self.track(REFRESHES, f"refresh rank {rank}", rank)
            if command == codes.REFRESH:
                yield track, Slice("refresh", cycle, cycle + timing.tRFC, {"rank": rank})
            elif command == codes.REFRESH_BANK:
                where = {"bank": self.bank_name(lane)}
                yield track, Slice("refresh of a bank", cycle, cycle + timing.tRFCb, where)
            elif command == codes.SELF_REFRESH_ENTER:
                asleep[rank] = cycle
            else:
                yield track, Slice("self refresh", asleep.pop(rank, self.window.first), cycle, {"rank": rank})
        for rank, since in asleep.items():
            track = self.track(REFRESHES, f"refresh rank {rank}", rank)
            yield track, Slice("self refresh", since, self.window.stop, {"rank": rank})

    def busy(self) -> Iterator[tuple[Track, Slice]]:
        """Stretches in which a command is issued or data move."""
        track = self.track(BUSY, "busy")
        for start, end in union(self.moves):
            yield track, Slice("busy", start, end)


class _HostChannel(_Channel):
    """A channel of plain reads and writes."""

    def slices(self, lines: Lines) -> Iterator[tuple[Track, Slice]]:
        yield from self.banks(lines)
        yield from self.refreshes(lines)
        timing = self.device.timing
        bus = self.track(BUS, "data bus")
        for line in lines.tolist():
            cycle, command, lane = line[LOG_CYCLE], line[LOG_COMMAND], line[LOG_LANE]
            args = {"bank": self.bank_name(lane), "dram_row": line[LOG_ROW], "column": line[LOG_COLUMN]}
            is_column = command in (*READS, *WRITES)
            track = self.track(STREAM, "column commands" if is_column else "row commands", int(is_column))
            if not is_column:
                args = {"bank": args["bank"], "dram_row": args["dram_row"]}
            yield track, Slice(COMMANDS[command].upper(), cycle, cycle + 1, args)
            self.moves.append((cycle, cycle + 1))
            if is_column:
                reads = command in READS
                start = cycle + (timing.read_latency if reads else timing.write_latency)
                yield bus, Slice("read" if reads else "write", start, start + timing.burst_cycles, args)
                self.moves.append((start, start + timing.burst_cycles))
        yield from self.busy()


class _PimChannel(_Channel):
    """A channel of PIM units."""

    def __init__(self, recorder: Recorder, channel: int, names: Names | None) -> None:
        super().__init__(recorder, channel)
        assert recorder.parameters is not None
        self.p = recorder.parameters
        self.names = names
        self.recorder = recorder
        self.lookups: dict[int, dict[str, Any]] = {}

    def slices(self, lines: Lines) -> Iterator[tuple[Track, Slice]]:
        kind = lines[:, LOG_COMMAND]
        commands = lines[kind < codes.N_COMMANDS]
        commands = commands[np.lexsort((commands[:, LOG_LANE], commands[:, LOG_CYCLE]))]
        of = {one: lines[kind == one] for one in range(events.SLOT, events.N_KINDS)}
        yield from self.turns(of[events.TURN])
        yield from self.arithmetic(of[events.COMPUTE])
        yield from self.streams(lines, of[events.TURN])
        yield from self.bus_uses(of[events.DELIVER], of[events.TRANSFER])
        yield from self.units(commands)
        yield from self.banks(commands)
        yield from self.refreshes(commands)
        yield from self.busy()

    # ------------------------------------------------------------------------------ what it stands for

    def turn_args(self, turn: int) -> dict[str, Any]:
        return {"turn": turn} if self.names is None else self.names.of_turn(turn)

    def row_args(self, turn: int, address: int, channel: int, unit: int) -> dict[str, Any]:
        return {} if self.names is None else self.names.of_row(turn, address, channel, unit)

    def instruction_args(self, columns: list[int]) -> dict[str, Any]:
        """Arguments of an instruction."""
        kind, turn = columns[ins.KIND], columns[ins.TURN]
        args = self.turn_args(turn)
        if kind in (ins.READ, ins.READ_OUT, ins.MOVE_OUT, ins.MOVE_IN, ins.PREFETCH):
            args |= self.row_args(turn, columns[ins.ADDRESS], columns[ins.CHANNEL], columns[ins.UNIT])
            args |= {"address": columns[ins.ADDRESS], "bursts": columns[ins.BURSTS]}
        if kind != ins.PREFETCH and columns[ins.LOOKUP] != ins.NONE and kind != ins.TRANSFER:
            if columns[ins.STEP] == ins.LISTED:
                return args | {"receivers": 1 + columns[ins.SHARERS], "unit": columns[ins.UNIT]}
            args |= {"lookup": columns[ins.LOOKUP]}
            bag = self.lookups.get(columns[ins.LOOKUP], {}).get("bag")
            if bag is not None:
                args["bag"] = bag
        if kind == ins.TRANSFER:
            args |= {"sums": columns[ins.N_SUMS], "bursts": columns[ins.BURSTS]}
        args["unit"] = "all" if columns[ins.UNIT] == ALL else columns[ins.UNIT]
        return args

    # --------------------------------------------------------------------------------- kinds of lines

    def turns(self, lines: Lines) -> Iterator[tuple[Track, Slice]]:
        """From the first slot of a turn's demand to its last completion."""
        track = Track(FRONT_END, TURNS, 0, 0, "turns")
        for line in lines.tolist():
            turn, start = line[events.EVENT_TURN], line[events.TURN_BEGIN]
            if start <= line[LOG_CYCLE]:  # otherwise it has no demand
                args = self.turn_args(turn)
                yield track, Slice(str(args.get("table", f"turn {turn}")), start, line[LOG_CYCLE], args)
        if self.channel == 0:
            yield from self.unfinished_turns(track, set(lines[:, events.EVENT_TURN].tolist()))

    def unfinished_turns(self, track: Track, ended: set[int]) -> Iterator[tuple[Track, Slice]]:
        """Turns whose demand is sent in the window, and which end behind it."""
        begins: dict[int, int] = {}
        for channel in range(self.device.organization.channels):
            lines = self.recorder.lines(channel)
            sent = lines[lines[:, LOG_COMMAND] == events.INSTRUCTION]
            demand = sent[sent[:, events.INSTRUCTION_FROM + ins.KIND] <= ins.LAST_DEMAND]
            for turn in set(demand[:, events.INSTRUCTION_FROM + ins.TURN].tolist()) - ended:
                first = demand[demand[:, events.INSTRUCTION_FROM + ins.TURN] == turn, LOG_CYCLE].min()
                begins[turn] = min(int(first), begins.get(turn, self.window.stop))
        for turn, start in begins.items():
            args = self.turn_args(turn)
            yield track, Slice(str(args.get("table", f"turn {turn}")), start, self.window.stop, args)

    def arithmetic(self, lines: Lines) -> Iterator[tuple[Track, Slice]]:
        for line in lines.tolist():
            unit, lookup = line[events.UNIT], line[events.LOOKUP]
            args = self.turn_args(line[events.EVENT_TURN]) | {"bag": line[events.BAG], "lookup": lookup}
            self.lookups[lookup] = args
            if line[events.END] > line[LOG_CYCLE]:
                track = self.track(UNITS, f"unit {unit} arithmetic", unit, ARITHMETIC)
                yield track, Slice("compute", line[LOG_CYCLE], line[events.END], args)

    def streams(self, lines: Lines, turns: Lines) -> Iterator[tuple[Track, Slice]]:
        """Slots of the channel's stream, or of the one for all, and where it waits at barriers."""
        channel = FRONT_END if self.p.global_stream else self.channel
        track = Track(channel, STREAM, 0, 0, "stream")
        parts = self.p.interval_parts
        order = lines[:, LOG_COMMAND]
        delivers: dict[int, list[list[int]]] = {}
        for line in self.delivers(lines).tolist():
            delivers.setdefault(line[LOG_CYCLE], []).append(line)
        sent: list[tuple[float, float]] = []
        delivered: list[tuple[float, float]] = []
        for place in np.flatnonzero(order == events.SLOT).tolist():
            slot = lines[place].tolist()
            start = slot[LOG_CYCLE] + slot[events.SLOT_PART] / parts
            end = slot[events.SLOT_END] + slot[events.SLOT_END_PART] / parts
            is_sent = place + 1 < len(lines) and order[place + 1] == events.INSTRUCTION
            (sent if is_sent else delivered).append((start, end))
            if is_sent:
                columns = lines[place + 1, events.INSTRUCTION_FROM :].tolist()
                args = self.instruction_args(columns)
                yield track, Slice(KINDS[columns[ins.KIND]], start, end, args)
                if columns[ins.KIND] == ins.HIT:
                    yield from self.hits(columns, args, slot[LOG_CYCLE])
            else:
                due = delivers.get(slot[LOG_CYCLE])
                deliver = due.pop(0) if due else None
                args = {} if deliver is None else self.use_args(deliver) | {"lookup": deliver[events.LOOKUP]}
                yield track, Slice("DELIVER", start, end, args)
        yield from self.barriers(track, turns, sent, delivered)

    def delivers(self, lines: Lines) -> Lines:
        """Delivers that the stream of these lines sent: those of its own channel, or of all."""
        if self.p.global_stream:
            channels = range(self.device.organization.channels)
            lines = np.concatenate([self.recorder.lines(channel) for channel in channels])
        return lines[lines[:, LOG_COMMAND] == events.DELIVER]

    def barriers(
        self,
        track: Track,
        turns: Lines,
        sent: list[tuple[float, float]],
        delivered: list[tuple[float, float]],
    ) -> Iterator[tuple[Track, Slice]]:
        """Where a stream waits for a turn: from its last instruction up to the turn's release, if the next one follows then.

        Delivers go ahead meanwhile.
        """
        if self.channel:  # turns are noted in the first channel
            lines = self.recorder.lines(0)
            turns = lines[lines[:, LOG_COMMAND] == events.TURN]
        starts = [start for start, _ in sent]
        releases: dict[int, list[int]] = {}  # by the instruction that follows, the last one
        for line in sorted(turns.tolist(), key=lambda line: line[events.TURN_RELEASE]):
            if line[events.TURN_IS_BARRIER] or self.p.turns_open:
                releases[bisect_left(starts, line[events.TURN_RELEASE])] = line
        for place, line in releases.items() if sent else ():
            release = line[events.TURN_RELEASE]
            begin: float = sent[place - 1][1] if place else self.window.first
            follows = place == len(sent) or int(starts[place]) == release
            if not follows or not begin < release < self.window.stop:
                continue
            args = {"waits_for": self.turn_args(line[events.EVENT_TURN])}
            for start, end in [
                *(each for each in delivered if begin <= each[0] < release),
                (release, release),
            ]:
                if start > begin:
                    yield track, Slice("barrier", begin, start, args)
                begin = end

    def hits(self, columns: list[int], args: dict[str, Any], cycle: int) -> Iterator[tuple[Track, Slice]]:
        """Data of a cache, when they are there."""
        arrival = cycle + s.ACTS_AFTER + self.p.cache_latency
        units = range(self.p.units) if columns[ins.UNIT] == ALL else [columns[ins.UNIT]]
        channels = range(self.p.channels) if columns[ins.CHANNEL] == ALL else [columns[ins.CHANNEL]]
        for channel in channels if self.p.global_stream else [self.channel]:
            for unit in units:
                track = Track(channel, UNITS, unit, CACHE * PARTS, f"unit {unit} cache")
                yield track, Slice("hit", arrival, arrival, args)

    def use_args(self, line: list[int]) -> dict[str, Any]:
        args = self.turn_args(line[events.EVENT_TURN]) | {
            "bag": line[events.BAG],
            "bursts": line[events.BURSTS],
        }
        if line[events.UNIT] != ins.NONE:
            args["unit"] = line[events.UNIT]
        return args

    def bus_uses(self, delivers: Lines, transfers: Lines) -> Iterator[tuple[Track, Slice]]:
        """Transfers and delivers on the bus, partial sums on links, and additions of collectors."""
        bus = self.track(BUS, "data bus")
        for line in delivers.tolist():
            args = self.use_args(line) | {"lookup": line[events.LOOKUP], "sent": line[LOG_CYCLE]}
            self.moves.append((line[events.START], line[events.END]))
            yield bus, Slice("deliver", line[events.START], line[events.END], args)
        for line in transfers.tolist():
            args = self.use_args(line) | {"ready": line[LOG_CYCLE]}
            start, end, collected = line[events.START], line[events.END], line[events.PARENT] != ins.NONE
            if line[events.ON_LINK]:
                link = line[events.UNIT] & -self.p.link_units
                yield self.track(LINKS, f"link {link}", link), Slice("partial sum", start, end, args)
            else:
                name = "collected sum" if line[events.UNIT] == ins.NONE else "transfer"
                self.moves.append((start, end))
                yield bus, Slice("partial sum" if collected else name, start, end, args)
            if collected and self.p.collect_delay:
                track = self.track(COLLECTOR, "collector")
                yield track, Slice("add", end, end + self.p.collect_delay, args)

    def units(self, commands: Lines) -> Iterator[tuple[Track, Slice]]:
        """Commands of units, and data that come into them or leave them."""
        timing, p = self.device.timing, self.p
        bus = self.track(BUS, "data bus")
        for line in commands.tolist():
            cycle, command, lane = line[LOG_CYCLE], line[LOG_COMMAND], line[LOG_LANE]
            self.moves.append((cycle, cycle + 1))
            if command == codes.REFRESH:
                continue
            unit = lane >> p.bank_bits
            args = {"bank": self.bank_name(lane), "dram_row": line[LOG_ROW]}
            if command == codes.READ:
                args |= {"column": line[LOG_COLUMN]} | self.read_args(unit, line)
                if line[s.LOG_KIND] in (ins.READ_OUT, ins.MOVE_OUT):
                    start = cycle + p.read_latency
                    end = start + p.bus_burst_cycles
                    name = "read-out" if line[s.LOG_KIND] == ins.READ_OUT else "row that moves"
                    yield bus, Slice(name, start, end, args)
                else:
                    end = cycle + p.unit_read_latency
                    start = max(cycle, end - timing.burst_cycles)
                    fetched = line[s.LOG_KIND] == ins.PREFETCH
                    part, what = (CACHE, "cache") if fetched else (DATA, "data")
                    track = self.track(UNITS, f"unit {unit} {what}", unit, part)
                    yield track, Slice("prefetched" if fetched else "data", start, end, args)
                self.moves.append((start, end))
            elif command == codes.WRITE:
                start = cycle + p.write_latency
                end = start + p.bus_burst_cycles
                args |= {"column": line[LOG_COLUMN]}
                yield bus, Slice("row that moves", start, end, args)
                self.moves.append((start, end))
            track = self.track(UNITS, f"unit {unit} commands", unit, COMMANDS_OF_UNIT)
            yield track, Slice(COMMANDS[command].upper(), cycle, cycle + 1, args)

    def read_args(self, unit: int, line: list[int]) -> dict[str, Any]:
        """Whom a READ serves."""
        bank = line[LOG_LANE] & (self.p.banks_per_unit - 1)
        address = (line[LOG_ROW] * self.p.banks_per_unit + bank << self.p.column_bits) + line[LOG_COLUMN]
        if line[s.LOG_KIND] == ins.PREFETCH:
            return {"for": "prefetch"} | ({} if self.names is None else self.names.of_copy(address))
        args = self.lookups.get(line[s.LOG_USER], {"lookup": line[s.LOG_USER]})
        return args | self.row_args(args.get("turn", -1), address, self.channel, unit)
