"""Text as numbers: the 64-bit FNV-1a hash of its bytes, as the reader of delimited rows computes it."""

import numpy as np
import pyarrow as pa

from ppim.datasets.fields import FNV_OFFSET, FNV_PRIME
from ppim.jit import njit


@njit
def _fnv1a(offsets, data, out):  # type: ignore[no-untyped-def]
    for i in range(out.size):
        value = FNV_OFFSET
        for at in range(offsets[i], offsets[i + 1]):
            value = (value ^ np.uint64(data[at])) * FNV_PRIME
        out[i] = value


def hash_strings(column: pa.Array) -> np.ndarray:
    """Hashes of a column of text or bytes, uint64, shape (n,); a null has any."""
    column = column.cast(pa.large_binary())
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, dtype=np.int64)[column.offset : column.offset + len(column) + 1]
    text = np.frombuffer(data if data is not None else b"", dtype=np.uint8)
    values = np.empty(len(column), dtype=np.uint64)
    _fnv1a(ends, text, values)
    return values
