"""Latencies of requests that share a command, known when it is issued, and of every request where somebody asks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ppim.engine.host import columns as s
from ppim.engine.host.latency import BUCKET_BITS, N_BUCKETS, READS, WRITES

Numbers = NDArray[np.int64]


def bucket_of(values: Numbers) -> Numbers:
    """Bucket of each value >= 0: the value itself up to 127, then 64 to each power of two."""
    bits = np.frexp(values.astype(np.float64))[1].astype(np.int64)  # exact below 2^53
    shift = np.maximum(bits - (BUCKET_BITS + 1), 0)
    return (shift << BUCKET_BITS) + (values >> shift)


@dataclass(frozen=True)
class RequestLatencies:
    """Requests of one channel that are done; int64, shape (n,), in the order in which that became known."""

    request: Numbers  # number of the request, from 0
    how: Numbers  # OWN_READ, OWN_WRITE, JOINED_READ, JOINED_WRITE or FORWARDED_READ
    stamp: Numbers  # cycle after its acceptance
    end: Numbers  # cycle of its last data

    def __len__(self) -> int:
        return len(self.request)

    @property
    def cycles(self) -> Numbers:
        """Latency of each."""
        return self.end - self.stamp


@dataclass(frozen=True)
class Latencies:
    """How long one kind of requests took; arrays have a row or an entry for each channel."""

    buckets: Numbers  # (channels, N_BUCKETS) of `bucket_of`
    total: Numbers  # cycles
    longest: Numbers  # cycles; 0 without requests

    @property
    def count(self) -> Numbers:
        """Requests."""
        return self.buckets.sum(axis=1)


class SharedCommands:
    """What a channel's requests that share commands took.

    A request that joins another waits here until that one is done; no more than are under way.
    """

    def __init__(self) -> None:
        self._joined = np.zeros((0, s.KEPT_FIELDS), np.int64)
        self.buckets = np.zeros((2, N_BUCKETS), np.int64)  # by kind: READS, WRITES
        self.longest = np.zeros(2, np.int64)
        self.total_joined = np.zeros(2, np.int64)

    def take(self, rows: Numbers) -> RequestLatencies:
        """Count the next requests that the kernel has kept, shape (n, KEPT_FIELDS); all that are done now."""
        how = rows[:, s.KEPT_HOW]
        joins = (how == s.JOINED_READ) | (how == s.JOINED_WRITE)
        waiting = np.concatenate((self._joined, rows[joins]))
        done = rows[~joins].copy()
        place, found = _places(done, waiting[:, s.KEPT_END])
        self._joined = waiting[~found]
        joined, place = waiting[found], place[found]
        joined[:, s.KEPT_END] = done[place, s.KEPT_END]
        reads = joined[:, s.KEPT_HOW] == s.JOINED_READ
        # The stamp of a read that others joined is the sum of all.
        np.subtract.at(done[:, s.KEPT_STAMP], place[reads], joined[reads, s.KEPT_STAMP])
        self._count(np.concatenate((done[np.unique(place)], joined)))
        self._note_joined(joined)
        everything = np.concatenate((done, joined))
        return RequestLatencies(
            everything[:, s.KEPT_REQUEST],
            everything[:, s.KEPT_HOW],
            everything[:, s.KEPT_STAMP],
            everything[:, s.KEPT_END],
        )

    def _count(self, rows: Numbers) -> None:
        for kind, hows in ((READS, (s.OWN_READ, s.JOINED_READ)), (WRITES, (s.OWN_WRITE, s.JOINED_WRITE))):
            of = rows[np.isin(rows[:, s.KEPT_HOW], hows)]
            if len(of):
                cycles = of[:, s.KEPT_END] - of[:, s.KEPT_STAMP]
                self.buckets[kind] += np.bincount(bucket_of(cycles), minlength=N_BUCKETS)
                self.longest[kind] = max(self.longest[kind], int(cycles.max()))

    def _note_joined(self, joined: Numbers) -> None:
        for kind, how in ((READS, s.JOINED_READ), (WRITES, s.JOINED_WRITE)):
            of = joined[joined[:, s.KEPT_HOW] == how]
            self.total_joined[kind] += int((of[:, s.KEPT_END] - of[:, s.KEPT_STAMP]).sum())


def _places(done: Numbers, numbers: Numbers) -> tuple[Numbers, NDArray[np.bool_]]:
    """Where in `done` the requests of these numbers are, and whether they are there."""
    order = np.argsort(done[:, s.KEPT_REQUEST], kind="stable")
    known = done[order, s.KEPT_REQUEST]
    at = np.searchsorted(known, numbers)
    inside = at < len(known)
    found = inside & (known[np.where(inside, at, 0)] == numbers) if len(known) else inside
    place = order[np.where(found, at, 0)] if len(known) else np.zeros(len(numbers), np.int64)
    return place, found


def latencies_of(kind: int, counters: Numbers, spread: Numbers, shared: list[SharedCommands]) -> Latencies:
    """All requests of a kind, of a run's counters and spread, and of those that share commands."""
    own = spread.reshape(len(spread), 2, N_BUCKETS)[:, kind]
    sums = counters[:, s.READ_LATENCY if kind == READS else s.WRITE_LATENCY].copy()
    if kind == WRITES:  # the sum, DRAMsim3's, is of WRITEs only
        sums += [int(of.total_joined[kind]) for of in shared]
    return Latencies(
        buckets=own + np.stack([of.buckets[kind] for of in shared]),
        total=sums,
        longest=np.maximum(
            counters[:, s.LONGEST_READ + kind], np.array([of.longest[kind] for of in shared], np.int64)
        ),
    )
