"""Values -> rows of tables."""

from __future__ import annotations

import numpy as np

from ppim.datasets.base import MISSING
from ppim.jit import njit


@njit
def fold(values, rows, out):  # type: ignore[no-untyped-def]
    """Row = value modulo the table's rows; a missing value is the value 0."""
    divisor = np.uint64(rows)
    for i in range(values.size):
        value = values[i]
        out[i] = 0 if value == MISSING else np.int64(value % divisor)
