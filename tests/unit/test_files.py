"""An output is there whole, or not at all."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ppim.errors import InputError
from ppim.files import atomic_path, keep_inputs


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_appears_at_the_end_with_usual_permissions(tmp_path: Path) -> None:
    final, usual = tmp_path / "out.csv", tmp_path / "usual"
    usual.touch()
    with atomic_path(final) as temporary:
        temporary.write_text("half")
        assert not final.exists()
        temporary.write_text("whole")
    assert final.read_text() == "whole"
    assert stat.S_IMODE(final.stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)
    assert names(tmp_path) == ["out.csv", "usual"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_leaves_what_was_there(tmp_path: Path, failure: type[BaseException]) -> None:
    final = tmp_path / "out.csv"
    final.write_text("earlier")

    def fail_halfway() -> None:
        with atomic_path(final) as temporary:
            temporary.write_text("half")
            raise failure

    with pytest.raises(failure):
        fail_halfway()
    assert final.read_text() == "earlier"
    assert names(tmp_path) == ["out.csv"]


def test_interrupted_process_leaves_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from ppim.files import atomic_path\n"
        "with atomic_path(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half'); print('ready', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "out.csv")],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert len(names(tmp_path)) == 1
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
    assert names(tmp_path) == []


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    for final, words in ((tmp_path / "absent" / "x.csv", "create it first"), (tmp_path, "is a folder")):
        with pytest.raises(InputError, match=words), atomic_path(final):
            pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot write there"), atomic_path(tmp_path / "x.csv"):
        pass
    tmp_path.chmod(0o700)


def test_an_input_stays_what_it_is(tmp_path: Path) -> None:
    keep_inputs([tmp_path / "in"], tmp_path / "out", None, tmp_path / "other")
    with pytest.raises(InputError, match="in: is an input too"):
        keep_inputs([tmp_path / "a", tmp_path / "in"], tmp_path / "b" / ".." / "in")
    with pytest.raises(InputError, match="out: is another output too"):
        keep_inputs([tmp_path / "in"], tmp_path / "out", tmp_path / "out")
