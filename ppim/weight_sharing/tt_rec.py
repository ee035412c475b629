"""TT-Rec: a table as a tensor train of small cores.

Yin, Acun, Liu, Wu, "TT-Rec: Tensor Train Compression for Deep Learning Recommendation Models", MLSys 2021
(arXiv 2101.11714). Row i of the table is the product of one slice of every core; slice G_k[:, i_k, :, :] is
one row of subtable `core<k>`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from ppim.jit import njit
from ppim.weight_sharing import base

MOST_FACTOR = 1 << 20  # of a rank, of a core's rows or of its elements
MOST_ROWS = 1 << 36  # beyond any table; factors are found by trial up to the root


@njit
def _big_endian(ids, factors, out):  # type: ignore[no-untyped-def]
    """The last core's digit changes fastest (the published library)."""
    last = factors.size - 1
    for i in range(ids.size):
        rest = ids[i]
        for k in range(last, 0, -1):
            higher = rest // factors[k]
            out[i, k] = rest - higher * factors[k]
            rest = higher
        out[i, 0] = rest


@njit
def _little_endian(ids, factors, out):  # type: ignore[no-untyped-def]
    """The first core's digit changes fastest (the ProactivePIM authors)."""
    last = factors.size - 1
    for i in range(ids.size):
        rest = ids[i]
        for k in range(last):
            higher = rest // factors[k]
            out[i, k] = rest - higher * factors[k]
            rest = higher
        out[i, last] = rest


def _divisors(number: int) -> list[int]:
    """All divisors, ascending; takes as many steps as the root of the number."""
    small = [factor for factor in range(1, math.isqrt(number) + 1) if number % factor == 0]
    return small + [number // factor for factor in reversed(small) if factor * factor != number]


@cache
def factorisations(number: int, parts: int) -> tuple[tuple[int, ...], ...]:
    """All ways to write `number` as an ascending product of `parts` factors."""

    divisors = _divisors(number)

    def extend(rest: int, left: int, least: int) -> list[tuple[int, ...]]:
        if left == 1:
            return [(rest,)] if rest >= least else []
        found = []
        for factor in divisors[bisect_left(divisors, least) :]:
            if factor**left > rest:
                break
            if rest % factor == 0:
                found += [(factor, *tail) for tail in extend(rest // factor, left - 1, factor)]
        return found

    return tuple(extend(number, parts, 1))


def balance(factors: Sequence[int]) -> float:
    """Entropy of the factors as shares of their sum; greatest when they are equal."""
    total = sum(factors)
    return -sum(factor / total * math.log(factor / total) for factor in factors)


@cache
def balanced_rows(rows: int, cores: int) -> tuple[int, ...]:
    """Factors whose product is at least `rows`, as even as may be, the way TT-Rec chooses them.

    `rows` is rounded up at each of its decimal digits; of the best factorisation of each candidate the most
    balanced wins. This gives the factors TT-Rec publishes for Criteo Kaggle's seven largest tables.
    """
    if rows > MOST_ROWS:
        raise ValueError(
            f"tt-rec: {rows:,} rows are more than the {MOST_ROWS:,} that are factorised; choose fewer, or "
            "factorisation=cube-root"
        )
    candidates = [-(-rows // 10**digit) * 10**digit for digit in range(len(str(rows)))]
    best = [max(factorisations(candidate, cores), key=balance) for candidate in candidates]
    return max(best, key=balance)


def balanced_elements(elements: int, cores: int) -> tuple[int, ...]:
    """Factors whose product is exactly `elements`, as even as may be, ascending."""
    return max(factorisations(elements, cores), key=balance)


def cube_root_rows(rows: int, cores: int) -> tuple[int, ...]:
    """The authors' choice: the smallest number whose `cores`-th power reaches `rows`, for every core."""
    root = max(1, round(rows ** (1 / cores)))
    while root**cores < rows:
        root += 1
    while root > 1 and (root - 1) ** cores >= rows:
        root -= 1
    return (root,) * cores


def cube_root_elements(elements: int, cores: int) -> tuple[int, ...]:
    """The authors' choice: equal even factors, the last ones grown by 2 until the product reaches `elements`.

    The product may exceed `elements` (144 for 128); the vector is then the first `elements` of it.
    """
    even = 2
    while (even + 2) ** cores <= elements:
        even += 2
    factors = [even] * cores
    grown = cores - 1
    while math.prod(factors) < elements:
        factors[grown] += 2
        grown = (grown - 1) % cores
    return tuple(factors)


class TtTable(base.TableScheme):
    """Subtables `core1` ... `core<n>`; the outer cores are small and shared, the inner ones are not."""

    def __init__(self, rows: int, options: TtRec) -> None:
        cores = options.cores
        self._elements = options.vector_elements
        self._little = options.factorisation == "cube-root"
        if self._little:
            of_rows, of_elements = cube_root_rows, cube_root_elements
        else:
            of_rows, of_elements = balanced_rows, balanced_elements
        self.row_factors = options.row_factors or of_rows(rows, cores)
        self.element_factors = options.element_factors or of_elements(self._elements, cores)
        if math.prod(self.row_factors) < rows:
            raise ValueError(
                f"row_factors: {' x '.join(map(str, self.row_factors))} are fewer than the {rows:,} rows of a table; "
                "give greater ones, or choose tables"
            )
        self.ranks = (1, *options.inner_ranks, 1)
        self._factors = np.array(self.row_factors, dtype=np.int64)
        self.access_subtables = tuple(range(cores))
        self.subtables = tuple(
            base.SubtableMeta(
                f"core{k + 1}",
                self.row_factors[k],
                self.ranks[k] * self.element_factors[k] * self.ranks[k + 1] * base.FLOAT_BYTES,
                shared=k in (0, cores - 1),
            )
            for k in range(cores)
        )

    def decompose(self, ids: np.ndarray, out: np.ndarray) -> None:
        if self._little:
            _little_endian(ids, self._factors, out)
        else:
            _big_endian(ids, self._factors, out)

    def combine(self, weights: Sequence[np.ndarray], rows: np.ndarray) -> np.ndarray:
        """Contract left to right; a subtable row is its slice in (rank, element, rank) C order.

        Elements come with the last core's fastest ("balanced") or the first core's fastest ("cube-root").
        """
        n = len(rows)
        product = np.ones((n, 1, 1))
        for k, weight in enumerate(weights):
            slices = weight[rows[:, k]].reshape(n, self.ranks[k], self.element_factors[k], self.ranks[k + 1])
            step = np.einsum("nar,nrjs->najs", product, slices)
            if self._little:
                step = step.transpose(0, 2, 1, 3)
            product = step.reshape(n, -1, self.ranks[k + 1])
        return product[:, : self._elements, 0]


@base.ALGORITHMS.register("tt-rec")
@dataclass(frozen=True)
class TtRec(base.Algorithm):
    """Tensor-train compression.

    `factorisation` is "balanced" (TT-Rec's own: even factors, the vector's exactly; big-endian digits of the
    row id) or "cube-root" (the ProactivePIM authors': equal factors; little-endian digits).

    Attributes
    ----------
    tt_rank : int
        Of all inner ranks.
    tt_ranks : tuple of int
        The inner ranks one by one, from the first core to the last, in place of `tt_rank`; () for that.
    row_factors, element_factors : tuple of int
        Rows of each core, and elements of each core's slices, for every table; () for what `factorisation` gives.
    """

    vector_bytes: int = 128
    tt_rank: int = 16
    cores: int = 3
    factorisation: Literal["balanced", "cube-root"] = "balanced"
    tt_ranks: tuple[int, ...] = ()
    row_factors: tuple[int, ...] = ()
    element_factors: tuple[int, ...] = ()

    is_elementwise = False
    shared_names = ("core1", "core2", "core3", "core4")  # the first and the last of 2, 3 or 4

    def __post_init__(self) -> None:
        base.check_vector_bytes(self.vector_bytes)
        if self.tt_rank < 1:
            raise ValueError(f"tt_rank must be at least 1, not {self.tt_rank}")
        if not 2 <= self.cores <= 4:
            raise ValueError(f"cores must be 2, 3 or 4, not {self.cores}")
        wanted = {"tt_ranks": self.cores - 1, "row_factors": self.cores, "element_factors": self.cores}
        for name, n in wanted.items():
            values = getattr(self, name)
            if values and (len(values) != n or not all(1 <= value <= MOST_FACTOR for value in values)):
                raise ValueError(
                    f"{name}: with cores = {self.cores} a list of {n} numbers from 1 to {MOST_FACTOR:,} is needed, "
                    f"not {list(values)}"
                )
        if self.element_factors and math.prod(self.element_factors) < self.vector_elements:
            raise ValueError(
                f"element_factors: {' x '.join(map(str, self.element_factors))} are fewer than the "
                f"{self.vector_elements} elements of a vector"
            )

    @property
    def inner_ranks(self) -> tuple[int, ...]:
        """Ranks between the cores."""
        return self.tt_ranks or (self.tt_rank,) * (self.cores - 1)

    def table(self, rows: int, table: int = 0) -> TtTable:  # noqa: ARG002
        return TtTable(rows, self)

    def macs_per_lookup(self, rows: int) -> int:
        """Contraction left to right (TT-Rec, arXiv 2101.11714): J1 J2 R1 R2 + J1 J2 J3 R2 for three cores."""
        scheme = self.table(rows)
        macs, elements = 0, scheme.element_factors[0]
        for k in range(1, self.cores):
            elements *= scheme.element_factors[k]
            macs += elements * scheme.ranks[k] * scheme.ranks[k + 1]
        return macs

    def macs_of_first_product(self, rows: int) -> int:
        """J1 J2 R1 R2: the first core's row times the second's; with two cores both are shared."""
        if self.cores == 2:
            return 0
        first, second, *_ = self.table(rows).element_factors
        return first * second * self.inner_ranks[0] * self.inner_ranks[1]

    def second_matrices(self, rows: int) -> base.Matrices | None:
        """J2 matrices of R1 x R2; with two cores both are shared."""
        if self.cores == 2:
            return None
        return base.Matrices(self.table(rows).element_factors[1], self.inner_ranks[0])
