"""ROBE: a vector is put together from blocks at hashed places of one small array.

Desai, Chou, Shrivastava, "Random Offset Block Embedding Array (ROBE)", arXiv 2108.02072.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppim.datasets.hashing import extend, start
from ppim.jit import njit
from ppim.units import ceil_div
from ppim.weight_sharing import base

MOST_BLOCKS = 1 << 12  # of a vector; each is an access


@njit
def _hash_blocks(ids, blocks, table, seed, out):  # type: ignore[no-untyped-def]
    link = extend(start(seed), table)
    for i in range(ids.size):
        row_link = extend(link, ids[i])
        for k in range(out.shape[1]):
            out[i, k] = extend(row_link, k) % np.uint64(blocks)


class RobeTable(base.TableScheme):
    """One subtable `robe` of blocks; block k of row i lies at hash(seed, table, i, k) mod the blocks."""

    def __init__(self, rows: int, table: int, options: Robe) -> None:
        self._table, self._seed = table, options.hash_seed
        blocks = ceil_div(rows * options.vector_elements, options.compression * options.block_elements)
        block_bytes = options.block_elements * base.FLOAT_BYTES
        self.subtables = (base.SubtableMeta("robe", blocks, block_bytes, shared=False),)
        self.access_subtables = (0,) * (options.vector_elements // options.block_elements)

    def decompose(self, ids: np.ndarray, out: np.ndarray) -> None:
        _hash_blocks(ids, self.subtables[0].rows, self._table, self._seed, out)

    def combine(self, weights: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        return weights[0][rows].reshape(len(rows), -1)


@base.ALGORITHMS.register("robe")
@dataclass(frozen=True)
class Robe(base.Algorithm):
    """Blocks of `block_elements` in an array `compression` times smaller than the table.

    Each table has an array of its own, and blocks begin at multiples of their size (the paper lets all
    tables share one circular array and begin anywhere).
    """

    vector_bytes: int = 128
    block_elements: int = 8
    compression: int = 1000
    hash_seed: int = 0

    def __post_init__(self) -> None:
        base.check_vector_bytes(self.vector_bytes)
        if self.block_elements < 1 or self.vector_elements % self.block_elements:
            raise ValueError(
                f"block_elements must divide the vector's {self.vector_elements} elements, not {self.block_elements}"
            )
        if self.vector_elements // self.block_elements > MOST_BLOCKS:
            raise ValueError(
                f"a vector of {self.vector_elements:,} elements has more than {MOST_BLOCKS:,} blocks; make them larger"
            )
        if self.compression < 1 or self.hash_seed < 0:
            raise ValueError("compression must be at least 1 and hash_seed not negative")

    def table(self, rows: int, table: int = 0) -> RobeTable:
        return RobeTable(rows, table, self)
