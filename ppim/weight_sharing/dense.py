"""No sharing: one row of the table for one lookup."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppim.weight_sharing.base import ALGORITHMS, Algorithm, SubtableMeta, TableScheme, check_vector_bytes


class DenseTable(TableScheme):
    """The table itself is its only subtable."""

    access_subtables = (0,)

    def __init__(self, rows: int, vector_bytes: int) -> None:
        self.subtables = (SubtableMeta("dense", rows, vector_bytes, shared=False),)

    def decompose(self, ids: np.ndarray, out: np.ndarray) -> None:
        out[:, 0] = ids

    def combine(self, weights: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        return weights[0][rows[:, 0]]


@ALGORITHMS.register("dense")
@dataclass(frozen=True)
class Dense(Algorithm):
    """The uncompressed model."""

    vector_bytes: int = 128

    def __post_init__(self) -> None:
        check_vector_bytes(self.vector_bytes)

    def table(self, rows: int, table: int = 0) -> DenseTable:  # noqa: ARG002
        return DenseTable(rows, self.vector_bytes)
