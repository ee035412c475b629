"""Which source files a kernel is compiled from: its own, and all that it imports, directly or not.

Helpers and constants of other modules are compiled into a kernel, so a change of any of them makes it stale.
Libraries are left out; their versions stand for them (`kernel_cache`).
"""

import hashlib
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = __name__.split(".")[0]
PACKAGE_FOLDER = Path(__file__).parent.parent
_LIBRARIES = tuple(sysconfig.get_path(kind) + "/" for kind in ("stdlib", "platstdlib", "purelib", "platlib"))

# Found too much costs a compilation, found too little a wrong result: text in strings counts too. Each begins with
# letters that `re` can look for fast, and then looks back whether a word begins with them.
_COMMENT = re.compile(rb"#[^\n]*")
_FROM = re.compile(rb"from(?<!\wfrom)\b\s*(\.*)\s*([\w.]*)\s*\bimport\b\s*(\([^)]*\)|[^\n;]*)")
_PLAIN = re.compile(rb"import(?<!\wimport)\b\s*([^\n;(]+)")
_DOTTED = re.compile(PACKAGE.encode() + rb"(?<!\w" + PACKAGE.encode() + rb")(?:\.\w+)+")


@cache
def _package_files() -> dict[str, Path]:
    """All modules of this package, by name; a package is its `__init__`."""
    files = {}
    for folder, _, names in os.walk(PACKAGE_FOLDER):
        above = (PACKAGE, *Path(folder).relative_to(PACKAGE_FOLDER).parts)
        for name in names:
            if name.endswith(".py"):
                parts = above if name == "__init__.py" else (*above, name.removesuffix(".py"))
                files[".".join(parts)] = Path(folder, name)
    return files


@cache
def _package_names() -> dict[str, str]:
    """Modules of this package by their files."""
    return {str(file): name for name, file in _package_files().items()}


@cache
def _module_file(name: str) -> Path | None:
    """The source of a module that is no library's, as far as it is known."""
    if name.split(".")[0] == PACKAGE:
        return _package_files().get(name)
    file = getattr(sys.modules.get(name), "__file__", None) or ""
    return Path(file) if file.endswith(".py") and not file.startswith(_LIBRARIES) else None


def imported_names(text: bytes, name: str, is_package: bool) -> Iterator[tuple[str, list[str]]]:
    """Modules that a source imports, each with the members taken from it (none: the module itself).

    Parameters
    ----------
    text : bytes
    name : str
        Full name of the module, by which relative imports are resolved.
    is_package : bool
        It is an `__init__`.
    """
    text = _COMMENT.sub(b" ", text).replace(b"\\\r\n", b" ").replace(b"\\\n", b" ")
    for dots, source, members in _FROM.findall(text):
        module = source.decode()
        if dots:
            up = len(dots) - is_package
            base = name.split(".")[: -up or None]
            module = ".".join([*base, module] if module else base)
        yield module, [part.split()[0] for part in members.decode().strip("()").split(",") if part.split()]
    for modules in _PLAIN.findall(text):
        for part in modules.decode().split(","):
            if part.split():
                yield part.split()[0], []
    for dotted in _DOTTED.findall(text):
        yield dotted.decode(), []


def _known(name: str) -> str | None:
    """The module that a dotted name begins with."""
    while name and _module_file(name) is None:
        name = name.rpartition(".")[0]
    return name or None


@cache
def _read(name: str, file: Path) -> tuple[bytes, frozenset[str]]:
    """Hash of a source and names of the modules that it imports."""
    text = file.read_bytes()
    found: set[str] = set()
    for module, members in imported_names(text, name, file.name == "__init__.py"):
        inside = [f"{module}.{member}" for member in members]
        found.update(part for part in inside if _module_file(part) is not None)
        # A package that is only the way to its modules gives nothing itself.
        if not inside or any(_module_file(part) is None for part in inside):
            found.add(_known(module) or "")
    return hashlib.sha256(text).digest(), frozenset(found - {"", name})


def is_in_a_file(module: str) -> bool:
    """Whether the source of a module is known, or it is a library's."""
    if _module_file(module) is not None:
        return True
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and file.startswith(_LIBRARIES)


@cache
def _closure(name: str, file: Path) -> dict[str, Path]:
    """The source files that a module is compiled from, by module name."""
    files, todo = {name: file}, [name]
    while todo:
        at = todo.pop()
        for found in _read(at, files[at])[1]:
            path = _module_file(found)
            if path is not None and found not in files:
                files[found] = path
                todo.append(found)
    return files


def closure(function: Any) -> dict[str, Path] | None:
    """The source files that a function is compiled from, by module name; None if its own is not in a file.

    They are read now, if they have not been before: what is on disk later is not what was imported.
    """
    file = Path(function.__code__.co_filename)
    name = _package_names().get(str(file))
    if name is None and (file.suffix != ".py" or not file.is_file()):
        return None
    return _closure(name or function.__module__, file)


def sources_digest(function: Any, with_modules: Iterable[str] = ()) -> bytes | None:
    """A hash of all sources that a function, and code of other modules, is compiled from; None if they are not known."""
    files = closure(function)
    if files is None:
        return None
    for name in with_modules:
        file = _module_file(name)
        if file is not None:
            files = files | _closure(name, file)
    digest = hashlib.sha256()
    for name, file in sorted(files.items()):
        digest.update(name.encode() + b"\0" + _read(name, file)[0])
    return digest.digest()
