"""Host mode's front door: plain reads and writes through DRAMsim3's memory controller, command for command.

`replay` takes arrays, `HostReplay` chunks of them in bounded memory. The rules are those of
docs/host-controller.md; what differs from DRAMsim3, and only where DRAMsim3 never finishes a request, is:

* A run without `n_cycles` is drained: when the last request has been accepted and every other one of a
  channel is finished, the writes still in its buffer (up to 8 would stay for ever) are written back as
  if the buffer were full. It ends with the last completion.
* A column command that an HBM second slot may not issue stays in its queue (DRAMsim3 loses it).
* Where DRAMsim3 stands still for ever (nothing under way, a full or large write buffer whose oldest
  write may not overtake a read that waits behind the drain), the oldest read moves instead.

`follow_defects` copies these too, for comparisons.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ppim.dram.device import Device
from ppim.engine.codes import LOG_FIELDS
from ppim.engine.command_stream import CommandStream, command_stream
from ppim.engine.host import closed, columns as s, events, frontend, sources as q
from ppim.engine.host.controllers import controllers
from ppim.engine.host.general_state import GeneralState, make_general_state, with_more_slots
from ppim.engine.host.latencies import RequestLatencies, SharedCommands
from ppim.engine.host.result import HostResult, collect
from ppim.engine.host.state import HostState, make_rules, make_state
from ppim.errors import InputError, PpimError

MASK_BITS = 64
QUEUE_MASK_BITS = 62
LOG_ENTRIES = 1 << 14
MOST_OUTSTANDING = 1 << 16

_NO_REQUESTS = (np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.bool_))


def has_fast_kernel(device: Device, *, follow_defects: bool = False) -> bool:
    """Whether the fast kernel covers the device's controller modes; the general one covers all."""
    controller = device.controller
    return (
        not follow_defects
        and controller.queue_structure == "PER_BANK"
        and controller.row_buf_policy == "OPEN_PAGE"
        and not controller.unified_queue
        and controller.refresh_policy != "BANK_LEVEL_STAGGERED"
        and not controller.enable_self_refresh
        and device.organization.banks <= MASK_BITS
        and controller.cmd_queue_size <= QUEUE_MASK_BITS
    )


class HostReplay:
    """A host run that is fed chunk by chunk.

    Parameters
    ----------
    device : Device
    n_cycles : int, optional
        Simulate cycles 0 .. n_cycles - 1 exactly, finished or not. By default run until drained.
    inject : int
        Requests that may be accepted per memory clock, in order, over all channels (DRAMsim3: 1).
    merge : bool
        Serve reads of one byte address that wait together by one column command, and absorb a write to
        an address whose write has not been issued yet. A read of such an address is answered from the
        write in any case.
    follow_defects : bool
        Lose reads and stand still where DRAMsim3 does; needs `n_cycles`.
    command_trace : bool
        Keep the issued commands.
    keep_latencies : bool
        Keep the latency of every request, for `take_latencies`.
    general_kernel : bool
        Use the general kernel even where the fast one would do (they agree; for comparisons).
    outstanding : int, optional
        Requests that may be under way; the next one waits until one is complete. By default as many as find room.
    sources : Sources, optional
        Who asks and waits, where it is not one trace of requests; `feed_lines` then takes the place of `feed`.

    Raises
    ------
    InputError
        Parameters that contradict each other or are out of range.
    """

    def __init__(
        self,
        device: Device,
        *,
        n_cycles: int | None = None,
        inject: int = 1,
        merge: bool = True,
        follow_defects: bool = False,
        command_trace: bool = False,
        keep_latencies: bool = False,
        general_kernel: bool = False,
        outstanding: int | None = None,
        sources: q.Sources | None = None,
    ) -> None:
        if outstanding is not None and not 1 <= outstanding <= MOST_OUTSTANDING:
            raise InputError(f"outstanding is {outstanding}: give 1 to {MOST_OUTSTANDING:,} requests")
        if inject < 1:
            raise InputError(f"inject is {inject}: at least one request per memory clock must be allowed")
        if n_cycles is not None and n_cycles < 0:
            raise InputError(f"cycles is {n_cycles}: give 0 or more")
        if follow_defects and n_cycles is None:
            raise InputError(
                "following DRAMsim3's defects needs a number of cycles: such a run may never end"
            )
        self.device = device
        self.n_cycles = n_cycles
        if outstanding is not None:
            sources = q.make_sources(device, 1, outstanding)
        self._sources, self._lines = sources, q.no_lines()
        rules = make_rules(
            device,
            n_cycles=n_cycles,
            inject=inject,
            merge=merge,
            log=LOG_ENTRIES if command_trace else 0,
            follow_defects=follow_defects,
            outstanding=0 if sources is None else sources.heaps.size,
            keep_latencies=keep_latencies,
        )
        self._state: HostState | GeneralState
        if has_fast_kernel(device, follow_defects=follow_defects) and not general_kernel:
            self._state = make_state(device, rules)
        else:
            self._state = make_general_state(device, rules)
        self._controllers = controllers(self._state)
        self._follow_defects = follow_defects
        self._n_fed = 0
        self._ended = n_cycles == 0
        self._finished = False
        self._logged: list[list[NDArray[np.int64]]] = [[] for _ in range(device.organization.channels)]
        self._keep_latencies = keep_latencies
        self._shared = [SharedCommands() for _ in range(device.organization.channels)]
        self._done: list[list[RequestLatencies]] = [[] for _ in range(device.organization.channels)]

    def feed(self, address: ArrayLike, is_write: ArrayLike, cycle: ArrayLike) -> None:
        """Offer more requests, in order.

        Parameters
        ----------
        address : array_like of int64, shape (n,)
            Byte addresses; the bits of 64-bit ones, so that large ones are negative here.
        is_write : array_like of bool, shape (n,)
        cycle : array_like of int64, shape (n,)
            First cycle in which a request may be accepted; the order of the requests is kept whatever it is.

        Raises
        ------
        InputError
            Lengths differ, or a cycle is negative or beyond 2^61.
        """
        if self._finished:
            raise InputError("this run has been finished; start a new one")
        addresses = np.ascontiguousarray(address, np.int64)
        writes = np.ascontiguousarray(is_write, np.bool_)
        cycles = np.ascontiguousarray(cycle, np.int64)
        if not addresses.shape == writes.shape == cycles.shape == (addresses.size,):
            raise InputError("addresses, writes and cycles must be one-dimensional and of equal length")
        if cycles.size and not 0 <= int(cycles.min()) <= int(cycles.max()) < 1 << 61:
            raise InputError("a request's cycle must be from 0 to 2^61 - 1")
        self._n_fed += addresses.size
        if self._ended:
            return
        if self._sources is None:
            self._call(events.TO_ROOM, 0, 0, (cycles, addresses, writes))
            return
        if cycles.size and int(cycles.max()) >= q.MOST_CYCLE:
            raise InputError("a request's cycle must be below 2^50 where the requests under way are limited")
        self._serve(q.requests_as_lines(addresses, writes, cycles), is_last=False)

    def feed_lines(self, lines: q.Lines, *, is_last: bool) -> None:
        """Offer more bags of lines to the sources.

        Parameters
        ----------
        lines : Lines
        is_last : bool
            No more will follow.
        """
        self._n_fed += int(np.count_nonzero(lines.kind != q.IN_CACHE))
        if not self._ended:
            self._serve(lines, is_last=is_last)

    @property
    def last_cycle_of_sources(self) -> int:
        """The cycle, of a run that has been finished, in which the last line is with its source and the last row over."""
        assert self._sources is not None
        last = int(self._state.counters[:, s.LAST_COMPLETION].max())
        ticks = last * q.TICKS + int(self._sources.shared[q.FAR_TICKS]) if last >= 0 else 0
        return -(-max(ticks, int(self._sources.shared[q.LAST_TICK])) // q.TICKS)

    def offer_last_line_again(self, address: int) -> None:
        """DRAMsim3's end of a file that ends in a newline: a read, offered once in the next cycle."""
        at = int(self._state.front[s.ACCEPTED_AT]) + 1
        if self._ended or at > self._state.rules[s.LAST_CYCLE]:
            return
        place = (address >> self._state.fields[s.CHANNEL_AT]) & self._state.fields[s.CHANNEL_MASK]
        self._call(events.TO_CYCLE, place, at)
        waiting = int(self._state.clocks[place, s.N_READS])
        if waiting < self._state.rules[s.TRANS_SIZE]:
            self._n_fed += 1
            self._call(
                events.TO_ROOM, 0, 0, (np.array([at]), np.array([address], np.int64), np.zeros(1, np.bool_))
            )

    def finish(self) -> HostResult:
        """End the run and collect its result.

        Raises
        ------
        PpimError
            A run that should drain does not get on, or requests are missing at its end.
        """
        if self.n_cycles is None:
            cycles = self._drain()
        else:
            cycles = self.n_cycles
        for channel in range(self.device.organization.channels):
            if cycles > 0:
                self._call(events.TO_CYCLE, channel, cycles - 1)
        self._finished = True
        streams = self.take_commands() if self._state.rules[s.LOG_SIZE] else None
        for channel in range(len(self._shared)):
            self._empty_kept(channel)
        result = collect(self._state, cycles, streams, self._shared)
        self._check_conservation(result)
        return result

    def take_commands(self) -> list[CommandStream]:
        """The commands kept since the last call, by channel; they are then forgotten here."""
        streams = []
        for channel, parts in enumerate(self._logged):
            self._empty_log(channel)
            logged = np.concatenate(parts) if parts else np.zeros(0, np.int64)
            streams.append(command_stream(self.device, logged))
            parts.clear()
        return streams

    def take_latencies(self) -> list[list[RequestLatencies]]:
        """The requests that are done since the last call, by channel, in pieces; those of a run that keeps them."""
        for channel in range(len(self._shared)):
            self._empty_kept(channel)
        taken, self._done = self._done, [[] for _ in self._done]
        return taken

    def _serve(self, lines: q.Lines, *, is_last: bool) -> None:
        """Let the sources ask for what they have and for `lines`."""
        assert self._sources is not None
        self._lines = q.followed_by(self._sources, self._lines, lines)
        while True:
            why = closed.serve(self._controllers, self._sources, self._lines, is_last)
            if not self._mended(why):
                self._ended = why == frontend.END_OF_RUN
                return

    def _call(
        self,
        goal: int,
        channel: int,
        until: int,
        requests: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]] = _NO_REQUESTS,
    ) -> None:
        """Call the kernel until the goal is reached or the run's last cycle makes it impossible."""
        start = 0
        while True:
            start, why = frontend.feed(self._controllers, goal, channel, until, start, *requests)
            if not self._mended(why):
                self._ended = self._ended or (goal == events.TO_ROOM and why == frontend.END_OF_RUN)
                return

    def _mended(self, why: int) -> bool:
        """Whether what stopped a kernel is mended, so that it can be called again."""
        if why == frontend.EMPTY_LOG:
            for logging in range(len(self._logged)):
                self._empty_log(logging)
                self._empty_kept(logging)
            return True
        if why == frontend.ADD_SLOTS:
            assert isinstance(self._state, GeneralState)
            self._state = with_more_slots(self._state)
            self._controllers = controllers(self._state)
            return True
        if why == frontend.STANDSTILL:
            raise InputError(self.device.refreshes_leave_no_time())
        return False

    def _empty_log(self, channel: int) -> None:
        used = int(self._state.clocks[channel, s.LOG_USED]) * LOG_FIELDS
        if used:
            self._logged[channel].append(self._state.log[channel, :used].copy())
            self._state.clocks[channel, s.LOG_USED] = 0

    def _empty_kept(self, channel: int) -> None:
        used = int(self._state.clocks[channel, s.KEPT_USED])
        if used:
            rows = self._state.kept[channel, : used * s.KEPT_FIELDS].reshape(used, s.KEPT_FIELDS)
            done = self._shared[channel].take(rows)
            if self._keep_latencies:
                self._done[channel].append(done)
            self._state.clocks[channel, s.KEPT_USED] = 0

    def _drain(self) -> int:
        """Serve everything; returns the cycles up to the last completion."""
        last = int(self._state.front[s.ACCEPTED_AT])
        for channel in range(self.device.organization.channels):
            if last < 0:
                break
            self._call(events.TO_CYCLE, channel, last)
            clocks = self._state.clocks[channel]
            clocks[s.FLUSH] = 1
            clocks[s.NEXT_MOVE] = min(int(clocks[s.NEXT_MOVE]), last + 1)
            self._call(events.TO_EMPTY, channel, last)
        return int(self._state.counters[:, s.LAST_COMPLETION].max()) + 1

    def _check_conservation(self, result: HostResult) -> None:
        """Every accepted request has a column command, was merged or forwarded, or still waits."""
        clocks = self._state.clocks
        waiting = clocks[:, s.QUEUED] + clocks[:, s.N_READS] + clocks[:, s.N_WRITES]
        served = result.column_commands + result.merged_reads + result.merged_writes + result.forwarded
        missing = result.reads + result.writes - served - waiting
        complete = not waiting.any() and result.accepted == self._n_fed
        if (missing.any() and not self._follow_defects) or (self.n_cycles is None and not complete):
            raise PpimError(
                f"{self._n_fed} requests came in, {int(served.sum())} were served, {int(waiting.sum())} wait and "
                f"{int(missing.sum())} are missing: a fault of the engine"
            )


def replay(
    device: Device,
    address: ArrayLike,
    is_write: ArrayLike,
    cycle: ArrayLike,
    *,
    n_cycles: int | None = None,
    inject: int = 1,
    merge: bool = True,
    follow_defects: bool = False,
    command_trace: bool = False,
    general_kernel: bool = False,
    outstanding: int | None = None,
) -> HostResult:
    """Run a trace of plain reads and writes; parameters as of `HostReplay` and its `feed`."""
    run = HostReplay(
        device,
        n_cycles=n_cycles,
        inject=inject,
        merge=merge,
        follow_defects=follow_defects,
        command_trace=command_trace,
        general_kernel=general_kernel,
        outstanding=outstanding,
    )
    run.feed(address, is_write, cycle)
    return run.finish()
