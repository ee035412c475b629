"""Which window of a run is noted, and how it is found in one that has turns."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ppim.dram.device import Device
from ppim.errors import InputError
from ppim.timeline.record import Recorder, Window, WindowIsOver

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


def record(run: Run, recorders: Sequence[Recorder]) -> None:
    """Run, until nothing more is to be noted."""
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
    record(run, recorders)
    return recorders


def _window_of_turn(run: Run, devices: Sequence[Device], turn: int) -> Window:
    """From the first slot of a turn's demand to its end, as a run tells that keeps nothing."""
    window = Window(0, 1)
    watchers = [Recorder(device, window, awaited_turn=turn) for device in devices]
    record(run, watchers)
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
