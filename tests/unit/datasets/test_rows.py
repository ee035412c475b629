"""Values become rows: folded, or numbered as first seen."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given, strategies as st

from ppim.datasets.base import MISSING, SampleChunk, Source, TableSpec
from ppim.datasets.rows import FoldedRows, SeenRows


class OneColumn(Source):
    """Values of one table in chunks of 7, as single values or as bags of growing size."""

    def __init__(self, values: list[int], as_bags: bool = False) -> None:
        super().__init__()
        self.tables = (TableSpec("x", None),)
        self._values, self._as_bags = np.array(values, dtype=np.uint64), as_bags

    def chunks(self) -> Iterator[SampleChunk]:
        for first in range(0, self._values.size, 7):
            part = self._values[first : first + 7]
            self.progress.rows += part.size
            yield SampleChunk(1, [part], [np.array([0, part.size])] if self._as_bags else None)


def seen(values: list[int], as_bags: bool = False) -> tuple[int, list[int]]:
    rows = SeenRows(OneColumn(values, as_bags), [0])
    out = np.empty(len(values), dtype=np.int64)
    rows.apply(0, np.array(values, dtype=np.uint64), out)
    return rows.rows[0], out.tolist()


def test_numbers_are_given_in_order_of_first_sight() -> None:
    assert seen([30, 10, 30, 20, 10, 0]) == (4, [0, 1, 0, 2, 1, 3])


def test_a_missing_value_has_a_row_of_its_own() -> None:
    assert seen([0, int(MISSING), 0, 2**64 - 2]) == (3, [0, 1, 0, 2])


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 20), max_size=60), st.booleans())
def test_numbering_equals_a_dictionary(values: list[int], as_bags: bool) -> None:
    numbers: dict[int, int] = {}
    expected = [numbers.setdefault(value, len(numbers)) for value in values]
    assert seen(values, as_bags) == (max(len(numbers), 1), expected)


def test_many_values() -> None:
    """Enough to grow the table several times; multiples of a power of 2 would collide without mixing."""
    values = np.arange(200_000, dtype=np.uint64) << np.uint64(20)
    rows = SeenRows(OneColumn(values.tolist()), [0])
    out = np.empty(values.size, dtype=np.int64)
    rows.apply(0, values, out)
    assert rows.rows == (200_000,)
    np.testing.assert_array_equal(out, np.arange(200_000))


def test_progress_starts_again_after_the_first_pass() -> None:
    source = OneColumn([1, 2, 3])
    SeenRows(source, [0])
    assert source.progress.rows == 0


@given(
    st.lists(st.integers(0, 2**64 - 2) | st.integers(0, 2**33), min_size=1),
    st.integers(1, 2**40) | st.integers(1, 2**32 + 5),
)
def test_folding_is_the_remainder(values: list[int], rows: int) -> None:
    values += [rows - 1, rows, rows + 1, 2 * rows - 1, 2 * rows, 2**32 - 1, 2**32]
    out = np.empty(len(values), dtype=np.int64)
    FoldedRows([rows]).apply(0, np.array(values, dtype=np.uint64), out)
    assert out.tolist() == [value % rows for value in values]


def test_folding() -> None:
    out = np.empty(4, dtype=np.int64)
    FoldedRows([10]).apply(0, np.array([7, 17, 2**64 - 2, 2**64 - 1], dtype=np.uint64), out)
    assert out.tolist() == [7, 7, (2**64 - 2) % 10, 0]
