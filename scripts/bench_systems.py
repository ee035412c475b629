"""Every built-in system against the default: accesses a second, memory, start; and compilation of some.

    python scripts/bench_systems.py [--output build/bench.csv] [--compare docs/bench.csv] [--only NAME ...]

Each figure is that of a process of its own (`ppim simulate`), in processor time, the best of some rounds in which all
systems take turns, so that a busy machine slows down all alike. Ratios to the default carry over to other machines:
those are compared with the ones of the last release.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from ppim.files import atomic_path
from ppim.systems.load import system_names

ROOT = Path(__file__).parents[1]
DEFAULT = "proactivepim"
COMPILED = (DEFAULT, "pim-base", "cpu")  # one for each engine, from no kernels at all
SHORT, LONG = 100, 4000  # samples; what both take is the start, and nets out
COLUMNS = ("figure", "system", "value", "unit", "of_default")


class Cost(NamedTuple):
    """What a process took."""

    seconds: float  # of processor time
    mebibytes: float  # at most


class Figure(NamedTuple):
    """A row of the CSV."""

    figure: str
    system: str
    value: float
    unit: str
    of_default: float  # the value of the default is 1


def say(line: str) -> None:
    """One line of the report."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(command: Sequence[object], **environment: str) -> Cost:
    """Run the command line in a process of its own."""
    arguments = [sys.executable, "-m", "ppim", *map(str, command)]
    with subprocess.Popen(
        arguments, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def make_trace(folder: Path, samples: int) -> tuple[Path, int]:
    """The synthetic QR trace of so many samples, and its accesses."""
    from ppim.trace.reader import TraceReader

    path = folder / f"{samples}.parquet"
    run(["gen-trace", "synthetic", "--max-samples", samples, "-o", path])
    with TraceReader(path) as reader:
        return path, reader.n_accesses


def figures_of(rates: dict[str, float], memory: dict[str, float], start: dict[str, float]) -> list[Figure]:
    """Rows for each system: accesses a second, MiB, and seconds to begin and end."""
    kinds = [("speed", rates, "accesses/s"), ("memory", memory, "MiB"), ("start", start, "s")]
    return [
        Figure(name, system, value, unit, value / values[DEFAULT])
        for name, values, unit in kinds
        for system, value in values.items()
    ]


def measure(names: Sequence[str], rounds: int, folder: Path) -> list[Figure]:
    """All systems in turn, in so many rounds."""
    (short, few), (long, many) = make_trace(folder, SHORT), make_trace(folder, LONG)
    brief: dict[str, Cost] = {}
    full: dict[str, Cost] = {}
    for system in names:  # loads the kernels, compiled if need be
        run(["simulate", short, "--system", system, "-o", folder / "stats.csv"])
    for _ in range(rounds):
        for system in names:
            for trace, best in ((short, brief), (long, full)):
                cost = run(["simulate", trace, "--system", system, "-o", folder / "stats.csv"])
                best[system] = min(best.get(system, cost), cost)
    rates = {name: (many - few) / (full[name].seconds - brief[name].seconds) for name in names}
    memory = {name: full[name].mebibytes for name in names}
    return figures_of(rates, memory, {name: brief[name].seconds for name in names})


def measure_compiling(names: Sequence[str], folder: Path) -> list[Figure]:
    """Processor time of a first run that finds no kernels."""
    trace, _ = make_trace(folder, SHORT)
    found = {}
    for system in names:
        kernels = folder / f"kernels-{system}"
        command = ["simulate", trace, "--system", system, "-o", folder / "stats.csv"]
        found[system] = run(command, NUMBA_CACHE_DIR=str(kernels)).seconds
    return [Figure("first run", name, value, "s", value / found[DEFAULT]) for name, value in found.items()]


def write(figures: Sequence[Figure], path: Path) -> None:
    """The CSV, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(COLUMNS)
        for row in figures:
            rows.writerow([row.figure, row.system, f"{row.value:.4g}", row.unit, f"{row.of_default:.3f}"])


def read(path: Path) -> dict[tuple[str, str], float]:
    """Ratios to the default of a CSV, by figure and system."""
    with path.open(newline="", encoding="utf-8") as stream:
        return {(row["figure"], row["system"]): float(row["of_default"]) for row in csv.DictReader(stream)}


def report(figures: Sequence[Figure], before: dict[tuple[str, str], float]) -> list[str]:
    """A line for each figure, with its ratio to the default now and in the last release."""
    lines = [f"{'figure':10} {'system':20} {'value':>10} {'unit':11} {'of default':>10} {'before':>8}"]
    for row in figures:
        old = before.get((row.figure, row.system))
        told = "" if old is None else f"{old:8.2f}"
        value = f"{row.value:,.0f}" if row.value >= 100 else f"{row.value:.2f}"
        lines.append(
            f"{row.figure:10} {row.system:20} {value:>10} {row.unit:11} {row.of_default:10.2f} {told}".rstrip()
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.csv")
    parser.add_argument(
        "--compare", type=Path, default=ROOT / "docs" / "bench.csv", help="of the last release"
    )
    parser.add_argument("--only", nargs="+", default=None, metavar="SYSTEM")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    names = [DEFAULT, *(name for name in options.only or system_names() if name != DEFAULT)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = measure(names, options.rounds, folder)
        figures += measure_compiling([name for name in COMPILED if name in names], folder)
    write(figures, options.output)
    for line in report(figures, read(options.compare) if options.compare.exists() else {}):
        say(line)


if __name__ == "__main__":
    main()
