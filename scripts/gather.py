"""Many stats CSVs of `ppim simulate` -> one CSV with all of their lines, and a table to read on stdout."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

from ppim.errors import PpimError
from ppim.files import atomic_path

BASELINE = "cpu"


def read_run(file: Path) -> pd.DataFrame:
    """One run's lines as text, so that every number is passed on as it was written."""
    return pd.read_csv(file, dtype=str, keep_default_na=False)


def totals(run: pd.DataFrame) -> dict[str, object]:
    """One run in one row; `cycles` (of the memory's own clock) and `time_ns` are the same in all channels, the rest is summed."""
    first = run.iloc[0]
    sums = {
        name: int(pd.to_numeric(run[name]).sum())
        for name in ("accesses", "cache_hits", "reads", "activates", "bytes_external")
    }
    return {
        "trace": first["trace"].removesuffix(".parquet"),
        "system": first["system"],
        "mapping": first["mapping"],
        "prefetch": first["prefetch"],
        "cycles": int(first["cycles"]),
        "time_ns": float(first["time_ns"]),
        **sums,
    }


def table(runs: list[pd.DataFrame]) -> str:
    """A line a run, with its speed against the baseline on the same trace; one-valued names are left out."""
    frame = pd.DataFrame([totals(run) for run in runs])
    baseline = frame[frame["system"] == BASELINE].set_index("trace")["time_ns"]
    speedup = frame["trace"].map(baseline) / frame["time_ns"]
    names = [name for name in ("trace", "mapping", "prefetch") if frame[name].nunique() > 1]
    whole = "{:,}".format
    shown = {
        "system": frame["system"],
        **{name: frame[name].replace("", "-") for name in names},
        "cycles": frame["cycles"].map(whole),
        "time us": (frame["time_ns"] / 1000).map("{:,.0f}".format),
        f"speed-up over {BASELINE}": speedup.map("{:.2f}".format).replace("nan", "-"),
        "cache hits": (frame["cache_hits"] / frame["accesses"]).map("{:.1%}".format),
        "DRAM reads": frame["reads"].map(whole),
        "activates": frame["activates"].map(whole),
        "bytes outside the memory": frame["bytes_external"].map(whole),
    }
    return pd.DataFrame(shown).to_string(index=False)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path, help="the CSV to write")
    parser.add_argument("runs", type=Path, nargs="+", help="stats CSVs of ppim simulate")
    arguments = parser.parse_args()
    runs = [read_run(file) for file in arguments.runs]
    try:
        with atomic_path(arguments.output) as temporary:
            pd.concat(runs).to_csv(temporary, index=False)
    except PpimError as error:
        parser.error(str(error))
    sys.stdout.write(f"\n{table(runs)}\n\n{len(runs)} runs, a line for each channel: {arguments.output}\n")


if __name__ == "__main__":
    main()
