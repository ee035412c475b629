"""Kernels and helpers: what is compiled into what."""

from __future__ import annotations

import numba
from numba import types

from ppim.jit import helper, helper_by_type, njit


@helper
def _tripled(x):
    return 3 * x


@helper
def _tripled_and_one(x):
    return _tripled(x) + 1


def _by_type(x):
    return _tripled_and_one(x)


@helper_by_type(_by_type)
def _chosen(x):
    return (lambda x: _tripled_and_one(x)) if isinstance(x, types.Integer) else (lambda x: x)


@njit(cache=False)
def _kernel(x, y):
    return _by_type(x), _by_type(y)


def test_a_helper_chosen_by_type_brings_the_helpers_that_it_calls():
    assert _kernel(4, 0.5) == (13, 0.5 if not numba.config.DISABLE_JIT else 2.5)
