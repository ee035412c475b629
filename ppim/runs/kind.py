"""What each kind of run answers: the front door feeds it a trace, and has its result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from ppim.dram.device import Device
from ppim.mapping.placing.placement import Placement
from ppim.program.prepare import Prepared
from ppim.stats.result import SimulationResult
from ppim.trace.reader import TraceChunk


class Run(Protocol):
    """One trace through one system.

    Attributes
    ----------
    parts : int
        Threads that `feed` keeps busy.
    placements : sequence of Placement or None
        Of each memory; None where rows of the trace cannot be told by their addresses.
    """

    parts: int

    @property
    def placements(self) -> Sequence[Placement | None]: ...

    def feed(self, chunk: TraceChunk) -> None:
        """Take the next batches of the trace."""

    def finish(self, batches: int) -> SimulationResult:
        """Run to the end; what was counted."""

    def close(self) -> None:
        """End its threads."""


class ProgramTaker(Protocol):
    """Takes the trace beside a run, and writes its program, say."""

    def feed(self, chunk: TraceChunk) -> None:
        """Take the next batches of the trace."""

    def finish(self) -> None:
        """Take what is left at the end."""


OpenProgram = Callable[["Prepared", "Device"], ProgramTaker]
"""Opens what takes a program, once it is known what the program is built by."""
