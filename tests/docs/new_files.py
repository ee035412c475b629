"""Files of things to choose from that are not in git yet: the generated pages speak of them after `make docs`."""

from __future__ import annotations

import subprocess

import pytest

from tests.conftest import ROOT

FOLDERS = (
    "datasets",
    "weight_sharing",
    "mapping",
    "prefetch",
    "dram/devices",
    "systems/presets",
    "requests/formats",
)


def new_files() -> list[str]:
    """What git does not have; nothing where there is no git."""
    folders = [f"ppim/{folder}" for folder in FOLDERS]
    done = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard", "--", *folders],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split() if done.returncode == 0 else []


def excuse(page: str) -> None:
    """Skip a test whose page differs, if new files explain it; once they are in git there is no excuse."""
    found = new_files()
    if found:
        pytest.skip(
            f"{page} does not speak of {', '.join(found)} yet: run `make docs` before they are committed"
        )
