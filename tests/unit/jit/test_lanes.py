"""Each vector operation does what its plain twin does."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from ppim.jit import bits, lanes, lanes_plain

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="without compilation the twins are the same")


@numba.njit
def _blocks(left, right, now, mask, out):
    a, b, n = lanes.load(left, 3), lanes.load(right, 0), lanes.splat(now)
    lanes.store(out, 0, lanes.raised(a, n, b))
    lanes.store(out, 16, lanes.lower(a, b))
    lanes.store(out, 32, lanes.where(mask, a, b))
    return lanes.smallest(a), lanes.at_most(a, n), lanes.equal(a, b)


def _blocks_plain(left, right, now, mask, out):
    a, b, n = lanes_plain.load(left, 3), lanes_plain.load(right, 0), lanes_plain.splat(now)
    lanes_plain.store(out, 0, lanes_plain.raised(a, n, b))
    lanes_plain.store(out, 16, lanes_plain.lower(a, b))
    lanes_plain.store(out, 32, lanes_plain.where(mask, a, b))
    return lanes_plain.smallest(a), lanes_plain.at_most(a, n), lanes_plain.equal(a, b)


@numba.njit
def _bits(mask):
    return bits.count_trailing_zeros(mask), bits.population(mask)


@numba.njit
def _length(number):
    return bits.length(number)


def test_block_operations_match_their_twins():
    rng = np.random.default_rng(11)
    for _ in range(200):
        left = rng.integers(-20, 20, 19).astype(np.int32)
        right = rng.integers(-20, 20, 16).astype(np.int32)
        now, mask = np.int32(rng.integers(-20, 20)), np.int64(rng.integers(0, 1 << 20))
        fast, plain = np.zeros(48, np.int32), np.zeros(48, np.int32)
        assert _blocks(left, right, now, mask, fast) == _blocks_plain(left, right, int(now), int(mask), plain)
        np.testing.assert_array_equal(fast, plain)


@pytest.mark.parametrize("mask", [1, 6, 1 << 40, -1, -(1 << 63)])
def test_bit_operations_are_what_they_say(mask):
    unsigned = mask & ((1 << 64) - 1)
    expected = (unsigned & -unsigned).bit_length() - 1, unsigned.bit_count()
    assert _bits(np.int64(mask)) == expected


@pytest.mark.parametrize("number", [0, 1, 2, 127, 128, (1 << 63) - 1])
def test_the_length_of_a_number_is_pythons(number):
    assert _length(np.int64(number)) == number.bit_length()
