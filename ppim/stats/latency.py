"""Distributions of how long GnRs and batches took (docs/model.md §14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ppim.engine.pim.rules import times

if TYPE_CHECKING:
    from ppim.engine.pim.engine import PimEngine

PERCENTILES = (50, 95, 99)
BUCKET_BITS = 6  # 64 buckets to each power of two
PICOSECONDS_PER_NANOSECOND = 1000


@dataclass(frozen=True)
class Distribution:
    """Times in ns; mean and greatest are exact, a percentile is too large by less than 1 part in 64."""

    count: int
    mean_ns: float
    p50_ns: float
    p95_ns: float
    p99_ns: float
    max_ns: float


class Histogram:
    """Numbers of times in buckets, of which each power of two has 64, in bounded memory."""

    def __init__(self) -> None:
        self.buckets = np.zeros(64 << BUCKET_BITS, dtype=np.int64)
        self.count, self.sum_ps, self.most_ps = 0, 0, 0

    def add(self, picoseconds: NDArray[np.int64]) -> None:
        """Count times, all >= 0."""
        if not picoseconds.size:
            return
        self.buckets += np.bincount(bucket_of(picoseconds), minlength=self.buckets.size)
        self.count += picoseconds.size
        self.sum_ps += int(picoseconds.sum())
        self.most_ps = max(self.most_ps, int(picoseconds.max()))

    def percentile_ps(self, percent: int) -> int:
        """Least time that so many percent of all do not exceed, rounded up to the end of its bucket."""
        rank = -(-self.count * percent // 100)
        bucket = int(np.searchsorted(np.cumsum(self.buckets), rank))
        return min(end_of_bucket(bucket), self.most_ps)

    def distribution(self) -> Distribution | None:
        """What was counted; None if nothing was."""
        if not self.count:
            return None
        percentiles = [self.percentile_ps(percent) for percent in PERCENTILES]
        mean = self.sum_ps / self.count
        return Distribution(
            self.count, *(value / PICOSECONDS_PER_NANOSECOND for value in (mean, *percentiles, self.most_ps))
        )


def bucket_of(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bucket of each value >= 0: the value itself up to 127, then 64 to each power of two."""
    bits = np.frexp(values.astype(np.float64))[1].astype(np.int64)  # exact below 2^53
    shift = np.maximum(bits - (BUCKET_BITS + 1), 0)
    return (shift << BUCKET_BITS) + (values >> shift)


def end_of_bucket(bucket: int) -> int:
    """Greatest value of a bucket."""
    shift = max((bucket >> BUCKET_BITS) - 1, 0)
    return ((bucket - (shift << BUCKET_BITS) + 1) << shift) - 1


class Latencies:
    """Times of GnRs and batches, of parts of a run that each know a part of them.

    Parameters
    ----------
    clocks_ns : sequence of float
        Clock period of each part's cycles.
    """

    def __init__(self, clocks_ns: Sequence[float]) -> None:
        self.clocks_ns = clocks_ns
        self.waiting: list[list[NDArray[np.int64]]] = [[] for _ in clocks_ns]
        self.gnrs, self.batches = Histogram(), Histogram()
        self.batch: tuple[int, int, int] | None = None  # the last one so far: number, start and end

    def take(self, engines: Sequence[PimEngine]) -> None:
        """Take the times that each part's engine has kept; those of turns that all parts have completed count."""
        first_open = min(engine.completed_turns for engine in engines)
        ready = []
        for engine, clock_ns, waiting in zip(engines, self.clocks_ns, self.waiting, strict=True):
            rows = engine.take_times()
            rows[:, [times.START, times.END]] = np.rint(
                rows[:, [times.START, times.END]] * (clock_ns * PICOSECONDS_PER_NANOSECOND)
            )
            waiting.append(rows)
            known = np.concatenate(waiting)
            done = known[:, times.TURN] < first_open
            waiting[:] = [known[~done]]
            ready.append(known[done])
        self._count(np.concatenate(ready), one_part=len(ready) == 1)

    def _count(self, rows: NDArray[np.int64], *, one_part: bool) -> None:
        """Count GnRs whose parts are all among the rows, and batches that are over."""
        if not len(rows):
            return
        if not one_part:
            rows = rows[np.lexsort((rows[:, times.BAG], rows[:, times.TURN]))]
        turns = merged(rows, [times.TURN])
        rows = merged(rows, [times.TURN, times.BAG])
        # A turn begins in all parts with the first of them.
        rows[:, times.START] = turns[np.searchsorted(turns[:, times.TURN], rows[:, times.TURN]), times.START]
        self.gnrs.add(rows[:, times.END] - rows[:, times.START])
        for number, start, end in merged(rows, [times.BATCH])[
            :, [times.BATCH, times.START, times.END]
        ].tolist():
            if self.batch is not None and self.batch[0] == number:
                self.batch = (number, min(self.batch[1], start), max(self.batch[2], end))
                continue
            self._end_batch()
            self.batch = (number, start, end)

    def _end_batch(self) -> None:
        if self.batch is not None:
            self.batches.add(np.array([self.batch[2] - self.batch[1]], dtype=np.int64))
        self.batch = None

    def distributions(self) -> dict[str, Distribution]:
        """At the end of the run: of GnRs and of batches."""
        self._end_batch()
        found = {"gnr": self.gnrs.distribution(), "batch": self.batches.distribution()}
        return {name: one for name, one in found.items() if one is not None}


def merged(rows: NDArray[np.int64], columns: list[int]) -> NDArray[np.int64]:
    """One row for those, one behind the other, that are equal in these columns: the first start, the last end."""
    keys = rows[:, columns]
    first = np.flatnonzero(np.append(True, np.any(keys[1:] != keys[:-1], axis=1)))
    found = rows[first]
    found[:, times.START] = np.minimum.reduceat(rows[:, times.START], first)
    found[:, times.END] = np.maximum.reduceat(rows[:, times.END], first)
    return found
