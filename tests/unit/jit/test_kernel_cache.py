"""Compiled kernels are never served stale, and a cache that cannot be used costs time, never a result."""

from __future__ import annotations

import ctypes
import errno
import os
import pickle
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from llvmlite import ir
from numba.core.registry import cpu_target
from numba.core.runtime import rtsys

from ppim.jit import compilers, kernel_cache, njit
from ppim.jit.libraries import KernelLibrary
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")


ABSOLUTE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(("abs", ctypes.CDLL(None)))


def new_kernel(addend: int = 1) -> Any:
    """The same kernel as a new process would have it."""

    @njit
    def kernel(number):  # type: ignore[no-untyped-def]
        return number + addend

    return kernel


def loaded(kernel: Any) -> bool:
    return sum(kernel.stats.cache_hits.values()) == 1


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of one's own, in a process that has not complained yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    forget(monkeypatch)
    return folder


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process."""
    monkeypatch.setattr(kernel_cache, "_complaints", [])
    kernel_cache.readable.cache_clear()


def files(root: Path) -> list[Path]:
    """All but helpers."""
    return sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".nbh")


def test_a_kernel_is_kept_and_found_again(root: Path) -> None:
    first = new_kernel()
    assert first(1) == 2
    assert not loaded(first)
    (kept,) = files(root)
    assert kept.parent == root / "kernels"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o644
    second = new_kernel()
    assert second(1) == 2
    assert loaded(second)
    assert files(root) == [kept]


def test_what_a_kernel_closes_over_is_part_of_its_name(root: Path) -> None:
    assert new_kernel(1)(1) == 2
    assert new_kernel(2)(1) == 3
    assert len(files(root)) == 2


def test_a_kernel_from_the_disk_is_called_by_another(root: Path) -> None:
    assert new_kernel()(1) == 2
    found = new_kernel()
    assert found(1) == 2
    assert loaded(found)

    @njit(cache=False)
    def caller(number):  # type: ignore[no-untyped-def]
        return 10 * found(number)

    assert caller(3) == 40
    assert len(files(root)) == 1


@pytest.mark.parametrize(("name", "stands_alone"), [("NRT_decref", False), ("abs", True)])
def test_a_kernel_that_leaves_a_function_to_numba_is_known(name: str, stands_alone: bool) -> None:
    context = cpu_target.target_context
    rtsys.initialize(context)
    library = KernelLibrary(context.codegen(), "declares")
    module = library.create_ir_module("declares")
    kind = ir.FunctionType(ir.VoidType(), [ir.IntType(8).as_pointer()])
    called, calling = ir.Function(module, kind, name), ir.Function(module, kind, "calling")
    builder = ir.IRBuilder(calling.append_basic_block())
    builder.call(called, calling.args)
    builder.ret_void()
    library.add_ir_module(module)
    assert library.stands_alone() == stands_alone


def test_signatures_have_a_file_each(root: Path) -> None:
    kernel = new_kernel()
    assert kernel(1) == 2
    assert kernel(1.5) == 2.5
    assert len(files(root)) == 2


# --- what stands where a kernel should -------------------------------------------------------------


class Bomb:
    """Says that it was unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpickled",)


def cut(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes()[:-100])


def one_byte_changed(kept: Path) -> None:
    content = bytearray(kept.read_bytes())
    content[len(content) // 2] ^= 1
    kept.write_bytes(content)


def longer(kept: Path) -> None:
    kept.write_bytes(kept.read_bytes() + b"more")


def empty(kept: Path) -> None:
    kept.write_bytes(b"")


def foreign(kept: Path) -> None:
    kept.write_bytes(pickle.dumps(Bomb()))


def foreign_in_our_format(kept: Path) -> None:
    payload = pickle.dumps(Bomb())
    kernel_cache.write(kept, b"of another kernel", payload)


def of_another_kernel(kept: Path) -> None:
    assert new_kernel(5)(1) == 6
    (other,) = [path for path in kept.parent.iterdir() if path != kept]
    other.replace(kept)


def written_by_others(kept: Path) -> None:
    kept.chmod(0o666)


def of_another_user(kept: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    os.chown(kept, 1234, 1234)


def folder(kept: Path) -> None:
    kept.unlink()
    kept.mkdir()


def pipe(kept: Path) -> None:
    kept.unlink()
    os.mkfifo(kept)


def link_to_itself(kept: Path) -> None:
    kept.unlink()
    kept.symlink_to(kept)


def link_to_another_file(kept: Path) -> None:
    elsewhere = kept.parent.parent / "elsewhere"
    kept.rename(elsewhere)
    kept.symlink_to(elsewhere)


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        one_byte_changed,
        longer,
        empty,
        foreign,
        foreign_in_our_format,
        of_another_kernel,
        written_by_others,
        of_another_user,
        folder,
        pipe,
        link_to_itself,
        link_to_another_file,
    ],
)
def test_damage_is_mended_without_a_word(
    damage: Callable[[Path], None],
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    new_kernel()(1)
    (kept,) = files(root)
    damage(kept)
    monkeypatch.chdir(root)
    kernel = new_kernel()
    assert kernel(1) == 2
    assert not loaded(kernel)
    assert not (root / "unpickled").exists()
    assert not kept.is_symlink()
    third = new_kernel()
    assert third(1) == 2
    assert loaded(third)
    assert capsys.readouterr().err == ""


def test_a_full_folder_in_the_way_stays(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_kernel()(1)
    (kept,) = files(root)
    folder(kept)
    (kept / "someone's").write_text("data")
    assert new_kernel()(1) == 2
    assert files(root) == [kept / "someone's"]
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ppim: warning: compiled kernels are not kept: ")
    assert str(kept) in line


# --- places where nothing can be kept --------------------------------------------------------------


def complains_once(capsys: pytest.CaptureFixture[str]) -> str:
    """Two kernels that are compiled both times, with one line for all."""
    for _ in range(2):
        for addend in (1, 2):
            kernel = new_kernel(addend)
            assert kernel(1) == 1 + addend
            assert not loaded(kernel)
    assert not kernel_cache.keeps()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ppim: warning: compiled kernels are not kept: ")
    return line


@pytest.mark.parametrize("place", ["/proc/none", "/dev/null/below", "/dev/null"])
def test_an_unusable_place(
    place: str, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", place)
    forget(monkeypatch)
    assert place in complains_once(capsys)
    assert not root.exists()


def test_a_file_where_the_kernels_should_be(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root.mkdir()
    (root / "kernels").write_text("mine")
    assert str(root / "kernels") in complains_once(capsys)
    assert (root / "kernels").read_text() == "mine"


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_room_leaves_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with files_of_at_most(500):
        line = complains_once(capsys)
    assert "File too large" in line
    assert files(root) == []


def test_no_home(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    forget(monkeypatch)
    assert kernel_cache.cache_root() is None
    assert "no home folder" in complains_once(capsys)
    assert not root.exists()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"HOME": "/h"}, "/h/.cache/ppim"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "/x"}, "/x/ppim"),
        ({"HOME": "/h", "XDG_CACHE_HOME": "x"}, "/h/.cache/ppim"),
        ({"HOME": "h"}, "None"),
        ({"HOME": "/h", "NUMBA_CACHE_DIR": "/n"}, "/n"),
        ({"HOME": "/h", "NUMBA_CACHE_DIR": "n"}, str(Path.cwd() / "n")),
    ],
)
def test_where_kernels_are_kept(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(kernel_cache.cache_root()) == expected


@pytest.mark.parametrize(("below", "mode"), [("kernels", 0o775), ("kernels", 0o757), ("", 0o777)])
def test_what_others_may_write_is_not_read(
    below: str, mode: int, root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new_kernel()(1)
    (root / below).chmod(mode)
    forget(monkeypatch)
    line = complains_once(capsys)
    assert f"others may write {root / below};" in line
    (root / below).chmod(0o755)
    forget(monkeypatch)
    kernel = new_kernel()
    assert kernel(1) == 2
    assert loaded(kernel)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give folders away")
def test_a_folder_of_another_user_is_not_read(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new_kernel()(1)
    (kept,) = files(root)
    content = pickle.dumps(Bomb())
    kept.write_bytes(content)
    os.chown(root / "kernels", 1234, 1234)
    monkeypatch.chdir(root)
    forget(monkeypatch)
    assert f"{root / 'kernels'} is another user's;" in complains_once(capsys)
    assert not (root / "unpickled").exists()
    assert files(root) == [kept]
    assert kept.read_bytes() == content


def test_a_folder_like_tmp_may_hold_the_kernels(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root.mkdir()
    root.chmod(0o1777)
    new_kernel()(1)
    forget(monkeypatch)
    kernel = new_kernel()
    assert kernel(1) == 2
    assert loaded(kernel)


def test_leftovers_and_forgotten_kernels_are_removed(root: Path) -> None:
    new_kernel()(1)
    (kept,) = files(root)
    ages = {"a.part": 7200, "b.part": 60, "c.nbc": 61 * 24 * 3600, "d.nbc": 59 * 24 * 3600, "e.txt": 10**9}
    for name, age in ages.items():
        (kept.parent / name).write_bytes(b"")
        os.utime(kept.parent / name, (time.time() - age,) * 2)
    new_kernel(2)(1)
    left = {path.name for path in files(root)}
    assert left & set(ages) == {"b.part", "d.nbc", "e.txt"}
    assert kept.name in left


def test_use_keeps_a_kernel_young(root: Path) -> None:
    new_kernel()(1)
    (kept,) = files(root)
    os.utime(kept, (0, 0))
    assert loaded(kernel := new_kernel()) or kernel(1) == 2
    assert time.time() - kept.stat().st_mtime < 3600


# --- the name --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (numba.core.config, "BOUNDSCHECK", 1),
        (numba.core.config, "OPT", 0),
        (numba.core.config, "CPU_NAME", "generic"),
        (numba.core.config, "LOOP_VECTORIZE", 0),
        (numba, "__version__", "0.0"),
        (kernel_cache.llvmlite, "__version__", "0.0"),
        (np, "__version__", "0.0"),
        (sys, "version", sys.version.replace("3", "4", 1)),
    ],
)
def test_the_name_tells_environments_apart(
    owner: Any, name: str, value: object, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codegen = numba.core.registry.cpu_target.target_context.codegen()
    cache = new_kernel()._cache
    before = cache._place(root, (numba.int64,), codegen)
    assert cache._place(root, (numba.int64,), codegen) == before
    monkeypatch.setattr(owner, name, value)
    assert cache._place(root, (numba.int64,), codegen) != before


def test_the_name_tells_processors_apart(root: Path) -> None:
    class Codegen:
        def __init__(self, *magic: str) -> None:
            self.magic = magic

        def magic_tuple(self) -> tuple[str, ...]:
            return self.magic

    cache = new_kernel()._cache
    places = {cache._place(root, (), Codegen("x86", cpu, f)) for cpu in ("a", "b") for f in ("+avx", "")}
    assert len(places) == 4


@pytest.mark.parametrize("name", ["CACHE_DIR", "NUMBA_NUM_THREADS", "COLOR_SCHEME"])
def test_the_name_is_free_of_what_changes_no_code(
    name: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codegen = numba.core.registry.cpu_target.target_context.codegen()
    cache = new_kernel()._cache
    before = cache._place(root, (), codegen)
    monkeypatch.setattr(numba.core.config, name, "another")
    assert cache._place(root, (), codegen) == before


def test_a_kernel_that_stands_in_no_file_is_not_kept(root: Path) -> None:
    space: dict[str, Any] = {"njit": njit, "__name__": "nowhere"}
    exec(  # noqa: S102 - as an interactive session does
        "@njit\ndef kernel(number):\n    return number + 1", space
    )
    assert space["kernel"](1) == 2
    assert not root.exists()


# --- whole processes -------------------------------------------------------------------------------

KERNEL = """
import ppim.deep.plain
from .relative import (  # a comment with a )
    RELATIVE as renamed,
)
from . import module
from ppim import jit, \\
    aliased as short
from ppim.deep import REEXPORTED
from ppim.middle import through

@jit.njit
def kernel():
    return ppim.deep.plain.PLAIN + renamed + module.MODULE + short.ALIASED + REEXPORTED + through()
"""
# Each constant stands in a file of its own and reaches the kernel by another form of import.
CONSTANTS = {
    "deep/plain.py": "PLAIN = {}\n",
    "relative.py": "RELATIVE = {}\n",
    "module.py": "MODULE = {}\n",
    "aliased.py": "ALIASED = {}\n",
    "deep/source.py": "REEXPORTED = {}\n",
    "far.py": "FAR = {}\n",
}
OTHERS = {
    "kernel.py": KERNEL,
    "deep/__init__.py": "from ppim.deep.source import REEXPORTED\n",
    "middle.py": (
        "from ppim.jit import helper\nfrom ppim import far as f\n\n@helper\ndef through():\n    return f.FAR\n"
    ),
}
RUN = "from ppim.kernel import kernel; print(kernel(), sum(kernel.stats.cache_hits.values()))"


class Copy:
    """A package of the same name with the same `jit`, and one kernel."""

    def __init__(self, folder: Path) -> None:
        self.package, self.cache = folder / "ppim", folder / "cache"
        shutil.copytree(
            ROOT / "ppim" / "jit", self.package / "jit", ignore=shutil.ignore_patterns("__pycache__")
        )
        for name in ("__init__.py", "interrupt.py"):
            shutil.copy(ROOT / "ppim" / name, self.package)
        (self.package / "deep").mkdir()
        for name, text in OTHERS.items():
            (self.package / name).write_text(text)
        for place, name in enumerate(CONSTANTS):
            self.set(name, 10**place)

    def set(self, name: str, value: int) -> None:
        (self.package / name).write_text(CONSTANTS[name].format(value))

    def start(self, program: str = RUN, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-B", "-c", program],
            env={
                **os.environ,
                "PYTHONPATH": str(self.package.parent),
                "NUMBA_CACHE_DIR": str(self.cache),
                **environment,
            },
            cwd=self.package.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, program: str = RUN, **environment: str) -> tuple[list[int], str]:
        process = self.start(program, **environment)
        output, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        return [int(word) for word in output.split()], errors


@pytest.mark.slow
def test_a_changed_constant_of_another_module_is_seen(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    assert copy.run() == ([111111, 0], "")
    assert copy.run() == ([111111, 1], "")
    expected = 111111
    for place, name in enumerate(CONSTANTS):
        copy.set(name, 2 * 10**place)
        expected += 10**place
        assert copy.run() == ([expected, 0], ""), name
    copy.set("far.py", 10**5)
    assert copy.run() == ([122222, 0], "") or copy.run() == ([122222, 1], "")


EDITED_AFTER_IMPORT = """
from pathlib import Path
from ppim.kernel import kernel
Path(__import__("ppim.far").far.__file__).write_text("FAR = 900000\\n")
print(kernel(), sum(kernel.stats.cache_hits.values()))
"""


def test_a_source_edited_between_import_and_first_call_is_not_served_stale(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    assert copy.run(EDITED_AFTER_IMPORT) == ([111111, 0], "")
    assert copy.run() == ([911111, 0], "")
    copy.set("far.py", 10**5)
    assert copy.run() == ([111111, 1], "")


def test_a_place_that_cannot_be_used_is_not_replaced_by_the_sources_folder(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    result, errors = copy.run(NUMBA_CACHE_DIR="/proc/none")
    assert result == [111111, 0]
    assert len(errors.splitlines()) == 1
    assert "/proc/none" in errors
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".py"}


def test_two_first_runs_at_once(tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    processes = [copy.start() for _ in range(2)]
    for process in processes:
        output, errors = process.communicate(timeout=300)
        assert output.split()[0] == "111111", errors
        assert errors == ""
    assert len(files(copy.cache)) == 1
    assert copy.run() == ([111111, 1], "")


KILLED = """
import os, signal
from ppim.jit import kernel_cache
{what} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from ppim.kernel import kernel
kernel()
"""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["kernel_cache.dumps", "kernel_cache.Path.replace"])
def test_a_killed_run_leaves_the_next_one_right(what: str, tmp_path: Path) -> None:
    copy = Copy(tmp_path)
    process = copy.start(KILLED.format(what=what))
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    assert {path.suffix for path in files(copy.cache)} <= {".part", ".lock"}
    assert copy.run() == ([111111, 0], "")
    assert copy.run() == ([111111, 1], "")


@pytest.mark.usefixtures("root")
def test_a_read_only_cache_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that an administrator has filled: nothing of it changes, and nobody is warned."""
    new_kernel()(1)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    kernel = new_kernel()
    assert kernel(1) == 2
    assert loaded(kernel)
    assert kernel_cache.keeps()


def test_ctypes_pointers_are_not_kept(root: Path) -> None:
    """They are addresses in this process."""

    @njit
    def kernel(number):  # type: ignore[no-untyped-def]
        return ABSOLUTE(number)

    assert kernel(-3) == 3
    assert files(root) == []


COMPILES = """
import sys, time
from pathlib import Path
from numba.core.compiler import Compiler
from ppim.jit import compilers
from tests.unit.jit.test_kernel_cache import new_kernel
inner = compilers.KernelCompiler.compile_extra
def slowly(self, func):
    time.sleep(1.0)
    return inner(self, func)
compilers.KernelCompiler.compile_extra = slowly
kernel = new_kernel()
assert kernel(1) == 2
print(sum(kernel.stats.cache_misses.values()))
"""


@pytest.mark.slow
def test_of_two_first_runs_one_compiles(root: Path) -> None:
    command = [sys.executable, "-c", COMPILES]
    runs = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    compiled = [int(run.communicate(timeout=120)[0]) for run in runs]
    assert sorted(compiled) == [0, 0, 1]
    assert [path.suffix for path in files(root)] == [".nbc"]


def test_a_lock_that_stays_is_not_waited_for_long(root: Path) -> None:
    root.mkdir()
    holds = "import fcntl, sys, time; file = open(sys.argv[1], 'w'); fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); time.sleep(60)"
    other = subprocess.Popen(
        [sys.executable, "-c", holds, str(root / "kernel.lock")], stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout is not None
        other.stdout.readline()
        assert not kernel_cache.lock(root / "kernel.nbc", patience=0.1)
        other.kill()
    # A lock ends with its process.
    assert kernel_cache.lock(root / "kernel.nbc", patience=0.1)
    kernel_cache.unlock(root / "kernel.nbc")
    assert files(root) == []


@pytest.mark.usefixtures("root")
def test_a_file_system_without_locks_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_file: int, _how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    def wait(_seconds: float) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr(kernel_cache.fcntl, "flock", refuse)
    monkeypatch.setattr(kernel_cache.time, "sleep", wait)
    assert new_kernel()(1) == 2
    again = new_kernel()
    assert again(1) == 2
    assert loaded(again)


def test_what_fails_to_compile_is_not_waited_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt in a notebook leaves its process there."""

    def interrupted(_self: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(compilers.KernelCompiler, "define_pipelines", interrupted)
        with pytest.raises(KeyboardInterrupt):
            new_kernel()(1)
    assert files(root) == []
    assert kernel_cache._held == {}
    assert new_kernel()(1) == 2


ALLOCATES = """
import numpy as np
from tests.unit.jit.test_kernel_cache import allocating_kernel
kernel = allocating_kernel()
found = kernel(3)
print(found[0].tolist(), found[1], sum(kernel.stats.cache_hits.values()))
"""


def allocating_kernel() -> Any:
    """One that takes memory from numba's run time, calls C's mathematics, and can fail."""

    @njit
    def kernel(number):  # type: ignore[no-untyped-def]
        if number < 0:
            raise ValueError("negative")
        made = np.empty(number, np.float64)
        for place in range(number):
            made[place] = np.exp(place * 0.0) + place
        return made, number

    return kernel


@pytest.mark.usefixtures("root")
def test_a_new_process_runs_what_it_has_not_compiled() -> None:
    """Nothing of numba but its run time is there then."""
    for hits in (0, 1):
        done = subprocess.run(
            [sys.executable, "-c", ALLOCATES],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, f"[1.0, 2.0, 3.0] 3 {hits}\n"), done.stderr
