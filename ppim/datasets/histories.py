"""Users' histories as bags: (user, item, time) events, grouped by user and put in the order of time.

Events may be more than memory holds: they are dealt into temporary files by ranges of users, and each range is
sorted by itself. The order of samples (users ascending by value) does not depend on how many ranges there are.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from ppim.datasets import streams, text
from ppim.datasets.base import Progress, ReadOptions, SampleChunk, Source, TableSpec
from ppim.errors import InputError
from ppim.files import naming_failure
from ppim.temporary import temporary_folder

_RANGE_EVENTS = 1 << 22
_CHUNK_USERS = 1 << 12
_MAX_ROWS = np.uint64(1 << 40)  # beyond this, numbers of items are no rows of a table
_USER, _ITEM, _TIME = 0, 1, 2

EventReader = Callable[[ReadOptions, Progress], Iterator[np.ndarray]]
"""Yields all events of a dataset as arrays of uint64, shape (3, n): user, item, and what to order by."""


def text_events(paths: Sequence[Path], layouts: Sequence[text.TextLayout]) -> EventReader:
    """Events of text files; each layout keeps the fields user, item and time, in this order."""

    def read(options: ReadOptions, progress: Progress) -> Iterator[np.ndarray]:
        return text.read_values(paths, layouts, options, progress)

    return read


class _Survey(NamedTuple):
    """What a first pass over the events finds."""

    events: int
    greatest_user: int
    least_item: int
    greatest_item: int


class HistorySource(Source):
    """One sample a user, one table of items, bags in order of time (ties in order of the file).

    Parameters
    ----------
    events : EventReader
    history : int
        Items of a bag, the latest ones; 0: all.
    rows : int or None
        Usual rows of the table, where items are numbered; greater numbers make it larger.
    """

    one_hot = False

    def __init__(
        self,
        paths: Sequence[Path],
        events: EventReader,
        history: int,
        options: ReadOptions,
        *,
        rows: int | None = None,
    ) -> None:
        super().__init__()
        self._read, self._history, self._options = events, history, options
        self.total_bytes = streams.total_size(paths)
        self.tables = (self._table(rows),)

    def _table(self, rows: int | None) -> TableSpec:
        if rows is None or self._survey.greatest_item >= _MAX_ROWS:
            return TableSpec("item", None)
        # Numbers from 1 on have the usual rows, and the last one row 0.
        if self._survey.greatest_item > rows - (self._survey.least_item == 0):
            rows = self._survey.greatest_item + 1
        return TableSpec("item", rows, exact=True)

    @cached_property
    def _survey(self) -> _Survey:
        n_events, greatest_user, least_item, greatest_item = 0, 0, 1, 0
        for values in self._events(Progress()):
            n_events += values.shape[1]
            greatest_user = max(greatest_user, int(values[_USER].max()))
            least_item = min(least_item, int(values[_ITEM].min()))
            greatest_item = max(greatest_item, int(values[_ITEM].max()))
        return _Survey(n_events, greatest_user, least_item, greatest_item)

    def chunks(self) -> Iterator[SampleChunk]:
        left = self._options.max_samples
        for events in self._ranges():
            for chunk in self._bags(events):
                if left is not None and chunk.n_samples >= left:
                    yield SampleChunk(
                        left, chunk.values, [chunk.offsets[0][: left + 1]] if chunk.offsets else None
                    )
                    return
                left = None if left is None else left - chunk.n_samples
                yield chunk

    def _events(self, progress: Progress) -> Iterator[np.ndarray]:
        """All events, shape (3, n), whatever `max_samples`, which counts users."""
        options = ReadOptions(None, self._options.on_error, self._options.block_bytes)
        return self._read(options, progress)

    def _ranges(self) -> Iterator[np.ndarray]:
        """Events of one range of users after the other, shape (n, 3)."""
        n_ranges = -(-self._survey.events // _RANGE_EVENTS)
        width = self._survey.greatest_user // max(n_ranges, 1) + 1
        with temporary_folder() as folder:
            files = [(folder / str(number)).open("w+b") for number in range(n_ranges)]
            try:
                with naming_failure(folder):
                    n_events = 0
                    for values in self._events(self.progress):
                        n_events += values.shape[1]
                        if n_events > self._survey.events or int(values[_USER].max()) // width >= n_ranges:
                            raise InputError("the dataset changed while it was read; run again")
                        _deal(values, width, files)
                    for file in files:
                        file.flush()
                for file in files:
                    file.seek(0)
                    yield np.frombuffer(file.read(), dtype=np.uint64).reshape(-1, 3)
            finally:
                for file in files:
                    file.close()

    def _bags(self, events: np.ndarray) -> Iterator[SampleChunk]:
        order = np.lexsort((events[:, _TIME], events[:, _USER]))
        users, items = events[order, _USER], events[order, _ITEM]
        starts = np.flatnonzero(np.diff(users, prepend=~users[:1]))
        ends = np.append(starts[1:], users.size)
        for first in range(0, starts.size, _CHUNK_USERS):
            yield self._chunk(items, starts[first : first + _CHUNK_USERS], ends[first : first + _CHUNK_USERS])

    def _chunk(self, items: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> SampleChunk:
        if self._history:
            starts = np.maximum(starts, ends - self._history)
        lengths = ends - starts
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        places = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        return SampleChunk(starts.size, [items[places]], [offsets])


def _deal(values: np.ndarray, width: int, files: Sequence[IO[bytes]]) -> None:
    """Append events to the files of their users' ranges, in order."""
    events = np.ascontiguousarray(values.T)
    if len(files) == 1:
        files[0].write(events.tobytes())
        return
    numbers = (values[_USER] // np.uint64(width)).astype(np.int64)
    for number in np.unique(numbers):
        files[number].write(events[numbers == number].tobytes())
