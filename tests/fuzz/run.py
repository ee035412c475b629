"""Fuzz one target, guided by the coverage of plain Python: `python -m tests.fuzz.run TARGET [--seconds N]`.

Kernels run uncompiled, so that they are covered and wrong indices are errors. What a target raises other than a refusal is a
finding: its input goes to the folder of findings, once for each place that raises it, and fuzzing goes on. A hang or a
growth beyond the limits ends the run with the input beside them. Seconds are the processor's: a busy machine fuzzes
as much as a quiet one. Needs the extra `fuzz`; exit status 1 if anything was found.
"""

from __future__ import annotations

import os

os.environ["NUMBA_DISABLE_JIT"] = "1"

import argparse
import json
import sys
import tempfile
import time
import traceback
import warnings
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import atheris

with atheris.instrument_imports(include=["ppim"]):
    from tests.fuzz.targets import MEMORY_FOLDER, TARGETS, must_refuse_or_read

from tests.fuzz.mutate import MUTATORS

CORPUS = Path(__file__).parent / "corpus"
MOST_BYTES = 4096
MOST_SECONDS = 60  # of one execution; a busy machine stands still for some
MOST_MEGABYTES = 2500


class Harness:
    """Runs a target on the fuzzer's bytes, keeps what it should not have raised, and ends the process in time."""

    def __init__(self, name: str, folder: Path, options: argparse.Namespace) -> None:
        self.name, self.target = name, TARGETS[name]
        self.findings, self.figures = options.findings / name, options.json
        self.path = folder / f"input{self.target.suffix}"
        self.began = time.monotonic()
        self.used = time.process_time()
        self.seconds, self.clock = options.seconds, options.clock
        self.executions = 0
        self.read = 0
        self.found: dict[str, str] = {}

    def __call__(self, data: bytes) -> None:
        self.executions += 1
        self.path.write_bytes(data)
        try:
            self.read += must_refuse_or_read(self.target, self.path)
        except Exception as error:  # noqa: BLE001 - whatever it is: that is what is looked for
            self.note(error, data)
        if self._processor_seconds() > self.seconds or time.monotonic() > self.began + self.clock:
            self.finish()

    def _processor_seconds(self) -> float:
        return time.process_time() - self.used

    def finish(self) -> NoReturn:
        """Write the figures and end; the fuzzer itself would only end on a crash."""
        figures = {
            "target": self.name,
            "executions": self.executions,
            "read": self.read,
            "seconds": round(self._processor_seconds(), 1),
            "by the clock": round(time.monotonic() - self.began, 1),
            "findings": self.found,
        }
        sys.stderr.write(json.dumps(figures) + "\n")
        if self.figures:
            self.figures.write_text(json.dumps(figures, indent=1) + "\n")
        sys.stderr.flush()
        os._exit(bool(self.found))

    def note(self, error: Exception, data: bytes) -> None:
        """Keep the input, if nothing was raised at that place before."""
        frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "ppim" in frame.filename]
        last = frames[-1] if frames else None
        place = f"{Path(last.filename).name}:{last.lineno}" if last else "?"
        key = f"{type(error).__name__} at {place}"
        if key in self.found:
            return
        self.findings.mkdir(parents=True, exist_ok=True)
        kept = self.findings / sha256(key.encode()).hexdigest()[:12]
        kept.write_bytes(data)
        self.found[key] = f"{error} ({kept})"
        sys.stderr.write(f"FOUND {key}: {error} -> {kept}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=float, default=600, help="of the processor")
    parser.add_argument("--clock", type=float, default=7200, help="most seconds by the clock")
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument(
        "--grown", type=Path, help="folder for inputs that reach new code, kept from run to run"
    )
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # uncompiled hashes overflow
    with tempfile.TemporaryDirectory(dir=MEMORY_FOLDER if MEMORY_FOLDER.is_dir() else None) as name:
        grown = options.grown or Path(name) / "grown"
        grown.mkdir(parents=True, exist_ok=True)
        options.findings.mkdir(parents=True, exist_ok=True)
        harness = Harness(options.target, Path(name), options)
        arguments = [
            sys.argv[0],
            f"-max_len={MOST_BYTES}",
            f"-timeout={MOST_SECONDS}",
            f"-rss_limit_mb={MOST_MEGABYTES}",
            f"-artifact_prefix={options.findings / options.target}-",
            "-verbosity=0",
            str(grown),
            str(CORPUS / options.target),
        ]
        mutator = MUTATORS.get(harness.target.suffix)
        atheris.Setup(arguments, harness, **({"custom_mutator": mutator} if mutator else {}))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
