"""The work of `ppim check`: load, judge, report."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from ppim.check import judge, report
from ppim.config import parse_settings
from ppim.dram.load import DEFAULT_DEVICE, load_device
from ppim.files import atomic_path, keep_inputs
from ppim.jit import compile_notice
from ppim.systems.chosen import choose_system

STDOUT = Path("-")


def load_memories(
    device: str | None, system_name: str | None, settings: Sequence[str]
) -> tuple[dict[str, judge.Memory], tuple[str, ...]]:
    """The memories whose commands are checked, and warnings about settings without effect."""
    if system_name is None:
        memory = judge.Memory(load_device(device or DEFAULT_DEVICE, parse_settings(settings)))
        return {judge.FIRST_MEMORY: memory}, ()
    chosen = choose_system(system_name, parse_settings(settings), device=device)
    return judge.memories_of(chosen.spec), chosen.warnings


def run_check(
    trace: Path,
    memories: Mapping[str, judge.Memory],
    *,
    form: str | None,
    strict: bool,
    refresh_slack: int,
    limit: int,
    output_format: str,
    output: Path | None,
    width: int | None = None,
) -> bool:
    """Check, write the report, and say whether all is legal."""
    to_stdout = output is None or output == STDOUT
    if output is not None and not to_stdout:
        keep_inputs([trace], output)
    with compile_notice("check"):
        results = judge.check_trace(
            trace, memories, judge.Options(form, strict, refresh_slack, most_kept=limit)
        )
    if output is None or to_stdout:
        _write(results, output_format, limit, sys.stdout, width)
    else:
        with atomic_path(output) as temporary, temporary.open("w", encoding="utf-8") as out:
            _write(results, output_format, limit, out)
    return not any(result.n_violations for result in results)


def _write(
    results: Sequence[judge.CheckResult],
    output_format: str,
    limit: int,
    out: TextIO,
    width: int | None = None,
) -> None:
    if output_format == "text":
        report.write_text(results, limit, out, width)
    elif output_format == "csv":
        report.write_csv(results, out)
    else:
        report.write_json(results, out)
