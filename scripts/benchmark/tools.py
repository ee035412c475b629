"""Commands in processes of their own, and what they cost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
DEFAULT = "proactivepim"

Costs = dict[str, float]
"""Of one turn by name: seconds, MiB, or whatever is the better the less it is."""


class Cost(NamedTuple):
    """What a process took."""

    seconds: float  # of processor time
    mebibytes: float  # at most
    output: str


class Ppim(NamedTuple):
    """The `ppim` of one tree: its Python finds that tree's package."""

    python: Path = Path(sys.executable)

    def run(self, *arguments: object, **environment: str) -> Cost:
        """A command, `simulate` or another."""
        return run([self.python, "-m", "ppim", *arguments], environment)

    def simulate(self, trace: Path, system: str = DEFAULT, *options: object, **environment: str) -> Cost:
        """A run whose CSV nobody reads."""
        output = trace.with_name("stats.csv")
        return self.run("simulate", trace, "--system", system, *options, "-o", output, **environment)

    def worker(self, name: str, *arguments: object) -> dict[str, float]:
        """What a script beside this one prints as JSON, run with this tree's package."""
        return json.loads(run([self.python, HERE / f"{name}.py", *arguments], {}).output)


def run(command: Sequence[object], environment: Mapping[str, str]) -> Cost:
    """Run a command.

    Raises
    ------
    subprocess.CalledProcessError
        It failed.
    """
    words = list(map(str, command))
    # Away from this tree's folder, so that another tree's Python finds its own package.
    with subprocess.Popen(
        words,
        env=os.environ | environment,
        cwd=HERE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, output)


class Traces:
    """Synthetic traces of one algorithm, made once, by this tree."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.accesses: dict[Path, int] = {}

    def of(self, samples: int, *options: object) -> Path:
        """The trace of so many samples."""
        from ppim.trace.reader import TraceReader

        name = "-".join(str(word).strip("-") for word in (samples, *options))
        path = self.folder / f"{name}.parquet"
        if path not in self.accesses:
            Ppim().run("gen-trace", "synthetic", "--max-samples", samples, *options, "-o", path)
            with TraceReader(path) as reader:
                self.accesses[path] = reader.n_accesses
        return path
