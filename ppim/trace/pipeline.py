"""Groups of samples are encoded in threads, and written in their order."""

from collections import deque
from collections.abc import Callable
from concurrent import futures
from typing import Self

from ppim.trace.groups import Group
from ppim.trace.writer import EncodedGroup, TraceWriter


class Pipeline:
    """Encodes groups in threads and writes them in order, a bounded number of them under way."""

    def __init__(self, writer: TraceWriter, threads: int) -> None:
        self._writer = writer
        self.limit = threads + 2
        self._pool = futures.ThreadPoolExecutor(threads, thread_name_prefix="encode")
        self._under_way: deque[futures.Future[EncodedGroup]] = deque()

    def submit(self, encode: Callable[[Group, int], EncodedGroup], group: Group, first_batch: int) -> None:
        """Start to encode a group; at most `limit` are under way after that."""
        while len(self._under_way) >= self.limit or (self._under_way and self._under_way[0].done()):
            self._writer.write_group(self._under_way.popleft().result())
        self._under_way.append(self._pool.submit(encode, group, first_batch))

    def drain(self) -> None:
        """Write what is left."""
        while self._under_way:
            self._writer.write_group(self._under_way.popleft().result())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
