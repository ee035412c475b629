"""`make reliability` finds the places that it changes: each once in today's sources."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.unit.scripts.load import script

reliability: Any = script("reliability")


def test_every_place_to_change_is_there() -> None:
    mutations = [*reliability.rule_mutations(), *reliability.state_mutations()]
    assert len(mutations) > 90
    for mutation in mutations:
        text = (ROOT / mutation.file).read_text(encoding="utf-8")
        assert text[mutation.at :].startswith(mutation.old), mutation.label
        assert mutation.new != mutation.old


def test_every_test_that_it_runs_is_there() -> None:
    paths = [*reliability.REPORTS, *reliability.FAULTS]
    paths += [reliability.TABLE_TESTS[0], reliability.CHECK_TESTS[0], reliability.ENGINE_TABLE_TESTS[0]]
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_suites_run_with_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """The script itself runs without: uncompiled, hashes warn of what wraps, and tests fail that pass."""
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    asked: dict[str, Any] = {}

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        asked.update(options)
        return subprocess.CompletedProcess(command, 0, "3 passed, 1 failed, 2 skipped in 1.0s")

    monkeypatch.setattr(reliability.subprocess, "run", run)
    assert reliability.tests_passed(reliability.REPORTS) == (4, 3)
    assert "NUMBA_DISABLE_JIT" not in asked["env"]
    assert "PATH" in asked["env"]
