"""A tuple that Python lays out is the tuple that kernels see, and nothing else is laid out."""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
import pytest

from ppim.jit import helper, njit
from ppim.jit.by_address import by_address, nth
from ppim.jit.pack import pack, pack_rows
from ppim.jit.tables import bare, bare_rows


class Shape(NamedTuple):
    """Numbers only."""

    rows: int
    columns: int


class State(NamedTuple):
    """All kinds of fields."""

    counts: Any
    small: Any
    cube: Any
    factor: int
    shape: Any


def state() -> State:
    return State(
        np.arange(5),
        np.arange(6, dtype=np.int32).reshape(2, 3),
        np.arange(24).reshape(2, 3, 4),
        10,
        Shape(3, 4),
    )


@helper
def _add_up(some):  # type: ignore[no-untyped-def]
    found = 0
    for row in range(some.shape.rows):
        for column in range(some.shape.columns):
            found += some.cube[1, row, column] * some.factor
        found += some.small[1, row]
    some.counts[4] = found
    return found


@njit(cache=False)
def _packed(some):  # type: ignore[no-untyped-def]
    return _add_up(some)


@njit(cache=False)
def _made_inside(counts, small, cube):  # type: ignore[no-untyped-def]
    return _add_up(by_address(State(bare(counts), bare_rows(small, 3), bare_rows(cube, 4), 10, Shape(3, 4))))


@pytest.mark.parametrize("columns", [{}, {"cube": 4}, {"cube": 4, "small": 3}])
def test_a_kernel_sees_and_changes_what_was_packed(columns: dict[str, int]) -> None:
    some = state()
    expected = int(some.cube[1].sum()) * 10 + int(some.small[1].sum())
    assert _packed(pack(some, **columns)) == expected
    assert some.counts.tolist() == [0, 1, 2, 3, expected]


def test_a_kernel_makes_the_same() -> None:
    some = state()
    assert _made_inside(some.counts, some.small, some.cube) == _packed(pack(state()))


class Rows(NamedTuple):
    """Tuples laid out before."""

    rows: Any


@njit(cache=False)
def _last(all_rows, number):  # type: ignore[no-untyped-def]
    return _add_up(nth(all_rows.rows, number))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_each_of_several_rows_is_what_was_packed(n: int) -> None:
    counts, cubes = np.zeros((n, 5), np.int64), np.arange(n * 24).reshape(n, 2, 3, 4)
    one = state()
    packed = pack(Rows(pack_rows(lambda number: one._replace(counts=counts[number], cube=cubes[number]), n)))
    expected = [int(cube[1].sum()) * 10 + int(one.small[1].sum()) for cube in cubes]
    assert [_last(packed, number) for number in range(n)] == expected
    assert counts[:, 4].tolist() == expected


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is laid out")
def test_rows_of_different_kinds_are_refused() -> None:
    with pytest.raises(ValueError, match="different types"):
        pack_rows(lambda number: state()._replace(small=np.zeros((2, 3), (np.int32, np.int64)[number])), 2)


def test_nothing_is_nothing() -> None:
    assert pack(None) is None


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is laid out")
def test_types_follow_from_the_fields_alone() -> None:
    """A kernel compiled for one state serves all of its kind, and no other."""
    first, second = (pack(state(), cube=4)._numba_type_ for _ in range(2))
    assert first == second
    assert pack(state())._numba_type_ != first
    assert pack(state()._replace(small=np.arange(6).reshape(2, 3)), cube=4)._numba_type_ != first


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="nothing is laid out")
@pytest.mark.parametrize(
    "change",
    [{"cube": np.zeros((4, 3, 2)).T}, {"cube": np.zeros((2, 3, 5), np.int64)}],
    ids=["strides", "columns"],
)
def test_what_is_no_such_table_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no table of 4 columns"):
        pack(state()._replace(**change), cube=4)
