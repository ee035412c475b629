"""Folders for what is needed during a run only. Each is locked while its run lives; those of killed runs go."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # no file locks on this system: leftovers stay
    fcntl = None  # type: ignore[assignment]

_PREFIX = "ppim-run-"


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder in TMPDIR, which is removed with all in it at the end.

    Raises
    ------
    OSError
        No folder for temporary files can be written.
    """
    parent = Path(tempfile.gettempdir())
    _remove_leftovers(parent)
    folder, handle = _make(parent)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def lock(handle: int) -> bool:
    """Lock what an open file descriptor stands for; false if another run holds it, or there are no locks here."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _make(parent: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        try:
            handle = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # another run took it for a leftover before it was locked
        lock(handle)
        if folder.is_dir():
            return folder, handle
        os.close(handle)


def _remove_leftovers(parent: Path) -> None:
    """Remove folders that no run holds any more: a killed one could not."""
    with contextlib.suppress(OSError):
        for folder in parent.glob(f"{_PREFIX}*"):
            _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.fstat(handle).st_uid == os.geteuid() and lock(handle):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)
