"""The folder of a sweep: traces and runs by their hashes, each whole or not there, and one sweep in it at a time."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ppim.errors import InputError
from ppim.files import atomic_path

try:
    import fcntl
except ImportError:  # no file locks on this system: two sweeps of one folder are not noticed
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
TOKEN = ".seen-"
"""Begins the names of files by which workers tell whether they share the folder."""


class Store:
    """What a sweep has done so far.

    Parameters
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.traces, self.runs = folder / "traces", folder / "runs"

    def prepare(self) -> None:
        """Make the folders.

        Raises
        ------
        InputError
            A place that is taken, or cannot be written.
        """
        try:
            for folder in (self.traces, self.runs):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder}: {error.strerror}; give a folder that can be written") from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only sweep in the folder; the lock ends with the process, however it ends.

        Raises
        ------
        InputError
            Another sweep is at work.
        """
        with (self.folder / LOCK).open("a") as stream:
            if fcntl is not None:
                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    raise InputError(
                        f"{self.folder}: another sweep is at work in it; wait for it, or give another folder"
                    ) from error
            yield

    def trace_path(self, name: str) -> Path:
        """Where a trace is, once it is made."""
        return self.traces / f"{name}.parquet"

    def record(self, name: str) -> dict[str, Any] | None:
        """A run that is done, failed ones included; None if it is not, or its file is no record."""
        try:
            content = json.loads((self.runs / f"{name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return content if isinstance(content, dict) and ("rows" in content or "error" in content) else None

    def keep(self, name: str, record: dict[str, Any]) -> None:
        """Keep a run's record."""
        with atomic_path(self.runs / f"{name}.json") as temporary:
            temporary.write_text(json.dumps(record) + "\n", encoding="utf-8")

    def keep_trace(self, name: str, content: bytes) -> None:
        """Keep a trace that was made where this folder is not."""
        with atomic_path(self.trace_path(name)) as temporary:
            temporary.write_bytes(content)

    def is_seen_by(self, token: str) -> bool:
        """Whether this folder has a file of this name: workers of other machines tell by it if they share it."""
        return (self.folder / token).exists()


def process_token() -> str:
    """Name of a file that no other process makes."""
    return f"{TOKEN}{os.getpid()}-{os.urandom(8).hex()}"
