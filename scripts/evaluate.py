"""The tables of docs/evaluation.md, each computed anew and put between its marks.

    python scripts/evaluate.py criteo_kaggle.txt [--page docs/evaluation.md] [--only NAME ...]

The dataset is the start of Criteo Kaggle's train.txt; the tables hold sums over whole runs, none of its rows.
The same dataset gives the same page. It takes some minutes on one core.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from evaluation_runs import BATCH, POOLING, Bench, Runs

from ppim.errors import InputError, PpimError
from ppim.files import atomic_path
from ppim.stats.counters import CYCLE_CLASSES
from ppim.systems.load import load_system, system_names

PAGE = Path(__file__).parent.parent / "docs" / "evaluation.md"
MARKS = re.compile(r"(<!-- table: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

SAMPLES = 100
LONG = 999  # of systems that copy rows: 100 samples touch fewer rows than some of them copy
NAMES = {"qr": "QR", "tt-rec": "TT-Rec"}
TABLES = 26

BASE, MAPPED, FULL = "pim-base", "proactivepim-map", "proactivepim"
STEPS = (BASE, MAPPED, "proactivepim-cache", FULL)
IMPOSSIBLE = {("tensordimm", "TT-Rec")}
"""It splits vectors, and no unit can multiply with a slice of a matrix."""
TIERS = "proactivepim-tiers"
AUTHORS: dict[str, Any] = {
    "frontend": "global",
    "cross_unit_timing": "faw-only",
    "barrier": "none",
    "transfer": "all",
}
"""What `proactivepim-paper` changes in the steps of the ablation."""
FRONT_ENDS: dict[str, dict[str, Any]] = {
    "per channel": {},
    "global": {"frontend": "global"},
    "as its authors simulate": AUTHORS,
}

Rows = Iterable[Sequence[object]]


def markdown(header: Sequence[str], rows: Rows) -> str:
    """A table; all but its first column to the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)


def ratio(slow: Runs, fast: Runs) -> str:
    """How many times as fast the second is."""
    return f"{slow.time_ns / fast.time_ns:.2f}"


# --- one function a table ------------------------------------------------------------------------


def instructions(bench: Bench) -> str:
    """Issue slots against what a few lines of arithmetic expect of a table and batch."""
    lookups, units, turns = BATCH * POOLING, 32, SAMPLES // BATCH * TABLES
    transfers = 4 * BATCH  # one for each of a channel's bank groups and each bag, broadcast to all channels
    expected = {
        (BASE, "two reads, a deliver for 31 of 32, transfers"): lookups * (2 + (units - 1) / units),
        (MAPPED, "two reads, transfers"): lookups * 2,
        (FULL, "one read, transfers, four prefetches"): lookups + 4,
    }
    trace, rows = bench.trace("qr", SAMPLES), []
    for (system, how), reads in expected.items():
        slots = bench.runs(trace, system, **AUTHORS).issue_slots
        each = reads + transfers
        rows.append([system, how, f"{each:g}", f"{slots / turns:.2f}", f"{slots / turns / each - 1:+.1%}"])
    return markdown(["system", "a table and batch needs", "expected", "simulated", "difference"], rows)


def ablation_traces(bench: Bench) -> dict[str, Path]:
    """QR and TT-Rec; the latter with the factors of its paper and with those of ProactivePIM's authors."""
    return {
        "QR": bench.trace("qr", SAMPLES),
        "TT-Rec": bench.trace("tt-rec", SAMPLES),
        "TT, cube-root": bench.trace("tt-rec", SAMPLES, factorisation="cube-root"),
    }


def ablation(bench: Bench) -> str:
    """Step by step to the full system, for every front end."""
    rows = []
    for (label, trace), paper in zip(ablation_traces(bench).items(), (2.22, 2.15, 2.15), strict=True):
        for front_end, settings in FRONT_ENDS.items():
            runs = [bench.runs(trace, step, **settings) for step in STEPS]
            if not settings:
                runs.append(bench.runs(trace, TIERS))
            speeds = [f"{runs[0].cycles:,.0f}"]
            speeds += [f"{run.cycles:,.0f} ({ratio(runs[0], run)})" for run in runs[1:]]
            speeds += [""] * (len(STEPS) + 1 - len(runs))
            rows.append([label, front_end, *speeds, f"{paper:.2f}"])
    return markdown(["", "front end", *STEPS, TIERS, "paper"], rows)


def time_split(bench: Bench) -> str:
    """Classes of cycles and the nearest limit of each step."""
    rows = []
    for algorithm, name in NAMES.items():
        trace = bench.trace(algorithm, SAMPLES)
        for step in STEPS:
            run = bench.runs(trace, step)
            shares = [f"{run.share(column):.0%}" for column in CYCLE_CLASSES]
            rows.append([name, step, *shares, run.bound_by()])
    classes = [column.removesuffix("_cycles").removeprefix("stall_") for column in CYCLE_CLASSES]
    return markdown(["", "system", *classes, "nearest limit"], rows)


def systems(bench: Bench) -> str:
    """The full system against all others, by time: a table for each trace, so that each is narrow."""
    traces = {
        "QR": bench.trace("qr", LONG),
        "QR, uniform bags": bench.trace("qr", LONG, bags="uniform"),
        "TT-Rec": bench.trace("tt-rec", LONG // 4),
    }
    full = {label: bench.runs(trace, FULL) for label, trace in traces.items()}
    rows: dict[str, list[Sequence[object]]] = {name: [] for name in traces}

    def add(label: str, system: str, **settings: Any) -> None:
        for name, trace in traces.items():
            if (system, name) not in IMPOSSIBLE:
                run = bench.runs(trace, system, **settings)
                cells = [f"{run.time_ns / 1000:,.1f}", ratio(run, full[name]), run.bound_by()]
                rows[name].append([label, *cells])

    for system in system_names():
        add(system, system)
        if load_system(system).kind == "host":
            add(f"{system} without its cache", system, llc_bytes=0)
    for changed in ({"instruction_bits": 28}, {"prefetch": "used"}):
        add(f"{FULL}, {', '.join(f'{key} = {value}' for key, value in changed.items())}", FULL, **changed)
    return "\n".join(
        markdown([f"{name}: system", "us", "full is faster by", "nearest limit"], lines)
        for name, lines in rows.items()
    )


def prefetches(bench: Bench) -> str:
    """The full system with every schedule of its prefetches."""
    rows = []
    for schedule in ("none", "table", "used", "next", "all"):
        row = [schedule]
        for trace in ablation_traces(bench).values():
            run = bench.runs(trace, FULL, prefetch=schedule)
            row += [f"{run.cycles:,.0f} ({ratio(bench.runs(trace, BASE), run)})", f"{run.issue_slots:,.0f}"]
        rows.append(row)
    header = [column for label in ablation_traces(bench) for column in (f"{label}: cycles", "slots")]
    return markdown(["prefetch", *header], rows)


def tt_rec(bench: Bench) -> str:
    """What TT-Rec's ratio depends on: bags, delivers, the front end, and what the base reuses of the second core."""
    choices = {
        "per channel": {},
        "per channel, deliver in-order": {"deliver": "in-order"},
        "as its authors simulate": AUTHORS,
    }
    rows = []
    for pooling in (10, 80):
        trace = bench.trace("tt-rec", BOTH["tt-rec"], pooling=pooling)
        for front_end, settings in choices.items():
            full = [bench.runs(trace, FULL, prefetch=schedule, **settings) for schedule in ("table", "used")]
            for reuse in (True, False):
                base = bench.runs(trace, BASE, tt_reorder=reuse, tt_reuse=reuse, **settings)
                row = ["yes" if reuse else "no", str(pooling), front_end]
                rows.append([*row, f"{base.cycles:,.0f}", *(ratio(base, run) for run in full)])
    rows.sort(key=lambda row: row[0] == "no")
    return markdown(
        ["base with reuse", "pooling", "front end", BASE, "full over it", "with prefetch used"], rows
    )


def mappings(bench: Bench) -> str:
    """The base with every mapping, and how uneven the load of its units is."""
    choices = [("interleave", "hash"), ("interleave", "page"), ("duplicate", "hash"), ("duplicate", "page")]
    choices += [("hot", "hash"), ("table", "hash")]
    rows = []
    for mapping, placement in choices:
        row: list[object] = [f"{mapping}, {placement}" if mapping in ("interleave", "duplicate") else mapping]
        for algorithm in NAMES:
            trace = bench.trace(algorithm, SAMPLES)
            run = bench.runs(trace, BASE, mapping=mapping, placement=placement)
            row += [f"{run.cycles:,.0f}", ratio(bench.runs(trace, BASE), run), f"{run.unevenness:.2f}"]
        rows.append(row)
    header = [x for name in NAMES.values() for x in (f"{name}: cycles", "faster", "busiest unit / mean")]
    return markdown(["mapping", *header], rows)


def factor(
    bench: Bench,
    values: Iterable[object],
    *,
    trace: Callable[[object], dict[str, Any]] = lambda _: {},
    settings: Callable[[object], dict[str, Any]] = lambda _: {},
    samples: dict[str, int],
) -> str:
    """One thing changed at a time, everything else as usual, for the algorithms of `samples` one after the other."""
    rows = []
    for algorithm, n in samples.items():
        for value in values:
            file = bench.trace(algorithm, n, **trace(value))
            base, mapped, full = (
                bench.runs(file, system, **settings(value)) for system in (BASE, MAPPED, FULL)
            )
            row = [NAMES[algorithm], str(value), ratio(base, full), ratio(mapped, full)]
            rows.append([*row, base.bound_by(), full.bound_by()])
    return markdown(["", "value", "over base", "over map", "limit of base", "limit of full"], rows)


BOTH = {"qr": SAMPLES, "tt-rec": 40}


def setting(name: str, *values: object, samples: dict[str, int] = BOTH) -> Callable[[Bench], str]:
    """A table over the values of one parameter of the system."""
    return lambda bench: factor(bench, values, settings=lambda value: {name: value}, samples=samples)


def trace_option(
    name: str, *values: object, samples: dict[str, int] = BOTH, **settings: Any
) -> Callable[[Bench], str]:
    """A table over the values of one parameter of the trace."""
    return lambda bench: factor(
        bench, values, trace=lambda value: {name: value}, settings=lambda _: settings, samples=samples
    )


MAKERS: dict[str, Callable[[Bench], str]] = {
    "instructions": instructions,
    "ablation": ablation,
    "time": time_split,
    "systems": systems,
    "prefetch": prefetches,
    "tt-rec": tt_rec,
    "mapping": mappings,
    "instruction-bits": setting("instruction_bits", 28, 56, 85, 112, 224, 448),
    "barrier": setting("barrier", "table", "batch", "none"),
    "transfer": setting("transfer", "non-empty", "all"),
    "cross-unit-timing": setting("cross_unit_timing", "physical", "faw-only", "none"),
    "deliver": setting("deliver", "ahead", "in-order"),
    "collect": setting("collect", "host", "base-die", "tree"),
    "macs": setting("macs", 1, 4, 16, 64, 256),
    "pooling": trace_option("pooling", 1, 10, 20, 40, 80, samples={"qr": SAMPLES, "tt-rec": 40}),
    "bags": trace_option("bags", "pareto", "uniform"),
    "batch": trace_option("batch", 1, 4, 16, 64, samples={"qr": 192, "tt-rec": 64}),
    # The longest vectors do not fit in 4 GiB.
    "vector": trace_option("vector_bytes", 64, 128, 256, 512, device="hbm2-8gb"),
    "collisions": trace_option("collisions", 4, 8, 16, 32, 64, samples={"qr": SAMPLES}),
    "rank": trace_option("tt_rank", 8, 16, 32, 64, samples={"tt-rec": 40}),
}
"""Table of the page -> its text."""


def fill(page: str, tables: dict[str, str]) -> str:
    """The page with new tables between their marks.

    Raises
    ------
    InputError
        A table has no place in the page.
    """
    missing = tables.keys() - {match["name"] for match in MARKS.finditer(page)}
    if missing:
        raise InputError(f"no <!-- table: {min(missing)} --> in the page; put one where the table belongs")

    def replaced(match: re.Match[str]) -> str:
        name = match["name"]
        return f"{match[1]}{tables[name]}{match[3]}" if name in tables else match[0]

    return MARKS.sub(replaced, page)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", type=Path, help="the first 999 or more lines of Criteo Kaggle's train.txt")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to renew")
    parser.add_argument(
        "--only", nargs="+", choices=list(MAKERS), default=list(MAKERS), help="some tables only"
    )
    arguments = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(prefix="ppim-") as folder:
            bench = Bench(arguments.dataset, Path(folder))
            tables = {}
            for name in arguments.only:
                tables[name] = MAKERS[name](bench)
                sys.stdout.write(f"{name}\n\n{tables[name]}\n")
                sys.stdout.flush()
        text = fill(arguments.page.read_text(encoding="utf-8"), tables)
        with atomic_path(arguments.page) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except PpimError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
