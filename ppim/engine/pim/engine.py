"""A run of PIM mode: which engine runs it, call by call, and what it has counted."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.engine import banks as b, codes
from ppim.engine.pim import memory, parameters, parts, run as compiled, state as s
from ppim.engine.pim.by_cycle.run import settle_all
from ppim.engine.pim.by_unit import exchange, setup, state as u
from ppim.engine.pim.lookahead import lookahead
from ppim.engine.pim.rules import limits, times
from ppim.engine.pim.rules.classes import N_CYCLE_CLASSES
from ppim.errors import InputError, PpimError
from ppim.jit.pack import pack
from ppim.program.state import OLDEST_TURN, Rings
from ppim.systems.spec import SystemSpec


@dataclass(frozen=True)
class Commands:
    """Commands of one channel, in the order of their issue (in one cycle, the fast engine's by bank)."""

    cycle: NDArray[np.int64]
    command: NDArray[np.int64]
    lane: NDArray[np.int64]
    row: NDArray[np.int64]
    column: NDArray[np.int64]


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
    keep_events : bool
        Keep other events as well (`rules.events`), for `take_log`; of a run that keeps commands.
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
        keep_events: bool = False,
        part: parts.Part | None = None,
        tied: bool = False,
    ) -> None:
        self.device = device
        part = part or parts.whole(device.organization.channels)
        self.parameters = p = parameters.make_parameters(
            device, system, part, tied=tied, keep_events=keep_events
        )
        self.rings = rings
        distances = parameters.pim_distances(device, system)
        rules = setup.bank_rules(p, distances)
        windows = parameters.has_activate_windows(device, system)
        self.banks: b.Banks | None = None
        self.by_unit: u.ByUnit | None = None
        self.exchange: exchange.Exchange | None = None
        self._shown: list[tuple[int, exchange.Exchange]] = []  # others may still read them
        self.ahead = lookahead(p, depend=parts.channels_depend(system, delivers_per_lookup))
        if rules is not None and setup.can_run(
            p,
            system,
            has_delivers=delivers_per_lookup > 0,
            ahead=self.ahead,
            has_long_window=windows and device.is_gddr,
        ):
            self.by_unit = setup.make_by_unit(p, rules, reads_out=delivers_per_lookup > 0)
            self.exchange = exchange.make_exchange(
                rings, part.channels, part.of, device.organization.channels
            )
        else:
            self.banks = b.make_banks(device, p.channels, distances, activate_windows=windows)
        self.delivers_per_lookup = delivers_per_lookup
        self.board, self.channels = part.board, part.channels
        self.end = 0  # of the run, when it is finished
        runs = -(-(max_row_bursts - 1) // p.bursts_per_row) + 1  # DRAM rows that it may lie in
        entries = -(-runs // p.banks_per_unit)
        if 0 < p.queue_entries < entries:
            raise InputError(
                f"unit_queue: {p.queue_entries} entries cannot take an access of {max_row_bursts} bursts, which "
                f"may need {entries} in one bank; give {entries} or more, or 0 for unlimited"
            )
        self.state = memory.allocate(
            p, rings, runs=runs, delivers_per_lookup=delivers_per_lookup, keep_commands=keep_commands
        )

    def run(self, *, final: bool) -> int:
        """Run as far as the rings' program goes; DONE, REFILL or LOG_FULL.

        Raises
        ------
        PpimError
            If nothing can happen any more although not all is complete (a fault of the engine).
        """
        return self._run(final=final, until=codes.NEVER)

    def finish(self, cycles: int | None = None) -> int:
        """After DONE: go on with refreshes to the end of the run, or to cycle `cycles`; DONE or LOG_FULL."""
        end = self.cycles if cycles is None else cycles
        status = self._run(final=True, until=end)
        if status == s.DONE:
            self.settle(end)
        return status

    def settle(self, end: int) -> None:
        """After DONE: count the cycles up to the end of the run in classes."""
        self.end = end
        if self.by_unit is None:
            settle_all(pack(self.parameters), s.pack_state(self.state), end)

    @property
    def active_cycles(self) -> NDArray[np.int64]:
        """After `finish`: cycles of the run in which each rank has an open bank, shape (channels, ranks)."""
        if self.by_unit is not None:
            return self.by_unit.channel[:, u.ACTIVE_CYCLES, np.newaxis]
        assert self.banks is not None
        return b.active_cycles(self.banks, self.end)

    @property
    def classes(self) -> NDArray[np.int64]:
        """After `finish`: cycles by class (`rules.classes`), shape (channels, N_CYCLE_CLASSES)."""
        return self.state.account[:, :N_CYCLE_CLASSES]

    @property
    def limits(self) -> dict[str, int]:
        """After `finish`: lower bounds of the run's cycles, by what sets them."""
        return limits.limit_cycles(self.parameters, [self.rings], [self.state])

    @property
    def cycles(self) -> int:
        """After DONE: length of the run in memory cycles."""
        return int(self.counters[:, s.FINISH].max())

    @property
    def arguments(self) -> compiled.Engine:
        """All of it, for a kernel."""
        return compiled.Engine(
            self.parameters,
            self.rings,
            self.state,
            self.banks,
            self.by_unit,
            self.exchange,
            self.board,
            self.ahead,
        )

    def call(self, final: bool, until: int) -> int:
        """One call of the kernel; its status."""
        return int(compiled.run(compiled.pack_engine(self.arguments), int(final), until))

    def _run(self, *, final: bool, until: int) -> int:
        while True:
            status = self.call(final, until)
            if status == s.GROW:
                self.grow_pool()
                continue
            if status == s.BITS_FULL:
                self.grow_bits()
                continue
            if status == s.QUEUES_FULL:
                self.grow_queues()
                continue
            if status == s.BAGS_FULL:
                assert self.exchange is not None
                self.exchange = exchange.with_more_bags(self.exchange)
                continue
            if status == s.GIVEN_UP:
                raise parts.GivenUp("another part of the run has failed")
            if status == s.NO_TIME:
                raise InputError(self.device.refreshes_leave_no_time())
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
        for part in self.take_log():
            part = part[part[:, codes.LOG_COMMAND] < codes.N_COMMANDS]
            if self.by_unit is not None:
                # It issues unit by unit, all of them up to one cycle.
                part = part[np.lexsort((part[:, codes.LOG_LANE], part[:, codes.LOG_CYCLE]))]
            taken.append(
                Commands(
                    cycle=part[:, codes.LOG_CYCLE],
                    command=part[:, codes.LOG_COMMAND],
                    lane=part[:, codes.LOG_LANE],
                    row=part[:, codes.LOG_ROW],
                    column=part[:, codes.LOG_COLUMN],
                )
            )
        return taken

    def take_log(self) -> list[NDArray[np.int64]]:
        """Lines kept since the last call, by channel, each of shape (n, LOG_FIELDS), in the order of being kept."""
        counts = self.state.channel[:, s.LOG_COUNT].tolist()
        taken = [self.state.log[channel, :count].copy() for channel, count in enumerate(counts)]
        self.state.channel[:, s.LOG_COUNT] = 0
        return taken

    @property
    def completed_turns(self) -> int:
        """Turns that are complete, all before the first that is not."""
        return int(self.rings.marks[OLDEST_TURN])

    def take_times(self) -> NDArray[np.int64]:
        """Times of the GnRs that have become complete since the last call, shape (n, times.TIMES_COLUMNS)."""
        rows = self.state.times
        taken = rows[1 : 1 + int(rows[times.HEAD, times.COUNT])].copy()
        rows[times.HEAD, times.COUNT] = 0
        return taken

    def grow_pool(self) -> None:
        """Double what is too small."""
        self.state = memory.grown(self.state)

    @property
    def lacks_bits(self) -> bool:
        """Whether a channel goes no further because the cycles behind it cannot be counted in classes yet."""
        if self.by_unit is None:
            return False
        channel = self.by_unit.channel
        return bool((channel[:, u.HORIZON] >= channel[:, u.COUNTED] + self.by_unit.span).any())

    def grow_bits(self) -> None:
        """Go twice as far beyond the cycles that are counted."""
        assert self.by_unit is not None
        self.by_unit = setup.with_more_bits(self.by_unit)

    def grow_queues(self) -> None:
        """Double the places of queues without a limit."""
        assert self.by_unit is not None
        self.by_unit = setup.with_longer_queues(self.by_unit)

    def resize(self, rings: Rings) -> None:
        """Continue with larger rings (the builder found no room)."""
        self.rings = rings
        if self.exchange is not None and self.parameters.parts > 1:
            passed = int(self.state.bounds[limits.BARRIERS])
            # What is shown at a barrier has been read when the one behind it has opened.
            self._shown = [(number, shown) for number, shown in self._shown if number + 2 > passed]
            self._shown.append((passed, self.exchange))
            self.exchange = exchange.resized(self.exchange, rings)
        self.state = memory.resized(self.state, self.parameters, rings, self.delivers_per_lookup)
