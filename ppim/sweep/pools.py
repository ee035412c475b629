"""Who works: processes of this machine, or the workers of a Dask cluster. Both take jobs the same way."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ppim.errors import InputError

CONNECT_SECONDS = 15
LOST_WORKERS_PER_JOB = 3  # after that a job is taken to be what kills its workers


class LocalPool:
    """Processes of this machine, which stay alive from job to job.

    Parameters
    ----------
    processes : int
    """

    shares_folder = True

    def __init__(self, processes: int) -> None:
        self.workers = processes
        self._executor = self._start()

    def _start(self) -> Executor:
        # Not forked: this process may have threads, of pyarrow for one.
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(self.workers, mp_context=context, initializer=_begin)

    def submit(self, function: Callable[..., Any], job: Any) -> Future[Any]:
        """Have a job done."""
        return self._executor.submit(function, job)

    def restart(self) -> None:
        """New processes, after one has died."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._executor = self._start()

    def close(self, *, now: bool) -> None:
        """End; `now` without waiting for jobs that are under way."""
        self._executor.shutdown(wait=not now, cancel_futures=True)
        if now:
            for process in multiprocessing.active_children():
                process.terminate()


def _begin() -> None:
    """What a worker does first: Ctrl-C is for the process that hands out jobs, and without that there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A parent that was killed could not end its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


class DaskPool:
    """Workers of a Dask cluster that is there already.

    Parameters
    ----------
    address : str
        Of its scheduler.
    folder : Path
        The sweep's; used by the workers if all of them see it.
    token : str
        Name of a file in it.

    Raises
    ------
    InputError
        Without the extra `sweep`, a scheduler, or workers.
    """

    def __init__(self, address: str, folder: Path, token: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise InputError("--scheduler: needs Dask; install ppim[sweep]") from error
        try:
            self._client = Client(address, timeout=CONNECT_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            raise InputError(
                f"--scheduler: no scheduler answers at {address} ({error}); start it first"
            ) from error
        seen = self._client.run(_sees, str(folder / token))
        if not seen:
            self._client.close()
            raise InputError(f"--scheduler: {address} has no workers; start some first")
        self.shares_folder = all(seen.values())
        self.workers = max(1, sum(self._client.nthreads().values()))
        self._executor = self._client.get_executor(pure=False, retries=LOST_WORKERS_PER_JOB)

    def submit(self, function: Callable[..., Any], job: Any) -> Future[Any]:
        """Have a job done."""
        found: Future[Any] = self._executor.submit(function, job)
        return found

    def restart(self) -> None:
        """Nothing: the cluster replaces its workers."""

    def close(self, *, now: bool) -> None:
        """Leave the cluster as it was."""
        self._executor.shutdown(wait=not now)
        self._client.close()


def _sees(path: str) -> bool:
    return Path(path).exists()


Pool = LocalPool | DaskPool


@contextmanager
def pool(processes: int, scheduler: str | None, folder: Path, token: str) -> Iterator[Pool]:
    """Those who work, until the block ends."""
    found: Pool = LocalPool(processes) if scheduler is None else DaskPool(scheduler, folder, token)
    try:
        yield found
    except BaseException:
        found.close(now=True)
        raise
    found.close(now=False)
