"""Rounding happens in one place, and upwards."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ppim.units import bytes_to_bursts, ceil_div, ns_to_cycles


@pytest.mark.parametrize(
    ("time_ns", "clock_ns", "cycles"),
    [(14.0, 1.0, 14), (14.1, 1.0, 15), (0.0, 0.63, 0), (13.86, 0.63, 22), (0.3, 0.1, 3), (350.0, 0.625, 560)],
)
def test_time_in_cycles(time_ns: float, clock_ns: float, cycles: int) -> None:
    assert ns_to_cycles(time_ns, clock_ns) == cycles


@given(cycles=st.integers(0, 10**6), clock_ps=st.integers(100, 10_000))
def test_exact_multiples_stay_exact(cycles: int, clock_ps: int) -> None:
    """0.1 + 0.2 is more than 0.3; no cycle may come of it."""
    assert ns_to_cycles(cycles * clock_ps / 1000, clock_ps / 1000) == cycles


@given(amount=st.integers(0, 2**62), part=st.integers(1, 2**32))
def test_parts_cover_and_none_is_too_many(amount: int, part: int) -> None:
    parts = ceil_div(amount, part)
    assert parts * part >= amount
    assert (parts - 1) * part < amount


def test_bursts() -> None:
    assert [bytes_to_bursts(n, 64) for n in (1, 64, 65, 128)] == [1, 1, 2, 2]
