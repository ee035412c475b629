"""The lines of engines' logs that a window needs, taken while a run goes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.engine import codes, command_stream
from ppim.engine.codes import LOG_COLUMN, LOG_COMMAND, LOG_CYCLE, LOG_LANE, LOG_ROW
from ppim.engine.pim.rules import events
from ppim.engine.pim.state import LOG_FIELDS, Parameters
from ppim.errors import InputError
from ppim.program import instruction as ins

Lines = NDArray[np.int64]

MOST_LINES = 1 << 20  # that a window may have, of all channels


class WindowIsOver(Exception):
    """Nothing behind this belongs to the window: the run may end."""


@dataclass(frozen=True)
class Window:
    """Cycles first..stop-1 of a memory, or fewer: up to the end of a turn."""

    first: int
    stop: int
    last_turn: int | None = None


class Recorder:
    """Takes what a window needs of one memory's run.

    Parameters
    ----------
    device : Device
    window : Window
    awaited_turn : int, optional
        Keep nothing, and end the run when this turn is complete.

    Raises
    ------
    WindowIsOver
        From the sinks of the engine, when no channel can add anything.
    """

    def __init__(self, device: Device, window: Window, *, awaited_turn: int | None = None) -> None:
        self.device, self.window, self.awaited_turn = device, window, awaited_turn
        self.together: Sequence[Recorder] = [self]  # of all memories of the run, which ends when all have all
        channels = device.organization.channels
        self.parameters: Parameters | None = None  # of PIM units
        self._kept: list[list[Lines]] = [[] for _ in range(channels)]
        self._open: list[dict[int, Lines]] = [{} for _ in range(channels)]  # last row command of lanes before
        self._reached = [0] * channels
        self._n_lines = 0
        self.turn_ends: dict[int, tuple[int, int]] = {}  # of turns so far: first slot and end

    def __call__(self, channels: Sequence[int], streams: list[command_stream.CommandStream]) -> None:
        """Commands of a host."""
        org = self.device.organization
        for channel, stream in zip(channels, streams, strict=True):
            lines = np.full((len(stream), LOG_FIELDS), -1, np.int64)
            lane = np.where(
                stream.bank >= 0,
                (stream.rank * org.bankgroups + stream.bankgroup) * org.banks_per_group + stream.bank,
                stream.rank * org.banks_per_rank,
            )
            for column, values in (
                (LOG_CYCLE, stream.cycle),
                (LOG_COMMAND, stream.command),
                (LOG_LANE, lane),
                (LOG_ROW, stream.row),
                (LOG_COLUMN, stream.column),
            ):
                lines[:, column] = values
            self._keep(channel, lines)
        self._end()

    def take_log(self, channels: Sequence[int], lines: list[Lines], parameters: Parameters) -> None:
        """Events of PIM units."""
        self.parameters = parameters
        for channel, part in zip(channels, lines, strict=True):
            self._keep(channel, part)
        self._end()

    def lines(self, channel: int) -> Lines:
        """All that was kept of a channel; commands by cycle, other events as they were noted."""
        kept = [*self._open[channel].values(), *self._kept[channel]]
        if not kept:
            return np.zeros((0, LOG_FIELDS), np.int64)
        return np.concatenate([line.reshape(-1, LOG_FIELDS) for line in kept])

    def ends(self, cycles: int) -> None:
        """The run is over after so many cycles, and the window with it."""
        first = self.window.first
        self.window = Window(first, max(min(self.window.stop, cycles), first + 1))

    def turns_shown(self) -> list[int]:
        """First and last turn of which there is anything in the window; none of a host."""
        found: set[int] = set()
        for channel in range(len(self._kept)):
            lines = self.lines(channel)
            for kind, column in (
                (events.INSTRUCTION, events.INSTRUCTION_FROM + ins.TURN),
                (events.TURN, events.EVENT_TURN),
                (events.TRANSFER, events.EVENT_TURN),
                (events.COMPUTE, events.EVENT_TURN),
            ):
                turns = lines[lines[:, LOG_COMMAND] == kind, column]
                if len(turns):
                    found |= {int(turns.min()), int(turns.max())}
        return [min(found), max(found)] if found else []

    def _keep(self, channel: int, lines: Lines) -> None:
        if not len(lines):
            return
        kind = lines[:, LOG_COMMAND]
        is_command = kind < codes.N_COMMANDS
        commands = lines[is_command]
        if len(commands):
            self._reached[channel] = max(self._reached[channel], int(commands[:, LOG_CYCLE].max()))
        for turn in lines[kind == events.TURN]:
            self.turn_ends[int(turn[events.EVENT_TURN])] = (
                int(turn[events.TURN_BEGIN]),
                int(turn[LOG_CYCLE]),
            )
        if self.awaited_turn is not None:
            return
        self._note_open(channel, commands)
        inside = self._touches(lines, kind) & (lines[:, LOG_CYCLE] < self.window.stop)
        # A sent instruction belongs to the line of its slot, before it.
        sent = np.flatnonzero(kind == events.INSTRUCTION)
        inside[sent] = inside[sent - 1]
        self._kept[channel].append(lines[inside])
        self._n_lines += int(inside.sum())
        if self._n_lines > MOST_LINES:
            raise InputError(
                f"timeline: more than {MOST_LINES:,} events from cycle {self.window.first:,} to "
                f"{self.window.stop:,}; give fewer cycles with --cycles"
            )

    def _note_open(self, channel: int, commands: Lines) -> None:
        """Remember the last command of each lane before the window that opens or closes a row."""
        moves = np.isin(
            commands[:, LOG_COMMAND], (codes.ACTIVATE, codes.PRECHARGE, codes.READ_P, codes.WRITE_P)
        )
        before = commands[moves & (commands[:, LOG_CYCLE] < self.window.first - self._reach)]
        before = before[np.argsort(before[:, LOG_CYCLE], kind="stable")]
        for lane in np.unique(before[:, LOG_LANE]).tolist():
            self._open[channel][lane] = before[before[:, LOG_LANE] == lane][-1]

    @property
    def _reach(self) -> int:
        """Cycles after a command up to which it has effects that are shown."""
        timing = self.device.timing
        latency = max(timing.read_delay, timing.write_delay)
        if self.parameters is not None:
            latency = max(latency, self.parameters.unit_read_latency, self.parameters.cache_latency + 4)
        return latency + max(timing.tRFC, timing.tRFCb)

    def _touches(self, lines: Lines, kind: Lines) -> NDArray[np.bool_]:
        """Whether lines have an end in the window, or behind it."""
        end = lines[:, LOG_CYCLE] + np.where(kind < codes.N_COMMANDS, self._reach, 0)
        for kinds, column in (
            ((events.SLOT,), events.SLOT_END),
            ((events.DELIVER, events.TRANSFER, events.COMPUTE), events.END),
        ):
            of = np.isin(kind, kinds)
            end[of] = lines[of, column] + 1
        delay = 0 if self.parameters is None else self.parameters.collect_delay
        end[kind == events.TRANSFER] += delay
        return end >= self.window.first

    def _end(self) -> None:
        turn = self.window.last_turn
        if turn is not None and turn in self.turn_ends:
            self.window = Window(
                self.window.first, min(self.window.stop, max(self.turn_ends[turn][1], self.window.first + 1))
            )
        if all(recorder.has_all for recorder in self.together):
            raise WindowIsOver

    @property
    def has_all(self) -> bool:
        """Whether nothing that comes belongs to the window."""
        if self.awaited_turn is not None:
            return self.awaited_turn in self.turn_ends
        return min(self._reached) >= self.window.stop
