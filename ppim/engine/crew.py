"""The threads of a run: one for each part, which does its jobs in order, beside the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from ppim.engine.pim.parts import GivenUp

JOBS_AHEAD = 1
"""Jobs of a part that may wait behind the one under way; each holds a chunk of the trace."""

Job = Callable[[], object]


class Crew:
    """A thread for each part of a run; none if there is one part, whose jobs are done at once.

    Parameters
    ----------
    parts : int
    give_up : callable
        Makes every part end its job soon, since another has failed.
    """

    def __init__(self, parts: int, give_up: Job) -> None:
        self.parts, self.give_up = parts, give_up
        self.threads = [ThreadPoolExecutor(1) for _ in range(parts)] if parts > 1 else []
        self.under_way: deque[list[Future[object]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.give_up()
        for thread in self.threads:
            thread.shutdown(wait=False, cancel_futures=True)
        for thread in self.threads:
            thread.shutdown()

    def take(self, jobs: Sequence[Job]) -> None:
        """One job for each part; returns when there is room for more.

        Raises
        ------
        Exception
            What a job before has raised.
        """
        if not self.threads:
            jobs[0]()
            return
        self.under_way.append(
            [thread.submit(self._do, job) for thread, job in zip(self.threads, jobs, strict=True)]
        )
        if len(self.under_way) > 1 + JOBS_AHEAD:
            self._await_oldest()

    def wait(self) -> None:
        """Until all jobs are done; raises what one of them has raised."""
        while self.under_way:
            self._await_oldest()

    def _do(self, job: Job) -> None:
        try:
            job()
        except BaseException:
            self.give_up()
            raise

    def _await_oldest(self) -> None:
        raised = [future.exception() for future in self.under_way.popleft()]
        # The cause comes before what it has made others do.
        raised.sort(key=lambda error: isinstance(error, GivenUp))
        for error in raised:
            if error is not None:
                raise error
