"""Speed of `ppim simulate`: accesses per second on one and two threads, peak memory, first run.

The trace is the synthetic one with the defaults of `ppim gen-trace` (QR, batches of 4, pooling 10, 128 B).
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from ppim import api
from ppim.runs.simulate import simulate
from ppim.systems.load import load_system
from ppim.trace.reader import TraceReader

FIRST_RUN_SAMPLES = 100
SAMPLE = Path(__file__).parents[1] / "traces" / "sample-qr.parquet"


def say(line: str) -> None:
    """One line of the report."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def ppim(*arguments: object, **environment: str) -> float:
    """Run the command line; its time in seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "ppim", *map(str, arguments)]
    subprocess.run(command, check=True, env=os.environ | environment, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def make_trace(folder: Path, samples: int) -> Path:
    """The synthetic trace of so many samples."""
    path = folder / f"{samples}.parquet"
    ppim("gen-trace", "synthetic", "--max-samples", samples, "-o", path)
    return path


def report_first_run(folder: Path, system: str) -> None:
    """Time of a run that finds no compiled kernel, and of the next one."""
    trace = make_trace(folder, FIRST_RUN_SAMPLES)
    command = ("simulate", trace, "--system", system, "-o", folder / "stats.csv")
    for name in ("first run, with all compilation", "the next"):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = ppim(*command, NUMBA_CACHE_DIR=str(folder / "kernels"))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        say(f"{FIRST_RUN_SAMPLES} samples, {name}: {seconds:.1f} s, {processor:.1f} s of processor time")


def report_second_run(system: str, repeats: int) -> None:
    """Time of a small run in a process that has made one before: what each run of a sweep costs beside its trace."""
    seconds = []
    for _ in range(repeats + 1):
        before = time.process_time()
        api.simulate(SAMPLE, system)
        seconds.append(time.process_time() - before)
    say(f"{SAMPLE.name}, another run in one process: {min(seconds[1:]):.3f} s of processor time")


def report_speed(trace: Path, system: str, threads: int, repeats: int) -> None:
    """Accesses a second by the clock and by processor time, the best of some runs."""
    reader = TraceReader(trace)
    wall = processor = float("inf")
    for _ in range(repeats):
        before = time.process_time()
        result = simulate(reader, load_system(system), threads=threads)
        processor = min(processor, time.process_time() - before)
        wall = min(wall, result.seconds)
    n = result.total("accesses")
    reads = result.total("reads")
    say(
        f"{threads} thread{'s' if threads > 1 else ' '}  {n / wall / 1e6:6.2f} M accesses/s, "
        f"{n / processor / 1e6:6.2f} M a second of processor time, {processor / reads * 1e9:5.1f} ns/READ"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--system", default="proactivepim")
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many runs is shown")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report_first_run(folder, options.system)
        report_second_run(options.system, options.repeats)
        trace = make_trace(folder, options.samples)
        # Loads the kernels, compiled if need be.
        simulate(TraceReader(make_trace(folder, FIRST_RUN_SAMPLES)), load_system(options.system))
        for threads in (1, 2):
            report_speed(trace, options.system, threads, options.repeats)
    say(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
