"""The figures of docs/figures.md, timeline.md and explore.md, made by the commands that these pages show."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import ppim
from ppim.figures.base import Options
from ppim.figures.write import plot
from ppim.sweep.plan import read_plan
from ppim.sweep.resolve import resolve
from ppim.sweep.runner import run_sweep

ROOT = Path(__file__).parent.parent
TRACE = ROOT / "traces" / "sample-qr.parquet"
SYSTEMS = ("cpu", "pim-base", "proactivepim-map", "proactivepim")
PAGE_INCHES = 7.2
TURN, CHANNEL = 14, 2  # that docs/timeline.md describes
SEARCH = ROOT / "scripts" / "searches" / "hot-rows.toml"
SWEEP = ROOT / "scripts" / "sweeps" / "pooling.toml"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the figures go")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for system in SYSTEMS:
            ppim.simulate(TRACE, system, output=work / f"{system}.csv", units=work / f"{system}-units.csv")
        runs = [work / f"{system}.csv" for system in SYSTEMS]
        base = Options(baseline="pim-base")
        plot(runs, folder / "speed-up.svg", "speed-up", options=base)
        for kind in ("time", "traffic", "energy"):
            plot(runs, folder / f"{kind}.svg", kind)
        plot([work / "pim-base-units.csv"], folder / "units.svg")
        plot([TRACE], folder / "skew.svg")
        ppim.simulate(TRACE, timeline=work / "window.json", turn=TURN)
        plot(
            [work / "window.json"],
            folder / "timeline.svg",
            options=Options(width=PAGE_INCHES),
            where={"channel": CHANNEL},
        )
        ppim.explore(TRACE, SEARCH, work / "search", runs=60)
        plot([work / "search"], folder / "front.svg")
        plan = read_plan(SWEEP)
        run_sweep(plan, resolve(plan), work / "sweep")
        plot([work / "sweep"], folder / "sensitivity.svg", where={"system": ["pim-base", "proactivepim"]})


if __name__ == "__main__":
    main()
