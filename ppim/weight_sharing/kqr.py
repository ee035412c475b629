"""k-way complementary partitions: the QR-trick with more than two digits.

Shi et al., KDD 2020 (arXiv 1909.02107), sections on generalised quotient-remainder and Chinese remainder
partitions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import numpy as np

from ppim.jit import njit
from ppim.units import ceil_div
from ppim.weight_sharing.base import ALGORITHMS, Algorithm, SubtableMeta, TableScheme, check_vector_bytes

MAX_PARTS = 8


@njit
def _mixed_radix(ids, moduli, out):  # type: ignore[no-untyped-def]
    last = moduli.size - 1
    for i in range(ids.size):
        rest = ids[i]
        for k in range(last):
            higher = rest // moduli[k]
            out[i, k] = rest - higher * moduli[k]
            rest = higher
        out[i, last] = rest


@njit
def _residues(ids, moduli, out):  # type: ignore[no-untyped-def]
    for i in range(ids.size):
        for k in range(moduli.size):
            out[i, k] = ids[i] % moduli[k]


def even_radices(rows: int, parts: int) -> tuple[int, ...]:
    """Nearly equal radices whose product is at least `rows`, the last no larger than it must be."""
    root = max(1, round(rows ** (1 / parts)))
    while root**parts < rows:
        root += 1
    return (*[root] * (parts - 1), ceil_div(rows, root ** (parts - 1)))


def coprime_moduli(rows: int, parts: int) -> tuple[int, ...]:
    """The smallest run of pairwise coprime moduli, ascending from the root, whose product reaches `rows`."""
    first = max(1, math.ceil(rows ** (1 / parts)) - parts)
    while True:
        found: list[int] = []
        candidate = first
        while len(found) < parts:
            if all(math.gcd(candidate, other) == 1 for other in found):
                found.append(candidate)
            candidate += 1
        if math.prod(found) >= rows:
            return tuple(found)
        first += 1


class KqrTable(TableScheme):
    """Subtables `d1` ... `dk`, one for each digit; all but the last are shared, as `r` of the QR-trick is."""

    def __init__(self, rows: int, options: Kqr) -> None:
        self._options = options
        if options.partition == "mixed-radix":
            self.moduli = even_radices(rows, options.parts)
        else:
            self.moduli = coprime_moduli(rows, options.parts)
        self._moduli = np.array(self.moduli, dtype=np.int64)
        part_bytes = options.vector_bytes
        if options.operation == "concat":
            part_bytes //= options.parts
        last = options.parts - 1
        self.access_subtables = tuple(range(options.parts))
        self.subtables = tuple(
            SubtableMeta(f"d{k + 1}", modulus, part_bytes, shared=k < last)
            for k, modulus in enumerate(self.moduli)
        )

    def decompose(self, ids: np.ndarray, out: np.ndarray) -> None:
        if self._options.partition == "mixed-radix":
            _mixed_radix(ids, self._moduli, out)
        else:
            _residues(ids, self._moduli, out)

    def combine(self, weights: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        parts = [weight[rows[:, k]] for k, weight in enumerate(weights)]
        if self._options.operation == "concat":
            return np.concatenate(parts, axis=1)
        return reduce(np.multiply if self._options.operation == "mult" else np.add, parts)


@ALGORITHMS.register("kqr")
@dataclass(frozen=True)
class Kqr(Algorithm):
    """k complementary partitions.

    `partition` is "mixed-radix" (digit j is (i div m_1...m_{j-1}) mod m_j) or "chinese-remainder" (digit j is
    i mod m_j with pairwise coprime m_j). The moduli are as even as may be.
    """

    vector_bytes: int = 128
    parts: int = 3
    operation: Literal["mult", "add", "concat"] = "mult"
    partition: Literal["mixed-radix", "chinese-remainder"] = "mixed-radix"

    shared_names = tuple(f"d{k + 1}" for k in range(MAX_PARTS - 1))

    def __post_init__(self) -> None:
        check_vector_bytes(self.vector_bytes)
        if not 2 <= self.parts <= MAX_PARTS:
            raise ValueError(f"parts must be 2 to {MAX_PARTS}, not {self.parts}")
        if self.operation == "concat" and self.vector_elements % self.parts:
            raise ValueError(f"operation concat cannot cut {self.vector_bytes} bytes into {self.parts} parts")

    def table(self, rows: int, table: int = 0) -> KqrTable:  # noqa: ARG002
        return KqrTable(rows, self)
