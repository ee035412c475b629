"""Arrays on cache lines of their own: no row of theirs straddles two, and no other array shares one."""

import ctypes
import math
import mmap
import sys
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

CACHE_LINE_BYTES = 64
_CAN_GIVE_BACK = sys.platform == "linux"  # elsewhere MADV_DONTNEED leaves what was there


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


def give_back(array: NDArray[Any], first: int, stop: int) -> None:
    """Have array[first:stop], which nobody needs any more, take no memory until it is written to.

    Parameters
    ----------
    array : ndarray, C-ordered
        Of a memory of its own (`aligned_full`). Whole pages are given back, and read as zeros; what of the part
        shares a page with others is left as it is. Nothing happens on systems other than Linux.
    """
    if not _CAN_GIVE_BACK or stop <= first:
        return
    address, row = array.ctypes.data, array.strides[0]
    start = -(-(address + first * row) // mmap.PAGESIZE) * mmap.PAGESIZE
    length = (address + stop * row) // mmap.PAGESIZE * mmap.PAGESIZE - start
    if length > 0:
        # A refusal leaves the memory in use, which is all that can happen.
        ctypes.CDLL(None).madvise(ctypes.c_void_p(start), ctypes.c_size_t(length), mmap.MADV_DONTNEED)
