"""Synthetic bags: a one-hot id becomes a bag that depends on it alone (the MLPerf multi-hot scheme).

Position 0 of a bag is the id itself. At position p >= 1 of the bag of id i of table t, with the chain
h = (seed, t, i, p) and u = uniform(h) of `ppim.datasets.hashing`, N the table's rows:

* pareto: floor(x) mod N with x = u^-4 - 1, a Lomax variate of shape 0.25, computed as
  1 / ((u * u) * (u * u)) - 1 in 64-bit floats; the remainder is exact (no 32-bit cast).
* uniform: floor(u' * N) with u' = (upper 53 bits of h) / 2^53.

The same id always gets the same bag, as in facebookresearch/dlrm's `multi_hot.py`, whose table of bags is
replaced by a function, so that it needs no memory and no order.
"""

from enum import IntEnum

import numpy as np

from ppim.datasets.hashing import extend, start, uniform
from ppim.jit import njit


class Distribution(IntEnum):
    """How the synthetic part of a bag is drawn."""

    PARETO = 0
    UNIFORM = 1


_PARETO = int(Distribution.PARETO)
_INT64_LIMIT = 2.0**63
_11 = np.uint64(11)
_TWO_TO_MINUS_53 = 2.0**-53


@njit(cache=False, inline="always")
def _pareto_row(link, rows):  # type: ignore[no-untyped-def]
    u = uniform(link)
    square = u * u
    x = np.floor(1.0 / (square * square) - 1.0)
    if x < rows:
        return np.int64(x)
    if x < _INT64_LIMIT:
        return np.int64(x) % rows
    return np.int64(np.fmod(x, np.float64(rows)))


@njit
def expand(ids, factor, rows, table, seed, distribution, out):  # type: ignore[no-untyped-def]
    """Bags of `factor` rows.

    Parameters
    ----------
    ids : ndarray of int64, shape (n,)
        Rows, each in [0, rows).
    factor : int
        Rows of a bag (pooling factor), >= 1.
    rows : int
        Rows of the table.
    table : int
        The table's number in its dataset.
    seed : int
        >= 0
    distribution : int
        A `Distribution`.
    out : ndarray of int64, shape (n * factor,)
        Receives the bags one after the other.
    """
    table_link = extend(start(seed), table)
    for i in range(ids.size):
        first = i * factor
        out[first] = ids[i]
        if factor == 1:
            continue
        link = extend(table_link, ids[i])
        for position in range(1, factor):
            drawn = extend(link, position)
            if distribution == _PARETO:
                out[first + position] = _pareto_row(drawn, rows)
            else:
                out[first + position] = np.int64(np.float64(drawn >> _11) * _TWO_TO_MINUS_53 * rows)
