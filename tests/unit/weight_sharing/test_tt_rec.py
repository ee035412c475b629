"""TT-Rec: published factors, hand-computed rows, and a plain tensor contraction."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from ppim.datasets.criteo_kaggle import ROWS
from ppim.errors import InputError
from ppim.weight_sharing.base import WeightSharing, first_product_macs, second_matrices
from ppim.weight_sharing.tt_rec import (
    TtRec,
    balanced_elements,
    balanced_rows,
    cube_root_elements,
    cube_root_rows,
)


@pytest.mark.parametrize(
    ("rows", "factors"),
    [
        (10131227, (200, 220, 250)),
        (8351593, (200, 200, 209)),
        (7046547, (200, 200, 200)),
        (5461306, (166, 175, 188)),
        (2202608, (125, 130, 136)),
        (286181, (53, 72, 75)),
        (142572, (50, 52, 55)),
    ],
)
def test_row_factors_that_tt_rec_publishes_for_criteo_kaggle(rows: int, factors: tuple[int, ...]) -> None:
    assert balanced_rows(rows, 3) == factors


@pytest.mark.parametrize(("elements", "factors"), [(16, (2, 2, 4)), (32, (2, 4, 4)), (64, (4, 4, 4))])
def test_element_factors(elements: int, factors: tuple[int, ...]) -> None:
    assert balanced_elements(elements, 3) == factors


def test_cube_root_factors_of_criteo_kaggle() -> None:
    published = [
        12,
        9,
        217,
        131,
        7,
        3,
        24,
        9,
        2,
        46,
        18,
        203,
        15,
        3,
        25,
        177,
        3,
        18,
        13,
        2,
        192,
        3,
        3,
        66,
        5,
        53,
    ]
    assert [cube_root_rows(rows, 3) for rows in ROWS] == [(y, y, y) for y in published]


@pytest.mark.parametrize(
    ("elements", "factors"),
    [(16, (2, 2, 4)), (32, (2, 4, 4)), (64, (4, 4, 4)), (128, (4, 6, 6)), (256, (6, 6, 8))],
)
def test_cube_root_elements_of_the_authors(elements: int, factors: tuple[int, ...]) -> None:
    assert cube_root_elements(elements, 3) == factors


def test_parameters_of_the_largest_table() -> None:
    for rank, parameters in ((8, 39_360), (16, 135_040), (32, 495_360), (64, 1_891_840)):
        scheme = TtRec(vector_bytes=64, tt_rank=rank).table(10131227)
        assert sum(part.size_bytes for part in scheme.subtables) == 4 * parameters


def test_compression_of_the_whole_model_is_the_published_one() -> None:
    """Seven largest tables in TT, the others dense, 16 elements: 117x at rank 32, 221x at rank 8."""
    dense = sum(ROWS) * 64
    for rank, ratio in ((8, 221.9), (16, 187.0), (32, 117.4), (64, 48.0)):
        sharing = WeightSharing.from_parameters(
            "tt-rec", {"vector_bytes": 64, "tt_rank": rank, "dense_below": 142_572}
        )
        size = sum(part.size_bytes for rows in ROWS for part in sharing.table(rows).subtables)
        assert dense / size == pytest.approx(ratio, abs=0.05)


def test_bytes_and_roles_of_the_cores() -> None:
    parts = TtRec(vector_bytes=128, tt_rank=16).table(10131227).subtables
    assert [part.name for part in parts] == ["core1", "core2", "core3"]
    assert [part.bytes_per_row for part in parts] == [128, 4096, 256]
    assert [part.shared for part in parts] == [True, False, True]


def worked_example(factorisation: str) -> tuple:
    """I = (2, 3, 4), J = (2, 2, 2), R = 2, cores filled 0, 1, 2, ... as (i1,j1,r), (r,i2,j2,s), (s,i3,j3)."""
    g1 = np.arange(8).reshape(2, 2, 2)
    g2 = np.arange(24).reshape(2, 3, 2, 2)
    g3 = np.arange(16).reshape(2, 4, 2)
    weights = [g1.reshape(2, 4), g2.transpose(1, 0, 2, 3).reshape(3, 8), g3.transpose(1, 0, 2).reshape(4, 4)]
    scheme = TtRec(vector_bytes=32, tt_rank=2, factorisation=factorisation).table(24)
    return scheme, weights


def test_big_endian_row_worked_by_hand() -> None:
    scheme, weights = worked_example("balanced")
    assert scheme.row_factors == (2, 3, 4)
    assert scheme.split(np.array([13])).tolist() == [[1, 0, 1]]
    assert scheme.reconstruct(weights, np.array([13])).tolist() == [
        [810, 939, 1026, 1191, 1138, 1319, 1450, 1683]
    ]


def test_little_endian_row_has_the_authors_element_order() -> None:
    scheme, weights = worked_example("cube-root")
    assert scheme.row_factors == (3, 3, 3)
    # The authors' digits of row 13 in (2, 3, 4) are (1, 0, 2); only the contraction is compared here.
    rows = np.array([[1, 0, 2]])
    assert scheme.combine(weights, rows).tolist() == [[1068, 1500, 1356, 1916, 1197, 1681, 1521, 2149]]


def test_little_endian_digits() -> None:
    scheme = TtRec(factorisation="cube-root").table(10131227)
    assert scheme.row_factors == (217, 217, 217)
    assert scheme.split(np.array([123456])).tolist() == [[200, 134, 2]]


@pytest.mark.parametrize("cores", [2, 3, 4])
@pytest.mark.parametrize("factorisation", ["balanced", "cube-root"])
def test_reconstruction_equals_the_full_tensor(cores: int, factorisation: str) -> None:
    """The whole tensor built by one einsum over all cores, then indexed; nothing is shared with the scheme."""
    scheme = TtRec(vector_bytes=64, tt_rank=3, cores=cores, factorisation=factorisation).table(50)
    rng = np.random.default_rng(5)
    tensors = [
        rng.standard_normal(
            (scheme.ranks[k], scheme.row_factors[k], scheme.element_factors[k], scheme.ranks[k + 1])
        )
        for k in range(cores)
    ]
    full = tensors[0]
    for tensor in tensors[1:]:
        full = np.tensordot(full, tensor, axes=1)
    full = full[0, ..., 0]
    order = [2 * k for k in range(cores)] + [2 * k + 1 for k in range(cores)]
    full = full.transpose(order)
    layout = "F" if factorisation == "cube-root" else "C"
    expected = [
        full[np.unravel_index(i, scheme.row_factors, order=layout)].ravel(order=layout)[:16]
        for i in range(50)
    ]
    weights = [np.moveaxis(tensor, 1, 0).reshape(tensor.shape[1], -1) for tensor in tensors]
    np.testing.assert_allclose(scheme.reconstruct(weights, np.arange(50)), expected, rtol=1e-12)


@given(st.integers(1, 3_000_000), st.sampled_from([2, 3, 4]), st.sampled_from(["balanced", "cube-root"]))
def test_digits_stay_inside_their_cores_and_tell_rows_apart(
    rows: int, cores: int, factorisation: str
) -> None:
    scheme = TtRec(cores=cores, factorisation=factorisation).table(rows)
    assert math.prod(scheme.row_factors) >= rows
    ids = np.unique(np.linspace(0, rows - 1, 50).astype(np.int64))
    digits = scheme.split(ids)
    assert (digits < np.array(scheme.row_factors)).all()
    assert len({tuple(row) for row in digits.tolist()}) == len(ids)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"cores": 5}, "2, 3 or 4"),
        ({"tt_rank": 0}, "at least 1"),
        ({"tt_ranks": [8]}, r"tt_ranks: with cores = 3 a list of 2 numbers .*, not \[8\]"),
        ({"tt_ranks": [8, 0]}, "tt_ranks: .* from 1 to"),
        ({"row_factors": [2, 3]}, "row_factors: .* a list of 3"),
        ({"element_factors": [2, 3, 4]}, "element_factors: 2 x 3 x 4 are fewer than the 32 elements"),
        ({"tt_ranks": "8,x"}, "tt_ranks"),
    ],
)
def test_bad_options_are_named(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        WeightSharing.from_parameters("tt-rec", parameters)


def test_ranks_and_factors_can_be_given_one_by_one() -> None:
    given = {"tt_ranks": [6, 3], "row_factors": [5, 10, 2], "element_factors": [2, 2, 8]}
    sharing = WeightSharing.from_parameters("tt-rec", given)
    scheme = sharing.table(100)
    assert scheme.ranks == (1, 6, 3, 1)
    assert scheme.row_factors == (5, 10, 2)
    # Bytes of rows: 2 x 6, 6 x 2 x 3 and 3 x 8 numbers.
    assert [part.bytes_per_row for part in scheme.subtables] == [48, 144, 96]
    assert sharing.algorithm.macs_of_first_product(100) == 2 * 2 * 6 * 3
    assert sharing.algorithm.macs_per_lookup(100) == 2 * 2 * 6 * 3 + 2 * 2 * 8 * 3
    assert second_matrices(sharing, 100) == (2, 6)
    # A trace keeps them as lists, and takes them back; without them its metadata are as ever.
    assert WeightSharing.from_parameters("tt-rec", sharing.parameters) == sharing
    assert {key: sharing.parameters[key] for key in given} == given
    assert not given.keys() & WeightSharing.from_parameters("tt-rec", {}).parameters.keys()
    with pytest.raises(ValueError, match="5 x 10 x 2 are fewer than the 101 rows of a table"):
        sharing.table(101)


def test_unequal_ranks_contract_to_the_full_tensor() -> None:
    algorithm = TtRec(vector_bytes=96, tt_ranks=(2, 5), row_factors=(3, 4, 5), element_factors=(2, 3, 4))
    scheme, rng = algorithm.table(60), np.random.default_rng(3)
    g1, g2, g3 = (rng.standard_normal(shape) for shape in ((3, 2, 2), (4, 2, 3, 5), (5, 5, 4)))
    weights = [core.reshape(len(core), -1) for core in (g1, g2, g3)]
    full = np.einsum("aib,cbjd,edk->aceijk", g1, g2, g3).reshape(60, 24)
    np.testing.assert_allclose(scheme.reconstruct(weights, np.arange(60)), full, rtol=1e-12)


def test_macs_that_equal_first_and_second_rows_save() -> None:
    # J = (2, 4, 4) for 32 elements: the first product is 2 x 4 vectors of R, each a sum of R products.
    algorithm = TtRec(vector_bytes=128, tt_rank=16)
    assert algorithm.macs_of_first_product(1000) == 2 * 4 * 16 * 16
    assert algorithm.macs_per_lookup(1000) - algorithm.macs_of_first_product(1000) == 32 * 16
    assert TtRec(vector_bytes=128, tt_rank=16, cores=2).macs_of_first_product(1000) == 0
    sharing = WeightSharing("tt-rec", algorithm, dense_below=100)
    assert [first_product_macs(sharing, rows) for rows in (99, 100)] == [0, 2048]
