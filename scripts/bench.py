"""All speeds, as ratios measured in one run, beside those of the last release.

    python scripts/bench.py [--only GROUP ...] [--systems NAME ...] [--beside TREE] [--longer] [--rounds N]
                            [--output build/bench.csv] [--compare docs/bench.csv]

Each figure is of a process of its own, in processor time (threads and later runs: by the clock), the best of some
rounds in which all take turns, so that a busy machine slows down all alike. Ratios carry over to other machines, and
are compared with those of the last release. With --beside another checkout (with a .venv of its own) is measured by
turns with this one: that is how a change is judged.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from benchmark import figures as f
from benchmark.commands import Commands
from benchmark.first_runs import FirstRuns
from benchmark.lengths import Lengths
from benchmark.replays import Replays
from benchmark.systems import Systems
from benchmark.threads import Threads
from benchmark.tools import Costs, Ppim, Traces
from benchmark.traces import TraceMaking

ROOT = Path(__file__).parents[1]
GROUPS = (Systems, FirstRuns, Commands, Lengths, Threads, Replays, TraceMaking)


class Group(Protocol):
    """Figures that are measured together."""

    def prepare(self, ppim: Ppim) -> None:
        """Once for each tree."""

    def turn(self, ppim: Ppim) -> Costs:
        """Costs of one round; the least of all rounds count."""

    def figures(self, best: Costs) -> list[f.Figure]:
        """What comes of them."""


def measure(group: Group, trees: Sequence[Ppim], rounds: int) -> list[list[f.Figure]]:
    """The figures of each tree, which take turns in every round."""
    best: list[Costs] = [{} for _ in trees]
    for tree in trees:
        group.prepare(tree)
    for _ in range(rounds):
        for tree, least in zip(trees, best, strict=True):
            for name, cost in group.turn(tree).items():
                least[name] = min(least.get(name, cost), cost)
    return [group.figures(least) for least in best]


def python_of(tree: Path) -> Path:
    """The Python of a checkout's environment, by its whole path: not what it is a link to."""
    return tree.absolute() / ".venv" / "bin" / "python"


def say(line: str) -> None:
    """One line of the report."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def arguments() -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench.csv")
    parser.add_argument(
        "--compare", type=Path, default=ROOT / "docs" / "bench.csv", help="of the last release"
    )
    parser.add_argument("--beside", type=Path, metavar="TREE", help="another checkout, measured by turns")
    parser.add_argument("--only", nargs="+", choices=[group.name for group in GROUPS], metavar="GROUP")
    parser.add_argument("--systems", nargs="+", default=(), metavar="SYSTEM")
    parser.add_argument("--longer", action="store_true", help="10^8 accesses, and a batch of 65,536 samples")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    trees = [Ppim(), *([Ppim(python_of(options.beside))] if options.beside else [])]
    released = f.read_ratios(options.compare) if options.compare.exists() else {}
    found: list[f.Figure] = []
    with tempfile.TemporaryDirectory(prefix="ppim-bench-") as name:
        traces = Traces(Path(name))
        for group in GROUPS:
            if options.only and group.name not in options.only:
                continue
            made: Group
            if group is Systems:
                made = Systems(traces, options.systems)
            elif group is Lengths:
                made = Lengths(traces, longer=options.longer)
            else:
                made = group(traces)
            ours, *others = measure(made, trees, getattr(group, "rounds", options.rounds))
            other = {row.key: row.value for row in others[0]} if others else None
            for line in f.report(ours, released, other):
                say(line)
            found += ours
    f.write(found, options.output)


if __name__ == "__main__":
    main()
