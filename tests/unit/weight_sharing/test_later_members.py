"""kqr, robe and memcom against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ppim.errors import InputError
from ppim.weight_sharing.base import WeightSharing
from ppim.weight_sharing.kqr import Kqr, KqrTable
from ppim.weight_sharing.memcom import Memcom
from ppim.weight_sharing.robe import Robe


def test_mixed_radix_worked_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ppim.weight_sharing.kqr.even_radices", lambda *_: (4, 3, 2))
    table = KqrTable(24, Kqr(parts=3))
    assert table.split(np.array([23, 17, 0])).tolist() == [[3, 2, 1], [1, 1, 1], [0, 0, 0]]
    assert len({tuple(row) for row in table.split(np.arange(24)).tolist()}) == 24


@given(st.integers(1, 5000), st.integers(2, 4), st.sampled_from(["mixed-radix", "chinese-remainder"]))
def test_partitions_tell_all_rows_apart(rows: int, parts: int, partition: str) -> None:
    table = Kqr(parts=parts, partition=partition).table(rows)
    digits = table.split(np.arange(rows))
    assert (digits < np.array(table.moduli)).all()
    assert len(np.unique(digits, axis=0)) == rows


def test_two_parts_are_the_qr_trick() -> None:
    """Remainder first, quotient last, when the radix is the collision factor."""
    digits = Kqr(parts=2).table(100).split(np.arange(100))
    assert digits.tolist() == [[i % 10, i // 10] for i in range(100)]


def test_residues() -> None:
    table = Kqr(parts=3, partition="chinese-remainder").table(1000)
    assert math.prod(table.moduli) >= 1000
    assert table.split(np.arange(1000)).tolist() == [[i % m for m in table.moduli] for i in range(1000)]


@pytest.mark.parametrize(
    ("operation", "expected"), [("mult", [6, 12]), ("add", [6, 7]), ("concat", [1, 2, 2, 2, 3, 3])]
)
def test_operations_of_three_parts(operation: str, expected: list[int]) -> None:
    table = Kqr(vector_bytes=24, parts=3, operation=operation).table(27)
    weights = [np.full((3, 2), 9) for _ in range(3)]
    for weight, row in zip(weights, ([1, 2], [2, 2], [3, 3]), strict=True):
        weight[1] = row
    assert table.reconstruct(weights, np.array([13])).tolist() == [expected]


def test_robe_reads_every_block_of_the_vector() -> None:
    table = Robe(vector_bytes=128, block_elements=8, compression=10).table(1000, 3)
    assert table.access_subtables == (0, 0, 0, 0)
    assert (table.subtables[0].rows, table.subtables[0].bytes_per_row) == (400, 32)
    weights = [np.arange(400 * 8).reshape(400, 8)]
    blocks = table.split(np.array([5]))[0]
    expected = [int(block) * 8 + element for block in blocks for element in range(8)]
    assert table.reconstruct(weights, np.array([5])).tolist() == [expected]


def test_robe_spreads_blocks_evenly_and_by_table() -> None:
    options = Robe(vector_bytes=128, block_elements=32, compression=100)
    blocks = options.table(100_000).split(np.arange(100_000))[:, 0]
    counts = np.bincount(blocks.astype(np.int64), minlength=1000)
    chi_square = float(((counts - 100.0) ** 2 / 100.0).sum())
    assert 800 < chi_square < 1210  # 999 degrees of freedom
    assert (options.table(100_000, 1).split(np.arange(100))[:, 0] != blocks[:100]).any()


@pytest.mark.parametrize("bias", [False, True])
def test_memcom_scales_a_shared_vector(bias: bool) -> None:
    table = Memcom(vector_bytes=8, collisions=4, bias=bias).table(10)
    assert [(part.name, part.rows, part.bytes_per_row) for part in table.subtables] == [
        ("hash", 3, 8),
        ("scalar", 10, 8 if bias else 4),
    ]
    scalars = np.array([[10 + i, 100][: 1 + bias] for i in range(10)])
    weights = [np.array([[1, 2], [3, 4], [5, 6]]), scalars]
    assert table.split(np.array([7])).tolist() == [[1, 7]]
    assert table.reconstruct(weights, np.array([7])).tolist() == [[51 + 100 * bias, 68 + 100 * bias]]


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("kqr", {"parts": 1}, "2 to 8"),
        ("kqr", {"vector_bytes": 128, "operation": "concat"}, "cannot cut"),
        ("robe", {"block_elements": 5}, "must divide"),
        ("memcom", {"collisions": 0}, "at least 1"),
    ],
)
def test_bad_options_are_named(name: str, parameters: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        WeightSharing.from_parameters(name, parameters)
