"""Stats CSVs of the demo -> one CSV with all of their lines, and two short tables on stdout.

    python scripts/demo_table.py traces/demo.csv traces/demo/qr/pim-base.csv traces/demo/qr/proactivepim.csv ...

A run's folder says which trace it is of: qr and tt-rec are compared with the paper, the others among each other.
"""

import argparse
import sys
import tomllib
from pathlib import Path

import pandas as pd

from ppim.errors import PpimError
from ppim.files import atomic_path
from ppim.systems.load import load_system
from ppim.tables import Table, as_lines, terminal_width

CLAIMS = Path(__file__).with_name("claims.toml")
PAPER = {"qr": "QR-trick", "tt-rec": "TT-Rec"}
BASE, FULL = "pim-base", "proactivepim"
HOST = "cpu"
WHAT = {
    "cpu": "8 cores, 16 MB cache, DDR4",
    "recnmp": "RecNMP: PIM at ranks, cache, DDR4",
    "trim-bg": "TRiM: PIM in bank groups of DDR5",
    "pim-base": "PIM in bank groups of HBM2",
    "proactivepim": "the same with copies and prefetches",
}


def read_run(file: Path) -> pd.DataFrame:
    """One run's lines as text, so that every number is passed on as it was written."""
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def total(run: pd.DataFrame, column: str) -> float:
    """A column over all channels."""
    return float(pd.to_numeric(run[column]).sum())


def time_us(run: pd.DataFrame) -> float:
    """Length of a run; all its channels have the same."""
    return float(run.iloc[0]["time_ns"]) / 1000


def published(algorithm: str) -> str:
    """What the paper reports for an algorithm over its base."""
    claims = tomllib.loads(CLAIMS.read_text(encoding="utf-8"))["claims"]
    return next(claim["published"] for claim in claims if claim["says"].startswith(PAPER[algorithm]))


def paper_table(runs: dict[str, dict[str, pd.DataFrame]]) -> str:
    """The paper's comparisons: its base and its full system, on each algorithm."""
    lines = []
    for algorithm, name in PAPER.items():
        base, full = time_us(runs[algorithm][BASE]), time_us(runs[algorithm][FULL])
        lines.append(
            {
                "algorithm": name,
                f"{BASE}\nus": f"{base:,.0f}",
                f"{FULL}\nus": f"{full:,.0f}",
                "speed-up": f"{base / full:.2f}",
                "the paper's": published(algorithm),
            }
        )
    return as_table(lines)


def kinds_table(runs: dict[str, pd.DataFrame]) -> str:
    """Kinds of systems on one trace, with their speed against the CPU."""
    lines = []
    for system, run in runs.items():
        extension = "" if can(system, run.iloc[0]["algorithm"]) else "*"
        hits, accesses = total(run, "cache_hits"), total(run, "accesses")
        lines.append(
            {
                "system": system + extension,
                "what it is": WHAT[system],
                "time\nus": f"{time_us(run):,.0f}",
                "over\ncpu": f"{time_us(runs[HOST]) / time_us(run):.2f}",
                "cache\nhits": f"{100 * hits / accesses:.0f} %",
                "MB\noutside": f"{total(run, 'bytes_external') / 1e6:,.0f}",
            }
        )
    return as_table(lines)


def as_table(rows: list[dict[str, str]]) -> str:
    """Rows under headings, as wide as the terminal."""
    table = Table("runs", tuple(rows[0]), tuple(tuple(row.values()) for row in rows))
    return "\n".join(as_lines([table], terminal_width()))


def can(system: str, algorithm: str) -> bool:
    """Whether a system's paper has units for an algorithm."""
    algorithms = load_system(system).paper_algorithms
    return not algorithms or algorithm in algorithms


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output", type=Path, help="the CSV to write")
    parser.add_argument("runs", type=Path, nargs="+", help="stats CSVs of ppim simulate")
    arguments = parser.parse_args()
    runs: dict[str, dict[str, pd.DataFrame]] = {}
    for file in arguments.runs:
        runs.setdefault(file.parent.name, {})[file.stem] = read_run(file)
    try:
        with atomic_path(arguments.output) as temporary:
            pd.concat([run for of_trace in runs.values() for run in of_trace.values()]).to_csv(
                temporary, index=False
            )
    except PpimError as error:
        parser.error(str(error))
    sys.stdout.write(
        f"\nThe paper's comparisons, on generated Criteo-like data (bags of 10 lookups):\n\n{paper_table(runs)}\n"
        "\nKinds of systems, QR-trick, a production-like workload (8 tables, bags of 80):\n\n"
        f"{kinds_table(runs['production'])}\n"
        "\n* units of its paper only add rows; that they multiply two is our extension.\n"
        f"{len(arguments.runs)} runs, a line for each channel: {arguments.output}\n"
    )


if __name__ == "__main__":
    main()
