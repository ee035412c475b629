"""The only place where time and size are rounded."""

import math


def ns_to_cycles(time_ns: float, clock_ns: float) -> int:
    """Smallest whole number of cycles that lasts at least `time_ns`.

    A tolerance of 1e-9 cycles keeps exact multiples exact in spite of binary fractions.
    """
    return math.ceil(time_ns / clock_ns - 1e-9)


def ceil_div(amount: int, part: int) -> int:
    """Number of parts of size `part` that cover `amount` (both whole, `part` > 0)."""
    return -(-amount // part)


def bytes_to_bursts(n_bytes: int, burst_bytes: int) -> int:
    """Column accesses that cover `n_bytes` when one moves `burst_bytes`."""
    return ceil_div(n_bytes, burst_bytes)
