"""A bare table is the array it was made of, in kernels and without compilation."""

from __future__ import annotations

import numpy as np
import pytest

from ppim.jit import njit
from ppim.jit.lanes import load, store
from ppim.jit.tables import bare, bare_rows


@njit(cache=False)
def _walk(array):  # type: ignore[no-untyped-def]
    table = bare(array)
    row = table[1]
    row[0, 2] = 7
    table[0, 1, 0] += 5
    return row[0][2] + row[1, 3] + table[1, 0][1]


@njit(cache=False)
def _walk_rows(array):  # type: ignore[no-untyped-def]
    table = bare_rows(array, 4)
    table[1][0, 2] = 7
    table[0, 1, 0] += 5
    return table[1, 0, 2] + table[1][1][3] + table[1, 0][1]


@pytest.mark.parametrize("walk", [_walk, _walk_rows])
def test_a_table_is_the_array_itself(walk) -> None:  # type: ignore[no-untyped-def]
    array = np.arange(24).reshape(2, 3, 4)
    assert walk(array) == 7 + 19 + 13
    changed = np.arange(24).reshape(2, 3, 4)
    changed[1, 0, 2], changed[0, 1, 0] = 7, 9
    np.testing.assert_array_equal(array, changed)


@njit(cache=False)
def _shift_row(array, row):  # type: ignore[no-untyped-def]
    store(bare(array)[row], 1, load(bare(array)[row], 0))


def test_a_row_of_a_table_gives_blocks() -> None:
    array = np.arange(60, dtype=np.int32).reshape(3, 20)
    _shift_row(array, 1)
    assert array[1].tolist() == [20, *range(20, 36), 37, 38, 39]
    assert array[0].tolist() == list(range(20))
    assert array[2].tolist() == list(range(40, 60))
