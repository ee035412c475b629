"""Arrays whose rows begin on cache lines, so that a vector never straddles two."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

CACHE_LINE_BYTES = 64


def aligned_full(shape: tuple[int, ...], value: int, dtype: DTypeLike) -> NDArray[Any]:
    """As `numpy.full`; the first element begins a cache line."""
    count = int(np.prod(shape))
    itemsize = np.dtype(dtype).itemsize
    buffer = np.empty(count * itemsize + CACHE_LINE_BYTES, np.uint8)
    start = -buffer.ctypes.data % CACHE_LINE_BYTES
    array = buffer[start : start + count * itemsize].view(dtype).reshape(shape)
    array[...] = value
    return array


def aligned_copy(array: NDArray[Any]) -> NDArray[Any]:
    """A C-ordered copy whose first element begins a cache line."""
    copy = aligned_full(array.shape, 0, array.dtype)
    copy[...] = array
    return copy
