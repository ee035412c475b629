"""Compiled kernels on disk: a file a kernel and signature, named by all that its code depends on.

numba's own cache looks only at the file that holds a kernel, writes beside the sources where it finds no
better place, and fails with what it cannot read or write. Here a name stands for one code only, so that
nothing is ever stale; what is damaged, foreign or in the way counts as not there; and where nothing can be
kept, kernels are compiled in every run and the user is told once.

The files hold pickles of numba's own. They are read only if nobody else can have written them.
"""

import fcntl
import hashlib
import os
import re
import stat
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import sigutils
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.serialize import dumps

from ppim import interrupt
from ppim.jit import kept_kernels
from ppim.jit.sources import PACKAGE, sources_digest
from ppim.jit.types_told import UntoldError, told

FORMAT = b"ppim kernel 2\n"
SUFFIX = ".nbc"
HELPER_SUFFIX = ".nbh"
UNFINISHED = ".part"
FORGOTTEN_AFTER = 60 * 24 * 3600  # seconds without use
ABANDONED_AFTER = 3600  # seconds: no write takes so long
LOCK = ".lock"
_AGES = {
    UNFINISHED: ABANDONED_AFTER,
    LOCK: ABANDONED_AFTER,
    SUFFIX: FORGOTTEN_AFTER,
    HELPER_SUFFIX: FORGOTTEN_AFTER,
}
PATIENCE = 300  # seconds to wait for another process that compiles the same: longer than any kernel takes

# numba's settings that do not change the code; they differ between machines, shells and terminals.
_NO_CODE = re.compile(r"CUDA_|.*NUM_THREADS|CACHE_|COLOR_SCHEME|SHOW_HELP|HIGHLIGHT_DUMPS|DEBUG_CACHE")

_complaints: list[str] = []


def cache_root() -> Path | None:
    """Folder of all that is compiled: NUMBA_CACHE_DIR, else `ppim` in the user's cache folder; None without a home."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not Path(base).is_absolute():  # the XDG specification: relative paths are to be ignored
        try:
            home = Path.home()
        except RuntimeError:
            return None
        if not home.is_absolute():
            return None
        base = str(home / ".cache")
    return Path(base) / PACKAGE


def keeps() -> bool:
    """Whether what this process compiles is kept, as far as it is known."""
    return not _complaints


def complain(why: str) -> None:
    if not _complaints:
        _complaints.append(why)
        if sys.stderr is not None:
            sys.stderr.write(f"ppim: warning: compiled kernels are not kept: {why}\n")


def _only_ours(status: os.stat_result) -> bool:
    """Nobody but this user and the system's administrator can have written it."""
    return status.st_uid in (os.geteuid(), 0) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


@cache
def readable(root: Path | None) -> Path | None:
    """The folder with the files, if it is there and only ours."""
    if root is None:
        return None
    folder = root / "kernels"
    try:
        above, status = root.stat(), folder.stat()
    except OSError:
        return None
    open_above = above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX
    if not stat.S_ISDIR(status.st_mode) or (_only_ours(status) and not open_above):
        return folder
    if open_above or status.st_uid in (os.geteuid(), 0):
        place = root if open_above else folder
        what = f"others may write {place}; take that right away (chmod go-w) or set"
    else:
        what = f"{folder} is another user's; set"
    complain(f"{what} NUMBA_CACHE_DIR to a folder of your own")
    return None


def writable(root: Path | None) -> Path | None:
    """The folder with the files, made if need be."""
    if root is None:
        complain("this user has no home folder; set NUMBA_CACHE_DIR to a folder that can be written")
        return None
    if readable(root) is None:
        (root / "kernels").mkdir(mode=0o755, parents=True, exist_ok=True)
        readable.cache_clear()
    return readable(root)


def file_name(name: str, key: bytes, suffix: str) -> str:
    """The file of what a name in the sources and a key stand for."""
    words = re.sub(r"[^\w.]", "", name)[-80:]
    return f"{words}-{key.hex()[:24]}{suffix}"


def cannot_write(error: OSError) -> None:
    """Say it, once."""
    complain(
        f"{error.filename or cache_root()}: {error.strerror}; "
        "mend it, or set NUMBA_CACHE_DIR to a folder that can be written"
    )


def read(path: Path, key: bytes) -> bytes | None:
    """What `write` has written under this key; None for anything else that is there."""
    header_size = len(FORMAT) + 8 + 32
    try:
        # No link is followed, and a pipe does not block.
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode) or not _only_ours(status):
            return None
        with os.fdopen(os.dup(file), "rb") as stream:
            header = stream.read(header_size)
            size, digest = int.from_bytes(header[len(FORMAT) : -32], "big"), header[-32:]
            if not header.startswith(FORMAT) or header_size + size != status.st_size:
                return None
            payload = stream.read()
    except OSError:
        return None
    finally:
        os.close(file)
    return payload if hashlib.sha256(key + payload).digest() == digest else None


def write(path: Path, key: bytes, payload: bytes) -> None:
    """Put a file in its place as a whole.

    Raises
    ------
    OSError
        It cannot be written; what was there is still there.
    """
    file, temporary = tempfile.mkstemp(suffix=UNFINISHED, dir=path.parent)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(FORMAT + len(payload).to_bytes(8, "big"))
            stream.write(hashlib.sha256(key + payload).digest())
            stream.write(payload)
            os.fchmod(file, 0o644)
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def tidy(folder: Path) -> None:
    """Remove what killed runs have left, and what nobody has used for long."""
    now = time.time()
    for file in folder.iterdir():
        with suppress(OSError):  # another run was faster, or it is not ours to remove
            age = _AGES.get(file.suffix)
            if age is not None and now - file.lstat().st_mtime > age:
                file.unlink()


# Locks that this process holds, by the kernel's file: descriptors.
_held: dict[Path, int] = {}


def lock(path: Path, patience: float = PATIENCE) -> bool:
    """Wait until no other process compiles the kernel of this file; whether it is locked for this one now."""
    if path in _held:
        return True
    try:
        file = os.open(path.with_suffix(LOCK), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return False
    try:
        if _gets_lock(file, patience):
            _held[path] = file
    finally:
        if path not in _held:
            os.close(file)
    return path in _held


def _gets_lock(file: int, patience: float) -> bool:
    until = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > until:  # whoever compiles stands still
                return False
        except OSError:  # the file system has no locks
            return False
        interrupt.check()
        time.sleep(0.05)


def unlock(path: Path) -> None:
    """The kernel of this file is kept, or cannot be."""
    file = _held.pop(path, None)
    if file is not None:
        with suppress(OSError):
            path.with_suffix(LOCK).unlink(missing_ok=True)
        os.close(file)


def unlock_all() -> None:
    """What was being compiled has failed, or was interrupted."""
    for path in list(_held):
        unlock(path)


def environment(codegen: Any) -> list[object]:
    """All but sources and signature that compiled code depends on."""
    config = numba.core.config
    return [
        FORMAT,
        numba.__version__,
        llvmlite.__version__,
        np.__version__,
        sys.implementation.cache_tag,
        sys.version,
        codegen.magic_tuple(),  # system, processor and its features
        [
            (name, str(getattr(config, name)))
            for name in dir(config)
            if name.isupper() and not _NO_CODE.match(name)
        ],
    ]


def _fields(signature: Any) -> list[bytes]:
    """What numba's names of the arguments' types do not say."""
    hashes = []
    for kind in sigutils.normalize_signature(signature)[0]:
        with suppress(UntoldError):
            hashes.append(told(kind)[0])
    return hashes


class KernelCache(_Cache):
    """numba's cache of one function.

    Parameters
    ----------
    function : function
        In a file, whose sources were read when it was imported.
    options : dict
        With which it is compiled.
    """

    def __init__(self, function: Any, options: dict[str, Any]) -> None:
        self._name = f"{function.__module__}.{function.__qualname__}"
        code, sources = function.__code__, sources_digest(function)
        self._code = [sources, self._name, code.co_firstlineno, code.co_code, sorted(options.items())]
        self._cells = function.__closure__ or ()
        self._locked: Path | None = None  # the file of what is being compiled

    @property
    def cache_path(self) -> str:
        return str(cache_root())

    def _place(self, folder: Path, signature: Any, codegen: Any) -> tuple[Path, bytes]:
        """The file of a signature, and its key."""
        cells = dumps(tuple(cell.cell_contents for cell in self._cells))
        parts = [*self._code, cells, str(signature), _fields(signature), *environment(codegen)]
        key = hashlib.sha256(repr(parts).encode()).digest()
        return folder / file_name(self._name, key, SUFFIX), key

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """The compiled function of a signature, or None."""
        # numba would first learn all that it can compile (`target_context.refresh`): a third of a short run's time.
        # What is compiled needs its run time alone; what has to be compiled has the rest done by numba.
        root = cache_root()
        folder = readable(root)
        if folder is None:
            with suppress(OSError):  # `save_overload` says so
                folder = None if _complaints else writable(root)
        if folder is None:
            return None
        path, key = self._place(folder, sig, target_context.codegen())
        compiled = self._read(path, key, target_context)
        if compiled is None and not _complaints and lock(path):
            self._locked = path
            # Whoever held it may have compiled what is wanted here.
            compiled = self._read(path, key, target_context)
            if compiled is not None:
                unlock(path)
        return compiled

    @staticmethod
    def _read(path: Path, key: bytes, target_context: Any) -> CompileResult | None:
        payload = read(path, key)
        if payload is None:
            return None
        try:
            compiled = kept_kernels.unpacked(payload, target_context)
        except Exception:  # noqa: BLE001 - whatever it is, compiling anew mends it
            return None
        with suppress(OSError):  # read only
            os.utime(path)
        return compiled

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        """Keep the compiled function of a signature."""
        root = cache_root()
        try:
            can_keep = not data.library.has_dynamic_globals and not data.lifted
            folder = writable(root) if can_keep and not _complaints else None
            if folder is not None:
                path, key = self._place(folder, sig, data.codegen)
                tidy(folder)
                write(path, key, kept_kernels.packed(data))
        except OSError as error:
            cannot_write(error)
        finally:
            if self._locked is not None:
                unlock(self._locked)

    def enable(self) -> None:
        """Nothing: numba asks for it."""

    def disable(self) -> None:
        """Nothing: numba asks for it."""

    def flush(self) -> None:
        """Nothing: numba asks for it."""
