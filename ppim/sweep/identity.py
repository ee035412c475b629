"""What traces and runs are named by: a hash of all that they depend on."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE_FOLDER = Path(__file__).parent.parent
TRACE_CODE = ("arrays.py", "bits.py", "datasets", "trace", "weight_sharing", "units.py")
"""What a trace's content depends on; a change of anything else leaves traces as they are."""

NOT_RESULTS = ("cli", "sweep", "search", "report", "figures", "check")
"""What no run's result depends on."""

HASH_DIGITS = 16


def digest(*parts: Any) -> str:
    """Hash of values that JSON can hold, whatever the order of their keys."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:HASH_DIGITS]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@cache
def code_digest(of: str) -> str:
    """Hash of the sources that traces (`trace`) or runs (`run`) depend on."""
    found = hashlib.sha256()
    for file in sorted(_sources(of)):
        found.update(file.relative_to(PACKAGE_FOLDER).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return found.hexdigest()[:HASH_DIGITS]


def _sources(of: str) -> Iterable[Path]:
    for file in PACKAGE_FOLDER.rglob("*"):
        top = file.relative_to(PACKAGE_FOLDER).parts[0]
        if file.suffix not in (".py", ".toml") or top in NOT_RESULTS:
            continue
        if of == "run" or top in TRACE_CODE:
            yield file
