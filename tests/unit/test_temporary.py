"""Folders of a run go with it; those of a killed one go with the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ppim.temporary import temporary_folder

HOLD = """
import sys
from ppim.temporary import temporary_folder

with temporary_folder() as folder:
    (folder / "x").write_text("x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_folder_goes_with_its_run(temporary_root: Path) -> None:
    with temporary_folder() as folder, temporary_folder() as other:
        (folder / "a").mkdir()
        assert folder.parent == other.parent == temporary_root
        assert folder.is_dir()
        assert other.is_dir()
        assert folder.stat().st_mode & 0o077 == 0
    assert not list(temporary_root.iterdir())
    with pytest.raises(KeyboardInterrupt), temporary_folder():
        raise KeyboardInterrupt
    assert not list(temporary_root.iterdir())


def test_that_of_a_killed_run_goes_and_that_of_a_living_one_stays(temporary_root: Path) -> None:
    (temporary_root / "ppim-run-file").write_text("no folder")
    (temporary_root / "ppim-run-link").symlink_to(temporary_root, target_is_directory=True)
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        held = Path(process.stdout.readline().strip())
        with temporary_folder() as folder:
            assert {each.name for each in held.iterdir()} == {"x"}
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (held / "x").exists()
    with temporary_folder() as folder:
        assert not held.exists()
    assert not folder.exists()
    assert {each.name for each in temporary_root.iterdir()} == {"ppim-run-file", "ppim-run-link"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives a folder to somebody else")
def test_what_is_somebody_elses_stays(temporary_root: Path) -> None:
    others = temporary_root / "ppim-run-others"
    others.mkdir()
    os.chown(others, 12345, 12345)
    with temporary_folder():
        pass
    assert others.is_dir()
