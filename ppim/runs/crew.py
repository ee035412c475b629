"""The threads of a run: one for each part, so that all parts do their jobs at the same time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from ppim.engine.pim.parts import GivenUp

Job = Callable[[], object]


class Crew:
    """A thread for each part of a run; none if there is one part, whose jobs are done at once.

    This thread only waits, so that it heeds Ctrl-C.

    Parameters
    ----------
    parts : int
    give_up : callable
        Makes every part end its job soon, since another has failed.
    """

    def __init__(self, parts: int, give_up: Job) -> None:
        self.parts, self.give_up = parts, give_up
        self.threads = ThreadPoolExecutor(parts) if parts > 1 else None

    def close(self) -> None:
        """End the threads."""
        if self.threads is not None:
            self.threads.shutdown()

    def do(self, jobs: Sequence[Job]) -> None:
        """One job for each part; returns when all are done.

        Raises
        ------
        BaseException
            What one of them has raised.
        """
        if self.threads is None:
            jobs[0]()
            return
        under_way = [self.threads.submit(self._try, job) for job in jobs]
        try:
            raised = [future.result() for future in under_way]
        except BaseException:
            self.give_up()
            raise
        # The cause comes before what it has made others do.
        raised.sort(key=lambda error: isinstance(error, GivenUp))
        for error in raised:
            if error is not None:
                raise error

    def _try(self, job: Job) -> BaseException | None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - `do` raises it
            self.give_up()
            return error
        return None
