"""Plain twins of the vector operations in `lanes`: what they mean, lane by lane."""

import numpy as np
from numpy.typing import NDArray

LANES = 16
Block = NDArray[np.int32]


def _mask(flags: NDArray[np.bool_]) -> np.int64:
    # Not a Python int: shifted to the fourth block it must wrap as it does in compiled code.
    return np.int64(sum(1 << lane for lane in np.flatnonzero(flags).tolist()))


def load(array: NDArray[np.int32], index: int) -> Block:
    return array[index : index + LANES].copy()


def store(array: NDArray[np.int32], index: int, value: Block) -> None:
    array[index : index + LANES] = value


def splat(value: int) -> Block:
    return np.full(LANES, value, np.int32)


def raised(earliest: Block, now: Block, distance: Block) -> Block:
    return np.maximum(earliest, now + distance)


def lower(left: Block, right: Block) -> Block:
    return np.minimum(left, right)


def where(mask: int, chosen: Block, other: Block) -> Block:
    return np.where([mask >> lane & 1 for lane in range(LANES)], chosen, other).astype(np.int32)


def smallest(value: Block) -> int:
    return int(value.min())


def at_most(value: Block, limit: Block) -> np.int64:
    return _mask(value <= limit)


def equal(left: Block, right: Block) -> np.int64:
    return _mask(left == right)
