"""The slow twin of two memories: two simulations of `pim_twin`, each with its clock, tied by one rule.

A turn that a memory waits for is complete when its part in the other memory is complete too (docs/model.md §11).
The clocks tick in the order of time, so that what one memory asks is known in the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction

from tests.reference.pim_programs import Case
from tests.reference.pim_twin import Simulation, Turn, TwinResult, TwinStuckError


def simulate_pair(
    cases: Sequence[Case], *, most_cycles: int = 1_000_000
) -> tuple[list[TwinResult], list[int]]:
    """Run the programs of two memories, whose turns are the same, up to the later end.

    Returns
    -------
    tuple
        The result of each memory, with its own end as `cycles`; the later of both ends in each memory's cycles.
    """
    memories = [Simulation(case.device, case.system, case.program) for case in cases]
    clocks = [Fraction(str(case.device.timing.tCK)) for case in cases]
    first, second = memories
    for one, two in zip(first.turns, second.turns, strict=True):
        one.elsewhere = complete_elsewhere(two, clocks[1], clocks[0])
        two.elsewhere = complete_elsewhere(one, clocks[0], clocks[1])
    cycles = [0, 0]
    while any(memory.has_work() for memory in memories) or any(
        cycle < end for cycle, end in zip(cycles, common_end(memories, clocks), strict=True)
    ):
        earliest = min((0, 1), key=lambda m: cycles[m] * clocks[m])
        if cycles[earliest] >= most_cycles:
            raise TwinStuckError(f"not complete after {most_cycles} cycles")
        memories[earliest].step(cycles[earliest])
        cycles[earliest] += 1
    ends = common_end(memories, clocks)
    return [memory.finish(end) for memory, end in zip(memories, ends, strict=True)], ends


def complete_elsewhere(turn: Turn, clock: Fraction, asking: Fraction) -> Callable[[int], bool]:
    """Whether a turn of another clock is complete by a cycle of the asking one's."""
    return lambda t: turn.left == 0 and turn.complete * clock <= t * asking


def common_end(memories: Sequence[Simulation], clocks: Sequence[Fraction]) -> list[int]:
    """The later of the ends so far, in each memory's cycles, rounded up."""
    end = max(memory.last_completion * clock for memory, clock in zip(memories, clocks, strict=True))
    return [math.ceil(end / clock) for clock in clocks]
