"""Compiling ahead: small runs through everything that later runs will call."""

import itertools
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from ppim.dram.load import DEFAULT_DEVICE, load_device
from ppim.jit import kernel_cache
from ppim.runs import generate_files, replay_files, simulate_files
from ppim.systems.chosen import choose_system
from ppim.temporary import temporary_folder
from ppim.weight_sharing.base import ALGORITHMS

DEFAULT_ALGORITHMS = ("qr", "tt-rec")
SAMPLES = 8
THREADS = (1, 2)
"""Numbers of threads; for several, other kernels are needed than for one."""

REQUESTS = "0x0 READ 0\n0x2000 READ 3\n0x40 WRITE 10\n"


def warm_up(systems: Iterable[str], algorithms: Iterable[str], *, plain_requests: bool) -> Iterator[str]:
    """Compile the kernels of systems; a line for each when it is done.

    Parameters
    ----------
    systems : iterable of str
        Names, or files.
    algorithms : iterable of str
        Weight sharing of the traces that they will run.
    plain_requests : bool
        Compile what `ppim replay` needs, too.

    Raises
    ------
    InputError
        An unknown system or algorithm; nothing is compiled then.
    """
    chosen = [choose_system(name) for name in systems]
    for algorithm in algorithms:
        ALGORITHMS.get(algorithm)
    started = time.perf_counter()
    with temporary_folder() as folder:
        traces = [_trace(folder, algorithm) for algorithm in algorithms]
        yield f"gen-trace: ready, {time.perf_counter() - started:.1f} s"
        for system in chosen:
            started = time.perf_counter()
            for trace, threads in itertools.product(traces, THREADS):
                simulate_files.simulate_file(trace, system, threads=threads)
            yield f"{system.base}: ready, {time.perf_counter() - started:.1f} s"
        if plain_requests:
            started = time.perf_counter()
            requests = folder / "requests.trace"
            requests.write_text(REQUESTS, encoding="ascii")
            replay_files.replay_file(requests, load_device(DEFAULT_DEVICE), replay_files.ReplayOptions())
            yield f"replay: ready, {time.perf_counter() - started:.1f} s"
    if not kernel_cache.keeps():
        yield "nothing of it is kept: see the warning, and `ppim doctor`"


def _trace(folder: Path, algorithm: str) -> Path:
    """A few samples of generated data."""
    trace = folder / f"{algorithm}.parquet"
    options = generate_files.TraceOptions(algorithm=algorithm, max_samples=SAMPLES)
    generate_files.generate_file((generate_files.SYNTHETIC,), trace, options)
    return trace
