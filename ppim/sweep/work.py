"""What a worker process does: make one trace, or simulate one run. It is given and gives back plain data."""

import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppim.errors import PpimError
from ppim.temporary import temporary_folder
from ppim.text_files import printable


@dataclass(frozen=True)
class TraceJob:
    """A trace to make.

    Attributes
    ----------
    name : str
        Hash of all that it depends on.
    options : dict
        Arguments of `ppim.generate_trace`.
    path : str
        Where to put it; "" where the worker does not share the sweep's folder: its content is given back.
    """

    name: str
    options: dict[str, Any]
    path: str


@dataclass(frozen=True)
class RunJob:
    """A run to simulate.

    Attributes
    ----------
    name : str
        Hash of all that it depends on.
    options, settings : dict
        Arguments of `ppim.simulate`.
    trace : str
        Path of its trace.
    content : bytes
        The trace itself, where the worker does not share the sweep's folder.
    label : str
        What the trace is called in the results.
    """

    name: str
    options: dict[str, Any]
    settings: dict[str, Any]
    trace: str
    content: bytes
    label: str


def make_trace(job: TraceJob) -> tuple[str, bytes]:
    """(error or "", content if it was asked for) of making a trace."""
    from ppim.api import generate_trace

    try:
        if job.path:
            generate_trace(output=job.path, threads=1, **job.options)
            return "", b""
        with temporary_folder() as folder:
            path = folder / f"{job.name}.parquet"
            generate_trace(output=path, threads=1, **job.options)
            return "", path.read_bytes()
    except PpimError as error:
        return str(error), b""
    except MemoryError:
        return "out of memory", b""


def simulate_run(job: RunJob) -> dict[str, Any]:
    """A run's record: rows of the stats CSV, summary, wall-clock seconds; or `error`."""
    from ppim.api import simulate
    from ppim.stats.summary import summary

    start = time.perf_counter()
    try:
        with temporary_folder() as folder:
            trace = Path(job.trace)
            if job.content:
                trace = folder / f"{job.label}.parquet"
                trace.write_bytes(job.content)
            result = simulate(trace, settings=job.settings, **job.options)
        return {
            "rows": [_named(row, trace, job) for row in result.rows()],
            "summary": _named(summary(result), trace, job),
            "seconds": time.perf_counter() - start,
        }
    except PpimError as error:
        return {"error": str(error)}
    except MemoryError:
        return {"error": "out of memory; give smaller caches, queues or batches"}


def _named(figures: dict[str, Any], used: Path, job: RunJob) -> dict[str, Any]:
    """A row or a summary in which the trace is called by what it is, not by where this worker had it."""
    run = Path(job.label).stem + str(figures["run"]).removeprefix(printable(used.stem))
    if "command" not in figures:
        return {**figures, "run": run, "trace": job.label}
    command = str(figures["command"]).replace(shlex.quote(str(used)), shlex.quote(job.trace))
    return {**figures, "run": run, "trace": job.trace, "command": command}
