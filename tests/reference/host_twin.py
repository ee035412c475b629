"""A slow, plain host memory controller and its DRAM: every cycle of every channel is stepped.

Follows docs/host-controller.md section by section; the section is named where each rule is. It is the second
opinion the compiled engine is compared with, so it prefers being obviously right to being fast and uses
nothing of the package but the device description.
"""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ppim.dram.device import Device
from tests.reference.host_timing import COLUMN_KINDS, RANK_KINDS, Kind, Scope, distances

NO_ROW = -1
WRITE_DRAIN_LEVEL = 8  # more buffered writes than this start a drain when the command queues are empty
ROW_HIT_CAP = 4  # accesses after which waiting row hits no longer keep a row open


class Issued(NamedTuple):
    """One command of the canonical stream; fields that do not apply are -1."""

    cycle: int
    kind: int
    rank: int
    bankgroup: int
    bank: int
    row: int
    column: int


class Coordinates(NamedTuple):
    channel: int
    rank: int
    bankgroup: int
    bank: int
    row: int
    column: int


@dataclass(eq=False)
class Entry:
    """A request on its way through the queues of one channel."""

    address: int
    is_write: bool
    stamp: int
    request: int  # index in the trace
    at: Coordinates


@dataclass(eq=False)
class Bank:
    rank: int
    bankgroup: int
    bank: int
    open_row: int = NO_ROW
    self_refresh: bool = False
    accesses: int = 0
    earliest: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))

    @property
    def closed(self) -> bool:
        return self.open_row == NO_ROW and not self.self_refresh


class Aborted(Exception):
    """DRAMsim3 gives up here: it has no answer for a rank in self refresh that is wanted too soon."""


# ---------------------------------------------------------------------------------------------- §2


def map_address(device: Device, address: int) -> Coordinates:
    """Coordinates of a byte address."""
    org = device.organization

    def bits(count: int) -> int:
        return count.bit_length() - 1

    widths = {
        "ch": bits(org.channels),
        "ra": bits(org.ranks),
        "bg": bits(org.bankgroups),
        "ba": bits(org.banks_per_group),
        "ro": bits(org.rows),
        "co": bits(org.columns) - bits(org.burst_length),
    }
    rest = address >> bits(org.bus_width // 8 * org.burst_length)
    mapping = device.controller.address_mapping
    value = {}
    for position in range(len(mapping) - 2, -2, -2):
        name = mapping[position : position + 2]
        value[name] = rest % 2 ** widths[name]
        rest //= 2 ** widths[name]
    return Coordinates(value["ch"], value["ra"], value["bg"], value["ba"], value["ro"], value["co"])


# ------------------------------------------------------------------------------------------- channel


class Channel:
    """One channel: transaction queues, command queues, banks and statistics."""

    def __init__(self, device: Device, *, follow_defects: bool, merging: bool) -> None:
        self.device = device
        self.follow_defects = follow_defects
        self.merging = merging
        org, control = device.organization, device.controller
        self.unified = control.unified_queue
        self.close_page = control.row_buf_policy == "CLOSE_PAGE"
        self.dual_command = device.protocol.startswith("HBM") and control.hbm_dual_cmd
        self.table = distances(device)
        self.banks = [
            Bank(rank, group, bank)
            for rank in range(org.ranks)
            for group in range(org.bankgroups)
            for bank in range(org.banks_per_group)
        ]
        # §4: transaction queues, and what is outstanding by byte address.
        self.read_queue: list[Entry] = []  # the only queue when unified
        self.write_buffer: list[Entry] = []
        self.drain = 0
        self.flush = False  # no request is to come: write back what would stay in the buffer
        self.waiting_reads: dict[int, list[tuple[int, int]]] = {}  # address: (request, stamp) of its reads
        self.waiting_writes: Counter[int] = Counter()
        self.absorbed: dict[int, list[int]] = {}  # address: writes that its outstanding one takes along
        # §6, §7: command queues and the round-robin pointer.
        per_bank = control.queue_structure == "PER_BANK"
        self.queues: list[list[Entry]] = [[] for _ in range(len(self.banks) if per_bank else org.ranks)]
        self.pointer = 0
        # §9: refreshes that are due: a rank, or a bank.
        self.refreshes: deque[Bank] = deque()
        self.in_service: Bank | None = None  # head of the FIFO as this cycle's service saw it
        self.next_refresh = 0
        # §11, §14
        self.activations: list[list[int]] = [[] for _ in range(org.ranks)]
        self.had_traffic = [False] * org.ranks
        self.closed_cycles = [0] * org.ranks
        # Results.
        self.commands: list[Issued] = []
        self.completions: dict[int, int] = {}  # request: cycle it is reported
        self.written: dict[int, int] = {}  # write: cycle of its last data
        self.busy_until = -1  # last cycle of any request's acknowledgement or data
        self.counts: Counter[str] = Counter()
        self.read_latencies: list[tuple[int, int]] = []  # completion, latency
        self.write_latencies: list[int] = []
        self.interarrivals: list[int] = []
        self.previous_stamp = 0
        self.background = {name: [0] * org.ranks for name in ("idle", "active", "self_refresh")}

    def bank_of(self, at: Coordinates) -> Bank:
        return self.banks[self.bank_index(at.rank, at.bankgroup, at.bank)]

    def bank_index(self, rank: int, bankgroup: int, bank: int) -> int:
        org = self.device.organization
        return (rank * org.bankgroups + bankgroup) * org.banks_per_group + bank

    def queue_index(self, rank: int, bankgroup: int, bank: int) -> int:
        if self.device.controller.queue_structure == "PER_RANK":
            return rank
        return self.bank_index(rank, bankgroup, bank)

    def banks_of_rank(self, rank: int) -> list[Bank]:
        return [bank for bank in self.banks if bank.rank == rank]

    # ------------------------------------------------------------------------------------ §4 arrival

    def has_room(self, is_write: bool) -> bool:
        queue = self.write_buffer if is_write and not self.unified else self.read_queue
        return len(queue) < self.device.controller.trans_queue_size

    def accept(self, entry: Entry) -> None:
        self.interarrivals.append(entry.stamp - self.previous_stamp)
        self.previous_stamp = entry.stamp
        if entry.is_write:
            self.accept_write(entry)
        else:
            self.accept_read(entry)

    def accept_write(self, entry: Entry) -> None:
        self.completions[entry.request] = entry.stamp + 1
        self.busy_until = max(self.busy_until, entry.stamp + 1)
        if self.merging and self.waiting_writes[entry.address]:
            self.counts["merged_writes"] += 1
            self.absorbed.setdefault(entry.address, []).append(entry.request)
            return
        self.waiting_writes[entry.address] += 1
        (self.read_queue if self.unified else self.write_buffer).append(entry)

    def accept_read(self, entry: Entry) -> None:
        if self.waiting_writes[entry.address]:
            self.counts["forwarded"] += 1
            self.complete_read(entry.request, entry.stamp, entry.stamp + 1)
            return
        waiting = self.waiting_reads.setdefault(entry.address, [])
        waiting.append((entry.request, entry.stamp))
        if self.merging and len(waiting) > 1:
            self.counts["merged_reads"] += 1
            return
        self.read_queue.append(entry)

    def complete_read(self, request: int, stamp: int, cycle: int) -> None:
        self.completions[request] = cycle
        self.busy_until = max(self.busy_until, cycle)
        self.read_latencies.append((cycle, cycle - stamp))

    # ---------------------------------------------------------------------------- §12 order of work

    def step(self, t: int) -> None:
        self.generate_refresh(t)
        issued = self.issue_commands(t)
        self.count_background()
        if self.device.controller.enable_self_refresh and not issued:
            self.manage_self_refresh(t)
        self.move_transaction()

    def issue_commands(self, t: int) -> bool:
        first = self.refresh_command(t)
        if first is not None:
            self.issue(t, *first)
        else:
            chosen = self.select(t)
            if chosen is None:
                return False
            first = chosen
            self.issue_for_entry(t, *chosen)
        if self.dual_command:
            self.second_slot(t, first[0])
        return True

    def second_slot(self, t: int, first: Kind) -> None:
        """§8: what is chosen but may not be issued leaves its traces all the same."""
        chosen = self.select(t)
        if chosen is None:
            return
        kind, entry = chosen
        if (first in COLUMN_KINDS) != (kind in COLUMN_KINDS):
            self.counts["dual"] += 1
            self.issue_for_entry(t, kind, entry)
        elif kind in COLUMN_KINDS and self.follow_defects:
            self.queue_of(entry).remove(entry)
            self.counts["lost"] += 1

    # -------------------------------------------------------------------------------- §7 selection

    def queue_of(self, entry: Entry) -> list[Entry]:
        return self.queues[self.queue_index(entry.at.rank, entry.at.bankgroup, entry.at.bank)]

    def select(self, t: int) -> tuple[Kind, Entry] | None:
        blocked = self.blocked_queues()
        pointer = self.pointer
        for _ in self.queues:
            pointer = (pointer + 1) % len(self.queues)
            if pointer in blocked:
                continue
            for entry in self.queues[pointer]:
                kind = self.needed(entry)
                if not self.passed_over(t, kind, entry):
                    self.pointer = pointer
                    if kind == Kind.PRECHARGE:
                        self.counts["ondemand_precharges"] += 1
                    return kind, entry
        return None

    def needed(self, entry: Entry) -> Kind:
        bank = self.bank_of(entry.at)
        if bank.self_refresh:
            return Kind.SELF_REFRESH_EXIT
        if bank.open_row == NO_ROW:
            return Kind.ACTIVATE
        if bank.open_row != entry.at.row:
            return Kind.PRECHARGE
        if self.close_page:
            return Kind.WRITE_P if entry.is_write else Kind.READ_P
        return Kind.WRITE if entry.is_write else Kind.READ

    def passed_over(self, t: int, kind: Kind, entry: Entry) -> bool:
        if self.bank_of(entry.at).earliest[kind] > t:
            return True
        if kind == Kind.ACTIVATE:
            return not self.activate_window_open(t, entry.at.rank)
        if kind == Kind.PRECHARGE:
            return self.precharge_held(entry)
        if kind in (Kind.WRITE, Kind.WRITE_P):
            return self.behind_read_of_same_column(entry)
        return False

    def precharge_held(self, entry: Entry) -> bool:
        bank = self.bank_of(entry.at)
        queue = self.queue_of(entry)
        position = queue.index(entry)
        if any(self.bank_of(older.at) is bank for older in queue[:position]):
            return True
        row_wanted = any(
            self.bank_of(other.at) is bank and other.at.row == bank.open_row for other in queue[position:]
        )
        return row_wanted and bank.accesses < ROW_HIT_CAP

    def behind_read_of_same_column(self, entry: Entry) -> bool:
        queue = self.queue_of(entry)
        return any(
            not older.is_write and older.at[2:] == entry.at[2:] for older in queue[: queue.index(entry)]
        )

    def activate_window_open(self, t: int, rank: int) -> bool:
        """§11"""
        history, timing = self.activations[rank], self.device.timing
        if len(history) >= 4 and history[-4] > t - timing.tFAW:
            return False
        gddr = self.device.protocol.startswith("GDDR")
        return not (gddr and len(history) >= 32 and history[-32] > t - timing.t32AW)

    # ------------------------------------------------------------------------------------ §9 refresh

    def generate_refresh(self, t: int) -> None:
        org, timing = self.device.organization, self.device.timing
        policy = self.device.controller.refresh_policy
        interval = {
            "RANK_LEVEL_STAGGERED": timing.tREFI // org.ranks,
            "RANK_LEVEL_SIMULTANEOUS": timing.tREFI,
            "BANK_LEVEL_STAGGERED": timing.tREFIb,
        }[policy]
        if t == 0 or t % interval != 0:
            return
        if policy == "RANK_LEVEL_SIMULTANEOUS":
            awake = [bank for bank in self.banks if not bank.self_refresh]
            self.refreshes.extend(awake[:1])
            return
        if policy == "RANK_LEVEL_STAGGERED":
            turn = self.banks_of_rank(self.next_refresh % org.ranks)[0]
        else:
            turn = self.bank_refresh_order()[self.next_refresh % len(self.banks)]
        self.next_refresh += 1
        if not turn.self_refresh:
            self.refreshes.append(turn)

    def bank_refresh_order(self) -> list[Bank]:
        return sorted(self.banks, key=lambda bank: (bank.rank, bank.bank, bank.bankgroup))

    def bank_refresh(self) -> bool:
        return self.device.controller.refresh_policy == "BANK_LEVEL_STAGGERED"

    def blocked_queues(self) -> set[int]:
        """Queues that the refresh in service holds; none in the cycle's rest once it was issued."""
        head = self.in_service
        if head is None:
            return set()
        held = [head] if self.bank_refresh() else self.banks_of_rank(head.rank)
        return {self.queue_index(bank.rank, bank.bankgroup, bank.bank) for bank in held}

    def refresh_command(self, t: int) -> tuple[Kind, Bank] | None:
        if not self.refreshes:
            return None
        head = self.in_service = self.refreshes[0]
        if head.self_refresh:
            raise Aborted(f"cycle {t}: rank {head.rank} went into self refresh with a refresh pending")
        if self.bank_refresh():
            kind = Kind.REFRESH_BANK if head.closed else Kind.PRECHARGE
            if head.earliest[kind] > t:
                return None
            if kind == Kind.REFRESH_BANK:
                self.finish_refresh()
            return kind, head
        banks = self.banks_of_rank(head.rank)
        for bank in banks:
            if bank.open_row != NO_ROW and bank.earliest[Kind.PRECHARGE] <= t:
                return Kind.PRECHARGE, bank
        if all(bank.closed and bank.earliest[Kind.REFRESH] <= t for bank in banks):
            self.finish_refresh()
            return Kind.REFRESH, head
        return None

    def finish_refresh(self) -> None:
        self.refreshes.popleft()
        self.in_service = None

    # ------------------------------------------------------------------------- issue and its effects

    def issue_for_entry(self, t: int, kind: Kind, entry: Entry) -> None:
        bank = self.bank_of(entry.at)
        if kind in COLUMN_KINDS:
            self.queue_of(entry).remove(entry)
            if bank.accesses:
                self.counts["write_row_hits" if entry.is_write else "read_row_hits"] += 1
            self.finish_entry(t, entry)
        self.issue(t, kind, bank, entry.at.row, entry.at.column)

    def finish_entry(self, t: int, entry: Entry) -> None:
        timing = self.device.timing
        if entry.is_write:
            done = t + timing.AL + timing.CWL + timing.burst_cycles
            self.waiting_writes[entry.address] -= 1
            self.write_latencies.append(done - entry.stamp)
            for request in (entry.request, *self.absorbed.pop(entry.address, [])):
                self.written[request] = done
            self.busy_until = max(self.busy_until, done)
            return
        done = t + timing.AL + timing.CL + timing.burst_cycles
        waiting = self.waiting_reads[entry.address]
        served = list(waiting) if self.merging else [(entry.request, entry.stamp)]
        for request, stamp in served:
            waiting.remove((request, stamp))
            self.complete_read(request, stamp, done)
        if not waiting:
            del self.waiting_reads[entry.address]

    def issue(self, t: int, kind: Kind, bank: Bank, row: int = -1, column: int = -1) -> None:
        self.record(t, kind, bank, row, column)
        for other in self.banks:
            for later, cycles in self.table[kind, scope_of(bank, other)].items():
                other.earliest[later] = max(other.earliest[later], t + cycles)
        if kind == Kind.ACTIVATE:
            bank.open_row, bank.accesses = row, 0
            self.activations[bank.rank].append(t)
        elif kind in (Kind.PRECHARGE, Kind.READ_P, Kind.WRITE_P):
            bank.open_row, bank.accesses = NO_ROW, 0
        elif kind in (Kind.READ, Kind.WRITE):
            bank.accesses += 1
        elif kind in (Kind.SELF_REFRESH_ENTER, Kind.SELF_REFRESH_EXIT):
            for other in self.banks_of_rank(bank.rank):
                other.self_refresh = kind == Kind.SELF_REFRESH_ENTER

    def record(self, t: int, kind: Kind, bank: Bank, row: int, column: int) -> None:
        if kind in RANK_KINDS:
            self.commands.append(Issued(t, kind, bank.rank, -1, -1, -1, -1))
            return
        self.commands.append(
            Issued(
                t,
                kind,
                bank.rank,
                bank.bankgroup,
                bank.bank,
                row if kind in COLUMN_KINDS or kind == Kind.ACTIVATE else -1,
                column if kind in COLUMN_KINDS else -1,
            )
        )

    # ----------------------------------------------------------- §12 d, §14 background, self refresh

    def count_background(self) -> None:
        for rank in range(self.device.organization.ranks):
            banks = self.banks_of_rank(rank)
            if banks[0].self_refresh:
                self.background["self_refresh"][rank] += 1
            elif all(bank.closed for bank in banks):
                self.background["idle"][rank] += 1
                self.closed_cycles[rank] += 1
            else:
                self.background["active"][rank] += 1
                self.closed_cycles[rank] = 0

    def manage_self_refresh(self, t: int) -> None:
        for rank in range(self.device.organization.ranks):
            banks = self.banks_of_rank(rank)
            if banks[0].self_refresh:
                if self.had_traffic[rank]:
                    raise Aborted(f"cycle {t}: rank {rank} is wanted but may not leave self refresh yet")
            elif (
                not self.had_traffic[rank]
                and self.closed_cycles[rank] >= self.device.controller.sref_threshold
                and all(bank.earliest[Kind.SELF_REFRESH_ENTER] <= t for bank in banks)
            ):
                self.issue(t, Kind.SELF_REFRESH_ENTER, banks[0])
                return

    # ---------------------------------------------------------------------------------- §5 one move

    def move_transaction(self) -> None:
        if self.unified:
            source = self.read_queue
        else:
            if self.drain == 0 and self.drain_wanted():
                self.drain = len(self.write_buffer)
            source = self.write_buffer if self.drain > 0 else self.read_queue
        entry = next((entry for entry in source if self.queue_has_room(entry)), None)
        if entry is None:
            return
        if source is self.write_buffer:
            if entry.address in self.waiting_reads:
                self.drain = 0
                if self.follow_defects or any(self.queues) or not self.drain_wanted():
                    return
                # The drain starts anew each cycle, and the read waits behind it, for ever in DRAMsim3 (§13).
                source, entry = self.read_queue, self.read_queue[0]
            else:
                self.drain -= 1
        source.remove(entry)
        self.queue_of(entry).append(entry)
        self.had_traffic[entry.at.rank] = True

    def queue_has_room(self, entry: Entry) -> bool:
        return len(self.queue_of(entry)) < self.device.controller.cmd_queue_size

    def drain_wanted(self) -> bool:
        held = len(self.write_buffer)
        if held >= self.device.controller.trans_queue_size:
            return True
        if any(self.queues):
            return False
        return held > WRITE_DRAIN_LEVEL or (self.flush and held > 0 and not self.read_queue)

    # --------------------------------------------------------------------------------------- results

    def drained(self, t: int) -> bool:
        """Whether every accepted request has been served by the end of cycle t."""
        return not (any(self.queues) or self.read_queue or self.write_buffer) and self.busy_until <= t

    def command_sha256(self) -> str:
        lines = (",".join(str(int(value)) for value in command) + "\n" for command in self.commands)
        return hashlib.sha256("".join(lines).encode()).hexdigest()

    def command_counts(self) -> dict[str, int]:
        """Commands issued by name; kinds that were not issued are left out."""
        counted = Counter(Kind(command.kind).name.lower() for command in self.commands)
        return dict(counted)


def scope_of(bank: Bank, other: Bank) -> Scope:
    if other.rank != bank.rank:
        return Scope.OTHER_RANK
    if other.bankgroup != bank.bankgroup:
        return Scope.SAME_RANK
    return Scope.SAME_BANK if other.bank == bank.bank else Scope.SAME_GROUP


# -------------------------------------------------------------------------------------- §3 whole run


@dataclass
class TwinRun:
    """What happened in a run: channels (command streams, counters) and each request's completion."""

    device: Device
    n_cycles: int
    channels: list[Channel]
    accepted_at: list[int | None]  # cycle at whose end the front end handed the request over
    is_write: list[bool]

    def completion(self, request: int) -> int | None:
        """Cycle in which the request was reported, None if that did not happen in the run."""
        for channel in self.channels:
            cycle = channel.completions.get(request)
            if cycle is not None and cycle < self.n_cycles:
                return cycle
        return None

    def latencies(self, index: int) -> dict[int, int]:
        """Cycles from each request's stamp to its last data: reads done, and writes whose WRITE was issued, in the run."""
        channel = self.channels[index]
        ends = {
            request: cycle
            for request, cycle in channel.completions.items()
            if not self.is_write[request] and cycle < self.n_cycles
        } | channel.written
        return {request: end - (self.accepted_at[request] or 0) - 1 for request, end in ends.items()}

    def stats(self, index: int) -> dict[str, int | list[int]]:
        """Counters of one channel under DRAMsim3's names (host-controller.md §15)."""
        channel = self.channels[index]
        done = [r for r, cycle in channel.completions.items() if cycle < self.n_cycles]
        latencies = [latency for cycle, latency in channel.read_latencies if cycle < self.n_cycles]
        counts = channel.command_counts()
        writes_done = sum(self.is_write[request] for request in done)
        return {
            "num_cycles": self.n_cycles,
            "num_reads_done": len(done) - writes_done,
            "num_writes_done": writes_done,
            "num_read_cmds": counts.get("read", 0) + counts.get("read_p", 0),
            "num_write_cmds": counts.get("write", 0) + counts.get("write_p", 0),
            "num_act_cmds": counts.get("activate", 0),
            "num_pre_cmds": counts.get("precharge", 0),
            "num_ref_cmds": counts.get("refresh", 0),
            "num_refb_cmds": counts.get("refresh_bank", 0),
            "num_srefe_cmds": counts.get("self_refresh_enter", 0),
            "num_srefx_cmds": counts.get("self_refresh_exit", 0),
            "num_ondemand_pres": channel.counts["ondemand_precharges"],
            "num_read_row_hits": channel.counts["read_row_hits"],
            "num_write_row_hits": channel.counts["write_row_hits"],
            "hbm_dual_cmds": channel.counts["dual"],
            "all_bank_idle_cycles": channel.background["idle"],
            "rank_active_cycles": channel.background["active"],
            "sref_cycles": channel.background["self_refresh"],
            "read_latency_count": len(latencies),
            "read_latency_sum": sum(latencies),
            "write_latency_count": len(channel.write_latencies),
            "write_latency_sum": sum(channel.write_latencies),
            "interarrival_latency_count": len(channel.interarrivals),
            "interarrival_latency_sum": sum(channel.interarrivals),
        }


def run_twin(
    device: Device,
    addresses: Sequence[int],
    is_write: Sequence[bool],
    due_cycles: Sequence[int],
    n_cycles: int | None = None,
    *,
    inject: int = 1,
    merging: bool = True,
    follow_defects: bool = True,
    newline_at_end: bool = False,
    outstanding: int | None = None,
    give_up_after: int = 10_000_000,
) -> TwinRun:
    """Replay requests, cycle by cycle.

    Parameters
    ----------
    addresses, is_write, due_cycles
        Requests in file order: byte addresses, write or read, cycle before which each is not offered.
    n_cycles
        Cycles to simulate: 0 .. n_cycles - 1. Without it the run ends with the last completion; when all
        requests have been taken, the writes that would stay in the buffers are written back.
    inject
        Requests that may enter per cycle, over all channels; DRAMsim3 takes one.
    merging
        Whether reads of one byte address share a command, and writes of one (§4); DRAMsim3's always do.
        A read is answered from an outstanding write in any case.
    follow_defects
        Whether a column command refused in the second slot is lost (§8) and the livelock of §13 stays.
    newline_at_end
        Offer the extra read of §3 after the last request.
    outstanding
        Requests that may be under way at the end of a cycle; by default any number.
    """
    requests = [(int(a), bool(w), int(c)) for a, w, c in zip(addresses, is_write, due_cycles, strict=True)]
    if newline_at_end and requests:
        requests.append((requests[-1][0], False, 0))
    channels = [
        Channel(device, follow_defects=follow_defects, merging=merging)
        for _ in range(device.organization.channels)
    ]
    run = TwinRun(device, 0, channels, [None] * len(requests), [write for _, write, _ in requests])
    following = 0
    under_way: list[int] = []
    while run.n_cycles < (give_up_after if n_cycles is None else n_cycles):
        t = run.n_cycles
        for channel in channels:
            channel.step(t)
        complete = {r for channel in channels for r, cycle in channel.completions.items() if cycle <= t}
        under_way = [request for request in under_way if request not in complete]
        for _ in range(inject):
            if following == len(requests) or len(under_way) == outstanding:
                break
            address, write, due = requests[following]
            at = map_address(device, address)
            channel = channels[at.channel]
            if due <= t and channel.has_room(write):
                channel.accept(Entry(address, write, t + 1, following, at))
                run.accepted_at[following] = t
                under_way.append(following)
            elif not (newline_at_end and following == len(requests) - 1):
                break  # refused: blocks all later ones; only the extra read is forgotten instead
            following += 1
        run.n_cycles += 1
        if n_cycles is None and following == len(requests):
            if all(channel.drained(t) for channel in channels):
                break
            for channel in channels:
                channel.flush = True
    return run
