"""The one `njit`: compiled kernels, cached on disk, never served stale.

numba's own cache looks only at the file that holds a kernel; a changed callee or constant in another
file would be ignored. Here the cache folder is named by a hash of the kernel's module and of every
module of this package that it imports, directly or not, so that any change of them compiles anew.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numba
from numba.core import event
from numba.core.types import unliteral

from ppim import interrupt

PACKAGE = __name__.split(".")[0]
PACKAGE_FOLDER = Path(__file__).parent
_IMPORT = re.compile(
    rb"^\s*(?:from\s+(ppim[\w.]*)\s+import\s+(\([^)]*\)|[^\n#]*)|import\s+(ppim[\w.]*))", re.MULTILINE
)


@cache
def _source_files() -> dict[str, Path]:
    """All modules of this package, by name."""
    files = {}
    for file in PACKAGE_FOLDER.rglob("*.py"):
        if file.name != "__init__.py":
            files[".".join((PACKAGE, *file.relative_to(PACKAGE_FOLDER).with_suffix("").parts))] = file
    return files


@cache
def _imports(path: Path) -> frozenset[Path]:
    """Files of this package that the file at `path` imports directly."""
    found = set()
    for source, names, plain in _IMPORT.findall(path.read_bytes()):
        module = (source or plain).decode()
        members = re.findall(r"\w+", names.decode())
        for candidate in (module, *(f"{module}.{member}" for member in members)):
            file = _source_files().get(candidate)
            if file is not None:
                found.add(file)
    return frozenset(found)


@cache
def _cache_key(path: Path) -> str:
    closure, todo = {path}, [path]
    while todo:
        for file in _imports(todo.pop()) - closure:
            closure.add(file)
            todo.append(file)
    digest = hashlib.sha256(f"{numba.__version__} {numba.config.BOUNDSCHECK}".encode())
    for file in sorted(closure):
        digest.update(
            file.relative_to(PACKAGE_FOLDER).as_posix().encode()
            if file.is_relative_to(PACKAGE_FOLDER)
            else b""
        )
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def cache_root() -> Path:
    """Folder of all compiled kernels: NUMBA_CACHE_DIR, else `ppim` in the user's cache folder."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / PACKAGE


def njit(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`numba.njit` with `cache=True` in a folder that names the sources it was compiled from.

    Options are numba's; `nogil=True` is the default.
    """
    if function is None:
        return lambda decorated: njit(decorated, **options)
    settings = {"cache": True, "nogil": True, **options}
    key = _cache_key(Path(inspect.getfile(function)))
    previous = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(cache_root() / key)
    try:
        return numba.njit(**settings)(function)
    finally:
        numba.config.CACHE_DIR = previous


def helper(function: Callable[..., Any] | None = None, **options: Any) -> Any:
    """`numba.njit` for functions that only kernels call: compiled into them, with no entry for Python.

    Leaving out the entries saves a third of the compile time. numba would compile a helper anew for each
    constant that it is called with, which takes a sixth of the rest; here constants are numbers like others
    (LLVM still knows them where it inlines).
    """
    if function is None:
        return lambda decorated: helper(decorated, **options)
    settings = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, **options}
    compiled = numba.njit(**settings)(function)
    if not numba.config.DISABLE_JIT:
        resolve = compiled.get_call_template

        def resolve_without_constants(args: Any, kws: Any) -> Any:
            return resolve(tuple(map(unliteral, args)), {name: unliteral(kind) for name, kind in kws.items()})

        compiled.get_call_template = resolve_without_constants
    return compiled


class _CompileListener(event.Listener):
    def __init__(self, label: str) -> None:
        self.label = label
        self.started = 0.0
        self.depth = 0
        self.seconds = 0.0

    def on_start(self, event: Any) -> None:  # noqa: ARG002 - the signature is numba's
        interrupt.check()
        if self.depth == 0:
            if self.seconds == 0.0:
                sys.stderr.write(f"{self.label}: first run, compiling the kernels ...\n")
                sys.stderr.flush()
            self.started = time.perf_counter()
        self.depth += 1

    def on_end(self, event: Any) -> None:  # noqa: ARG002 - the signature is numba's
        self.depth -= 1
        if self.depth == 0:
            self.seconds += time.perf_counter() - self.started


@contextmanager
def compile_notice(label: str) -> Iterator[None]:
    """Say on stderr when kernels are being compiled in this block, and at its end for how long."""
    listener = _CompileListener(label)
    with event.install_listener("numba:compile", listener):
        yield
    if listener.seconds:
        sys.stderr.write(f"{label}: compiled in {listener.seconds:.1f} s (kept for the next run)\n")
