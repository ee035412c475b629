"""Distributions of how long requests, GnRs and batches took (docs/model.md §14, docs/host-controller.md §15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppim.engine.host.latencies import Latencies as RequestTimes, bucket_of
from ppim.engine.host.latency import BUCKET_BITS, N_BUCKETS
from ppim.engine.pim.engine import PimEngine
from ppim.engine.pim.rules import times
from ppim.program.state import NOT_STARTED

PERCENTILES = (50, 95, 99)
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
    """Numbers of times in buckets, of which each power of two has 64, in bounded memory; times are whole numbers."""

    def __init__(self) -> None:
        self.buckets = np.zeros(N_BUCKETS, dtype=np.int64)
        self.count, self.total, self.longest = 0, 0, 0

    @classmethod
    def of_requests(cls, counted: RequestTimes, channels: Sequence[int]) -> Histogram:
        """Latencies of requests of these channels, in cycles."""
        found = cls()
        places = list(channels)
        found.buckets = counted.buckets[places].sum(axis=0)
        found.count = int(found.buckets.sum())
        found.total = int(counted.total[places].sum())
        found.longest = int(counted.longest[places].max(initial=0))
        return found

    def add(self, times: NDArray[np.int64]) -> None:
        """Count times, all >= 0."""
        if not times.size:
            return
        self.buckets += np.bincount(bucket_of(times), minlength=self.buckets.size)
        self.count += times.size
        self.total += int(times.sum())
        self.longest = max(self.longest, int(times.max()))

    @property
    def mean(self) -> float:
        """Mean time; 0 without any."""
        return self.total / self.count if self.count else 0.0

    def percentile(self, percent: int) -> int:
        """Least time that so many percent of all do not exceed, rounded up to the end of its bucket; 0 without any."""
        rank = -(-self.count * percent // 100)
        bucket = int(np.searchsorted(np.cumsum(self.buckets), rank))
        return min(end_of_bucket(bucket), self.longest)

    def distribution(self, in_ns: Callable[[float], float]) -> Distribution | None:
        """What was counted, in ns; None if nothing was."""
        if not self.count:
            return None
        percentiles = [self.percentile(percent) for percent in PERCENTILES]
        return Distribution(self.count, *(in_ns(value) for value in (self.mean, *percentiles, self.longest)))


def picoseconds_in_ns(value: float) -> float:
    """A time in ps, in ns."""
    return value / PICOSECONDS_PER_NANOSECOND


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
            # A part that has nothing of a turn but bags' sums.
            not_begun = rows[:, times.START] == NOT_STARTED
            rows[not_begun, times.START] = rows[not_begun, times.END]
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
        found = {
            name: times.distribution(picoseconds_in_ns)
            for name, times in (("gnr", self.gnrs), ("batch", self.batches))
        }
        return {name: one for name, one in found.items() if one is not None}


def merged(rows: NDArray[np.int64], columns: list[int]) -> NDArray[np.int64]:
    """One row for those, one behind the other, that are equal in these columns: the first start, the last end."""
    keys = rows[:, columns]
    first = np.flatnonzero(np.append(True, np.any(keys[1:] != keys[:-1], axis=1)))
    found = rows[first]
    found[:, times.START] = np.minimum.reduceat(rows[:, times.START], first)
    found[:, times.END] = np.maximum.reduceat(rows[:, times.END], first)
    return found
