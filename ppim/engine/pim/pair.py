"""Two memories in step: each runs alone up to its barrier, and tells the other which turns it has completed.

A turn of one memory waits for the same turn of the other, whose completion is one more part of it (behind the
groups of channels in `turns`). A memory that waits at a barrier has simulated nothing beyond its own completions,
and the release cannot come before those; so no event has been taken too early.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ppim.engine.codes import NEVER
from ppim.engine.pim import state as s
from ppim.engine.pim.run import pack_engine, run_rings
from ppim.errors import InputError, PpimError
from ppim.jit import helper, njit
from ppim.program import state as r

if TYPE_CHECKING:
    from ppim.engine.pim.engine import PimEngine

MAX_TERM = 1 << 31  # of a ratio of clocks, so that 64 bits suffice
MOST_RATIO = 1000  # of two clocks


@helper
def convert(cycle, numerator, denominator):
    """A cycle of one clock in cycles of another that are denominator/numerator as long, rounded up."""
    whole, rest = cycle // denominator, cycle % denominator
    return whole * numerator + (rest * numerator + denominator - 1) // denominator


@helper
def tell(rings, other, told, numerator, denominator):
    """Tell the other memory of turns from `told` on that are complete in this one; the first that is not told."""
    last = min(rings.marks[r.NEXT_TURN], other.marks[r.NEXT_TURN])
    while told < last:
        turn = rings.turns[told & rings.turn_mask]
        # The other memory's part of the turn is one of those left.
        if not turn[r.TURN_CLOSED] or turn[r.TURN_DONE] < turn[r.TURN_LEFT] - 1:
            break
        twin = other.turns[told & other.turn_mask]
        twin[r.TURN_TWIN_DONE] = 1
        twin[r.TURN_TWIN_END] = convert(turn[r.TURN_END], numerator, denominator)
        told += 1
    return told


@njit
def run_pair(first, second, final, until, ratio, told):
    """Run two memories as far as they go.

    Parameters
    ----------
    first, second : Engine
    final : int
        1: nothing will be added to the streams.
    until : tuple of int
        Of each memory; see `run_rings`.
    ratio : tuple of int
        Numerator and denominator of the first clock's cycle over the second's.
    told : ndarray of int64, shape (2,)
        Turns of each memory that the other was told of.

    Returns
    -------
    tuple of int
        What it ended with, and the memory that it is about (GROW, LOG_FULL, NO_TIME).
    """
    while True:
        one = run_rings(first, final, until[0])
        two = run_rings(second, final, until[1])
        before = told[0] + told[1]
        told[0] = tell(first.rings, second.rings, told[0], ratio[0], ratio[1])
        told[1] = tell(second.rings, first.rings, told[1], ratio[1], ratio[0])
        if one == s.GROW or one == s.LOG_FULL or one == s.NO_TIME:
            return one, 0
        if two == s.GROW or two == s.LOG_FULL or two == s.NO_TIME:
            return two, 1
        if told[0] + told[1] == before:
            # A memory that waits for the other's turns stands still by itself; both may not.
            return max(one, two), 0


def clock_ratio(first_ns: float, second_ns: float) -> tuple[int, int]:
    """Numerator and denominator of the first cycle time over the second, exactly as they are written.

    Raises
    ------
    InputError
        Clocks with too many digits, or too far apart.
    """
    ratio = Fraction(str(first_ns)) / Fraction(str(second_ns))
    if max(ratio.numerator, ratio.denominator) >= MAX_TERM:
        raise InputError(
            f"tCK: clocks of {first_ns} and {second_ns} ns have no simple ratio; give them fewer digits"
        )
    if not 1 / MOST_RATIO <= ratio <= MOST_RATIO:
        raise InputError(
            f"tCK: clocks of {first_ns} and {second_ns} ns are more than {MOST_RATIO} times apart; check them"
        )
    return ratio.numerator, ratio.denominator


class PimPair:
    """The engines of a system's two memories.

    Parameters
    ----------
    engines : tuple of PimEngine
        Of the first and the second memory; tied if there is a barrier.
    ratio : tuple of int
        `clock_ratio` of the first clock and the second.
    """

    def __init__(self, engines: tuple[PimEngine, PimEngine], ratio: tuple[int, int]) -> None:
        self.engines = engines
        self.ratio = ratio
        self._told = np.zeros(2, dtype=np.int64)

    def run(self, *, final: bool) -> int:
        """Run as far as the rings' programs go; DONE, REFILL or LOG_FULL.

        Raises
        ------
        PpimError
            If nothing can happen any more although not all is complete (a fault of the engine).
        """
        return self._run(final=final, until=(NEVER, NEVER))

    def _run(self, *, final: bool, until: tuple[int, int]) -> int:
        while True:
            first, second = (pack_engine(engine.arguments) for engine in self.engines)
            status, memory = run_pair(first, second, int(final), until, self.ratio, self._told)
            if status == s.GROW:
                self.engines[memory].grow_pool()
                continue
            if status == s.LOG_FULL and self.engines[memory].hand_on():
                continue
            if status == s.NO_TIME:
                raise InputError(self.engines[memory].device.refreshes_leave_no_time())
            if status == s.STUCK:
                raise PpimError(
                    "the engines of two memories stand still although instructions are incomplete: please report it"
                )
            return int(status)

    @property
    def cycles(self) -> tuple[int, int]:
        """After DONE: the later of both ends, in each memory's cycles, rounded up."""
        ends = [engine.cycles for engine in self.engines]
        numerator, denominator = self.ratio
        return (
            max(ends[0], -(-ends[1] * denominator // numerator)),
            max(ends[1], -(-ends[0] * numerator // denominator)),
        )

    def finish(self) -> int:
        """After DONE: go on with refreshes to the end of the run in both; DONE or LOG_FULL."""
        ends = self.cycles
        status = self._run(final=True, until=ends)
        if status == s.DONE:
            for engine, end in zip(self.engines, ends, strict=True):
                engine.settle(end)
                engine.hand_on()
        return status
