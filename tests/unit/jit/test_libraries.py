"""What kernels link: helpers however they are reached, each behind its callers."""

from __future__ import annotations

from pathlib import Path

import numba
import pytest

from ppim.jit import helper, helper_by_type, njit


@helper
def _shared(x):  # type: ignore[no-untyped-def]
    return x * 3


@helper
def _unused(x):  # type: ignore[no-untyped-def]
    # Its call is dropped before anything is linked.
    if x != x:  # noqa: PLR0124
        return _shared(x)
    return x


@helper
def _user(x):  # type: ignore[no-untyped-def]
    return _shared(x) + 1


def _chosen(x):  # type: ignore[no-untyped-def]
    return _BY_TYPE[type(x)](x)


@helper
def _of_int(x):  # type: ignore[no-untyped-def]
    return _user(x)


@helper
def _of_float(x):  # type: ignore[no-untyped-def]
    return _user(x) / 2


_BY_TYPE = {int: _of_int, float: _of_float}


@helper_by_type(_chosen)
def _choose(x):  # type: ignore[no-untyped-def]
    from numba import types

    helper_of_type = _of_float if isinstance(x, types.Float) else _of_int
    return lambda x: helper_of_type(x)


@njit(cache=False)
def _first(x):  # type: ignore[no-untyped-def]
    return _unused(x) + _user(x)


@njit(cache=False)
def _second(x):  # type: ignore[no-untyped-def]
    return _chosen(x) + _first(x)


def test_a_helper_is_found_behind_one_that_does_not_need_it() -> None:
    assert _first(2) == 2 + 7


@helper
def _by_itself(x):  # type: ignore[no-untyped-def]
    return x + 5


@helper(forceinline=True)
def _inlined(x):  # type: ignore[no-untyped-def]
    return _by_itself(x)


@njit(cache=False)
def _third(x):  # type: ignore[no-untyped-def]
    return _inlined(x)


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is compiled")
def test_a_helper_is_not_inlined_because_its_caller_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """numba hands a caller's flags on to what is compiled for it."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))  # where a caller is not found without its callee
    assert _third(2) == 7
    (compiled,) = _by_itself.overloads.values()
    assert "alwaysinline" not in compiled.library.get_llvm_str()
    (compiled,) = _inlined.overloads.values()
    assert "alwaysinline" in compiled.library.get_llvm_str()


def test_a_helper_is_chosen_by_type_and_a_kernel_calls_a_kernel() -> None:
    assert _second(2) == 7 + 9
    assert _second(2.0) == 3.5 + 9.0
