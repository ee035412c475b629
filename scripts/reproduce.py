"""What papers report of their systems beside what ours do, each figure computed anew.

    python scripts/reproduce.py [DATASET] [--page docs/reproduction.md] [--only TEXT ...]

The claims and their settings are in claims.toml. DATASET, the start of Criteo Kaggle's train.txt, adds the claims
that are about it. It takes some minutes on one core, most of them the first time, when kernels are compiled.
"""

import argparse
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from statistics import fmean
from typing import Any

from turn_parts import TurnParts, parts_of_turns

import ppim
from ppim.engine.activate_window import SHORT_WINDOW
from ppim.errors import PpimError
from ppim.files import atomic_path
from ppim.stats.result import SimulationResult

CLAIMS = Path(__file__).with_name("claims.toml")
PAGE = Path(__file__).parent.parent / "docs" / "reproduction.md"
WIDTH = 116
AS_ENTRY: Any = {"subsequent_indent": "  ", "break_long_words": False, "break_on_hyphens": False}
SEEDS = range(3)
"""Placements that a figure is the mean of."""
WINDOW_CYCLES = 100_000
"""Of a run whose turns are taken apart."""

PREFACE = """\
# What papers report, and what comes out here

Each table has a paper's figure beside ours: how many times as fast the first system is as the second, on the same
trace. `make reproduce` makes this page; `scripts/claims.toml` has every setting. Settings are the papers', or the
presets' own; none is chosen for its result. A ratio is a mean over three placements of the rows, and over as many
seeds of the generated trace as its line says; *least, most* are those of single runs.

*binds* is the limit that comes nearest to the run's time, with its share (docs/model.md): what the speed hangs on,
computed. The sentence below a table says it in words. *at most* is what the ratio would be if the first system
took no longer than that limit, an upper bound for this trace, these placements and these settings: a published
figure above it cannot be reached with them. *as expected* is yes where ours lies in the range that other
work on these papers finds, no where it does not, and - where there is no such range.
"""


class Bench:
    """Traces and runs, each made once.

    Parameters
    ----------
    traces : mapping
        Trace name -> what claims.toml says of it.
    folder : Path
        For traces.
    """

    def __init__(self, traces: Mapping[str, Any], folder: Path) -> None:
        self.traces, self.folder = traces, folder
        self._made: dict[str, Path] = {}
        self._runs: dict[str, list[SimulationResult]] = {}

    def trace(self, name: str, dataset: str, changed: Mapping[str, Any]) -> Path:
        """A trace of claims.toml, of generated data or of a data set."""
        key = repr((name, dataset, sorted(changed.items())))
        if key not in self._made:
            path = self.folder / f"{len(self._made)}.parquet"
            ppim.generate_trace(dataset, output=path, **{**self.traces[name]["options"], **changed})
            self._made[key] = path
        return self._made[key]

    def runs(self, trace: Path, run: Mapping[str, Any]) -> list[SimulationResult]:
        """A run of claims.toml, with each placement."""
        key = repr((trace, run))
        if key not in self._runs:
            host = ppim.systems()[run["system"]].kind == "host"
            placements: list[dict[str, Any]] = [{}] if host else [{"placement_seed": seed} for seed in SEEDS]
            self._runs[key] = [
                ppim.simulate(
                    trace,
                    run["system"],
                    settings={**run.get("settings", {}), **placement},
                    device=run.get("device"),
                )
                for placement in placements
            ]
        return self._runs[key]

    def turn_parts(self, trace: Path, run: Mapping[str, Any]) -> TurnParts:
        """What turns of a run's first part go into, with the first placement."""
        timeline = self.folder / "timeline.json"
        settings = {**run.get("settings", {}), "placement_seed": SEEDS[0]}
        ppim.simulate(
            trace, run["system"], settings=settings, timeline=timeline, from_cycle=0, cycles=WINDOW_CYCLES
        )
        return parts_of_turns(timeline)


def time_of(runs: list[SimulationResult]) -> float:
    """Mean length, ns."""
    return fmean(run.time_ns for run in runs)


def least_and_most(ours: list[SimulationResult], base: list[SimulationResult]) -> str:
    """Of the ratios of single runs; a host has one run for all placements of a trace."""
    placements = len(ours) // len(base)
    ratios = [base[n // placements].time_ns / run.time_ns for n, run in enumerate(ours)]
    return f"{min(ratios):.2f}, {max(ratios):.2f}"


def binds(runs: list[SimulationResult]) -> str:
    """The limit nearest to the length of a run, and its share."""
    limits = runs[0].limits
    if not limits:
        return "-"
    name = max(limits, key=lambda limit: limits[limit])
    return f"{name} {limits[name] / runs[0].cycles:.0%}"


def least_time(runs: list[SimulationResult]) -> float:
    """Mean of the lower bounds of a system's runs, ns; 0 where none is known."""
    return fmean(max(run.limits.values(), default=0) / run.cycles * run.time_ns for run in runs)


def at_most(ours: list[SimulationResult], base: list[SimulationResult]) -> str:
    """The ratio if ours took no longer than its greatest lower bound."""
    least = least_time(ours)
    return f"{time_of(base) / least:.2f}" if least else "-"


def share(part: float, whole: float) -> str:
    """A share in percent."""
    return f"{100 * part / whole:.0f} %"


def bus_time(run: SimulationResult) -> float:
    """How long a host's buses move data, ns, of all channels together."""
    timing, org = run.device.timing, run.device.organization
    cycles = int(run.counts["reads"].sum()) * max(timing.burst_cycles, timing.tCCD_S)
    return cycles * timing.tCK / org.channels


def activate_time(run: SimulationResult) -> float:
    """Least time from one ACTIVATE to the next, ns, if all ranks of all channels take turns."""
    timing, org = run.device.timing, run.device.organization
    four = max(timing.tFAW, SHORT_WINDOW * timing.tRRD_S)
    return four / SHORT_WINDOW * timing.tCK / (org.channels * org.ranks)


def facts(ours: list[SimulationResult], base: list[SimulationResult]) -> dict[str, str]:
    """What a claim's `hangs_on` may name, of a PIM system over a host without a cache.

    `bus` is the share of time in which the host's buses move data; `twice` the ratio if ours moved twice as much all
    the time. `opened`: rows that all ranks can open while the host's buses carry one. `hits`: share of rows that
    caches of units have. `activates`: of the run; `even`: the ratio if they took no time but that of their windows,
    spread evenly over all ranks.
    """
    run, host = ours[0], base[0]
    accesses, hits, activates = (
        int(run.counts[name].sum()) for name in ("accesses", "cache_hits", "activates")
    )
    moved = bus_time(host)
    return {
        "bus": share(moved, host.time_ns),
        "twice": f"{2 * host.time_ns / moved:.2f}",
        "opened": f"{moved / accesses / activate_time(run):.1f}",
        "hits": share(hits, accesses),
        "activates": f"{activates:,}",
        "even": f"{host.time_ns / (activates * activate_time(run)):.1f}",
    }


def cold_facts(ours: list[SimulationResult], base: list[SimulationResult]) -> dict[str, str]:
    """What a claim's `hangs_on` may name of a first system whose cold rows lie in a second memory.

    `cold`: the share of time that they would take on the first memory's buses, spread evenly, if they went to its
    base die; `worst`: the ratio if the run were longer by that.
    """
    first, second = ours[0].memories
    timing, org = first.device.timing, first.device.organization
    moved = int(second.counts["reads"].sum()) * second.device.organization.burst_bytes
    bursts = moved / org.burst_bytes
    cycles = bursts * max(timing.burst_cycles, timing.tCCD_S) / org.channels
    longer = 1 + cycles / first.cycles
    return {"cold": share(cycles, first.cycles), "worst": f"{time_of(base) / time_of(ours) / longer:.2f}"}


def turn_facts(parts: TurnParts) -> dict[str, str]:
    """What a claim's `hangs_on` may name of the turns of its second system, whose rows travel in program order.

    `turn`, `each`: cycles of a turn, and of a row's way from its read-out to its deliver; `rows`: that travel one
    behind the other; `travel`, `slots`, `sums`: shares of the turn.
    """
    return {
        "turn": f"{parts.length:.0f}",
        "rows": f"{parts.rows:.1f}",
        "each": f"{parts.travel / parts.rows:.0f}",
        "travel": share(parts.travel, parts.length),
        "slots": share(parts.slots, parts.length),
        "sums": share(parts.sums, parts.length),
    }


def in_words(values: list[str]) -> str:
    """A fact of all variants: one value, or from the first to the last."""
    return values[0] if values[0] == values[-1] else f"{values[0]} to {values[-1]}"


def filled(hangs_on: str, found: list[dict[str, str]]) -> str:
    """The sentence of a claim with its facts."""
    return hangs_on.format_map({name: in_words([one[name] for one in found]) for name in found[0]})


def variants(claim: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What changes in the trace, one line of the table after the other."""
    for name, values in claim.get("vary", {}).items():
        yield from ({name: value} for value in values)
    if "vary" not in claim:
        yield {}


def said(run: Mapping[str, Any]) -> str:
    """A run in the words of the command line."""
    settings = [f"`{key}={str(value).lower()}`" for key, value in run.get("settings", {}).items()]
    device = [f"`--device {run['device']}`"] if "device" in run else []
    return " ".join([f"`{run['system']}`", *device, *settings])


def section(claim: Mapping[str, Any], bench: Bench, dataset: str) -> str:
    """A claim's lines: what is compared, its table, its sentence."""
    says = bench.traces[claim["trace"]]["says"]
    if dataset != "synthetic":
        says += f", from {Path(dataset).name}"
    text = f"### {claim['says'][0].upper()}{claim['says'][1:]}\n\n{says}.\n\n"
    for place, run in (("first", "ours"), ("second", "base")):
        text += "\n".join(textwrap.wrap(f"- {place}: {said(claim[run])}", WIDTH, **AS_ENTRY)) + "\n"
    text += "\n"
    text += (
        "| trace | published | ours | least, most | at most | as expected | first binds | second binds |\n"
    )
    text += "|---|---:|---:|---|---:|---|---|---|\n"
    found = []
    for changed in variants(claim):
        seeds = claim.get("seeds", 1)
        traces = [
            bench.trace(claim["trace"], dataset, {**changed, "seed": seed} if seed else changed)
            for seed in range(seeds)
        ]
        ours = [run for trace in traces for run in bench.runs(trace, claim["ours"])]
        base = [run for trace in traces for run in bench.runs(trace, claim["base"])]
        ratio = time_of(base) / time_of(ours)
        found.append(facts(ours, base) if "{" in claim.get("hangs_on", "") else {})
        if "{cold}" in claim.get("hangs_on", ""):
            found[-1].update(cold_facts(ours, base))
        if "{turn}" in claim.get("hangs_on", ""):
            found[-1].update(turn_facts(bench.turn_parts(traces[0], claim["base"])))
        expected = "-"
        if "low" in claim:
            expected = "yes" if claim["low"] <= ratio <= claim["high"] else "no"
        what = ", ".join(f"{name} {value}" for name, value in changed.items()).replace("_", " ") or "as above"
        what += f", {seeds} seeds" if seeds > 1 else ""
        cells = (
            what,
            claim.get("published", "none known"),
            f"{ratio:.2f}",
            least_and_most(ours, base),
            at_most(ours, base),
            expected,
            binds(ours),
            binds(base),
        )
        text += f"| {' | '.join(cells)} |\n"
        sys.stderr.write(f"{claim['paper']} | {claim['says']} | {' | '.join(cells)}\n")
    hangs = filled(claim.get("hangs_on", ""), found)
    return text + (f"\n{textwrap.fill(hangs, WIDTH, break_on_hyphens=False)}\n" if hangs else "") + "\n"


def page(claims: list[Any], bench: Bench, dataset: str | None) -> str:
    """The whole page."""
    text = PREFACE
    for paper, of_paper in groupby(claims, key=lambda claim: claim["paper"]):
        text += f"\n## {paper}\n\n"
        for claim in of_paper:
            text += section(claim, bench, "synthetic")
            if dataset is not None and "like" in bench.traces[claim["trace"]]:
                text += section(claim, bench, dataset)
    return text.rstrip() + "\n"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dataset", nargs="?", help="the start of Criteo Kaggle's train.txt")
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--only", nargs="*", default=[], help="claims whose paper has one of these words")
    options = parser.parse_args()
    document = tomllib.loads(CLAIMS.read_text(encoding="utf-8"))
    claims = [
        claim
        for claim in document["claims"]
        if not options.only or any(word.lower() in claim["paper"].lower() for word in options.only)
    ]
    try:
        with tempfile.TemporaryDirectory() as folder:
            text = page(claims, Bench(document["traces"], Path(folder)), options.dataset)
        with atomic_path(options.page) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except PpimError as error:
        sys.stderr.write(f"reproduce: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
