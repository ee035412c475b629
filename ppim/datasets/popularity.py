"""How popular the rows of a generated table are: distributions over popularity ranks, drawn by counter.

Every draw depends on (seed, table, sample) alone, through the chain of `ppim.datasets.hashing`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ppim.datasets.base import MISSING
from ppim.datasets.hashing import extend, mix, start, uniform
from ppim.jit import njit

_LOG_LAW = 1e-9
_MISSING_DRAW, _RANK_DRAW = 0, 1
_ONE = np.uint64(1)
_INT64_LIMIT = 2.0**63


class Popularity(ABC):
    """A distribution over the ranks of one table of `rows` rows, beside a share of missing values."""

    def __init__(self, rows: int, missing: float) -> None:
        self.rows, self.missing = rows, missing

    @abstractmethod
    def draw(self, seed: int, table: int, first_sample: int, out: np.ndarray) -> None:
        """Values of consecutive samples, uint64, MISSING among them."""


@njit(cache=False)
def scatter(rank, rows, key):  # type: ignore[no-untyped-def]
    """Row of a rank: a bijection of [0, rows) that keeps the octaves of rank + 1.

    Within an octave of 2^k ranks (the last may be cut) it is a keyed permutation of k-bit words, walked on
    until it falls inside.
    """
    number = np.uint64(rank) + _ONE
    bits = np.uint64(0)
    while (number >> bits) > _ONE:
        bits += _ONE
    base = _ONE << bits
    size = min(base, np.uint64(rows) + _ONE - base)
    mask = base - _ONE
    half = (bits + _ONE) >> _ONE
    multiplier = mix(key + bits) | _ONE
    offset = mix(multiplier)
    word = number - base
    while True:
        for _ in range(2):
            word = ((word + offset) * multiplier) & mask
            word ^= word >> half
        if word < size:
            return np.int64(base + word - _ONE)


@njit(cache=False, inline="always")
def _is_missing(link, missing):  # type: ignore[no-untyped-def]
    return missing > 0.0 and uniform(extend(link, _MISSING_DRAW)) <= missing


@njit
def _draw_power_law(seed, table, first, rows, missing, exponent, shift, out):  # type: ignore[no-untyped-def]
    table_link = extend(start(seed), table)
    power = 1.0 - exponent
    logarithmic = abs(power) < _LOG_LAW
    low = math.log(shift) if logarithmic else shift**power
    high = math.log(rows + shift) if logarithmic else (rows + shift) ** power
    for i in range(out.size):
        link = extend(table_link, first + i)
        if _is_missing(link, missing):
            out[i] = MISSING
            continue
        level = high + (low - high) * uniform(extend(link, _RANK_DRAW))
        rank = (math.exp(level) if logarithmic else level ** (1.0 / power)) - shift
        out[i] = np.uint64(scatter(min(max(np.int64(rank), 0), rows - 1), rows, table_link))


class ShiftedPowerLaw(Popularity):
    """P(rank < k) = ((k + s)^(1 - e) - s^(1 - e)) / ((N + s)^(1 - e) - s^(1 - e)); logarithms for e = 1."""

    def __init__(self, rows: int, missing: float, exponent: float, shift: float) -> None:
        super().__init__(rows, missing)
        self.exponent, self.shift = exponent, shift

    def draw(self, seed: int, table: int, first_sample: int, out: np.ndarray) -> None:
        _draw_power_law(seed, table, first_sample, self.rows, self.missing, self.exponent, self.shift, out)


@njit(cache=False)
def _zipf_integral(x, exponent):  # type: ignore[no-untyped-def]
    power = 1.0 - exponent
    return math.log(x) if abs(power) < _LOG_LAW else (x**power - 1.0) / power


@njit(cache=False)
def _zipf_inverse(y, exponent):  # type: ignore[no-untyped-def]
    power = 1.0 - exponent
    return math.exp(y) if abs(power) < _LOG_LAW else max(1.0 + y * power, 0.0) ** (1.0 / power)


@njit
def _draw_zipf(seed, table, first, rows, missing, exponent, out):  # type: ignore[no-untyped-def]
    """Rejection-inversion (Hörmann and Derflinger, 1996): exact, about one draw a sample."""
    table_link = extend(start(seed), table)
    lowest = _zipf_integral(1.5, exponent) - 1.0
    highest = _zipf_integral(rows + 0.5, exponent)
    sure = 2.0 - _zipf_inverse(_zipf_integral(2.5, exponent) - 2.0**-exponent, exponent)
    for i in range(out.size):
        link = extend(table_link, first + i)
        if _is_missing(link, missing):
            out[i] = MISSING
            continue
        attempt = _RANK_DRAW
        while True:
            level = highest + uniform(extend(link, attempt)) * (lowest - highest)
            x = _zipf_inverse(level, exponent)
            k = min(max(np.int64(x + 0.5), 1), rows)
            if k - x <= sure or level >= _zipf_integral(k + 0.5, exponent) - float(k) ** -exponent:
                break
            attempt += 1
        out[i] = np.uint64(scatter(k - 1, rows, table_link))


class Zipf(Popularity):
    """P(rank = k) proportional to (k + 1)^-exponent."""

    def __init__(self, rows: int, missing: float, exponent: float) -> None:
        super().__init__(rows, missing)
        self.exponent = exponent

    def draw(self, seed: int, table: int, first_sample: int, out: np.ndarray) -> None:
        _draw_zipf(seed, table, first_sample, self.rows, self.missing, self.exponent, out)


@njit
def _draw_pareto(seed, table, first, rows, missing, shape, out):  # type: ignore[no-untyped-def]
    table_link = extend(start(seed), table)
    for i in range(out.size):
        link = extend(table_link, first + i)
        if _is_missing(link, missing):
            out[i] = MISSING
            continue
        x = np.floor(uniform(extend(link, _RANK_DRAW)) ** (-1.0 / shape) - 1.0)
        rank = np.int64(x) % rows if x < _INT64_LIMIT else np.int64(np.fmod(x, np.float64(rows)))
        out[i] = np.uint64(scatter(rank, rows, table_link))


class WrappedPareto(Popularity):
    """floor(Lomax(shape)) modulo the rows, the distribution of the MLPerf multi-hot data for shape 0.25."""

    def __init__(self, rows: int, missing: float, shape: float) -> None:
        super().__init__(rows, missing)
        self.shape = shape

    def draw(self, seed: int, table: int, first_sample: int, out: np.ndarray) -> None:
        _draw_pareto(seed, table, first_sample, self.rows, self.missing, self.shape, out)


@njit
def _draw_steps(seed, table, first, rows, missing, shares, edges, out):  # type: ignore[no-untyped-def]
    """`shares` (n,) add up to 1 cumulatively, `edges` (n + 1,) are the ranks where classes begin."""
    table_link = extend(start(seed), table)
    for i in range(out.size):
        link = extend(table_link, first + i)
        if _is_missing(link, missing):
            out[i] = MISSING
            continue
        u = uniform(extend(link, _RANK_DRAW))
        step = min(np.searchsorted(shares, u), shares.size - 1)
        below = shares[step - 1] if step > 0 else 0.0
        within = (u - below) / (shares[step] - below)
        rank = edges[step] + np.int64(within * (edges[step + 1] - edges[step]))
        out[i] = np.uint64(scatter(min(rank, edges[step + 1] - 1), rows, table_link))


class UniformRanks(Popularity):
    """All rows alike."""

    def draw(self, seed: int, table: int, first_sample: int, out: np.ndarray) -> None:
        edges = np.array([0, self.rows], dtype=np.int64)
        _draw_steps(seed, table, first_sample, self.rows, self.missing, np.ones(1), edges, out)


@dataclass(frozen=True)
class ReuseClass:
    """Rows used between `low` and `high` times: their share of all accesses."""

    low: int
    high: int
    accesses: float

    def __post_init__(self) -> None:
        if not 1 <= self.low <= self.high or not 0 < self.accesses <= 1:
            raise ValueError("1 <= low <= high and 0 < accesses <= 1 are needed")


class ReuseHistogram(Popularity):
    """Accesses fall on classes of rows as a published histogram of reuse says, evenly within a class.

    A class with share a of the accesses, whose rows are used m times each (the geometric mean of its
    bounds), holds rows in proportion to a / m; the most used class has the lowest ranks. `edges` are the
    ranks where classes begin, `shares` the accesses up to the end of each.
    """

    def __init__(self, rows: int, missing: float, classes: Sequence[ReuseClass]) -> None:
        super().__init__(rows, missing)
        ordered = sorted(classes, key=lambda entry: -entry.low)
        accesses = np.array([entry.accesses for entry in ordered])
        weight = accesses / np.sqrt([float(entry.low) * entry.high for entry in ordered])
        ends = np.round(np.cumsum(weight) / weight.sum() * rows).astype(np.int64)
        ends = np.minimum(np.maximum(ends, np.arange(1, ends.size + 1)), rows)
        keep = np.diff(ends, prepend=0) > 0
        self.edges = np.concatenate(([0], ends[keep]))
        self.shares = np.cumsum(accesses[keep]) / accesses[keep].sum()

    def draw(self, seed: int, table: int, first_sample: int, out: np.ndarray) -> None:
        _draw_steps(seed, table, first_sample, self.rows, self.missing, self.shares, self.edges, out)
