"""What each kind of run answers: the front door feeds it a trace, and has its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ppim.mapping.placing.placement import Placement
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
