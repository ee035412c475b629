"""Where the shared development data lies, and what to do where it does not."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings

# The first call of a kernel compiles it: an example's time says nothing.
settings.register_profile("compiled", deadline=None)
settings.load_profile("compiled")

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("PPIM_SHARED", ROOT.parent / "shared"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a `matrix(n)` every n-th case is quick; the others are slow."""
    seen: Counter[str] = Counter()
    for item in items:
        matrix = item.get_closest_marker("matrix")
        if matrix is not None:
            function = item.nodeid.partition("[")[0]
            if seen[function] % matrix.args[0]:
                item.add_marker(pytest.mark.slow)
            seen[function] += 1


@pytest.fixture(autouse=True)
def _long_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines are as long as they are, so that tests find what they look for; test_tables.py is about terminals."""
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with golden outputs and data samples; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip(f"the shared development data is not at {SHARED} (set PPIM_SHARED)")
    return SHARED


def complaints(stderr: str) -> list[str]:
    """The lines with which a command refuses; what it says before of compiling and recognising is left out."""
    return [line for line in stderr.splitlines() if line.startswith("ppim: ")]
