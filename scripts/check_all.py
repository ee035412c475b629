"""`make check-all`: hold every golden case and every preset x algorithm against the rules of its device.

Golden cases are run by the engine, and those whose commands DRAMsim3 itself wrote down are checked as well. Prints a line
for each run, then how often each rule was tried; exit status 1 if a command breaks a rule.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ppim.check.judge import CheckResult, Memory, check_trace, memories_of
from ppim.cli import main as ppim
from ppim.engine.host.replay import has_fast_kernel
from ppim.stats.command_trace import channel_names, write_commands
from ppim.systems.load import load_system, system_names
from ppim.weight_sharing.base import ALGORITHMS

SAMPLES = 24
USAGE = 2  # exit status of what a system cannot do
RUN = "{:<52}{:>10}  {}"
RULE = "{:<40}{:>14}{:>12}{:>12}"


def say(line: str = "") -> None:
    """A line on stdout, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass
class Total:
    """What all runs together put to the test."""

    runs: Counter[str] = field(default_factory=Counter)
    commands: int = 0
    violations: int = 0
    checked: Counter[str] = field(default_factory=Counter)
    tight: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, name: str, results: Sequence[CheckResult]) -> None:
        """Count a run and say what became of it."""
        broken = sum(result.n_violations for result in results)
        commands = sum(result.commands for result in results)
        self.runs[kind] += 1
        self.commands += commands
        self.violations += broken
        for result in results:
            for rule in result.rules:
                self.checked[rule.constraint] += rule.checked
                self.tight[rule.constraint] += rule.tight
        say(RUN.format(name, f"{commands:,}", f"{broken} violations" if broken else "legal"))
        for result in results:
            for violation in result.violations[:3]:
                say(f"    {violation}")


def check_golden(total: Total, folder: Path) -> None:
    """Commands that DRAMsim3 wrote, and those of the engine for every case."""
    from tests.golden.devices import DRAMSIM3, golden_device
    from tests.golden.test_dramsim3 import run_case

    cases = json.loads((DRAMSIM3 / "cases.json").read_text())["cases"]
    for case in cases:
        device = golden_device(case["config"])
        if case.get("command_trace"):
            path = DRAMSIM3 / case["command_trace"]
            total.add(
                "DRAMsim3's traces", f"DRAMsim3 {case['id']}", check_trace(path, {"hbm": Memory(device)})
            )
        is_fast = has_fast_kernel(device) and case["unfinished"] is None
        streams = run_case(case, general_kernel=not is_fast).command_streams or ()
        for name, stream in zip(channel_names(device), streams, strict=True):
            with (folder / name).open("wb") as file:
                write_commands(file, stream)
        total.add("golden cases", case["id"], check_trace(folder, {"hbm": Memory(device)}))
        for name in channel_names(device):
            (folder / name).unlink()


def status_of(arguments: Sequence[str]) -> int:
    """Exit status of a `ppim` command."""
    try:
        ppim(list(arguments))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def traces(folder: Path) -> Iterator[tuple[str, Path]]:
    """A short synthetic trace of each algorithm."""
    for algorithm in ALGORITHMS.names():
        path = folder / f"{algorithm}.parquet"
        made = ["gen-trace", "synthetic", "-o", str(path), "--algorithm", algorithm]
        if status_of([*made, "--max-samples", str(SAMPLES)]) == 0:
            yield algorithm, path


def check_presets(total: Total, folder: Path) -> None:
    """Every preset with every algorithm that it can run."""
    for algorithm, trace in traces(folder):
        for system in system_names():
            name = f"{system} {algorithm}"
            commands = folder / name.replace(" ", "-")
            status = status_of(["simulate", str(trace), "--system", system, "--command-trace", str(commands)])
            if status == USAGE:
                total.runs["refused"] += 1
                continue
            assert status == 0, name
            total.add("presets x algorithms", name, check_trace(commands, memories_of(load_system(system))))
            for path in commands.iterdir():
                path.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["golden", "presets"], help="one of the two halves")
    parser.add_argument("--json", type=Path, help="write the totals there")
    options = parser.parse_args()
    total = Total()
    with tempfile.TemporaryDirectory() as name:
        if options.only != "presets":
            (Path(name) / "golden").mkdir()
            check_golden(total, Path(name) / "golden")
        if options.only != "golden":
            check_presets(total, Path(name))
    say()
    say(RULE.format("rule", "checked", "at limit", ""))
    for rule, checked in total.checked.items():
        say(RULE.format(rule, f"{checked:,}", f"{total.tight[rule]:,}", "" if checked else "never tried"))
    runs = ", ".join(f"{count} {kind}" for kind, count in total.runs.items())
    say(f"\n{runs}: {total.commands:,} commands, {total.violations:,} violations")
    if options.json:
        figures = {
            "runs": dict(total.runs),
            "commands": total.commands,
            "violations": total.violations,
            "rules": len(total.checked),
            "rules_at_limit": sum(count > 0 for count in total.tight.values()),
        }
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 1 if total.violations else 0


if __name__ == "__main__":
    sys.exit(main())
