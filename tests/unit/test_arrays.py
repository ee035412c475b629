"""Memory that is given back."""

import mmap
import sys
from pathlib import Path

import numpy as np
import pytest

from ppim.arrays import give_back, integers
from ppim.program.state import give_back_rest, put_rows

ROWS = 8192
COLUMNS = 5


def _resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])


@pytest.mark.skipif(sys.platform != "linux", reason="memory is given back on Linux alone")
def test_pages_are_given_back_and_the_rest_is_left() -> None:
    array = integers(64 * ROWS, COLUMNS)
    array[:] = 7
    before = _resident_pages()
    give_back(array, 100, 63 * ROWS)
    bytes_given = (63 * ROWS - 100) * COLUMNS * 8
    assert before - _resident_pages() > 0.9 * bytes_given / mmap.PAGESIZE
    assert (array[:100] == 7).all()
    assert (array[63 * ROWS :] == 7).all()
    inside = array[100 : 63 * ROWS]
    assert (inside == 0).sum() > 0.99 * inside.size
    assert ((inside == 0) | (inside == 7)).all()


def test_less_than_a_page_stays_as_it_is() -> None:
    array = integers(16, COLUMNS)
    array[:] = 7
    give_back(array, 0, 16)
    give_back(array, 9, 3)
    assert (array == 7).all()


@pytest.mark.parametrize(
    ("first", "stop"), [(0, 0), (5, 5), (100, 4000), (8000, 9000), (0, ROWS), (ROWS - 1, ROWS)]
)
def test_of_a_ring_what_is_needed_stays(first: int, stop: int) -> None:
    ring = integers(ROWS, COLUMNS)
    ring[:] = 7
    give_back_rest(ring, first, stop)
    assert (ring[np.arange(first, stop) % ROWS] == 7).all()
    if sys.platform == "linux" and stop - first < ROWS:
        assert (ring == 0).sum() > 0.9 * (ROWS - (stop - first)) * COLUMNS - 4 * mmap.PAGESIZE / 8


@pytest.mark.parametrize(("first", "stop"), [(0, 0), (3, 8), (6, 13), (15, 23), (1000, 1008)])
def test_rows_find_their_places_in_a_longer_ring(first: int, stop: int) -> None:
    ring, longer = integers(8, 1), integers(32, 1)
    rows = np.arange(first, stop)
    ring[rows % 8, 0] = rows
    put_rows(ring, first, stop, longer)
    assert (longer[rows % 32, 0] == rows).all()
    assert np.count_nonzero(longer) == np.count_nonzero(rows)
