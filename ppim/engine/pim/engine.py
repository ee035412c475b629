"""The front door of PIM mode: allocate, run, grow, read the counters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ppim.arrays import aligned_full, integers
from ppim.dram.timing import distance_table
from ppim.engine.banks import (
    ALL_LANES,
    Banks,
    keep_activates,
    keep_nothing,
    lane_distances,
    make_banks,
    readout_timing,
)
from ppim.engine.codes import NEVER
from ppim.engine.pim import account, limits
from ppim.engine.pim import state as s
from ppim.engine.pim.apart.setup import bank_rules, can_run, make_apart
from ppim.engine.pim.apart.state import Apart
from ppim.engine.pim.heap import HEAP_COLUMNS
from ppim.engine.pim.parts import GivenUp, Part, channels_depend, whole
from ppim.engine.pim.run import Engine, run, settle_all
from ppim.errors import InputError, PpimError
from ppim.mapping.placing.geometry import units_of_channel
from ppim.program.state import WAKE, Rings

if TYPE_CHECKING:
    from ppim.dram.device import Device
    from ppim.systems.spec import SystemSpec

MAX_LANES = 64
INITIAL_ENTRIES = 4096
INITIAL_PHASES = 32  # with unfinished entries in one unit
_BARRIERS = {"none": s.BARRIER_NONE, "table": s.BARRIER_TABLE, "batch": s.BARRIER_BATCH}
_PHASES = {
    "none": s.PHASES_NONE,
    "table": s.PHASES_TABLE,
    "next": s.PHASES_NEXT,
    "all": s.PHASES_ALL,
}
_COLLECTORS = {"host": s.COLLECT_HOST, "base-die": s.COLLECT_BASE_DIE, "tree": s.COLLECT_TREE}


@dataclass(frozen=True)
class Commands:
    """Commands of one channel, in the order of their issue (in one cycle, the fast engine's by bank)."""

    cycle: NDArray[np.int64]
    command: NDArray[np.int64]
    lane: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]


def make_parameters(device: Device, system: SystemSpec, part: Part, *, tied: bool = False) -> s.Parameters:
    """Resolve device and system to the integers that kernels use."""
    org, timing, pim = device.organization, device.timing, system.pim
    if org.banks > MAX_LANES:
        raise InputError(
            f"device {device.name}: {org.banks} banks a channel; PIM mode takes at most {MAX_LANES}: "
            "use more channels with fewer ranks each"
        )
    policy = device.controller.refresh_policy
    if policy == "BANK_LEVEL_STAGGERED":
        raise InputError(
            f"device {device.name}: refresh_policy {policy} is for host mode only; use RANK_LEVEL_STAGGERED"
        )
    units = units_of_channel(device, pim.level)
    banks_per_unit = org.banks // units
    staggered = policy == "RANK_LEVEL_STAGGERED"
    is_global = pim.frontend == "global"
    return s.Parameters(
        channels=len(part.channels),
        part=part.number,
        parts=part.of,
        units=units,
        banks_per_unit=banks_per_unit,
        bank_mask=-1 if banks_per_unit == MAX_LANES else (1 << banks_per_unit) - 1,
        bank_bits=banks_per_unit.bit_length() - 1,
        rank_bits=org.banks_per_rank.bit_length() - 1,
        column_bits=org.bursts_per_row.bit_length() - 1,
        lanes=org.banks,
        ranks=org.ranks,
        banks_per_rank=org.banks_per_rank,
        bursts_per_row=org.bursts_per_row,
        interval=1 if is_global else pim.instruction_interval,
        global_stream=int(is_global),
        host_latency=pim.host_latency,
        queue_entries=pim.queue_entries,
        window=pim.unit_window,
        unit_read_latency=pim.unit_read_latency if pim.unit_read_latency >= 0 else timing.read_delay,
        read_latency=timing.read_latency,
        write_latency=timing.write_latency,
        burst_cycles=timing.burst_cycles,
        bus_burst_cycles=max(timing.burst_cycles, timing.tCCD_S),
        turnaround=timing.tRTRS,
        barrier=_BARRIERS[pim.barrier],
        phases=_PHASES[system.prefetch.schedule],
        demand_comes_first=int(
            pim.barrier != "none" and system.prefetch.prefetch == "none" and pim.transfer == "non-empty"
        ),
        refresh_interval=timing.tREFI // org.ranks if staggered else timing.tREFI,
        refresh_rotates=int(staggered),
        hold_all=int(pim.level == "channel"),
        cache_latency=system.cache.cache_latency,
        buffer_bursts=system.compute.unit_buffer_bursts,
        in_order=int(pim.deliver == "in-order"),
        accumulators=system.compute.unit_accumulators,
        collect=_COLLECTORS[pim.collect],
        collect_delay=_collect_delay(device, system),
        host_consumes=int(pim.consumer == "host"),
        **_bound_parameters(device, system),
        tied=int(tied),
    )


def _collect_delay(device: Device, system: SystemSpec) -> int:
    """Cycles from the arrival of a partial sum at its collector to its addition: once, or a level after the other."""
    pim = system.pim
    if pim.collect != "tree":
        return pim.collect_cycles
    units = device.organization.channels * units_of_channel(device, pim.level)
    return pim.collect_cycles * (units - 1).bit_length()


def _bound_parameters(device: Device, system: SystemSpec) -> dict[str, int]:
    """The device's timing as the lower bounds need it."""
    org, timing, pim = device.organization, device.timing, system.pim
    in_unit = org.banks // units_of_channel(device, pim.level)
    spans_groups = in_unit > org.banks_per_group
    column_set = min(in_unit, org.banks_per_rank) if spans_groups else org.banks_per_group
    column = timing.tCCD_S if spans_groups or org.bankgroups == 1 else timing.tCCD_L
    spaced = in_unit >= org.banks_per_rank or pim.cross_unit_timing == "physical"
    return {
        "refresh_cycles": timing.tRFC,
        "row_cycles": timing.tRC,
        "column_cycles": max(timing.burst_cycles, column),
        "column_set_bits": column_set.bit_length() - 1,
        "activate_spacing": min(timing.tRRD_S, timing.tRRD_L) if spaced else 0,
        "activate_window": timing.tFAW if _has_activate_windows(device, system) else 0,
    }


def _has_activate_windows(device: Device, system: SystemSpec) -> bool:
    """Whether tFAW holds: always where a unit is a rank or more."""
    org, pim = device.organization, system.pim
    in_unit = org.banks // units_of_channel(device, pim.level)
    return pim.cross_unit_timing != "none" or in_unit >= org.banks_per_rank


def pim_distances(device: Device, system: SystemSpec) -> NDArray[np.int64]:
    """Distances from bank to bank; across units they follow `cross_unit_timing`."""
    org, pim = device.organization, system.pim
    lane = np.arange(org.banks)
    units = units_of_channel(device, pim.level)
    unit_of_lane = lane // (org.banks // units)
    if pim.level == "bank":
        # Rules inside a bank group always hold, also between units.
        unit_of_lane = lane // org.banks_per_group
    return lane_distances(
        org,
        readout_timing(distance_table(device)),
        unit_of_lane,
        keep_activates if pim.cross_unit_timing == "physical" else keep_nothing,
    )


def _power_of_two(least: int) -> int:
    return 1 << max(least - 1, 1).bit_length()


def _moving_words(p: s.Parameters) -> int:
    """Words of the ring of moving cycles: four times what is known ahead but for the bus, or more."""
    reads_ahead = min(p.interval, p.window * p.bursts_per_row * p.column_cycles)
    ahead = (
        reads_ahead
        + p.unit_read_latency
        + p.read_latency
        + p.write_latency
        + 2 * p.bus_burst_cycles
        + p.turnaround
    )
    return _power_of_two(max(account.LEAST_RING_CYCLES, 4 * ahead) // account.WORD_CYCLES + 1)


def _no_sums(*shape: int) -> NDArray[np.int64]:
    """Accumulators that no sum has left."""
    return aligned_full((*shape, s.ACCUMULATOR_COLUMNS), s.NO_SUM, np.int64)


def _free_list(entries: NDArray[np.int64], first: int) -> None:
    """Chain entries first.. of every channel."""
    n = entries.shape[1]
    entries[:, first:, s.ENTRY_NEXT] = np.arange(first + 1, n + 1)
    entries[:, n - 1, s.ENTRY_NEXT] = s.NO_ENTRY


def _widened(heaps: NDArray[np.int64], capacity: int) -> NDArray[np.int64]:
    wider = integers(heaps.shape[0], capacity, heaps.shape[2])
    wider[:, : heaps.shape[1]] = heaps
    return wider


def _longer(
    rings: NDArray[np.int64], heads: NDArray[np.int64], tails: NDArray[np.int64], capacity: int
) -> NDArray[np.int64]:
    """A ring for each channel and unit with rows head..tail-1 at their new places."""
    longer = integers(*rings.shape[:2], capacity, rings.shape[3])
    for channel, unit in np.ndindex(*heads.shape):
        live = np.arange(int(heads[channel, unit]), int(tails[channel, unit]))
        longer[channel, unit, live & (capacity - 1)] = rings[channel, unit, live & (rings.shape[2] - 1)]
    return longer


class PimEngine:
    """A run of PIM mode over instruction rings.

    Parameters
    ----------
    device : Device
    system : SystemSpec
    rings : Rings
        What the program builder writes.
    delivers_per_lookup : int
        Most rows of one lookup that lie under other units than its owner; with any, channels depend on
        each other within a turn.
    max_row_bursts : int
        Bursts of the longest subtable row.
    keep_commands : int
        Commands per channel to keep between two `take_commands`; 0 keeps none.
    part : Part, optional
        Only these channels are run, of streams and counts that begin with the first of them; where channels
        meet only at barriers. Each part's `run` waits for others, so each needs a thread.
    tied : bool
        Turns wait for those of another memory: run both with `PimPair`.
    """

    def __init__(
        self,
        device: Device,
        system: SystemSpec,
        rings: Rings,
        *,
        delivers_per_lookup: int,
        max_row_bursts: int,
        keep_commands: int = 0,
        part: Part | None = None,
        tied: bool = False,
    ) -> None:
        part = part or whole(device.organization.channels)
        self.parameters = p = make_parameters(device, system, part, tied=tied)
        self.rings = rings
        distances = pim_distances(device, system)
        rules = bank_rules(p, distances)
        windows = _has_activate_windows(device, system)
        self.banks: Banks | None = None
        self.apart: Apart | None = None
        if rules is not None and can_run(
            p, system, has_delivers=delivers_per_lookup > 0, has_long_window=windows and device.is_gddr
        ):
            self.apart = make_apart(p, rules)
        else:
            self.banks = make_banks(device, p.channels, distances, activate_windows=windows)
        self.delivers_per_lookup = delivers_per_lookup
        self.together = channels_depend(system, delivers_per_lookup)
        self.board, self.channels = part.board, part.channels
        runs = -(-(max_row_bursts - 1) // p.bursts_per_row) + 1  # DRAM rows that it may lie in
        entries = -(-runs // p.banks_per_unit)
        if 0 < p.queue_entries < entries:
            raise InputError(
                f"unit_queue: {p.queue_entries} entries cannot take an access of {max_row_bursts} bursts, which "
                f"may need {entries} in one bank; give {entries} or more, or 0 for unlimited"
            )
        self.state = self._allocate(p, rings, runs, keep_commands)

    def _allocate(self, p: s.Parameters, rings: Rings, runs: int, keep_commands: int) -> s.PimState:
        c = p.channels
        kinds = 2 if p.phases == s.PHASES_NEXT else 1  # of queues in a bank
        pool = max(INITIAL_ENTRIES, kinds * p.lanes * p.queue_entries + 2 * p.units * runs)
        state = s.as_state(
            channel=integers(c, s.CHANNEL_COLUMNS),
            lane=integers(c, kinds * p.lanes, s.LANE_COLUMNS),
            window=integers(c, kinds * p.lanes, p.window, s.WINDOW_COLUMNS),
            entries=integers(c, pool, s.ENTRY_COLUMNS),
            joins=integers(c, _power_of_two(4 * p.units * runs), s.JOIN_COLUMNS),
            unit=integers(c, kinds * p.units, s.UNIT_COLUMNS),
            phases=integers(c, kinds * p.units, INITIAL_PHASES, s.PHASE_COLUMNS),
            buffer=integers(c, p.units, self._buffer_ring(p, rings), s.BUFFER_COLUMNS),
            accumulators=_no_sums(c, p.units, p.accumulators),
            transfers=integers(c, len(rings.sums), HEAP_COLUMNS),
            delivers=integers(len(rings.stream), self._deliver_heap(rings), HEAP_COLUMNS),
            account=integers(c, account.ACCOUNT_COLUMNS),
            moving=integers(c, _moving_words(p)),
            tally=integers(
                c, p.lanes + (p.lanes >> p.column_set_bits) + p.ranks + p.units, limits.TALLY_COLUMNS
            ),
            peaks=integers(c, limits.N_LIMITS),
            bounds=integers(limits.BOUNDS_SIZE),
            log=integers(c, keep_commands + s.LOG_MARGIN if keep_commands else 0, s.LOG_COLUMNS),
        )
        _free_list(state.entries, 0)
        state.lane[:, :, [s.TAIL_FIRST, s.TAIL_LAST]] = s.NO_ENTRY
        initial = {
            s.NEXT_EVENT: p.refresh_interval,
            s.READY_CYCLE: NEVER,
            s.REFRESH_DUE: p.refresh_interval,
            s.REFRESH_LOOK: NEVER,
            s.REFRESH_RELEASE: NEVER,
            s.ELIGIBLE: ALL_LANES,
            s.BUS_DIRECTION: s.BUS_UNUSED,
            s.BUS_RANK: s.ANY_RANK,
            s.FREE_COUNT: pool,
        }
        for column, value in initial.items():
            state.channel[:, column] = value
        rings.stream[:, WAKE] = NEVER
        return state

    def _buffer_ring(self, p: s.Parameters, rings: Rings) -> int:
        """A lookup waits for its arithmetic while its turn is live; one unit may own them all."""
        return len(rings.lookups) if p.buffer_bursts else 1

    def _deliver_heap(self, rings: Rings) -> int:
        return max(1, self.delivers_per_lookup * len(rings.lookups))

    def run(self, *, final: bool) -> int:
        """Run as far as the rings' program goes; DONE, REFILL or LOG_FULL.

        Raises
        ------
        PpimError
            If nothing can happen any more although not all is complete (a fault of the engine).
        """
        return self._run(final=final, until=NEVER)

    def finish(self, cycles: int | None = None) -> int:
        """After DONE: go on with refreshes to the end of the run, or to cycle `cycles`; DONE or LOG_FULL."""
        end = self.cycles if cycles is None else cycles
        status = self._run(final=True, until=end)
        if status == s.DONE:
            self.settle(end)
        return status

    def settle(self, end: int) -> None:
        """After DONE: count the cycles up to the end of the run in classes."""
        if self.apart is None:
            settle_all(self.parameters, self.state, end)

    @property
    def classes(self) -> NDArray[np.int64]:
        """After `finish`: cycles by class (`account.BUSY`, ...), shape (channels, N_CLASSES)."""
        return self.state.account[:, : account.N_CLASSES]

    @property
    def limits(self) -> dict[str, int]:
        """After `finish`: lower bounds of the run's cycles, by what sets them."""
        return limits.limit_cycles(self.parameters, [self.rings], [self.state])

    @property
    def cycles(self) -> int:
        """After DONE: length of the run in memory cycles."""
        return int(self.counters[:, s.FINISH].max())

    @property
    def arguments(self) -> Engine:
        """All of it, for a kernel."""
        return Engine(
            self.parameters,
            self.rings,
            self.state,
            self.banks,
            self.apart,
            self.board,
            int(self.together),
        )

    def call(self, final: bool, until: int) -> int:
        """One call of the kernel; its status."""
        return int(run(self.arguments, int(final), until))

    def _run(self, *, final: bool, until: int) -> int:
        while True:
            status = self.call(final, until)
            if status == s.GROW:
                self.grow_pool()
                continue
            if status == s.GIVEN_UP:
                raise GivenUp("another part of the run has failed")
            if status == s.STUCK:
                raise PpimError(
                    "the engine stands still although instructions are incomplete: please report it"
                )
            return status

    @property
    def counters(self) -> NDArray[np.int64]:
        """What was counted, shape (channels, N_COUNTERS)."""
        return self.state.channel[:, : s.N_COUNTERS]

    def hand_on(self) -> bool:
        """Make room for more commands; False: whoever runs the engine takes them."""
        return False

    def take_commands(self) -> list[Commands]:
        """Commands kept since the last call, by channel."""
        taken = []
        for channel, count in enumerate(self.state.channel[:, s.LOG_COUNT]):
            part = self.state.log[channel, :count].copy()
            if self.apart is not None:
                # It issues unit by unit, all of them up to one cycle.
                part = part[np.lexsort((part[:, s.LOG_LANE], part[:, s.LOG_CYCLE]))]
            taken.append(
                Commands(
                    cycle=part[:, s.LOG_CYCLE],
                    command=part[:, s.LOG_COMMAND],
                    lane=part[:, s.LOG_LANE],
                    row=part[:, s.LOG_ROW],
                    column=part[:, s.LOG_COLUMN],
                )
            )
        self.state.channel[:, s.LOG_COUNT] = 0
        return taken

    def _replace(self, **arrays: NDArray[np.int64]) -> None:
        """Continue with other arrays in place of some."""
        names = [name for name in s.PimState._fields if isinstance(getattr(self.state, name), np.ndarray)]
        self.state = s.as_state(**{name: getattr(self.state, name) for name in names} | arrays)

    def grow_pool(self) -> None:
        """Double what is too small: the ring of moving cycles, the rings of phases, or the pool of entries."""
        ahead = int((self.state.channel[:, s.BUS_END] - self.state.account[:, account.SETTLED]).max())
        if ahead > self.state.moving.shape[1] * account.WORD_CYCLES // 2:
            self._double_moving()
            return
        head, tail = self.state.unit[:, :, s.PHASE_HEAD], self.state.unit[:, :, s.PHASE_TAIL]
        size = self.state.phases.shape[2]
        if int((tail - head).max()) >= size:
            self._replace(phases=_longer(self.state.phases, head, tail, 2 * size))
            return
        # The new entries go to the front of each free list.
        channels, old, columns = self.state.entries.shape
        entries = integers(channels, 2 * old, columns)
        entries[:, :old] = self.state.entries
        _free_list(entries, old)
        entries[:, 2 * old - 1, s.ENTRY_NEXT] = self.state.channel[:, s.FREE_FIRST]
        self.state.channel[:, s.FREE_FIRST] = old
        self.state.channel[:, s.FREE_COUNT] += old
        self._replace(entries=entries)

    def _double_moving(self) -> None:
        """Twice the ring of moving cycles, of which those not yet settled keep their bits."""
        channels, old = self.state.moving.shape
        moving = integers(channels, 2 * old)
        for channel, settled in enumerate(self.state.account[:, account.SETTLED] >> account.WORD_SHIFT):
            words = np.arange(settled, settled + old)
            moving[channel, words & (2 * old - 1)] = self.state.moving[channel, words & (old - 1)]
        self._replace(moving=moving)

    def resize(self, rings: Rings) -> None:
        """Continue with larger rings (the builder found no room)."""
        state, p = self.state, self.parameters
        self.rings = rings
        self._replace(
            buffer=_longer(
                state.buffer,
                state.unit[:, : p.units, s.BUFFER_HEAD],
                state.unit[:, : p.units, s.BUFFER_TAIL],
                self._buffer_ring(p, rings),
            ),
            transfers=_widened(state.transfers, len(rings.sums)),
            delivers=_widened(state.delivers, self._deliver_heap(rings)),
        )
