"""numba's functions of kernels and helpers are made when they are wanted, once, and no sooner."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numba
import pytest

from ppim.jit import helper, njit
from ppim.jit.deferred import Deferred
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")

IMPORT = """
import gc, sys
import ppim.cli.simulate, ppim.runs.simulate_files, ppim.runs.replay_files, ppim.runs.generate_files
from ppim.jit.deferred import Deferred
all_of_them = [each for each in gc.get_objects() if type(each) is Deferred]
print(len(all_of_them) > 500, [each.__name__ for each in all_of_them if each._made is not None], "tqdm" in sys.modules)
"""


def test_imports_make_none_and_no_bar() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORT], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "True [] False\n"), done.stderr


def _of_no_use() -> None:
    """Only asked for."""


def test_of_several_threads_that_ask_first_one_makes_it() -> None:
    made = []

    def make(function: Callable[..., Any]) -> object:
        time.sleep(0.05)
        made.append(function)
        return object()

    deferred = Deferred(_of_no_use, make)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(deferred.made())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [_of_no_use]
    assert len(set(map(id, found))) == 1


@helper
def _doubled(x):  # type: ignore[no-untyped-def]
    """Twice as much."""
    return 2 * x


@helper
def _through(function, x):  # type: ignore[no-untyped-def]
    return function(x)


@njit(cache=False)
def _given(function, x):  # type: ignore[no-untyped-def]
    return _through(function, x) + _through(_doubled, x)


def test_it_looks_like_its_function() -> None:
    assert (_doubled.__name__, _doubled.__doc__, _doubled.__module__) == (
        "_doubled",
        "Twice as much.",
        __name__,
    )
    assert _doubled.py_func(4) == 8  # type: ignore[attr-defined]


def test_a_kernel_takes_a_helper_as_an_argument() -> None:
    assert _given(_doubled, 3) == 12
