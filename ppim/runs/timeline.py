"""The timeline of a run: its window is simulated again, from the start, with everything noted that happens in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ppim.errors import InputError
from ppim.timeline.names import Names
from ppim.timeline.record import Recorder, Window, WindowIsOver
from ppim.timeline.slices import Tracks, tracks_of
from ppim.timeline.write import write_timeline
from ppim.trace.reader import TraceReader

if TYPE_CHECKING:
    from ppim.dram.device import Device
    from ppim.mapping.placing.placement import Placement
    from ppim.systems.spec import SystemSpec

DEFAULT_TURNS = 2
MOST_DEFAULT_CYCLES = 20_000  # of a window that is given by turns
HOST_CYCLES = 2_000  # of a window of a run without turns
MOST_CYCLES = 1 << 20
NEVER = 1 << 60
SUFFIXES = (".json", ".json.gz")


@dataclass(frozen=True)
class TimelineOptions:
    """Which window, and where to; without cycles and turn it is the first two turns."""

    path: Path
    from_cycle: int | None = None
    cycles: int | None = None
    turn: int | None = None

    def __post_init__(self) -> None:
        if not self.path.name.lower().endswith(SUFFIXES):
            raise InputError(
                f"{self.path}: timelines are written as .json or .json.gz; give a name that ends so"
            )
        if self.turn is not None and (self.from_cycle is not None or self.cycles is not None):
            raise InputError(
                "--turn: gives the window as --from-cycle and --cycles do; leave one of them out"
            )
        for name, number, least, most in (
            ("--from-cycle", self.from_cycle, 0, NEVER),
            ("--cycles", self.cycles, 1, MOST_CYCLES),
            ("--turn", self.turn, 0, NEVER),
        ):
            if number is not None and not least <= number <= most:
                raise InputError(f"{name}: {number:,} is not from {least} to {most:,}")

    @property
    def is_by_cycles(self) -> bool:
        return self.from_cycle is not None or self.cycles is not None

    def window(self, default_cycles: int) -> Window:
        """The window that cycles give."""
        first = self.from_cycle or 0
        return Window(first, first + (self.cycles or default_cycles))


Run = Callable[[Sequence[Recorder]], None]
"""Runs the recorded thing from its start, giving each memory's recorder what happens; may be ended."""


def _record(run: Run, recorders: Sequence[Recorder]) -> None:
    for recorder in recorders:
        recorder.together = recorders
    with suppress(WindowIsOver):
        run(recorders)


def record_turns(run: Run, devices: Sequence[Device], options: TimelineOptions) -> list[Recorder]:
    """Record the window of a run that has turns.

    Parameters
    ----------
    run : callable
    devices : sequence of Device
        Of each memory; windows are given in the first one's cycles.
    options : TimelineOptions

    Raises
    ------
    InputError
        A turn that the run has not, or a window with too much in it.
    """
    if options.is_by_cycles:
        window = options.window(MOST_DEFAULT_CYCLES)
    elif options.turn is None:
        window = Window(0, MOST_DEFAULT_CYCLES, last_turn=DEFAULT_TURNS - 1)
    else:
        window = _window_of_turn(run, devices, options.turn)
    recorders = [Recorder(device, _in_clock(window, devices[0], device)) for device in devices]
    _record(run, recorders)
    return recorders


def _window_of_turn(run: Run, devices: Sequence[Device], turn: int) -> Window:
    """From the first slot of a turn's demand to its end, as a run tells that keeps nothing."""
    window = Window(0, 1)
    watchers = [Recorder(device, window, awaited_turn=turn) for device in devices]
    _record(run, watchers)
    if turn not in watchers[0].turn_ends:
        known = len(watchers[0].turn_ends)
        raise InputError(f"--turn: the run has no turn {turn:,}, but {known:,}, from 0; give one of these")
    first, end = watchers[0].turn_ends[turn]
    first = min(first, end)
    return Window(first, min(end + 1, first + MOST_DEFAULT_CYCLES))


def _in_clock(window: Window, first: Device, other: Device) -> Window:
    """The same stretch of time in cycles of another memory."""
    if other is first:
        return window
    ratio = first.timing.tCK / other.timing.tCK
    start = int(window.first * ratio)
    return Window(start, max(start + 1, int(window.stop * ratio)), window.last_turn)


# ------------------------------------------------------------------------------------------ simulate


def simulate_timeline(trace: Path, system: SystemSpec, options: TimelineOptions, temporary: Path) -> None:
    """Write the timeline of a trace on a system to `temporary`.

    Raises
    ------
    InputError
        A window that the run has not, or with too much in it.
    """
    from ppim.runs.simulate import open_run

    placements: list[Placement | None] = []
    devices: list[Device] = []

    def run(recorders: Sequence[Recorder]) -> None:
        with TraceReader(trace) as reader, closing(open_run(reader, system, 1, None, recorders)) as one:
            placements[:] = one.placements
            batches = 0
            for chunk in reader.chunks():
                one.feed(chunk)
                batches = int(chunk.batch[-1]) + 1
            result = one.finish(batches)
        for recorder, memory in zip(recorders, result.memories, strict=True):
            recorder.ends(memory.cycles)

    devices = _devices(system)
    if system.kind == "host":
        if options.turn is not None:
            raise InputError(f"--turn: system {system.name} has no turns; use --from-cycle and --cycles")
        recorders = [Recorder(devices[0], options.window(HOST_CYCLES))]
        _record(run, recorders)
        names: list[Names | None] = [None]
    else:
        recorders = record_turns(run, devices, options)
        names = [
            _names(trace, recorder, placement)
            for recorder, placement in zip(recorders, placements, strict=True)
        ]
    _write(temporary, options, recorders, names, {"trace": trace.name, "system": system.name})


# -------------------------------------------------------------------------------------------- replay


def program_timeline(path: Path, system: SystemSpec, options: TimelineOptions, temporary: Path) -> None:
    """Write the timeline of a program of the authors' format; as `simulate_timeline`, without names of rows."""
    from ppim.runs.replay_program import ProgramReplay

    def run(recorders: Sequence[Recorder]) -> None:
        result = ProgramReplay(path, system).run(commands=recorders[0])
        recorders[0].ends(result.cycles)

    recorders = record_turns(run, _devices(system), options)
    _write(temporary, options, recorders, [None], {"trace": path.name, "system": system.name})


def replay_timeline(
    path: Path,
    format_name: str,
    device: Device,
    engine_options: Mapping[str, Any],
    options: TimelineOptions,
    temporary: Path,
) -> None:
    """Write the timeline of plain requests; as `simulate_timeline`.

    Parameters
    ----------
    path : Path
    format_name : str
    device : Device
    engine_options : mapping
        Of `HostReplay`.
    options : TimelineOptions
    temporary : Path
    """
    from ppim.engine.host import HostReplay
    from ppim.requests.read import open_requests

    if options.turn is not None:
        raise InputError("--turn: plain requests have no turns; use --from-cycle and --cycles")
    channels = range(device.organization.channels)

    def run(recorders: Sequence[Recorder]) -> None:
        one = HostReplay(device, command_trace=True, **engine_options)
        for chunk in open_requests(path, format_name).chunks:
            one.feed(chunk.address.view(np.int64), chunk.is_write, chunk.cycle)
            recorders[0](channels, one.take_commands())
        result = one.finish()
        recorders[0](channels, result.command_streams or [])
        recorders[0].ends(result.cycles)

    recorder = Recorder(device, options.window(HOST_CYCLES))
    _record(run, [recorder])
    _write(temporary, options, [recorder], [None], {"trace": path.name})


def _devices(system: SystemSpec) -> list[Device]:
    from ppim.dram.load import load_device

    memories = [system.memory] if system.dimm is None else [system.memory, system.dimm.memory]
    return [load_device(memory.device, memory.overrides) for memory in memories]


def _names(trace: Path, recorder: Recorder, placement: Placement | None) -> Names:
    with TraceReader(trace) as reader:
        names = Names(reader.meta, placement)
        if placement is None:
            return names  # turns in which rows move are none of the trace's
        turns = recorder.turns_shown()
        if turns:
            names.read(reader.chunks(), turns[0], turns[-1])
    return names


def _write(
    temporary: Path,
    options: TimelineOptions,
    recorders: Sequence[Recorder],
    names: Sequence[Names | None],
    about: dict[str, Any],
) -> None:
    labels = ("hbm", "dimm") if len(recorders) > 1 else ("",)
    memories: list[tuple[str, float, Tracks]] = [
        (label, recorder.device.timing.tCK, tracks_of(recorder, name))
        for label, recorder, name in zip(labels, recorders, names, strict=True)
    ]
    first = recorders[0]
    about |= {
        "device": first.device.name,
        "first_cycle": first.window.first,
        "end_cycle": first.window.stop,
        "clock_period_ns": first.device.timing.tCK,
    }
    write_timeline(temporary, options.path, memories, about)
