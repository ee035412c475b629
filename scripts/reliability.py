"""`make reliability`: the figures of docs/reliability.md, computed anew.

Rules and how many of them moved commands break, in small traces and in runs; changed sources that the tests notice; tables of
other simulators and closed forms; executions of the fuzzer; faults and public cases that are tried. Exit status 1 if a moved command, a changed source or a fuzzed input slips through.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
FAMILIES = "ppim/check/families"
# Tests that need no compiled kernel: a changed source is tried in seconds.
TABLE_TESTS = ("tests/unit/check/test_golden.py", "-k", "distances_are or windows_are")
CHECK_TESTS = ("tests/unit/check/test_moved.py", "-k", "not cycle_too_early")
ENGINE_TABLE_TESTS = ("tests/unit/engine/test_timing.py",)
REPORTS = ("tests/unit/datasets/test_cases.py",)
FAULTS = (
    *(f"tests/cli/test_{what}.py" for what in ("faults", "inputs", "outputs", "process")),
    *("tests/unit/test_files.py", "tests/unit/test_interrupt.py", "tests/unit/jit"),
)
LINE = "{:<58}{:>10}{:>10}"


@dataclass(frozen=True)
class Mutation:
    """One place of one source, written wrong, and the tests that should notice."""

    file: str
    at: int  # position of `old` in the file
    old: str
    new: str
    tests: Sequence[str]

    @property
    def label(self) -> str:
        """File, and what became of what."""
        return f"{self.file}: {self.old} -> {self.new}"


def say(line: str = "") -> None:
    """A line on stdout, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def by_pattern(file: str, pattern: str, new: str, tests: Sequence[str]) -> Iterator[Mutation]:
    """A mutation for every place where the pattern matches; `new` as of `re.Match.expand`."""
    text = (ROOT / file).read_text(encoding="utf-8")
    found = list(re.finditer(pattern, text))
    if not found:
        raise SystemExit(f"{file}: nothing there looks like {pattern}; mend scripts/reliability.py")
    for match in found:
        yield Mutation(file, match.start(), match[0], match.expand(new), tests)


def rule_mutations() -> Iterator[Mutation]:
    """Every distance of the checker and of the engine a little longer, every scope and condition of the checker off."""
    for family in sorted((ROOT / FAMILIES).glob("[!_]*.py")):
        name = f"{FAMILIES}/{family.name}"
        if "Constraint(" in family.read_text(encoding="utf-8"):
            yield from by_pattern(
                name,
                r'(\)|"),(\s+)"([A-Za-z_]+[ (][^"]*|t[A-Z]\w*)"(?=\s*[,)])',
                r'\1,\2"\3 + tRRD_S"',
                TABLE_TESTS,
            )
    yield from by_pattern(
        "ppim/dram/timing.py",
        r'(?m)^(        "\w+": )([^\n]+),$',
        r"\1(\2) and (\2) + 1,",
        ENGINE_TABLE_TESTS,
    )


STATE_MUTATIONS: tuple[tuple[str, str, str], ...] = (
    ("ppim/check/windows.py", "count >= most", "count > most"),
    ("ppim/check/windows.py", "(count - most)", "(count - most + 1)"),
    ("ppim/check/states.py", "open_row == row,", "True,"),
    (
        "ppim/check/states.py",
        "if kind in (commands.READ_P, commands.WRITE_P):",
        "if kind == commands.READ_P:",
    ),
    ("ppim/check/states.py", "OPEN_BANK, open_row == CLOSED", "OPEN_BANK, True"),
    ("ppim/check/states.py", "CLOSED_BANK, open_row != CLOSED", "CLOSED_BANK, True"),
    ("ppim/check/states.py", "OPEN_ROWS, found < 0", "OPEN_ROWS, True"),
    ("ppim/check/states.py", "is_asleep == (kind == commands.SELF_REFRESH_EXIT)", "True"),
    ("ppim/check/states.py", "state.asleep[channel, rank] = AWAKE", "pass"),
    ("ppim/check/buses.py", "state.last[slot, TIME] - 1", "state.last[slot, TIME]"),
    ("ppim/check/buses.py", "layout.dual and kind < commands.ACTIVATE", "kind < commands.ACTIVATE"),
    ("ppim/check/buses.py", "lane // layout.banks_per_unit", "lane"),
    ("ppim/check/buses.py", "if worst < 0:", "if worst < -1_000_000:"),
    ("ppim/check/intervals.py", "early < 0:", "early < -1:"),
    ("ppim/check/intervals.py", "now - (due - layout.slack)", "now - (due - 1)"),
    ("ppim/check/intervals.py", "layout.slack - 1 - now", "layout.slack - now"),
    ("ppim/check/intervals.py", "done = due_by(layout, state, place, now) - 1", "pass"),
    ("ppim/check/intervals.py", "deadline - 1 - end", "deadline - end"),
    (
        "ppim/check/intervals.py",
        "max(state.refreshed[channel, place], due)",
        "state.refreshed[channel, place]",
    ),
    ("ppim/check/kernel.py", "now >= state.last_cycle[channel]", "True"),
    ("ppim/check/distances.py", "(last[slot, LANE] == lane)", "0"),
    ("ppim/check/resolve.py", "inside < scope <= CHANNEL", "False"),
    ("ppim/check/resolve.py", 'units.cross_unit_timing == "physical"', "True"),
    ("ppim/check/resolve.py", 'units.cross_unit_timing == "none" and inside < RANK', "False"),
)
"""Conditions of the checker that are no rows of a table."""


def state_mutations() -> Iterator[Mutation]:
    """The first place of each."""
    for file, old, new in STATE_MUTATIONS:
        yield next(by_pattern(file, re.escape(old), new.replace("\\", r"\\"), CHECK_TESTS))


def try_sources(mutations: Sequence[Mutation]) -> list[str]:
    """Labels of changes that no test noticed, each tried in a copy of the sources."""
    unnoticed = []
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "copy"
        for part in ("ppim", "tests", "traces/sample-qr.parquet", "pyproject.toml"):
            target = copy / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if (ROOT / part).is_dir():
                shutil.copytree(ROOT / part, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copyfile(ROOT / part, target)
        for tests in dict.fromkeys(mutation.tests for mutation in mutations):
            if not passes(copy, tests):
                raise SystemExit(f"{' '.join(tests)} fails on the sources as they are")
        for mutation in mutations:
            source = copy / mutation.file
            text = source.read_text(encoding="utf-8")
            end = mutation.at + len(mutation.old)
            source.write_text(text[: mutation.at] + mutation.new + text[end:], encoding="utf-8")
            if passes(copy, mutation.tests):
                unnoticed.append(mutation.label)
                say(f"    not noticed: {mutation.label}")
            source.write_text(text, encoding="utf-8")
    return unnoticed


def passes(folder: Path, tests: Sequence[str]) -> bool:
    """Whether these tests pass on the sources in a folder, uncompiled."""
    shared = os.environ.get("PPIM_SHARED", str(ROOT.parent / "shared"))
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PPIM_SHARED": shared,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1, 2):
        raise SystemExit(f"{' '.join(command)} ran no test:\n{done.stdout}{done.stderr}")
    return done.returncode == 0


def moved_commands() -> tuple[int, int]:
    """Legal traces with one command a cycle earlier: tried, and caught with the rule's name."""
    from ppim.check.commands import KINDS
    from ppim.check.constraint import SCOPES
    from tests.unit.check.test_moved import CASES, NO_INTERVALS, device_of, tight_trace
    from tests.unit.check.traces import judged, names

    caught = 0
    with tempfile.TemporaryDirectory() as name:
        for device_name, rule in CASES:
            device = device_of(device_name)
            kinds = KINDS[rule.earlier], KINDS[rule.later]
            lines = tight_trace(device, *kinds, SCOPES[rule.scope], rule.cycles)
            options = {"strict": True, **NO_INTERVALS}
            legal = judged(Path(name), device, lines, **options)
            moved = judged(Path(name), device, [*lines[:-1], lines[-1].moved(-1)], **options)
            caught += not legal.violations and rule.name in names(moved)
    return len(CASES), caught


def with_kernels() -> dict[str, str]:
    """The environment without what makes kernels run uncompiled."""
    return {name: value for name, value in os.environ.items() if name != "NUMBA_DISABLE_JIT"}


def tests_passed(paths: Sequence[str]) -> tuple[int, int]:
    """Tests in these files: tried, and passed."""
    present = [path for path in paths if (ROOT / path).exists()]
    if len(present) < len(paths):
        raise SystemExit(f"{set(paths) - set(present)} is not there; mend scripts/reliability.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", *present],
        cwd=ROOT,
        env=with_kernels(),
        capture_output=True,
        text=True,
        check=False,
    )
    counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error)", done.stdout)}
    return sum(counts.values()), counts.get("passed", 0)


def compiled(*arguments: str) -> str:
    """What a script prints, with compiled kernels."""
    command = [sys.executable, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=with_kernels(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}:\n{done.stderr}")
    return done.stdout


def fuzz(seconds: int) -> tuple[int, dict[str, str]]:
    """Executions of all targets, and what was found."""
    executions, findings = 0, {}
    for target in sorted(path.name for path in (ROOT / "tests" / "fuzz" / "corpus").iterdir()):
        with tempfile.TemporaryDirectory() as name:
            figures = Path(name) / "figures.json"
            command = [
                sys.executable,
                "-m",
                "tests.fuzz.run",
                target,
                "--seconds",
                str(seconds),
                "--json",
                str(figures),
            ]
            subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
            found = (
                json.loads(figures.read_text())
                if figures.exists()
                else {"executions": 0, "findings": {"ended": target}}
            )
        executions += found["executions"]
        findings |= {f"{target}: {place}": text for place, text in found["findings"].items()}
        say(LINE.format(f"    {target}", f"{found['executions']:,}", len(found["findings"])))
    return executions, findings


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fuzz-seconds", type=int, default=60, help="for each reader; 0: leave it out")
    parser.add_argument("--skip-suites", action="store_true", help="leave out the tests of faults and cases")
    options = parser.parse_args()
    os.environ["NUMBA_DISABLE_JIT"] = "1"
    from ppim.check.resolve import STATE_RULES, all_constraints, all_windows

    rules = {row.name for row in all_constraints()}
    say(LINE.format("", "tried", "caught"))
    say(
        LINE.format(
            "rules of the checker: distances, windows, others",
            f"{len(rules)}+{len(all_windows())}+{len(STATE_RULES)}",
            "",
        )
    )
    tried, caught = moved_commands()
    failed = tried != caught
    say(LINE.format("legal traces with one command a cycle earlier", tried, caught))
    for title, mutations in (
        ("changed distances and relations", list(rule_mutations())),
        ("changed conditions of the checker", list(state_mutations())),
    ):
        unnoticed = try_sources(mutations)
        failed |= bool(unnoticed)
        say(LINE.format(title, len(mutations), len(mutations) - len(unnoticed)))
    for kind, found in json.loads(compiled("-m", "tests.unit.check.moved_runs")).items():
        failed |= found["tried"] != found["caught"] or found["accused"] > 0
        say(LINE.format(f"runs with one command a cycle earlier: {kind}", found["tried"], found["caught"]))
        say(LINE.format("    blamed though nobody moved them", "", found["accused"]))
    say("\nbeside Ramulator 2.1, and latency against load: lines of the tables")
    say(compiled("-m", "tests.golden.ramulator2").rstrip())
    say(compiled("scripts/latency_curves.py"))
    if not options.skip_suites:
        for title, paths in (
            ("faults: tried, survived", FAULTS),
            ("cases from public reports: tried, right", REPORTS),
        ):
            tried, passed = tests_passed(paths)
            failed |= tried != passed
            say(LINE.format(title, tried, passed))
    if options.fuzz_seconds:
        executions, findings = fuzz(options.fuzz_seconds)
        failed |= bool(findings)
        say(LINE.format("fuzzed inputs: executions, findings", f"{executions:,}", len(findings)))
        for place, text in findings.items():
            say(f"    {place}: {text}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
