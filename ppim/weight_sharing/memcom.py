"""MEmCom: a hashed table's vector, scaled by a number of the row's own.

Pansare et al., "Learning Compressed Embeddings for On-Device Inference", MLSys 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppim.jit import njit
from ppim.units import ceil_div
from ppim.weight_sharing import base


@njit
def _fold_and_keep(ids, rows, out):  # type: ignore[no-untyped-def]
    for i in range(ids.size):
        out[i, 0] = ids[i] % rows
        out[i, 1] = ids[i]


class MemcomTable(base.TableScheme):
    """Subtables `hash` (vectors) and `scalar` (a weight for each row, and a bias where there is one)."""

    access_subtables = (0, 1)

    def __init__(self, rows: int, options: Memcom) -> None:
        self.subtables = (
            base.SubtableMeta("hash", ceil_div(rows, options.collisions), options.vector_bytes, shared=False),
            base.SubtableMeta("scalar", rows, base.FLOAT_BYTES * (1 + options.bias), shared=False),
        )

    def decompose(self, ids: np.ndarray, out: np.ndarray) -> None:
        _fold_and_keep(ids, self.subtables[0].rows, out)

    def combine(self, weights: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        scalars = weights[1][rows[:, 1]]
        return weights[0][rows[:, 0]] * scalars[:, :1] + scalars[:, 1:].sum(axis=1, keepdims=True)


@base.ALGORITHMS.register("memcom")
@dataclass(frozen=True)
class Memcom(base.Algorithm):
    """`collisions` ids share a vector; `bias` adds a second number to each row's own."""

    vector_bytes: int = 128
    collisions: int = 16
    bias: bool = False

    def __post_init__(self) -> None:
        base.check_vector_bytes(self.vector_bytes)
        if self.collisions < 1:
            raise ValueError(f"collisions must be at least 1, not {self.collisions}")

    def table(self, rows: int, table: int = 0) -> MemcomTable:  # noqa: ARG002
        return MemcomTable(rows, self)
