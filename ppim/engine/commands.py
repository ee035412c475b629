"""Hand on the commands of a run while it goes, in bounded memory."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ppim.dram.device import Device
from ppim.engine.command_stream import CommandStream, command_stream
from ppim.engine.pim.engine import PimEngine
from ppim.engine.pim.state import LOG_FULL, Parameters
from ppim.program.state import Rings
from ppim.systems.spec import SystemSpec

CommandSink = Callable[[Sequence[int], list[CommandStream]], object]
"""Takes the next commands of some channels of one memory: their numbers, and the commands of each."""


class EventSink(Protocol):
    """Takes the commands of hosts as a `CommandSink`, and all events of PIM units."""

    def __call__(self, channels: Sequence[int], streams: list[CommandStream]) -> object: ...

    def take_log(
        self, channels: Sequence[int], lines: list[NDArray[np.int64]], parameters: Parameters
    ) -> object:
        """The next lines of some channels' logs (`rules.events`)."""


KEPT_COMMANDS = 1 << 14  # of a channel, between two calls of the sink


class TracedPimEngine(PimEngine):
    """A PIM engine that gives all its commands to a sink; parameters as of `PimEngine`."""

    def __init__(
        self, device: Device, system: SystemSpec, rings: Rings, *, sink: CommandSink, **options: Any
    ) -> None:
        self.device, self.sink = device, sink
        self.takes_log = getattr(sink, "take_log", None)
        super().__init__(
            device,
            system,
            rings,
            keep_commands=KEPT_COMMANDS,
            keep_events=self.takes_log is not None,
            **options,
        )

    def finish(self, cycles: int | None = None) -> int:
        """As of `PimEngine`; then the sink has everything."""
        status = super().finish(cycles)
        self.hand_on()
        return status

    def _run(self, *, final: bool, until: int) -> int:
        while True:
            status = super()._run(final=final, until=until)
            if status != LOG_FULL:
                return status
            self.hand_on()

    def hand_on(self) -> bool:
        """Give the sink what is kept."""
        if self.takes_log is not None:
            self.takes_log(self.channels, self.take_log(), self.parameters)
            return True
        self.sink(
            self.channels,
            [
                command_stream(
                    self.device, np.column_stack((c.cycle, c.command, c.lane, c.row, c.column)).ravel()
                )
                for c in self.take_commands()
            ],
        )
        return True


def make_pim_engine(
    device: Device, system: SystemSpec, rings: Rings, *, sink: CommandSink | None = None, **options: Any
) -> PimEngine:
    """A PIM engine; one that keeps its commands only where somebody takes them."""
    if sink is None:
        return PimEngine(device, system, rings, **options)
    return TracedPimEngine(device, system, rings, sink=sink, **options)
