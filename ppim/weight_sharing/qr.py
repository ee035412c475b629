"""QR-trick: a row is composed from its quotient's row and its remainder's row.

Shi et al., "Compositional embeddings using complementary partitions", KDD 2020 (arXiv 1909.02107).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ppim.jit import njit
from ppim.units import ceil_div
from ppim.weight_sharing.base import ALGORITHMS, Algorithm, SubtableMeta, TableScheme, check_vector_bytes


@njit
def _split(ids, collisions, out):  # type: ignore[no-untyped-def]
    for i in range(ids.size):
        quotient = ids[i] // collisions
        out[i, 0] = quotient
        out[i, 1] = ids[i] - quotient * collisions


class QrTable(TableScheme):
    """Subtables `q` (ceil(rows / collisions) rows) and `r` (collisions rows), read in this order."""

    access_subtables = (0, 1)

    def __init__(self, rows: int, options: Qr) -> None:
        self._options = options
        part_bytes = options.vector_bytes // 2 if options.operation == "concat" else options.vector_bytes
        self.subtables = (
            SubtableMeta("q", ceil_div(rows, options.collisions), part_bytes, shared=False),
            SubtableMeta("r", options.collisions, part_bytes, shared=True),
        )

    def decompose(self, ids: np.ndarray, out: np.ndarray) -> None:
        _split(ids, self._options.collisions, out)

    def combine(self, weights: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        return self._compose(weights[0][rows[:, 0]], weights[1][rows[:, 1]])

    def reduce_bag(self, weights: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        if self._options.composition == "lookup":
            return super().reduce_bag(weights, rows)
        quotients = weights[0][rows[:, 0]].sum(axis=0, keepdims=True)
        remainders = weights[1][rows[:, 1]].sum(axis=0, keepdims=True)
        return self._compose(quotients, remainders)[0]

    def _compose(self, quotients: np.ndarray, remainders: np.ndarray) -> np.ndarray:
        if self._options.operation == "mult":
            return quotients * remainders
        if self._options.operation == "add":
            return quotients + remainders
        return np.concatenate((quotients, remainders), axis=1)


@ALGORITHMS.register("qr")
@dataclass(frozen=True)
class Qr(Algorithm):
    """The QR-trick.

    With `operation = "concat"` each part has half the vector, so that the composed vector keeps its size.
    `composition` is "lookup" (compose, then pool: what a unit with a multiplier per lookup computes) or
    "pooled" (pool both parts, then compose: the public QREmbeddingBag); they differ for "mult" only.
    """

    vector_bytes: int = 128
    collisions: int = 4
    operation: Literal["mult", "add", "concat"] = "mult"
    composition: Literal["lookup", "pooled"] = "lookup"

    shared_names = ("r",)

    def __post_init__(self) -> None:
        check_vector_bytes(self.vector_bytes)
        if self.collisions < 1:
            raise ValueError(f"collisions must be at least 1, not {self.collisions}")
        if self.operation == "concat" and self.vector_elements % 2:
            raise ValueError(
                f"operation concat halves the vector: {self.vector_bytes} bytes cannot be halved"
            )

    def table(self, rows: int, table: int = 0) -> QrTable:  # noqa: ARG002
        return QrTable(rows, self)
