"""The work of `ppim check`: load, judge, report."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from ppim.check.judge import FIRST_MEMORY, CheckResult, Memory, Options, check_trace, memories_of
from ppim.check.report import write_csv, write_json, write_text
from ppim.config import parse_settings
from ppim.dram.load import DEFAULT_DEVICE, load_device
from ppim.files import atomic_path, keep_inputs
from ppim.jit import compile_notice
from ppim.systems.chosen import choose_system

STDOUT = Path("-")


def load_memories(
    device: str | None, system_name: str | None, settings: Sequence[str]
) -> tuple[dict[str, Memory], tuple[str, ...]]:
    """The memories whose commands are checked, and warnings about settings without effect."""
    if system_name is None:
        memory = Memory(load_device(device or DEFAULT_DEVICE, parse_settings(settings)))
        return {FIRST_MEMORY: memory}, ()
    chosen = choose_system(system_name, parse_settings(settings), device=device)
    return memories_of(chosen.spec), chosen.warnings


def run_check(
    trace: Path,
    memories: Mapping[str, Memory],
    *,
    form: str | None,
    strict: bool,
    refresh_slack: int,
    limit: int,
    output_format: str,
    output: Path | None,
) -> bool:
    """Check, write the report, and say whether all is legal."""
    to_stdout = output is None or output == STDOUT
    if output is not None and not to_stdout:
        keep_inputs([trace], output)
    with compile_notice("check"):
        results = check_trace(trace, memories, Options(form, strict, refresh_slack, most_kept=limit))
    if output is None or to_stdout:
        _write(results, output_format, limit, sys.stdout)
    else:
        with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8") as out:
            _write(results, output_format, limit, out)
    return not any(result.n_violations for result in results)


def _write(results: Sequence[CheckResult], output_format: str, limit: int, out: TextIO) -> None:
    if output_format == "text":
        write_text(results, limit, out)
    elif output_format == "csv":
        write_csv(results, out)
    else:
        write_json(results, out)
