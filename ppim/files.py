"""Outputs appear under their final name whole, or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ppim import interrupt
from ppim.errors import InputError


def keep_inputs(inputs: Iterable[Path], *outputs: Path | None) -> None:
    """Refuse an output that would take the place of an input or of another output; None is no output.

    Raises
    ------
    InputError
        Such an output.
    """
    taken = {path.resolve(): "an input" for path in inputs}
    for path in outputs:
        if path is None:
            continue
        if path.resolve() in taken:
            raise InputError(f"{path}: is {taken[path.resolve()]} too; give each output a file of its own")
        taken[path.resolve()] = "another output"


@contextmanager
def atomic_path(final: Path) -> Iterator[Path]:
    """Yield a temporary path beside `final`, renamed to it when the block ends well.

    On any exception, Ctrl-C included, the temporary file is removed and `final` is untouched.

    Raises
    ------
    InputError
        If the folder of `final` does not exist or cannot be written.
    """
    final = Path(final)
    if not final.parent.is_dir():
        raise InputError(f"{final.parent}: no such folder for the output {final.name}; create it first")
    if final.is_dir():
        raise InputError(f"{final}: is a folder; give the name of a file")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{final.name}.", suffix=".part", dir=final.parent)
    except OSError as error:
        raise InputError(f"{final}: cannot write there ({error.strerror})") from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files private; an output has the permissions any new file would have.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        interrupt.check()
        temporary.replace(final)
    finally:
        temporary.unlink(missing_ok=True)
