"""A sweep from its file to its tables: traces first, runs as their traces are there, each kept as soon as it is done."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ppim import interrupt
from ppim.sweep import pools, resolve, tables, work
from ppim.sweep.plan import Plan
from ppim.sweep.store import TOKEN, Store, process_token

JOBS_PER_WORKER = 3
"""Jobs under way: enough that nobody waits for the next, few enough that an end with Ctrl-C loses little."""

WAKE_SECONDS = 0.5  # Ctrl-C is seen within it

ACCESSES_PER_SECOND = 2e6
"""Of one process, for a first estimate: what presets reach lies between a fourth and four times of it (docs/performance.md)."""

SECONDS_PER_RUN = 0.05
"""What each run takes besides, for a first estimate."""


@dataclass
class Progress:
    """How far a sweep is.

    Attributes
    ----------
    traces, traces_made : int
    runs, skipped, done, failed, running : int
        `skipped` were done before.
    """

    traces: int = 0
    traces_made: int = 0
    runs: int = 0
    skipped: int = 0
    done: int = 0
    failed: int = 0
    running: int = 0


Report = Callable[[Progress], object]


@dataclass(frozen=True)
class Todo:
    """What is left of a sweep.

    Attributes
    ----------
    runs : list of Resolved
        Without a record, or with one that says that they failed.
    traces : dict of str to Resolved
        Name of a trace that they need and that is not made -> a run that needs it.
    seconds : float or None
        Processor time that they take: by the runs that are done, else by the accesses of their traces; None if neither is
        known.
    done : int
        Runs that are done, by which it is estimated.
    """

    runs: list[resolve.Resolved]
    traces: dict[str, resolve.Resolved]
    seconds: float | None
    done: int


def what_is_left(resolved: list[resolve.Resolved], store: Store) -> Todo:
    """What a sweep has to do."""
    left, seconds = {}, []
    for run in resolved:
        record = store.record(run.name)
        if record is None or "error" in record:
            left[run.name] = run
        else:
            seconds.append(float(record.get("seconds", 0)))
    traces = {
        run.trace_name: run
        for run in left.values()
        if run.trace_name and not store.trace_path(run.trace_name).exists()
    }
    return Todo(list(left.values()), traces, _estimate(list(left.values()), seconds), len(seconds))


def _estimate(left: list[resolve.Resolved], seconds: list[float]) -> float | None:
    """Seconds of the runs that are left, by those of others."""
    if seconds:
        return sum(seconds) / len(seconds) * len(left)
    accesses = [run.accesses for run in left if run.accesses is not None]
    if len(accesses) < len(left):
        return None
    return sum(accesses) / ACCESSES_PER_SECOND + len(left) * SECONDS_PER_RUN


def run_sweep(
    plan: Plan,
    resolved: list[resolve.Resolved],
    folder: Path,
    *,
    processes: int = 1,
    scheduler: str | None = None,
    report: Report = lambda _: None,
) -> Progress:
    """Do what is left of a sweep, and write its tables.

    Parameters
    ----------
    plan : Plan
    resolved : list of Resolved
        Its runs.
    folder : Path
        Of the sweep; what is done there already is kept.
    processes : int
        Of this machine, if there is no scheduler.
    scheduler : str, optional
        Address of a Dask cluster.
    report : callable
        Told how far the sweep is.

    Raises
    ------
    InputError
        A folder that cannot be used, or is in use; a cluster that is not there.
    """
    folder = folder.absolute()  # workers need not stand where this process does
    store = Store(folder)
    store.prepare()
    with store.locked():
        todo = what_is_left(resolved, store)
        names = {run.name for run in resolved}
        progress = Progress(traces=len(todo.traces), runs=len(names), skipped=len(names) - len(todo.runs))
        report(progress)
        if todo.runs:
            with working(store, min(processes, len(todo.runs)), scheduler) as workers:
                work_off(store, workers, todo, progress, report)
        tables.write_tables(plan, resolved, store)
    return progress


@contextmanager
def working(store: Store, processes: int, scheduler: str | None) -> Iterator[pools.Pool]:
    """Those who work for a folder that is locked, until the block ends; arguments as of `run_sweep`."""
    with _token(store.folder) as token, pools.pool(processes, scheduler, store.folder, token) as workers:
        yield workers


def work_off(store: Store, workers: pools.Pool, todo: Todo, progress: Progress, report: Report) -> None:
    """Make traces and do runs, and keep each as soon as it is done; `progress` goes on from where it is."""
    _Course(store, workers, todo, progress, report).run()


@contextmanager
def _token(folder: Path) -> Iterator[str]:
    """A file by which workers tell whether they share the folder; those of killed sweeps go, since the folder is ours."""
    for left_behind in folder.glob(f"{TOKEN}*"):
        left_behind.unlink(missing_ok=True)
    token = process_token()
    (folder / token).touch()
    try:
        yield token
    finally:
        (folder / token).unlink(missing_ok=True)


@dataclass
class _Course:
    """The jobs of a sweep on their way."""

    store: Store
    workers: pools.Pool
    todo: Todo
    progress: Progress
    report: Report
    ready: deque[tuple[str, resolve.Resolved]] = field(default_factory=deque)  # (kind, run)
    waiting: dict[str, list[resolve.Resolved]] = field(default_factory=dict)  # trace -> runs that need it
    under_way: dict[Future[Any], tuple[str, resolve.Resolved]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)  # job -> how many workers died at it

    def run(self) -> None:
        """Until nothing is left."""
        for run in self.todo.runs:
            if run.trace_name in self.todo.traces:
                self.waiting.setdefault(run.trace_name, []).append(run)
            else:
                self.ready.append(("run", run))
        # Traces go first: runs wait for them.
        self.ready.extendleft(("trace", run) for run in reversed(self.todo.traces.values()))
        while self.ready or self.under_way:
            self._hand_out()
            finished, _ = wait(self.under_way, timeout=WAKE_SECONDS, return_when=FIRST_COMPLETED)
            interrupt.check()
            for future in finished:
                self._take(future)
            self.progress.running = len(self.under_way)
            self.report(self.progress)

    def _hand_out(self) -> None:
        while self.ready and len(self.under_way) < JOBS_PER_WORKER * self.workers.workers:
            kind, run = self.ready.popleft()
            function, job = self._job(kind, run)
            try:
                self.under_way[self.workers.submit(function, job)] = kind, run
            except BrokenProcessPool:
                self.ready.appendleft((kind, run))
                if not self.under_way:
                    self.workers.restart()
                    continue
                return  # the futures of the broken pool come back first

    def _job(
        self, kind: str, run: resolve.Resolved
    ) -> tuple[Callable[..., Any], work.TraceJob | work.RunJob]:
        shares = self.workers.shares_folder
        made = self.store.trace_path(run.trace_name) if run.trace_name else Path(run.trace_file)
        if kind == "trace":
            return work.make_trace, work.TraceJob(
                run.trace_name, run.trace_options, str(made) if shares else ""
            )
        content = b"" if shares else made.read_bytes()
        return work.simulate_run, work.RunJob(
            run.name, run.options, run.settings, str(made), content, run.label
        )

    def _take(self, future: Future[Any]) -> None:
        kind, run = self.under_way.pop(future)
        job = f"{kind} {run.trace_name if kind == 'trace' else run.name}"
        error = future.exception()
        if isinstance(error, BrokenProcessPool):
            self._after_loss(kind, run, job)
            return
        # A fault of ours in one run is no reason to lose the others.
        text = f"{type(error).__name__}: {error}"
        if kind == "trace":
            self._take_trace(run, *(future.result() if error is None else (text, b"")))
        else:
            self._take_run(run, future.result() if error is None else {"error": text})

    def _after_loss(self, kind: str, run: resolve.Resolved, job: str) -> None:
        """A worker died, and all jobs of its pool with it: which one was to blame is not known, so all go again."""
        self.lost[job] = self.lost.get(job, 0) + 1
        error = f"the worker process died {self.lost[job]} times; is there memory enough?"
        if self.lost[job] < pools.LOST_WORKERS_PER_JOB * JOBS_PER_WORKER:
            self.ready.appendleft((kind, run))
        elif kind == "trace":
            self._take_trace(run, error, b"")
        else:
            self._take_run(run, {"error": error})
        if not self.under_way:
            self.workers.restart()

    def _take_trace(self, run: resolve.Resolved, error: str, content: bytes) -> None:
        if content:
            self.store.keep_trace(run.trace_name, content)
        self.progress.traces_made += 1
        for each in self.waiting.pop(run.trace_name, []):
            if error:
                self._take_run(each, {"error": f"trace: {error}"})
            else:
                self.ready.append(("run", each))

    def _take_run(self, run: resolve.Resolved, record: dict[str, Any]) -> None:
        self.store.keep(run.name, record)
        if "error" in record:
            self.progress.failed += 1
        else:
            self.progress.done += 1
