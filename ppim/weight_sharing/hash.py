"""Hashing trick: rows that agree modulo the subtable's size share one vector."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppim.jit import njit
from ppim.units import ceil_div
from ppim.weight_sharing.base import ALGORITHMS, Algorithm, SubtableMeta, TableScheme, check_vector_bytes


@njit
def _fold(ids, rows, out):  # type: ignore[no-untyped-def]
    for i in range(ids.size):
        out[i, 0] = ids[i] % rows


class HashTable(TableScheme):
    """One subtable of ceil(rows / collisions) rows; row = id mod its size."""

    access_subtables = (0,)

    def __init__(self, rows: int, vector_bytes: int, collisions: int) -> None:
        self.subtables = (SubtableMeta("hash", ceil_div(rows, collisions), vector_bytes, shared=False),)

    def decompose(self, ids: np.ndarray, out: np.ndarray) -> None:
        _fold(ids, self.subtables[0].rows, out)

    def combine(self, weights: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        return weights[0][rows[:, 0]]


@ALGORITHMS.register("hash")
@dataclass(frozen=True)
class Hash(Algorithm):
    """The hashing trick; `collisions` ids share a row."""

    vector_bytes: int = 128
    collisions: int = 4

    def __post_init__(self) -> None:
        check_vector_bytes(self.vector_bytes)
        if self.collisions < 1:
            raise ValueError(f"collisions must be at least 1, not {self.collisions}")

    def table(self, rows: int, table: int = 0) -> HashTable:  # noqa: ARG002
        return HashTable(rows, self.vector_bytes, self.collisions)
