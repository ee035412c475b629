"""Speed and memory of `ppim gen-trace`, beside pyarrow's CSV reader on the same file and columns.

    python scripts/bench_gen_trace.py [--rows 1000000] [--repeats 5]

It writes a Criteo-like TSV of generated samples to a temporary folder and prints one line a measurement. Times are
the best of the repeats, the two programs taking turns, kernels compiled beforehand; memory is the greatest
resident size of a process that runs the command.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from ppim.datasets.base import MISSING, ReadOptions, make_dataset
from ppim.datasets.criteo_format import CATEGORIES, LAYOUT
from ppim.datasets.rows import FoldedRows
from ppim.trace.generate import Recipe, generate
from ppim.trace.reader import TraceReader
from ppim.trace.schema import PoolingMeta
from ppim.weight_sharing.base import WeightSharing

DISTINCT_ROWS = 50_000
POOLING = 10
COMMAND = "import sys; from ppim.cli import main; main(sys.argv[1:])"


def write_criteo(path: Path, n_rows: int) -> None:
    """Rows in Criteo's format; distinct ones first, then the same again in a random order."""
    source = make_dataset("synthetic", {}).open([], ReadOptions(max_samples=min(n_rows, DISTINCT_ROWS)))
    values = np.concatenate([np.stack(chunk.values) for chunk in source.chunks()], axis=1)
    words = np.array((values * np.uint64(0x9E3779B1) + np.uint64(1)) & np.uint64(0xFFFFFFFF), dtype=object)
    rng = np.random.default_rng(1)
    integers = rng.geometric(0.05, (values.shape[1], 13))
    lines = []
    for number in range(values.shape[1]):
        fields = [str(number % 4 // 3), *("" if i > 60 else str(i) for i in integers[number])]
        fields += [
            "" if v == MISSING else f"{w:08x}"
            for v, w in zip(values[:, number], words[:, number], strict=True)
        ]
        lines.append("\t".join(fields))
    order = np.concatenate((np.arange(len(lines)), rng.integers(0, len(lines), max(n_rows - len(lines), 0))))
    with path.open("w") as stream:
        stream.writelines(f"{lines[i]}\n" for i in order[:n_rows])


def read_with_pyarrow(path: Path) -> None:
    """What pyarrow needs to hand out the 26 categorical columns as text, with its own choice of threads."""
    csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=list(LAYOUT.names)),
        parse_options=csv.ParseOptions(delimiter="\t"),
        convert_options=csv.ConvertOptions(
            include_columns=list(CATEGORIES), column_types=dict.fromkeys(CATEGORIES, pa.string())
        ),
    )


def make_trace(path: Path, output: Path, pooling: int, threads: int, max_samples: int | None = None) -> int:
    """The QR trace of a Criteo file; returns its accesses."""
    source = make_dataset("criteo-kaggle", {}).open([path], ReadOptions(max_samples=max_samples))
    rows = FoldedRows([table.rows or 1 for table in source.tables])
    recipe = Recipe(tuple(range(26)), rows, PoolingMeta("pareto", (pooling,) * 26), 4, 0)
    describe = {"dataset": "bench", "dataset_sha256": None, "dataset_options": {}, "command_line": ""}
    sharing = WeightSharing.from_parameters("qr", {})
    return generate(source, sharing, recipe, output, describe, threads=threads).accesses


def read_trace(path: Path) -> int:
    """Decode and check a whole trace; returns its accesses."""
    with TraceReader(path) as reader:
        return sum(chunk.row.size for chunk in reader.chunks())


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def resident_mib(*arguments: object) -> float:
    """Greatest resident size of a `ppim` process; greater ones must be measured after smaller ones."""
    command = [sys.executable, "-c", COMMAND, *map(str, arguments)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def report(name: str, value: float, unit: str, target: str = "") -> None:
    sys.stdout.write(f"{name:62} {value:10.2f} {unit:14} {target}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ppim-bench-") as folder:
        path, output = Path(folder, "train.txt"), Path(folder, "trace.parquet")
        write_criteo(path, options.rows)
        report("generated Criteo TSV", path.stat().st_size / 1e6, "MB", f"{options.rows} rows")
        few = max(options.rows // 5, 1)
        for pooling in (1, POOLING):
            make_trace(path, output, pooling, 2, max_samples=2000)
        # Memory first: a child's resident size begins with that of the process it was forked from.
        small = resident_mib("gen-trace", path, "-o", output, "--max-samples", few // 4)
        large = resident_mib("gen-trace", path, "-o", output, "--max-samples", few)
        report(f"resident memory, {few // 4} rows, pooling {POOLING}", small, "MiB", "< 1024")
        report(f"resident memory, {few} rows, pooling {POOLING}", large, "MiB", "< 1024, flat")
        reference, one, two = [], [], []
        for _ in range(options.repeats):
            reference.append(seconds(lambda: read_with_pyarrow(path)))
            two.append(seconds(lambda: make_trace(path, output, 1, 2)))
            one.append(seconds(lambda: make_trace(path, output, 1, 1)))
        report("pyarrow CSV reader, 26 columns", min(reference), "s")
        report(
            "QR trace, one-hot, 1 encoding thread",
            min(one),
            "s",
            f"{min(one) / min(reference):.2f} x pyarrow",
        )
        report(
            "QR trace, one-hot, 2 encoding threads",
            min(two),
            "s",
            f"{min(two) / min(reference):.2f} x pyarrow",
        )
        best = min(min(one), min(two)) / min(reference)
        report("time of a QR trace over pyarrow's CSV reader", best, "x", "<= 1.5")
        for threads in (1, 2):
            times, accesses = [], 0
            for _ in range(max(options.repeats // 2, 1)):
                start = time.perf_counter()
                accesses = make_trace(path, output, POOLING, threads, max_samples=few)
                times.append(time.perf_counter() - start)
            report(
                f"accesses written, pooling {POOLING}, {threads} thread(s)",
                accesses / min(times) / 1e6,
                "M/s",
                ">= 20",
            )
        times = [seconds(lambda: read_trace(output)) for _ in range(options.repeats)]
        report("accesses read and checked, 1 thread", read_trace(output) / min(times) / 1e6, "M/s", ">= 40")
        report("size of the trace", output.stat().st_size / read_trace(output), "B/access")


if __name__ == "__main__":
    main()
