"""Arrays on cache lines of their own: no row of theirs straddles two, and no other array shares one."""

import math
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

CACHE_LINE_BYTES = 64


def aligned_full(shape: tuple[int, ...], value: int, dtype: DTypeLike) -> NDArray[Any]:
    """As `numpy.full`; the first element begins a cache line, and the last line holds nothing else."""
    count = math.prod(shape)
    needed = count * np.dtype(dtype).itemsize
    lines = -(-needed // CACHE_LINE_BYTES) + 1
    # Zeros are the system's: pages of a large array that nobody writes to take no memory.
    buffer = np.zeros(lines * CACHE_LINE_BYTES, np.uint8)
    start = -buffer.ctypes.data % CACHE_LINE_BYTES
    array = buffer[start : start + needed].view(dtype).reshape(shape)
    if value:
        array[...] = value
    return array


def integers(*shape: int) -> NDArray[np.int64]:
    """Zeros for one thread's use: another's arrays are not slowed down by what it writes."""
    return aligned_full(shape, 0, np.int64)


def aligned_copy(array: NDArray[Any]) -> NDArray[Any]:
    """A C-ordered copy whose first element begins a cache line."""
    copy = aligned_full(array.shape, 0, array.dtype)
    copy[...] = array
    return copy
