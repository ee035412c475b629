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

SAMPLES = {"qr": 100, "tt-rec": 40}
LONG = {"qr": 999, "tt-rec": 100}
"""Of systems that copy rows: 100 samples of QR touch fewer rows than some of them copy."""
NAMES = {"qr": "QR", "tt-rec": "TT-Rec"}
TABLES = 26

BASE, MAPPED, FULL = "pim-base", "proactivepim-map", "proactivepim"
STEPS = (BASE, MAPPED, "proactivepim-cache", FULL)
PAPER = {"qr": 2.22, "tt-rec": 2.15}
IMPOSSIBLE = {("tensordimm", "tt-rec")}
"""It splits vectors, and no unit can multiply with a slice of a matrix."""
TIERS = "proactivepim-tiers"
AUTHORS: dict[str, Any] = {
    "frontend": "global",
    "cross_unit_timing": "faw-only",
    "barrier": "none",
    "transfer": "all",
    "collect": "host",
}
"""What `proactivepim-paper` changes in the steps of the ablation."""
FRONT_ENDS: dict[str, dict[str, Any]] = {
    "per channel": {},
    "per channel, deliver in-order": {"deliver": "in-order"},
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
    lookups, units, turns = BATCH * POOLING, 32, SAMPLES["qr"] // BATCH * TABLES
    transfers = 4 * BATCH  # one for each of a channel's bank groups and each bag, broadcast to all channels
    expected = {
        (BASE, "two reads, a deliver for 31 of 32, transfers"): lookups * (2 + (units - 1) / units),
        (MAPPED, "two reads, transfers"): lookups * 2,
        (FULL, "one read, transfers, four prefetches"): lookups + 4,
    }
    trace, rows = bench.trace("qr", SAMPLES["qr"]), []
    for (system, how), reads in expected.items():
        slots = bench.runs(trace, system, **AUTHORS).issue_slots
        each = reads + transfers
        rows.append([system, how, f"{each:g}", f"{slots / turns:.2f}", f"{slots / turns / each - 1:+.1%}"])
    return markdown(["system", "a table and batch needs", "expected", "simulated", "difference"], rows)


def traces(bench: Bench) -> dict[str, Path]:
    """QR and TT-Rec in the paper's case."""
    return {algorithm: bench.trace(algorithm, samples) for algorithm, samples in SAMPLES.items()}


def ablation(bench: Bench) -> str:
    """Step by step to the full system, for every front end."""
    rows = []
    for algorithm, trace in traces(bench).items():
        for front_end, settings in FRONT_ENDS.items():
            base, *steps = (bench.runs(trace, step, **settings) for step in STEPS)
            tiers = ratio(base, bench.runs(trace, TIERS, **settings)) if settings != AUTHORS else ""
            speeds = [ratio(base, step) for step in steps]
            rows.append(
                [NAMES[algorithm], front_end, f"{base.cycles:,.0f}", *speeds, tiers, PAPER[algorithm]]
            )
    return markdown(["", "front end", f"{BASE}: cycles", *STEPS[1:], TIERS, "paper"], rows)


def time_split(bench: Bench) -> str:
    """Classes of cycles and the nearest limit of each step."""
    rows = []
    for algorithm, trace in traces(bench).items():
        for step in STEPS:
            run = bench.runs(trace, step)
            shares = [f"{run.share(column):.0%}" for column in CYCLE_CLASSES]
            rows.append([NAMES[algorithm], step, *shares, run.bound_by()])
    classes = [column.removesuffix("_cycles").removeprefix("stall_") for column in CYCLE_CLASSES]
    return markdown(["", "system", *classes, "nearest limit"], rows)


def systems(bench: Bench) -> str:
    """All systems beside the full one, by time: a table for each trace, so that each is narrow."""
    tables = []
    for algorithm, samples in LONG.items():
        trace = bench.trace(algorithm, samples)
        full, rows = bench.runs(trace, FULL), []
        for system in system_names():
            settings: list[dict[str, Any]] = [{}]
            if load_system(system).kind == "host":
                settings.append({"llc_bytes": 0})
            for changed in settings if (system, algorithm) not in IMPOSSIBLE else []:
                run = bench.runs(trace, system, **changed)
                label = f"{system} without its cache" if changed else system
                rows.append([label, f"{run.time_ns / 1000:,.1f}", ratio(run, full), run.bound_by()])
        tables.append(
            markdown([f"{NAMES[algorithm]}: system", "us", "full is faster by", "nearest limit"], rows)
        )
    return "\n".join(tables)


def prefetches(bench: Bench) -> str:
    """The full system with every schedule of its prefetches."""
    rows = []
    for schedule in ("none", "table", "used", "next", "all"):
        row = [schedule]
        for trace in traces(bench).values():
            run = bench.runs(trace, FULL, prefetch=schedule)
            row += [f"{run.cycles:,.0f}", ratio(bench.runs(trace, BASE), run), f"{run.issue_slots:,.0f}"]
        rows.append(row)
    header = [x for name in NAMES.values() for x in (f"{name}: cycles", "over base", "slots")]
    return markdown(["prefetch", *header], rows)


def reuse(bench: Bench) -> str:
    """What TT-Rec's ratio owes to reads of the second core that lookups of a bag share."""
    rows = []
    for pooling in (10, 80):
        trace = bench.trace("tt-rec", SAMPLES["tt-rec"], pooling=pooling)
        full = bench.runs(trace, FULL)
        for shares in (True, False):
            base = bench.runs(trace, BASE, tt_reorder=shares, tt_reuse=shares)
            rows.append([pooling, "yes" if shares else "no", f"{base.cycles:,.0f}", ratio(base, full)])
    return markdown(["pooling", "base with reuse", f"{BASE}: cycles", "full over it"], rows)


def mappings(bench: Bench) -> str:
    """The base with every mapping, and how uneven the load of its units is."""
    choices = [("interleave", "hash"), ("interleave", "page"), ("duplicate", "hash"), ("duplicate", "page")]
    choices += [("hot", "hash"), ("table", "hash")]
    rows = []
    for mapping, placement in choices:
        row: list[object] = [f"{mapping}, {placement}" if mapping in ("interleave", "duplicate") else mapping]
        for trace in traces(bench).values():
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
    """One thing changed at a time, everything else as usual, for the algorithms of `samples` side by side."""
    rows = []
    for value in values:
        row: list[object] = [value]
        for algorithm, n in samples.items():
            file = bench.trace(algorithm, n, **trace(value))
            base, full = (bench.runs(file, system, **settings(value)) for system in (BASE, FULL))
            row += [ratio(base, full), base.bound_by(), full.bound_by()]
        rows.append(row)
    header = [x for name in samples for x in (f"{NAMES[name]}: over base", "limit of base", "limit of full")]
    return markdown(["value", *header], rows)


def setting(name: str, *values: object) -> Callable[[Bench], str]:
    """A table over the values of one parameter of the system."""
    return lambda bench: factor(bench, values, settings=lambda value: {name: value}, samples=SAMPLES)


def trace_option(
    name: str, *values: object, samples: dict[str, int] = SAMPLES, **settings: Any
) -> Callable[[Bench], str]:
    """A table over the values of one parameter of the trace."""
    return lambda bench: factor(
        bench, values, trace=lambda value: {name: value}, settings=lambda _: settings, samples=samples
    )


ONLY_QR, ONLY_TT = ({algorithm: SAMPLES[algorithm]} for algorithm in SAMPLES)
MAKERS: dict[str, Callable[[Bench], str]] = {
    "instructions": instructions,
    "ablation": ablation,
    "time": time_split,
    "systems": systems,
    "prefetch": prefetches,
    "reuse": reuse,
    "mapping": mappings,
    "instruction-bits": setting("instruction_bits", 28, 85, 224, 448),
    "barrier": setting("barrier", "table", "batch", "none"),
    "macs": setting("macs", 4, 16, 64, 256),
    "pooling": trace_option("pooling", 1, 10, 40, 80),
    "batch": trace_option("batch", 1, 4, 16, samples={"qr": 96, "tt-rec": 32}),
    # The longest vectors do not fit in 4 GiB.
    "vector": trace_option("vector_bytes", 64, 128, 256, 512, device="hbm2-8gb"),
    "collisions": trace_option("collisions", 4, 8, 16, 32, 64, samples=ONLY_QR),
    "rank": trace_option("tt_rank", 8, 16, 32, samples=ONLY_TT),
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
