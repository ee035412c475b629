"""QR-trick: the published arithmetic, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ppim.datasets.criteo_kaggle import ROWS
from ppim.errors import InputError
from ppim.weight_sharing.base import WeightSharing
from ppim.weight_sharing.qr import Qr

Q = np.array([[1, 2], [3, 4], [5, 6]])
R = np.array([[1, 1], [2, 0], [0, 2], [3, 1]])
BAG = np.array([7, 2, 9])


def small(**options: str) -> tuple:
    scheme = Qr(vector_bytes=8, collisions=4, **options).table(10)
    return scheme, scheme.split(BAG)


def test_subtables_of_ten_rows() -> None:
    q, r = Qr(vector_bytes=128, collisions=4).table(10).subtables
    assert (q.name, q.rows, q.bytes_per_row, q.shared) == ("q", 3, 128, False)
    assert (r.name, r.rows, r.bytes_per_row, r.shared) == ("r", 4, 128, True)


def test_digits_of_ten_rows() -> None:
    rows = Qr(collisions=4).table(10).split(np.array([0, 3, 4, 7, 9]))
    assert rows.tolist() == [[0, 0], [0, 3], [1, 0], [1, 3], [2, 1]]


@pytest.mark.parametrize(
    ("options", "bag"),
    [
        ({"operation": "mult"}, [19, 8]),
        ({"operation": "mult", "composition": "pooled"}, [45, 36]),
        ({"operation": "add"}, [14, 15]),
        ({"operation": "add", "composition": "pooled"}, [14, 15]),
    ],
)
def test_bag_of_three(options: dict[str, str], bag: list[int]) -> None:
    scheme, rows = small(**options)
    assert scheme.reduce_bag([Q, R], rows).tolist() == bag


@pytest.mark.parametrize("composition", ["lookup", "pooled"])
def test_concat_halves_each_part(composition: str) -> None:
    scheme = Qr(vector_bytes=16, operation="concat", composition=composition).table(10)
    assert [part.bytes_per_row for part in scheme.subtables] == [8, 8]
    assert scheme.reduce_bag([Q, R], scheme.split(BAG)).tolist() == [9, 12, 5, 3]


def test_empty_bag_is_zero() -> None:
    for composition in ("lookup", "pooled"):
        scheme = Qr(vector_bytes=8, composition=composition).table(10)
        assert scheme.reduce_bag([Q, R], np.empty((0, 2), dtype=np.uint64)).tolist() == [0, 0]


@pytest.mark.parametrize(("collisions", "total"), [(4, 8_440_758), (8, 4_220_544)])
def test_rows_of_criteo_kaggle(collisions: int, total: int) -> None:
    tables = [Qr(collisions=collisions).table(rows) for rows in ROWS]
    assert sum(part.rows for table in tables for part in table.subtables) == total


def test_remainder_tables_of_criteo_kaggle_take_13312_bytes() -> None:
    assert sum(Qr(vector_bytes=128).table(rows).subtables[1].size_bytes for rows in ROWS) == 13_312


@given(st.integers(1, 2**40), st.integers(1, 5000), st.integers(0, 2**40))
def test_every_id_comes_back_from_its_digits(rows: int, collisions: int, number: int) -> None:
    scheme = Qr(collisions=collisions).table(rows)
    row_id = number % rows
    q, r = (int(digit) for digit in scheme.split(np.array([row_id]))[0])
    assert q * collisions + r == row_id
    assert q < scheme.subtables[0].rows
    assert r < scheme.subtables[1].rows


def test_small_tables_stay_dense_below_the_threshold() -> None:
    sharing = WeightSharing.from_parameters("qr", {"vector_bytes": 64, "dense_below": 200})
    assert [part.name for part in sharing.table(199).subtables] == ["dense"]
    assert sharing.table(199).subtables[0].bytes_per_row == 64
    assert [part.name for part in sharing.table(200).subtables] == ["q", "r"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"collisions": 0}, "collisions must be at least 1"),
        ({"vector_bytes": 6}, "multiple of 4"),
        ({"operation": "max"}, "'mult', 'add', 'concat'"),
        ({"collision": 4}, "did you mean collisions"),
        ({"vector_bytes": 12, "operation": "concat"}, "cannot be halved"),
        ({"dense_below": -1}, "dense_below"),
    ],
)
def test_bad_options_are_named(parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        WeightSharing.from_parameters("qr", parameters)
