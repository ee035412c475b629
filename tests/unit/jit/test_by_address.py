"""A named tuple that kernels hand on by its address is the tuple itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ppim.jit import helper, njit
from ppim.jit.by_address import by_address
from ppim.jit.tables import bare, bare_rows


class Some(NamedTuple):
    """What a kernel needs: tables, a number, something that is not there."""

    table: Any
    rows: Any
    number: int
    nothing: None


class Numbers(NamedTuple):
    """Of one type, which numba keeps in another way."""

    first: int
    second: int
    third: int


@helper
def _deeper(some, place):  # type: ignore[no-untyped-def]
    some.table[place] += some.number
    some.rows[place, 1] = some.table[place] * 2
    return 0 if some.nothing is None else 1


@helper
def _change(some, numbers, steps):  # type: ignore[no-untyped-def]
    found = 0
    for place in range(steps):
        found += _deeper(some, place) + numbers.second
    return found


@njit(cache=False)
def _kernel(table, rows, number, numbers, times):  # type: ignore[no-untyped-def]
    found = 0
    for time in range(times):
        # Made anew in each turn: what was read of the one before must not stay.
        some = by_address(Some(bare(table)[time], bare_rows(rows, 2)[time], number + time, None))
        found += _change(some, by_address(numbers), table.shape[1]) + some.number
    return found


def test_fields_are_the_tuple_s() -> None:
    table, rows = np.arange(12).reshape(3, 4), np.zeros((3, 4, 2), np.int64)
    found = _kernel(table, rows, 10, Numbers(5, 7, 9), 3)
    added = np.array([10, 11, 12])[:, np.newaxis]
    np.testing.assert_array_equal(table, np.arange(12).reshape(3, 4) + added)
    np.testing.assert_array_equal(rows[:, :, 1], table * 2)
    assert not rows[:, :, 0].any()
    assert found == 3 * 4 * 7 + (10 + 11 + 12)
