"""Latency against load: closed forms without load, the knee at the peak, and no end beyond it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numba
import numpy as np
import pytest

from tests.conftest import ROOT
from tests.unit.scripts.load import script

pytestmark = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="too slow without compilation")

curves: Any = script("latency_curves")
DOCUMENT = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
BELOW, BEYOND = 0.9, 1.1
COUNT = 2_000


@pytest.mark.parametrize("name", curves.DEVICES)
@pytest.mark.parametrize("pattern", ["open rows", "new rows"])
def test_without_load_every_latency_is_the_closed_form(name: str, pattern: str) -> None:
    device = curves.device_of(name)
    timing, org = device.timing, device.organization
    to_read = timing.tRCDRD if device.is_hbm or device.is_gddr else timing.tRCD - timing.AL
    open_row = 1 + timing.AL + timing.CL + timing.burst_cycles
    first = open_row + to_read
    visits = org.bankgroups if pattern == "open rows" else org.banks_per_rank
    again = open_row if pattern == "open rows" else first + timing.tRP
    found = curves.alone(name, pattern, 100)
    assert found.tolist() == [first if number < visits else again for number in range(100)]
    forms = curves.unloaded(device)
    assert (forms.open_row, forms.closed_bank, forms.other_row) == (open_row, first, first + timing.tRP)


@pytest.mark.parametrize("name", curves.DEVICES)
@pytest.mark.parametrize("pattern", ["open rows", "new rows"])
def test_the_knee_is_at_the_peak_that_the_timing_says(name: str, pattern: str) -> None:
    every = curves.cycles_a_request(curves.device_of(name), pattern)
    assert curves.peak(name, pattern, COUNT) == pytest.approx(every, rel=0.005)
    idle = curves.mean_latency(name, pattern, 10 * every, COUNT)
    assert curves.mean_latency(name, pattern, every / 0.95, COUNT) == pytest.approx(idle, abs=1)
    assert curves.mean_latency(name, pattern, every / 1.05, COUNT) > 2 * idle


@pytest.mark.parametrize("name", curves.DEVICES)
def test_random_reads_wait_longer_the_more_there_are(name: str) -> None:
    """Moderate below the peak, whatever the length of the trace; beyond it as long as the trace."""
    means = curves.curve(name, "random rows", (0.1, 0.3, 0.5, 0.7, BELOW, 1.0, BEYOND))
    assert all(less < more for less, more in pairwise(means))
    every = curves.peak(name, "random rows")
    device = curves.device_of(name)
    assert means[0] == pytest.approx(curves.unloaded(device).other_row, rel=0.02)
    below, beyond = (
        [curves.mean_latency(name, "random rows", every / load, count) for count in (COUNT, 2 * COUNT)]
        for load in (BELOW, BEYOND)
    )
    assert max(below) < 2.5 * curves.unloaded(device).other_row
    assert below[1] == pytest.approx(below[0], rel=0.1)
    assert beyond[1] > 1.5 * beyond[0]


@pytest.mark.parametrize("name", curves.DEVICES)
def test_the_table_is_what_comes_out(name: str) -> None:
    assert curves.table_line(name) in DOCUMENT


def test_a_request_that_waits_for_room_counts_from_the_cycle_it_is_meant_for() -> None:
    """In one open row at full speed request k ends k column distances after the first."""
    name = "hbm3-16gb-6400"
    device = curves.device_of(name)
    address = np.zeros(500, np.int64)
    found = curves.latencies(name, address, np.zeros(500, np.int64))
    assert np.diff(found).tolist() == [device.timing.tCCD_L] * 499
