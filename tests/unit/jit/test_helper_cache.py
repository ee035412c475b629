"""Kept helpers save the work of a second kernel, and change nothing of what it does."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import pytest
from numba.core import types

from ppim.jit import by_address, helper as new_helper, kernel_cache, libraries, njit, tables, types_told
from tests.unit.jit import test_kernel_cache as kernels
from tests.unit.jit.test_kernel_cache import Copy, files_of_at_most, forget, root

__all__ = ["root"]

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")


def helper_files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.nbh"))


# --- in one process: the same functions as new helpers -----------------------------------------------


def _lowest(x):  # type: ignore[no-untyped-def]
    return min(x, 7) + max(x, 1)


def _middle(x):  # type: ignore[no-untyped-def]
    return 10 * lowest(x)


def _highest(x):  # type: ignore[no-untyped-def]
    return middle(x) + lowest(x) if x else x


lowest: Any = None
middle: Any = None
highest: Any = None
CALLS = ("lowest", "middle", "highest")


@pytest.fixture
def renew(root: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Callable[[int], int]]:
    """What makes the helpers as a new process has them, and a kernel that calls them."""

    def as_new() -> Callable[[int], int]:
        forget(monkeypatch)
        monkeypatch.setattr(libraries.HelperLibrary, "by_key", {})
        for name in CALLS:
            monkeypatch.setitem(globals(), name, new_helper(globals()[f"_{name}"]))
        called = highest

        @njit(cache=False)
        def kernel(x):  # type: ignore[no-untyped-def]
            return called(x)

        return kernel  # type: ignore[no-any-return]

    assert not root.exists()
    return as_new


def lowered() -> list[str]:
    """The helpers that were not found."""
    return [name for name in CALLS if sum(globals()[name].stats.cache_misses.values())]


def test_who_is_found_brings_all_below_it(root: Path, renew: Any) -> None:
    assert renew()(2) == 44
    assert lowered() == list(CALLS)
    assert len(helper_files(root)) == 3
    assert renew()(2) == 44
    assert lowered() == []
    # Those below it were not even typed.
    assert not middle.overloads
    assert not lowest.overloads


@pytest.mark.usefixtures("root")
def test_others_see_only_names_that_no_other_code_has(renew: Any) -> None:
    """What a helper takes in of numba's (`min`, `max`) has running numbers in its names, of this process."""
    assert renew()(2) == 44
    kept = libraries.HelperLibrary.by_key
    assert len(kept) == 3
    private = 0
    for key, library in kept.items():
        made = [function for function in library._final_module.functions if not function.is_declaration]
        seen = [function.name for function in made if function.linkage.name != "internal"]
        assert len(seen) == 1
        assert key.hex()[:32] in seen[0]
        private += len(made) - len(seen)
    assert private >= 2


def test_each_signature_has_a_file(root: Path, renew: Any) -> None:
    assert renew()(2) == 44
    assert renew()(2.5) == 55.0
    assert len(helper_files(root)) == 6


@pytest.mark.parametrize(
    "damage",
    [
        kernels.cut,
        kernels.one_byte_changed,
        kernels.longer,
        kernels.empty,
        kernels.foreign,
        kernels.foreign_in_our_format,
        kernels.written_by_others,
        kernels.of_another_user,
        kernels.folder,
        kernels.pipe,
        kernels.link_to_itself,
        kernels.link_to_another_file,
        Path.unlink,
    ],
)
@pytest.mark.parametrize(("name", "anew"), [("highest", ["highest"]), ("middle", ["middle", "highest"])])
def test_damage_is_mended_without_a_word(
    name: str,
    anew: list[str],
    damage: Callable[[Path], None],
    root: Path,
    renew: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    renew()(2)
    (kept,) = [file for file in helper_files(root) if f"_{name}-" in file.name]
    damage(kept)
    monkeypatch.chdir(root)
    assert renew()(2) == 44
    assert lowered() == anew
    assert not (root / "unpickled").exists()
    assert not kept.is_symlink()
    assert renew()(2) == 44
    assert lowered() == []
    assert capsys.readouterr().err == ""


def test_no_room_leaves_nothing(root: Path, renew: Any, capsys: pytest.CaptureFixture[str]) -> None:
    kernel = renew()
    with files_of_at_most(500):
        assert kernel(2) == 44
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ppim: warning: compiled kernels are not kept: ")
    assert helper_files(root) == []
    assert not list(root.rglob("*.part"))


@pytest.mark.parametrize(("below", "mode"), [("kernels", 0o775), ("", 0o777)])
def test_what_others_may_write_is_not_read(
    below: str, mode: int, root: Path, renew: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    renew()(2)
    (root / below).chmod(mode)
    assert renew()(2) == 44
    assert lowered() == list(CALLS)
    assert f"others may write {root / below};" in capsys.readouterr().err


def test_a_read_only_cache_is_read(renew: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    renew()(2)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "utime", refuse)
    assert renew()(2) == 44
    assert lowered() == []


def test_use_keeps_a_helper_young_and_the_forgotten_are_removed(root: Path, renew: Any) -> None:
    renew()(2)
    used = helper_files(root)
    forgotten = used[0].with_name("forgotten.nbh")
    forgotten.write_bytes(b"")
    for file in (*used, forgotten):
        os.utime(file, (0, 0))
    renew()(2)
    assert all(time.time() - file.stat().st_mtime < 3600 for file in used)
    assert kernels.new_kernel()(1) == 2  # one that is kept, which tidies
    assert helper_files(root) == used


@pytest.mark.usefixtures("root")
def test_with_other_settings_it_is_other_code(renew: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    renew()(2)
    monkeypatch.setattr(numba.core.config, "BOUNDSCHECK", 1)
    assert renew()(2) == 44
    assert lowered() == list(CALLS)


ABSOLUTE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)(("abs", ctypes.CDLL(None)))


@new_helper
def _address_of_this_process(x):  # type: ignore[no-untyped-def]
    return ABSOLUTE(x)


@new_helper
def _calls_it(x):  # type: ignore[no-untyped-def]
    return _address_of_this_process(x)


def test_addresses_are_not_kept_nor_what_calls_them(root: Path) -> None:
    @njit
    def kernel(x):  # type: ignore[no-untyped-def]
        return _calls_it(x)

    assert kernel(-3) == 3
    assert helper_files(root) == []


def test_what_closes_over_something_is_not_kept(root: Path) -> None:
    results = []
    for addend in (1, 2):

        @new_helper
        def add(x):  # type: ignore[no-untyped-def]
            return x + addend  # noqa: B023 - called in this turn

        @njit(cache=False)
        def kernel(x):  # type: ignore[no-untyped-def]
            return add(x)

        results.append(kernel(1))
    assert results == [2, 3]
    assert helper_files(root) == []


# --- types -------------------------------------------------------------------------------------------


def pair_of(*fields: str) -> Any:
    """(1, 2), of a version of a class that has these fields."""
    from collections import namedtuple

    return namedtuple("Pair", fields, module=__name__)(1, 2)


def _x_of(pair):  # type: ignore[no-untyped-def]
    return pair.x


@pytest.mark.usefixtures("root")
def test_a_kernel_is_not_found_for_another_version_of_its_argument(monkeypatch: pytest.MonkeyPatch) -> None:
    """The class stands in a file that the kernel's does not import."""
    for fields, x in ((("x", "y"), 1), (("y", "x"), 2)):
        forget(monkeypatch)
        assert njit(_x_of)(pair_of(*fields)) == x


def test_versions_of_a_class_are_told_apart() -> None:
    """numba's name of a named tuple does not hold the fields."""
    first, other = numba.typeof(pair_of("x", "y")), numba.typeof(pair_of("y", "x"))
    assert str(first) == str(other)
    pairs = [
        (first, other),
        (by_address.ByAddress(first), by_address.ByAddress(other)),
        (types.Tuple((first, types.int8)), types.Tuple((other, types.int8))),
        (tables.Table(types.int64, 2), tables.Table(types.int64, 2, 3)),
        (types.int64, types.int32),
    ]
    for one, two in pairs:
        assert types_told.told(one) != types_told.told(two)
    assert __name__ in types_told.told(pairs[1][0])[1]


def test_functions_and_classes_of_no_file_are_not_told() -> None:
    from collections import namedtuple

    nowhere = namedtuple("Nowhere", "x", module="nowhere")
    for value in (new_helper(_lowest), nowhere(1)):
        with pytest.raises(types_told.UntoldError):
            types_told.told(numba.typeof(value))


# --- whole processes -----------------------------------------------------------------------------------

MODULES = {
    "state.py": "from typing import NamedTuple\n\nclass State(NamedTuple):\n    x: int\n    y: int\n",
    "factor.py": "FACTOR = 100\n",
    "shared.py": """
from ppim.factor import FACTOR
from ppim.jit import helper

@helper
def least(state):
    return min(state.x, state.y)

@helper
def shared(state):
    return FACTOR * state.x + max(state.x, state.y) + least(state)
""",
    "one.py": """
from ppim.jit import njit
from ppim.shared import shared
from ppim.state import State

@njit
def kernel():
    return shared(State(1, 3))
""",
    "two.py": """
from ppim.jit import helper, njit
from ppim.shared import shared
from ppim.state import State

@helper
def ahead(number):
    # Names of what is compiled here are numbered before anything kept is read.
    return max(number, 5) + min(number, 5) + max(number, number, 6)

@njit
def kernel():
    return ahead(2) + 10000 * shared(State(2, 4))
""",
}
COUNT = "from ppim.{} import kernel; from ppim.shared import shared, least; print(kernel(), *[sum(f.stats.cache_{}.values()) for f in (kernel, shared, least)])"
HITS, MISSES = "hits", "misses"


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    made = Copy(tmp_path)
    for name, text in MODULES.items():
        (made.package / name).write_text(text)
    return made


@pytest.mark.slow
def test_a_second_kernel_finds_what_the_first_has_lowered(copy: Copy) -> None:
    assert copy.run(COUNT.format("one", MISSES)) == ([104, 1, 1, 1], "")
    assert copy.run(COUNT.format("two", HITS)) == ([13 + 10000 * 206, 0, 1, 0], "")
    assert copy.run(COUNT.format("two", HITS)) == ([13 + 10000 * 206, 1, 0, 0], "")


@pytest.mark.slow
def test_a_changed_source_is_seen(copy: Copy) -> None:
    def change(name: str, old: str, new: str) -> None:
        file = copy.package / name
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    assert copy.run(COUNT.format("one", MISSES)) == ([104, 1, 1, 1], "")
    # Of the kernel only: the helpers are found.
    change("one.py", "State(1, 3)", "State(2, 3)")
    assert copy.run(COUNT.format("one", HITS)) == ([205, 0, 1, 0], "")
    # A constant of another module, the helper, and the order of fields in a module that the helper does not import.
    change("factor.py", "100", "1000")
    assert copy.run(COUNT.format("one", MISSES)) == ([2005, 1, 1, 1], "")
    change("shared.py", "min(state.x, state.y)", "min(state.x, state.y) + 10")
    assert copy.run(COUNT.format("one", MISSES)) == ([2015, 1, 1, 1], "")
    change("state.py", "x: int\n    y: int", "y: int\n    x: int")
    assert copy.run(COUNT.format("one", MISSES)) == ([3015, 1, 1, 1], "")


@pytest.mark.slow
def test_first_runs_of_several_kernels_at_once(copy: Copy) -> None:
    processes = [copy.start(COUNT.format(name, MISSES)) for name in ("one", "two", "one")]
    results = []
    for process in processes:
        output, errors = process.communicate(timeout=300)
        assert errors == ""
        results.append(int(output.split()[0]))
    assert results == [104, 13 + 10000 * 206, 104]
    assert len(helper_files(copy.cache)) == 3
    assert not list(copy.cache.rglob("*.part"))


KILLED = """
import os, signal
from ppim.jit import kernel_cache
kept = []
inner = kernel_cache.Path.replace
def replace(self, to):
    if len(kept) == {after}:
        os.kill(os.getpid(), signal.SIGKILL)
    kept.append(to)
    return inner(self, to)
kernel_cache.Path.replace = replace
from ppim.one import kernel
kernel()
"""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_killed_run_leaves_the_next_one_right(after: int, copy: Copy) -> None:
    process = copy.start(KILLED.format(after=after))
    process.communicate(timeout=300)
    assert process.returncode == -9
    assert len(helper_files(copy.cache)) == after
    assert copy.run(COUNT.format("one", MISSES)) == ([104, 1, int(after < 2), int(after < 1)], "")


def test_kernel_cache_has_no_lock_left(renew: Any) -> None:
    renew()(2)
    assert kernel_cache._held == {}
