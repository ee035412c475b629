"""Where the shared development data lies, and what to do where it does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHARED = Path(os.environ.get("PPIM_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with golden outputs and data samples; tests that need it are skipped without it."""
    if not SHARED.is_dir():
        pytest.skip(f"the shared development data is not at {SHARED} (set PPIM_SHARED)")
    return SHARED
