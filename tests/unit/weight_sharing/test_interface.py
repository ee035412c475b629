"""What holds for every algorithm, the ones to come included."""

from __future__ import annotations

import numpy as np
import pytest

from ppim.errors import InputError, UnknownNameError
from ppim.weight_sharing.base import ALGORITHMS, WeightSharing

TABLES = (1, 2, 3, 27, 583, 100_003)


@pytest.mark.parametrize("name", ALGORITHMS.names())
@pytest.mark.parametrize("rows", TABLES)
def test_rows_lie_inside_their_subtables(name: str, rows: int) -> None:
    scheme = WeightSharing.from_parameters(name, {}).table(rows)
    ids = np.unique(np.linspace(0, rows - 1, 2000).astype(np.int64))
    for kind in (np.uint32, np.uint64):
        out = np.empty((ids.size, len(scheme.access_subtables)), dtype=kind)
        scheme.decompose(ids, out)
        limits = np.array([scheme.subtables[part].rows for part in scheme.access_subtables])
        assert (out < limits).all()


@pytest.mark.parametrize("name", ALGORITHMS.names())
def test_vectors_have_their_size(name: str) -> None:
    sharing = WeightSharing.from_parameters(name, {"vector_bytes": 64})
    scheme = sharing.table(583)
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal((part.rows, part.bytes_per_row // 4)) for part in scheme.subtables]
    ids = np.array([0, 582, 17])
    vectors = scheme.reconstruct(weights, ids)
    assert vectors.shape == (3, 16)
    np.testing.assert_allclose(scheme.reduce_bag(weights, scheme.split(ids)), vectors.sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("name", ALGORITHMS.names())
def test_parameters_make_the_same_sharing_again(name: str) -> None:
    sharing = WeightSharing.from_parameters(name, {"dense_below": 7})
    assert WeightSharing.from_parameters(name, sharing.parameters) == sharing


@pytest.mark.parametrize("name", ALGORITHMS.names())
def test_accesses_of_a_lookup_never_go_back_to_an_earlier_subtable(name: str) -> None:
    order = WeightSharing.from_parameters(name, {}).table(583).access_subtables
    assert list(order) == sorted(order)


@pytest.mark.parametrize("name", ALGORITHMS.names())
@pytest.mark.parametrize("options", [{}, {"cores": 2}, {"cores": 4}, {"parts": 2}, {"parts": 8}], ids=str)
def test_shared_subtables_have_names_that_the_algorithm_declares(name: str, options: dict[str, int]) -> None:
    try:
        sharing = WeightSharing.from_parameters(name, options)
    except InputError:
        return  # has no such option
    shared = {part.name for part in sharing.table(583).subtables if part.shared}
    assert shared <= set(sharing.algorithm.shared_names)


def test_hash_folds_rows() -> None:
    scheme = WeightSharing.from_parameters("hash", {"collisions": 4}).table(10)
    assert [(part.name, part.rows) for part in scheme.subtables] == [("hash", 3)]
    assert scheme.split(np.array([0, 2, 3, 9])).tolist() == [[0], [2], [0], [0]]


def test_unknown_algorithm_offers_near_matches() -> None:
    with pytest.raises(UnknownNameError, match="tt-rec"):
        WeightSharing.from_parameters("ttrec", {})
