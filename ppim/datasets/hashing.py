"""The counter-based random numbers of this package: a value depends on its counters only, never on order.

`mix` is the output function of splitmix64 (Steele, Lea, Flood, OOPSLA 2014). A chain
h = mix(seed + G), h = mix(h + (counter + 1) * G) for each counter, with G = 0x9E3779B97F4A7C15 and all
arithmetic modulo 2^64, hashes any number of counters.
"""

import numpy as np

from ppim.jit import njit

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_ONE = np.uint64(1)
_WORD = (1 << 64) - 1
_TWO_TO_MINUS_53 = 2.0**-53


@njit(cache=False, inline="always")
def mix(value):  # type: ignore[no-untyped-def]
    """splitmix64's finaliser: a bijection of 64-bit words."""
    value = (value ^ (value >> _30)) * _FIRST
    value = (value ^ (value >> _27)) * _SECOND
    return value ^ (value >> _31)


@njit(cache=False, inline="always")
def start(seed):  # type: ignore[no-untyped-def]
    """First link of a chain."""
    return mix(np.uint64(seed) + GOLDEN)


@njit(cache=False, inline="always")
def extend(link, counter):  # type: ignore[no-untyped-def]
    """Next link of a chain."""
    return mix(link + (np.uint64(counter) + _ONE) * GOLDEN)


@njit(cache=False, inline="always")
def uniform(link):  # type: ignore[no-untyped-def]
    """A number in (0, 1] from a link: (its upper 53 bits + 1) / 2^53."""
    return np.float64((link >> _11) + _ONE) * _TWO_TO_MINUS_53


def start_number(seed: int) -> int:
    """`start` for a Python integer, for what is not worth a compilation."""
    value = (seed + int(GOLDEN)) & _WORD
    value = ((value ^ (value >> int(_30))) * int(_FIRST)) & _WORD
    value = ((value ^ (value >> int(_27))) * int(_SECOND)) & _WORD
    return value ^ (value >> int(_31))
